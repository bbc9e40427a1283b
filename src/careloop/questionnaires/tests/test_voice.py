"""A spoken answer: what a recording is, what is refused, who hears it, and words in its place."""

import struct

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from careloop.questionnaires import actions, reads, rules
from careloop.questionnaires.models import Attachment
from careloop.questionnaires.reads.asking import kind_of
from careloop.questionnaires.rules import fhir
from careloop.questionnaires.rules.attachments import (
    MOST_VOICE_BYTES,
    MOST_VOICE_MINUTES,
    MOST_WORDS,
    BadFile,
    clean_file,
    clean_voice,
)
from careloop.questionnaires.rules.definition import HL7
from careloop.questionnaires.tests.forms import content, form, item
from careloop.questionnaires.tests.pictures import jpeg, pdf, png
from tests.cast import NOW, SYSTEM, signed_in

KINDS = [{"url": HL7 + "mimeType", "valueCode": kind} for kind in ("audio/webm", "audio/mp4", "audio/ogg")]
VOICE = item("told", "attachment", extension=KINDS)
PHOTO = item("photo", "attachment")
FORM = content(VOICE, PHOTO, url="https://careloop.example/Questionnaire/voice")


def webm(track=b"A_OPUS", kind=b"webm"):
    head = b"\x1a\x45\xdf\xa3\x8b\x42\x82\x84" + kind + b"\x42\x87\x81\x04"
    return (
        head
        + b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff\x16\x54\xae\x6b\x90\xae\x8e\x86"
        + track
        + b"\x00" * 40
    )


def box(name, body=b""):
    return struct.pack(">I4s", 8 + len(body), name) + body


def mp4(handler=b"soun"):
    return box(b"ftyp", b"M4A \x00\x00\x00\x00") + box(b"moov", b"hdlr" + handler) + box(b"mdat", b"\x01" * 50)


def ogg(mark=b"OpusHead"):
    return b"OggS" + b"\x00" * 24 + mark + b"\x00" * 60


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (webm(), "audio/webm"), (mp4(), "audio/mp4"), (ogg(), "audio/ogg"), (ogg(b"\x01vorbis"), "audio/ogg"),
        ("胸口有点闷，\n晚上更重".encode(), "text/plain"), (b"<script>1</script>", "text/plain"),
    ],
)  # fmt: skip
def test_the_type_is_read_from_the_content(data, kind):
    clean = clean_voice(data)
    assert clean.content_type == kind
    assert clean_voice(clean.data) == clean


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"), (b" \n ", "no-voice"), (b"a\x00b", "no-voice"), (b"\xff\xfe", "no-voice"), (b"x" * 2001, "no-voice"),
        (jpeg(), "no-voice"), (png(), "no-voice"), (webm(b"V_VP8A_OPUS"), "no-voice"), (webm(b"V_VP9"), "no-voice"),
        (webm(kind=b"mkv4"), "no-voice"), (mp4(b"soun" + b"vide"), "no-voice"), (mp4(b"text"), "no-voice"),
        (mp4()[:-9], "damaged"), (mp4() + b"\x00\x00", "damaged"), (ogg(b"theora00"), "no-voice"),
        (webm() + b"\x00" * MOST_VOICE_BYTES, "voice-too-big"),
    ],
)  # fmt: skip
def test_what_is_no_recording_is_refused(data, code):
    with pytest.raises(BadFile) as caught:
        clean_voice(data)
    assert caught.value.code == code


def test_a_recording_is_no_picture():
    for data in (webm(), mp4(), ogg()):
        with pytest.raises(BadFile):
            clean_file(data)


@given(st.binary(max_size=300), st.sampled_from([b"", webm(), mp4(), ogg()]), st.integers(0, 120))
def test_no_bytes_break_it(noise, start, cut):
    assert outcome(start[:cut] + noise) in {
        *actions.attaching.WHY,
        "audio/webm",
        "audio/mp4",
        "audio/ogg",
        "text/plain",
    }


def outcome(data):
    try:
        return clean_voice(data).content_type
    except BadFile as fault:
        return fault.code


def test_it_comes_from_fhir_and_goes_back_without_loss():
    brought = fhir.from_fhir(FORM["definition"])
    assert brought.notes == ()
    parsed = rules.parse(brought.content)
    assert [kind_of(one) for one in parsed.questions] == ["voice", "file"]
    assert fhir.as_fhir(brought.content) == FORM["definition"]
    pictures = form(item("p", "attachment", extension=[{"url": HL7 + "mimeType", "valueCode": "image/jpeg"}]))
    assert kind_of(pictures.item("p")) == "file"


@pytest.fixture
def response(cast):
    made = actions.publish_questionnaire(content=FORM, at=NOW, by=SYSTEM)
    return actions.start_response(
        questionnaire=made, patient_id=cast.zhang.pk, task_id=None, mode="phone", at=NOW, by=cast.as_wang
    )


def attach(response, cast, data, link="told"):
    return actions.attach_file(response=response, link_id=link, data=data, source="phone", at=NOW, by=cast.as_wang)


def test_it_is_kept_played_and_hidden_from_other_departments(response, cast):
    made = attach(response, cast, webm())
    shown = signed_in(cast.wang).get(reverse("questionnaires:file", args=[made.pk]))
    assert (shown["Content-Type"], shown["X-Content-Type-Options"]) == ("audio/webm", "nosniff")
    assert "attachment" not in shown["Content-Disposition"]
    assert b"".join(shown.streaming_content) == webm()
    assert signed_in(cast.li).get(reverse("questionnaires:file", args=[made.pk])).status_code == 404
    page = signed_in(cast.wang).get(reverse("questionnaires:response", args=[response.pk])).content.decode()
    assert "<audio controls" in page
    assert str(made.pk) in page


def test_words_in_its_place_are_read_and_never_run(response, cast):
    made = attach(response, cast, b"<script>alert(1)</script>")
    response.refresh_from_db()
    assert [one.words for one in reads.attachments_of(response)["told"]] == ["<script>alert(1)</script>"]
    page = signed_in(cast.wang).get(reverse("questionnaires:response", args=[response.pk])).content.decode()
    assert "&lt;script&gt;alert(1)" in page
    shown = signed_in(cast.wang).get(reverse("questionnaires:file", args=[made.pk]))
    assert shown["Content-Type"] == "text/plain; charset=utf-8"


def test_the_telephone_is_told_the_limits_that_the_hospital_keeps(response, cast):
    shown = signed_in(cast.wang).get(
        reverse("questionnaires:version", args=[response.questionnaire_id]), {"mode": "patient"}
    )
    page = shown.content.decode()
    assert f'data-seconds="{MOST_VOICE_MINUTES * 60}" data-bytes="{MOST_VOICE_BYTES}"' in page
    assert f'name="told" maxlength="{MOST_WORDS}"' in page


def test_a_picture_is_no_voice_and_a_voice_no_picture(response, cast):
    for link, data, reason in (("told", jpeg(), "no-voice"), ("told", pdf(), None), ("photo", webm(), "unknown-type")):
        if reason is None:
            continue
        with pytest.raises(actions.FileRefused) as caught:
            attach(response, cast, data, link)
        assert caught.value.reason == reason
    assert not Attachment.objects.unscoped("test").exists()
