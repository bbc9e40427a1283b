"""On a telephone: a picture of the wound, and another medicine."""

from __future__ import annotations

import gzip

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from careloop.audit.models import AuditEvent
from careloop.portal.tests.conftest import visitor
from careloop.portal.tests.forms import make_task as portal_task
from careloop.questionnaires.actions import publish_questionnaire
from careloop.questionnaires.models import Attachment, QuestionnaireResponse
from careloop.questionnaires.rules.definition import OURS
from careloop.questionnaires.tests.forms import choice, content, item
from careloop.questionnaires.tests.pictures import exif, jpeg, png
from tests.cast import NOW, SYSTEM

pytestmark = pytest.mark.django_db
FORM = content(
    item("wound/photo", "attachment", required=True),
    {"linkId": "med", "type": "group", "text": "用药", "repeats": True, "item": [choice("drug", "a", "b", required=True), item("note")]},
    item("may", "attachment", extension=[{"url": OURS + "may-be-not-measured", "valueBoolean": True}]),
    url="https://careloop.example/Questionnaire/photo",
)  # fmt: skip


@pytest.fixture
def asked(portal, cast):
    publish_questionnaire(content=FORM, at=NOW, by=SYSTEM)
    task = portal_task(cast, questionnaire_url=FORM["url"])
    came = visitor(cast.zhang, purpose="questionnaire", task_id=task.pk)
    came.enter()
    came.task = task
    return came


def send(asked, key, **values):
    return asked.client.post(f"/t/{asked.task.pk}/q/{key}/", values)


def picture(data=None, name="IMG_Zhang.jpg"):
    return SimpleUploadedFile(name, data or jpeg(before=exif()), content_type="text/html")


def values(asked):
    return QuestionnaireResponse.objects.visible_to(SYSTEM).get(task_id=asked.task.pk).values


def show(asked, key):
    return asked.client.get(f"/t/{asked.task.pk}/q/{key}/").content.decode()


def test_a_picture_is_sent_shown_and_taken_away(asked):
    page = show(asked, "wound/photo")
    assert 'enctype="multipart/form-data"' in page
    assert 'type="file"' in page
    answer = send(asked, "wound/photo", **{"wound/photo": picture()})
    assert answer.url.endswith("/q/drug/")
    made = Attachment.objects.unscoped("test").get()
    assert (made.source, made.content_type) == ("portal", "image/jpeg")
    assert b"39.9042N" not in bytes(made.data)
    address = f"/t/{asked.task.pk}/files/{made.pk}/"
    shown = show(asked, "wound/photo")
    assert address in shown
    assert "IMG_Zhang" not in shown
    assert asked.client.get(address)["Content-Type"] == "image/jpeg"
    assert AuditEvent.objects.filter(name="audit.RecordSeen", payload__what="questionnaires.attachment").exists()
    back = send(asked, "wound/photo", **{"remove-file": str(made.pk)})
    assert back.url.endswith("/q/wound/photo/")
    assert values(asked) == {}
    assert asked.client.get(address).status_code == 404


@pytest.mark.parametrize(
    ("sent", "code"),
    [({}, "required"), ({"wound/photo": "b"}, "required"), ("svg", "unknown-type"), ("cut", "damaged")],
)
def test_what_is_no_picture_is_asked_again(asked, sent, code):
    bad = {"svg": b"<svg onload='x'/>", "cut": png()[:30]}
    fields = {"wound/photo": picture(bad[sent])} if isinstance(sent, str) else sent
    answer = send(asked, "wound/photo", **fields)
    assert answer.status_code == 422
    assert f'data-code="{code}"' in answer.content.decode()
    assert not Attachment.objects.unscoped("test").exists()


def test_a_picture_that_may_be_left_out(asked):
    send(asked, "wound/photo", **{"wound/photo": picture()})
    send(asked, "drug", drug="a")
    assert send(asked, "may", **{"not-measured": "1"}).url.endswith("/answers/")
    assert values(asked)["may"] == "not-measured"


def test_one_more_medicine_and_one_less(asked):
    send(asked, "wound/photo", **{"wound/photo": picture()})
    send(asked, "drug", drug="a")
    assert 'name="add-instance"' not in show(asked, "drug")
    assert 'name="add-instance"' in show(asked, "note")
    answer = send(asked, "note", note="x", **{"add-instance": "1"})
    assert answer.url.endswith("/q/drug~2/")
    assert "data-instance" in show(asked, "drug~2")
    send(asked, "drug~2", drug="")
    send(asked, "drug~2", **{"drug~2": "b"})
    assert values(asked)["drug~2"] == "b"
    assert 'name="remove-instance"' in show(asked, "drug~2")
    assert 'name="remove-instance"' not in show(asked, "drug")
    send(asked, "drug~2", **{"remove-instance": "1"})
    assert "drug~2" not in values(asked)
    assert values(asked)["drug"] == "a"


def test_a_file_of_another_patient_or_another_task_is_not_there(asked, cast):
    publish_questionnaire(content=FORM, at=NOW, by=SYSTEM)
    send(asked, "wound/photo", **{"wound/photo": picture()})
    made = Attachment.objects.unscoped("test").get()
    other = portal_task(cast, patient=cast.ma, key="of-ma", department=cast.orthopaedics, questionnaire_url=FORM["url"])
    ma = visitor(cast.ma, purpose="questionnaire", task_id=other.pk)
    ma.enter("0999")
    assert ma.client.get(f"/t/{other.pk}/files/{made.pk}/").status_code == 404
    assert ma.client.get(f"/t/{asked.task.pk}/files/{made.pk}/").status_code == 404
    bad = ma.client.post(f"/t/{other.pk}/q/wound/photo/", {"remove-file": "not-an-id"})
    assert bad.status_code in {303, 404}
    made.refresh_from_db()
    assert made.size > 0


def test_the_page_stays_within_its_budget(asked):
    """HTML alone; styles and script are measured in tests/journeys/test_patient_pages.py against the same 25 KB."""
    for key in ("wound/photo", "drug", "note"):
        assert len(gzip.compress(asked.client.get(f"/t/{asked.task.pk}/q/{key}/").content)) < 6_000
        send(asked, key, **({"wound/photo": picture()} if key == "wound/photo" else {key: "a"}))
