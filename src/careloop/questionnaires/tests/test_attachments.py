"""Files as answers: what is taken, what is cut off, who sees them, when they are gone."""

import struct
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from careloop.audit.models import AuditEvent
from careloop.questionnaires import actions, reads
from careloop.questionnaires.models import AnswerFact, Attachment
from careloop.questionnaires.rules.attachments import MOST_BYTES, BadFile, clean_file
from careloop.questionnaires.tests.forms import choice, content, item
from careloop.questionnaires.tests.pictures import exif, jpeg, pdf, png, segment, webp
from careloop.tasks.tests.factories import make_task
from tests.cast import NOW, SYSTEM

FORM = content(
    choice("pain", "no", "yes"), item("photo", "attachment", required=True), item("papers", "attachment", repeats=True)
)


# ---- what a file really is ----


@pytest.mark.parametrize(
    ("data", "kind"),
    [(png(), "image/png"), (jpeg(), "image/jpeg"), (webp(), "image/webp"), (pdf(), "application/pdf")],
)
def test_the_type_is_read_from_the_content(data, kind):
    clean = clean_file(data)
    assert clean.content_type == kind
    assert clean_file(clean.data) == clean  # cleaning again changes nothing


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "unknown-type"),
        (b"<!doctype html><script>1</script>", "unknown-type"),
        (b"MZ\x90\x00", "unknown-type"),
        (b"GIF89a" + b"\x00" * 40, "unknown-type"),
        (b"RIFF\x10\x00\x00\x00WAVEfmt ", "unknown-type"),
        (png()[:-6], "damaged"),
        (png()[:20], "damaged"),
        (jpeg()[:-2], "damaged"),
        (b"\xff\xd8\xff\xd9", "damaged"),
        (b"\xff\xd8\xff\xe0\x00", "damaged"),
        (b"RIFF\x04\x00\x00\x00WEBP", "damaged"),
        (b"%PDF-1.4 without an end", "damaged"),
        (png(width=20_000, height=20_000), "too-many-pixels"),
        (jpeg(width=65_000, height=65_000), "too-many-pixels"),
        (png() + b"\x00" * MOST_BYTES, "too-big"),
        (pdf(b"/OpenAction<</S/JavaScript/JS(app.alert(1))>>"), "active-content"),
        (pdf(b"/Open#41ction 3 0 R"), "active-content"),
        (pdf(b"/Names<</EmbeddedFile 2 0 R>>"), "active-content"),
    ],
)
def test_what_is_not_taken_says_why(data, code):
    with pytest.raises(BadFile) as caught:
        clean_file(data)
    assert caught.value.code == code


def test_a_picture_loses_its_place_and_keeps_its_way_up():
    clean = clean_file(jpeg(before=exif(6) + segment(0xFE, b"taken at home"), behind=b"PK\x03\x04 hidden archive")).data
    for secret in (b"39.9042N", b"taken at home", b"hidden archive", b"PK\x03\x04"):
        assert secret not in clean
    assert struct.pack(">HHIH", 0x0112, 3, 1, 6) in clean
    assert clean.endswith(b"\xff\xd9")
    assert b"Exif" not in clean_file(jpeg(before=exif(1))).data


def test_png_text_and_webp_exif_are_cut_off():
    assert b"Author" not in clean_file(png(text=b"Author\x00Zhang")).data
    clean = clean_file(webp(exif_block=b"39.9042N")).data
    assert b"39.9042N" not in clean
    assert clean[20] & 0x08 == 0  # and no flag promises it
    assert struct.unpack("<I", clean[4:8])[0] == len(clean) - 8


@given(st.sampled_from([png(), jpeg(before=exif()), webp(exif_block=b"abc"), pdf()]), st.data())
def test_a_broken_file_is_refused_or_clean_and_never_crashes(data, draw):
    place = draw.draw(st.integers(0, len(data) - 1))
    broken = draw.draw(st.one_of(
        st.just(data[:place]), st.binary(min_size=1, max_size=6).map(lambda more: data[:place] + more + data[place + 1 :]),
    ))  # fmt: skip
    try:
        clean = clean_file(broken)
    except BadFile:
        return
    assert clean_file(clean.data).content_type == clean.content_type


# ---- answers ----


