"""The patient's record: particulars corrected, a relative changed, a death taken back, access lent, a record closed, a document read."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from careloop.accounts.actions import set_language
from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.patients.models import AccessGrant, DocumentReference, Patient
from careloop.workbench.tests.discharging import daughter
from tests.cast import LONG_AGO, Cast

pytestmark = pytest.mark.django_db


def address(name: str, *args: object) -> str:
    return reverse(f"workbench:{name}", args=args)


def make_document(patient: Patient, **more: object) -> DocumentReference:
    with seeding():
        return DocumentReference.objects.create(
            patient=patient, key=f"doc:{uuid4()}", title="Discharge summary", authored_at=timezone.now(), **more
        )


def family_page(cast: Cast, person) -> str:
    return cast.client(person).get(address("patient-tab", cast.zhang.pk, "family")).content.decode()


# ---- particulars ----


def dossier(cast: Cast, person) -> str:
    return cast.client(person).get(address("patient-tab", cast.zhang.pk, "dossier")).content.decode()


def write(cast: Cast, person, **given):
    return cast.client(person).post(address("particulars", cast.zhang.pk), given)


def test_an_address_is_corrected_where_it_stands(cast):
    with seeding():
        Patient.objects.unscoped("test").filter(pk=cast.zhang.pk).update(address="西山路 1 号", employer="一中")
    answer = write(cast, cast.wang, address="人民路 128 号")
    cast.zhang.refresh_from_db()
    assert (answer.status_code, cast.zhang.address, cast.zhang.employer) == (200, "人民路 128 号", "一中")
    shown = answer.content.decode()
    assert "人民路 128 号" in shown
    assert "西山路 1 号" in shown
    assert shown.count("data-corrected") == 1
    set_language(practitioner=cast.zhao, language="en", by=cast.viewer(cast.zhao))
    assert "corrected here; the hospital system says: 西山路 1 号" in dossier(cast, cast.zhao)
    row = AuditEvent.objects.get(name="patients.PatientUpdated")
    assert row.actor == f"staff:{cast.wang.pk}"


@pytest.mark.parametrize("given", [{"address": "路" * 301}, {"employer": "a\0b"}])
def test_what_cannot_be_stored_comes_back_with_words(cast, given):
    answer = write(cast, cast.wang, **given)
    shown = answer.content.decode()
    assert answer.status_code == 422
    assert 'data-code="particulars"' in shown
    assert not AuditEvent.objects.filter(name="patients.PatientUpdated").exists()


def test_particulars_are_changed_by_the_care_team_only(cast):
    assert write(cast, cast.li, address="x").status_code == 404
    assert write(cast, cast.qian, address="x").status_code == 403
    page = address("particulars", cast.zhang.pk)
    assert f'hx-post="{page}"' in dossier(cast, cast.wang)
    assert f'hx-post="{page}"' not in dossier(cast, cast.qian)


# ---- a relative ----


def change(cast, relative, client=None, **given):
    client = client or cast.client(cast.wang)
    return client.post(address("relative-edit", relative.patient_id, relative.pk), {"name": "Zhou Min", **given})


def test_a_relative_is_changed_in_place(cast):
    person = daughter(cast.zhang)
    answer = change(cast, person, name="Zhou Ming", relation="son", may_answer="on")
    person.refresh_from_db()
    assert (answer.status_code, person.name, person.relation, person.may_answer, person.may_receive) == (
        200, "Zhou Ming", "son", True, False,
    )  # fmt: skip
    assert AuditEvent.objects.filter(name="patients.RelatedPersonChanged").count() == 1


def test_the_word_of_the_sender_is_kept_when_none_is_chosen(cast):
    person = daughter(cast.zhang)
    with seeding():
        type(person).objects.unscoped("test").filter(pk=person.pk).update(relation="外甥女")
    change(cast, person, relation="")
    person.refresh_from_db()
    assert person.relation == "外甥女"


def test_a_relative_taken_off_is_not_shown_any_more(cast):
    person = daughter(cast.zhang)
    assert f'data-relative="{person.pk}"' in family_page(cast, cast.wang)
    change(cast, person, retire="1")
    assert f'data-relative="{person.pk}"' not in family_page(cast, cast.wang)


def test_a_relative_without_a_name_is_refused(cast):
    person = daughter(cast.zhang)
    assert change(cast, person, name=" ").status_code == 422
    person.refresh_from_db()
    assert person.name == "Zhou Min"


def test_somebody_elses_relative_is_not_there(cast):
    person = daughter(cast.ma)
    assert change(cast, person).status_code == 404
    mixed = cast.client(cast.wang).post(address("relative-edit", cast.zhang.pk, person.pk), {"name": "X"})
    assert mixed.status_code == 404


# ---- a death that was a mistake ----


def die(patient: Patient) -> None:
    with seeding():
        Patient.objects.unscoped("test").filter(pk=patient.pk).update(deceased=True, deceased_at=timezone.now())


def test_a_death_is_taken_back_with_a_fact(cast):
    die(cast.zhang)
    client = cast.client(cast.wang)
    page = client.get(address("patient", cast.zhang.pk)).content.decode()
    assert "data-withdraw-death" in page
    assert client.post(address("withdraw-death", cast.zhang.pk)).status_code == 302
    cast.zhang.refresh_from_db()
    assert (cast.zhang.deceased, cast.zhang.deceased_at) == (False, None)
    assert AuditEvent.objects.filter(name="patients.DeathWithdrawn").count() == 1
    assert "data-withdraw-death" not in client.get(address("patient", cast.zhang.pk)).content.decode()


def test_twice_is_harmless_and_strangers_take_nothing_back(cast):
    die(cast.zhang)
    assert cast.client(cast.li).post(address("withdraw-death", cast.zhang.pk)).status_code == 404
    cast.zhang.refresh_from_db()
    assert cast.zhang.deceased
    for _n in "12":
        cast.client(cast.wang).post(address("withdraw-death", cast.zhang.pk))
    assert AuditEvent.objects.filter(name="patients.DeathWithdrawn").count() == 1


def test_a_supervisor_cannot_take_a_death_back(cast):
    die(cast.zhang)
    assert cast.client(cast.qian).post(address("withdraw-death", cast.zhang.pk)).status_code == 403


# ---- access lent ----


def lend(cast, **given):
    fields = {"person": cast.li.pk, "reason": "covers for Wang", "hours": "24", **given}
    return cast.client(cast.qian).post(address("lend-access", cast.zhang.pk), fields)


def test_a_supervisor_lends_the_view_for_a_day(cast):
    assert cast.client(cast.li).get(address("patient", cast.zhang.pk)).status_code == 404
    assert b'data-grant="temporary"' in lend(cast).content
    grant = AccessGrant.objects.unscoped("test").get()
    assert (grant.practitioner_id, grant.granted_by_id) == (cast.li.pk, cast.qian.pk)
    assert grant.valid_to - grant.valid_from == timedelta(hours=24)
    assert cast.client(cast.li).get(address("patient", cast.zhang.pk)).status_code == 200


@pytest.mark.parametrize(
    "wrong", [{"reason": ""}, {"reason": "x"}, {"hours": "9999"}, {"hours": ""}, {"person": ""}, {"person": "nobody"}]
)
def test_what_cannot_be_lent(cast, wrong):
    answer = lend(cast, **wrong)
    assert answer.status_code == 422
    assert b'data-code="input"' in answer.content
    assert not AccessGrant.objects.unscoped("test").exists()


def test_a_nurse_lends_nothing(cast):
    assert cast.client(cast.wang).post(address("lend-access", cast.zhang.pk)).status_code == 403
    assert "lend-access" not in family_page(cast, cast.wang)


def test_who_left_the_hospital_gets_no_access(cast):
    with seeding():
        type(cast.li).objects.filter(pk=cast.li.pk).update(is_active=False)
    assert lend(cast).status_code == 422


# ---- sensitive ----


@pytest.fixture
def trusted(cast):
    """Nurse Wang with the role for sensitive records."""
    from careloop.accounts.models import Role, RoleAssignment

    with seeding():
        RoleAssignment.objects.create(
            practitioner=cast.wang, role=Role.objects.get(code="sensitive-records"), organization=cast.cardiology,
            valid_from=LONG_AGO,
        )  # fmt: skip
    return cast.client(cast.wang)


def test_a_sensitive_record_is_there_for_the_trusted_only(cast, trusted):
    answer = trusted.post(address("sensitivity", cast.zhang.pk), {"sensitivity": "restricted"})
    assert b'data-sensitivity="restricted"' in answer.content
    assert cast.client(cast.zhao).get(address("patient", cast.zhang.pk)).status_code == 404
    assert trusted.get(address("patient", cast.zhang.pk)).status_code == 200
    trusted.post(address("sensitivity", cast.zhang.pk), {"sensitivity": "normal"})
    assert cast.client(cast.zhao).get(address("patient", cast.zhang.pk)).status_code == 200
    assert AuditEvent.objects.filter(name="patients.SensitivityChanged").count() == 2


def test_an_unknown_label_is_refused(cast, trusted):
    assert trusted.post(address("sensitivity", cast.zhang.pk), {"sensitivity": "very"}).status_code == 422


def test_without_the_role_nobody_labels(cast):
    answer = cast.client(cast.wang).post(address("sensitivity", cast.zhang.pk), {"sensitivity": "restricted"})
    assert answer.status_code == 403


# ---- documents ----


def test_a_document_is_read_and_the_reading_is_recorded(cast):
    shown = make_document(cast.zhang, text="Line one\n<b>two</b>")
    html = cast.client(cast.wang).get(address("document", cast.zhang.pk, shown.pk)).content.decode()
    assert "Line one" in html
    assert "&lt;b&gt;two" in html
    assert AuditEvent.objects.filter(name="audit.RecordSeen", payload__what="document").count() == 1


def test_documents_of_a_visit_are_links(cast):
    shown = make_document(cast.zhang, encounter=cast.stay, text="x")
    html = cast.client(cast.wang).get(address("patient-tab", cast.zhang.pk, "visits")).content.decode()
    assert f'data-document="{shown.pk}"' in html
    assert address("document", cast.zhang.pk, shown.pk) in html


@pytest.mark.parametrize(
    ("kind", "sent_as", "how"),
    [
        ("application/pdf", "application/pdf", "inline"),
        ("image/png", "image/png", "inline"),
        ("text/html", "application/octet-stream", "attachment"),
        ("image/svg+xml", "application/octet-stream", "attachment"),
    ],
)
def test_files_are_shown_only_when_nothing_in_them_can_run(cast, kind, sent_as, how):
    shown = make_document(cast.zhang, content_type=kind, content=b"<script>1</script>")
    client = cast.client(cast.wang)
    assert client.get(address("document", cast.zhang.pk, shown.pk)).status_code == 200
    answer = client.get(address("document-file", cast.zhang.pk, shown.pk))
    assert answer.headers["Content-Type"] == sent_as
    assert answer.headers["Content-Disposition"].startswith(how)
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert cast.zhang.name not in answer.headers["Content-Disposition"]
    assert AuditEvent.objects.filter(name="audit.RecordSeen", payload__what="document.file").count() == 1


def test_a_document_without_text_and_file_says_so(cast):
    shown = make_document(cast.zhang)
    client = cast.client(cast.wang)
    assert 'data-state="empty-first"' in client.get(address("document", cast.zhang.pk, shown.pk)).content.decode()
    assert client.get(address("document-file", cast.zhang.pk, shown.pk)).status_code == 404


@pytest.mark.parametrize("status", ["superseded", "entered-in-error"])
def test_a_replaced_document_is_not_there(cast, status):
    shown = make_document(cast.zhang, text="old", status=status)
    assert cast.client(cast.wang).get(address("document", cast.zhang.pk, shown.pk)).status_code == 404


def test_another_patients_document_is_not_there(cast):
    shown = make_document(cast.ma, text="x")
    client = cast.client(cast.wang)
    assert client.get(address("document", cast.zhang.pk, shown.pk)).status_code == 404
    assert client.get(address("document", cast.ma.pk, shown.pk)).status_code == 404
    assert client.get(address("document-file", cast.ma.pk, shown.pk)).status_code == 404