@pytest.fixture
def response(cast):
    questionnaire = actions.publish_questionnaire(content=FORM, at=NOW, by=SYSTEM)
    return actions.start_response(
        questionnaire=questionnaire, patient_id=cast.zhang.pk, task_id=None, mode="phone", at=NOW, by=cast.as_wang
    )


def attach(cast, response, link_id="photo", data=None, by=None):
    return actions.attach_file(
        response=response, link_id=link_id, data=data or png(), source="phone", at=NOW, by=by or cast.as_wang
    )


def stored(response):
    response.refresh_from_db()
    return response.values


@pytest.mark.django_db
def test_a_picture_becomes_the_answer_and_a_new_one_takes_its_place(cast, response):
    first = attach(cast, response)
    second = attach(cast, response, data=jpeg())
    assert stored(response) == {"photo": str(second.pk)}
    first.refresh_from_db()
    assert (bytes(first.data), first.size, first.removed_at) == (b"", 0, NOW)
    assert AuditEvent.objects.filter(name="questionnaires.AttachmentAdded").count() == 2
    assert AuditEvent.objects.filter(name="questionnaires.AttachmentRemoved").count() == 1


@pytest.mark.django_db
def test_several_where_the_question_repeats_and_never_more_than_six(cast, response):
    made = [attach(cast, response, "papers", pdf()) for _n in range(6)]
    assert stored(response)["papers"] == [str(one.pk) for one in made]
    with pytest.raises(actions.TooManyFiles):
        attach(cast, response, "papers", pdf())
    actions.remove_file(response=response, attachment_id=made[2].pk, at=NOW, by=cast.as_wang)
    assert len(stored(response)["papers"]) == 5
    actions.remove_file(response=response, attachment_id=made[2].pk, at=NOW, by=cast.as_wang)  # again: nothing
    actions.remove_file(response=response, attachment_id=uuid4(), at=NOW, by=cast.as_wang)
    actions.remove_file(response=response, attachment_id="no id at all", at=NOW, by=cast.as_wang)
    assert len(stored(response)["papers"]) == 5


@pytest.mark.django_db
def test_refusals_keep_nothing(cast, response):
    with pytest.raises(actions.FileRefused) as caught:
        attach(cast, response, data=b"<svg/>")
    assert (caught.value.reason, caught.value.status) == ("unknown-type", 422)
    with pytest.raises(actions.UnknownQuestion):
        attach(cast, response, "pain")
    with pytest.raises(actions.UnknownQuestion):  # an id typed by hand is not a file
        actions.save_answer(
            response=response, link_id="photo", value=str(uuid4()), source="phone", at=NOW, by=cast.as_wang
        )
    assert not Attachment.objects.unscoped("test").exists()
    assert stored(response) == {}


@pytest.mark.django_db
def test_no_picture_with_a_reason_completes_and_takes_the_picture_away(cast, response):
    made = attach(cast, response)
    actions.save_answer(response=response, link_id="photo", value="not-measured:asked-declined", source="phone", at=NOW, by=cast.as_wang)  # fmt: skip
    made.refresh_from_db()
    assert made.size == 0
    actions.complete_response(response=response, at=NOW, by=cast.as_wang)
    fact = AnswerFact.objects.unscoped("test").get(link_id="photo")
    assert (fact.code, fact.absent_reason) == ("not-measured", "asked-declined")
    with pytest.raises(actions.ResponseClosed):
        attach(cast, response)


@pytest.mark.django_db
def test_a_required_picture_is_asked_for(cast, response):
    with pytest.raises(actions.ResponseIncomplete) as caught:
        actions.complete_response(response=response, at=NOW, by=cast.as_wang)
    assert [fault.link_id for fault in caught.value.faults] == ["photo"]


# ---- looking at it ----


@pytest.mark.django_db
def test_only_who_cares_sees_the_file_and_every_look_is_recorded(cast, response):
    made = attach(cast, response, data=jpeg(before=exif()))
    address = reverse("questionnaires:file", args=[made.pk])
    answer = cast.client(cast.wang).get(address)
    body = b"".join(answer.streaming_content)
    assert body == bytes(Attachment.objects.unscoped("test").get().data)
    assert answer["Content-Type"] == "image/jpeg"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert "no-store" in answer["Cache-Control"]
    assert cast.zhang.name not in answer["Content-Disposition"]
    assert AuditEvent.objects.filter(name="audit.RecordSeen", payload__what="questionnaires.attachment").count() == 1
    assert cast.client(cast.li).get(address).status_code == 404
    actions.remove_file(response=response, attachment_id=made.pk, at=NOW, by=cast.as_wang)
    assert cast.client(cast.wang).get(address).status_code == 404


@pytest.mark.django_db
def test_a_part_of_a_file_is_handed_out_as_a_part(cast, response):
    """The player of an iPhone asks for two bytes first, and plays nothing if it gets more."""
    made = attach(cast, response, data=jpeg())
    data, address = (
        bytes(Attachment.objects.unscoped("test").get().data),
        reverse("questionnaires:file", args=[made.pk]),
    )
    client = cast.client(cast.wang)

    def part(header):
        answer = client.get(address, headers={"Range": header})
        return answer.status_code, b"".join(answer.streaming_content), answer.get("Content-Range")

    assert part("bytes=0-1") == (206, data[:2], f"bytes 0-1/{len(data)}")
    assert part("bytes=5-") == (206, data[5:], f"bytes 5-{len(data) - 1}/{len(data)}")
    assert part("pages=1-2") == (200, data, None)
    behind = client.get(address, headers={"Range": f"bytes={len(data)}-"})
    assert (behind.status_code, behind["Content-Range"], behind.content) == (416, f"bytes */{len(data)}", b"")
    assert AuditEvent.objects.filter(name="audit.RecordSeen", payload__what="questionnaires.attachment").count() == 4
    assert cast.client(cast.li).get(address, headers={"Range": "bytes=0-1"}).status_code == 404


@pytest.mark.django_db
def test_a_pdf_is_saved_and_never_opened_in_the_page(cast, response):
    made = attach(cast, response, "papers", pdf())
    answer = cast.client(cast.wang).get(reverse("questionnaires:file", args=[made.pk]))
    assert answer["Content-Disposition"].startswith("attachment")


@pytest.mark.django_db
def test_read_only_and_print_show_the_files(cast, response):
    made = attach(cast, response)
    actions.complete_response(response=response, at=NOW, by=cast.as_wang)
    for name in ("response", "print"):
        shown = cast.client(cast.wang).get(reverse(f"questionnaires:{name}", args=[response.pk])).content.decode()
        assert f'data-file="{made.pk}"' in shown
        assert str(made.pk) in shown


@pytest.mark.django_db
def test_a_files_question_costs_no_query_more_per_file(cast, response, django_assert_max_num_queries):
    for _n in range(5):
        attach(cast, response, "papers", pdf())
    response.refresh_from_db()
    with django_assert_max_num_queries(4):
        view = reads.form_view(response.questionnaire, response=response, at=NOW, findings=())
        assert len(view.question("papers").files) == 5


# ---- the call screen ----


@pytest.fixture
def call(cast):
    actions.publish_questionnaire(content=FORM, at=NOW, by=SYSTEM)
    now = timezone.now()
    return make_task(cast, questionnaire_url=FORM["url"], available_at=now - timedelta(days=1), due_at=now)


def part(client, task, **fields):
    return client.post(reverse("workbench:form_part", args=[task.pk]), fields)


@pytest.mark.django_db
def test_a_picture_is_added_and_taken_away_during_a_call(cast, call):
    client = cast.client(cast.wang)
    sent = part(client, call, op="add-file", link_id="photo", file=SimpleUploadedFile("DSC_Zhang.png", png()))
    made = Attachment.objects.unscoped("test").get()
    assert f'data-file="{made.pk}"' in sent.content.decode()
    assert "DSC_Zhang" not in sent.content.decode()
    gone = part(client, call, op="remove-file", link_id="photo", file=str(made.pk))
    assert "data-file=" not in gone.content.decode()
    assert (
        part(client, call, op="add-file", link_id="photo", file=SimpleUploadedFile("x.png", b"no")).status_code == 422
    )
    assert part(client, call, op="nonsense", link_id="photo").status_code == 409
    assert part(cast.client(cast.li), call, op="add-file", link_id="photo").status_code == 404
