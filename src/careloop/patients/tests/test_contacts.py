"""Contact points as evidence, consents, links, temporary rights."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as site

from careloop.audit.models import AuditEvent
from careloop.kernel.viewer import Viewer
from careloop.patients import actions
from careloop.patients.models import AccessGrant, AccessLink, Consent, ContactPoint, Patient, RelatedPerson
from careloop.patients.rules import link_token, token_digest
from careloop.patients.tests.test_upsert import AT, BY, person, upsert
from tests.cast import Cast

pytestmark = pytest.mark.django_db


def add(patient: Patient, number: str, by: Viewer = BY) -> ContactPoint:
    return actions.add_contact_point(patient=patient, number=number, source="staff", at=AT, by=by)


def report(point: ContactPoint, result: str, hours: int = 0) -> ContactPoint:
    actions.report_contact_result(contact_point=point, result=result, at=AT + timedelta(hours=hours), by=BY)
    point.refresh_from_db()
    return point


def facts() -> list[str]:
    rows = AuditEvent.objects.filter(name__startswith="patients.Contact").order_by("id")
    return [name.removeprefix("patients.") for name in rows.values_list("name", flat=True)]


def test_a_number_is_added_once_and_must_be_one() -> None:
    patient = upsert(person())
    point = add(patient, "138 1234 6721")
    assert (point.value, point.last4, point.is_mobile, point.raw) == ("+8613812346721", "6721", True, "138 1234 6721")
    with pytest.raises(actions.NumberKnown):
        add(patient, "13812346721")
    for wrong in ("12345", "11111111111", "无"):
        with pytest.raises(actions.NotANumber):
            add(patient, wrong)


def test_a_local_number_needs_the_area_code_of_the_site(settings: Any) -> None:
    patient = upsert(person())
    settings.ENV = replace(settings.ENV, area_code="")
    with pytest.raises(actions.NotANumber):
        add(patient, "88886666")
    settings.ENV = replace(settings.ENV, area_code="0571")
    assert add(patient, "88886666").value == "+8657188886666"


def test_no_subscriber_kills_a_number_and_being_reached_revives_it() -> None:
    point = add(upsert(person()), "13812346721")
    report(point, "empty-number")
    assert (point.is_valid, point.invalid_reason, point.failures) == (False, "empty-number", 1)
    report(point, "reached-informed-relative", 1)
    assert (point.is_valid, point.failures, point.knows_condition, point.best_hour) == (True, 0, True, 11)
    assert point.verified_how == "call"
    assert facts() == ["ContactPointChanged", "ContactPointFailed", "ContactPointReached"]


def test_silence_only_counts_and_old_news_is_ignored() -> None:
    point = add(upsert(person()), "13812346721")
    report(point, "no-answer")
    report(point, "busy", 1)
    assert (point.failures, point.is_valid, point.last_result) == (2, True, "busy")
    report(point, "empty-number", -5)
    assert point.is_valid


def test_results_that_say_nothing_about_the_number_change_nothing() -> None:
    point = add(upsert(person()), "13812346721")
    before = AuditEvent.objects.count()
    assert report(point, "not-heard-of").last_result == ""
    assert AuditEvent.objects.count() == before


def test_a_correction_keeps_the_wrong_number_as_history_with_the_same_owner() -> None:
    patient = upsert(person())
    daughter = actions.set_related_person(
        patient=patient, name="周敏", relation="daughter", may_answer=True, may_receive=True, by=BY
    )
    wrong = actions.add_contact_point(
        patient=patient, number="13812346721", source="admission-form", at=AT, by=BY, related_person=daughter
    )
    right = actions.correct_contact_point(contact_point=wrong, number="13812346722", at=AT, by=BY)
    wrong.refresh_from_db()
    assert (wrong.active, wrong.invalid_reason) == (False, "corrected")
    assert (right.active, right.related_person_id) == (True, daughter.pk)
    again = add(patient, "13812346721")  # it was right after all
    assert (again.pk, again.active, again.is_valid) == (wrong.pk, True, True)


def test_verifying_and_retiring(cast: Cast) -> None:
    point = add(cast.zhang, "13812346721", by=cast.as_wang)
    actions.verify_contact_point(contact_point=point, how="bedside", at=AT, by=cast.as_wang)
    point.refresh_from_db()
    assert (point.verified_at, point.verified_how, point.verified_by_id) == (AT, "bedside", cast.wang.pk)
    actions.retire_contact_point(contact_point=point, at=AT, by=cast.as_wang)
    point.refresh_from_db()
    assert not point.active
    with pytest.raises(ContactPoint.DoesNotExist):
        actions.verify_contact_point(contact_point=point, how="call", at=AT, by=cast.as_li)


def test_revealing_a_number_is_recorded(cast: Cast) -> None:
    point = add(cast.zhang, "13812346721", by=cast.as_wang)
    assert actions.reveal_contact_point(contact_point=point, by=cast.as_wang) == "+8613812346721"
    assert AuditEvent.objects.filter(name="patients.PhoneRevealed", patient_id=cast.zhang.pk).count() == 1


def test_a_relative_can_be_changed(cast: Cast) -> None:
    made = actions.set_related_person(
        patient=cast.zhang, name="周敏", relation="daughter", may_answer=True, may_receive=False, by=cast.as_wang
    )
    actions.set_related_person(
        patient=cast.zhang, name="周敏", relation="daughter", may_answer=False, may_receive=True, by=cast.as_wang,
        related_person_id=made.pk,
    )  # fmt: skip
    row = RelatedPerson.objects.unscoped("test").get()
    assert (row.may_answer, row.may_receive) == (False, True)


def test_consents_are_a_history_and_refusing_contact_stops_everything() -> None:
    patient = upsert(person())

    def decide(scope: str, decision: str) -> Consent:
        return actions.set_consent(patient=patient, scope=scope, decision=decision, how="call", at=AT, by=BY)

    first = decide("contact", "deny")
    assert decide("contact", "deny").pk == first.pk
    assert patient.do_not_contact
    decide("contact", "permit")
    patient.refresh_from_db()
    assert not patient.do_not_contact
    assert Consent.objects.unscoped("test").count() == 2
    with pytest.raises(actions.UnknownConsentScope):
        decide("everything", "permit")


def test_a_link_keeps_only_the_digest_and_is_reused_for_the_same_task() -> None:
    patient = upsert(person())
    link = actions.issue_link(
        patient_id=patient.pk, purpose="questionnaire", task_id=patient.pk, expires_at=AT + timedelta(days=7), by=BY
    )
    token = link_token(link.pk, site.SECRET_KEY)
    assert link.token_hash == token_digest(token)
    again = actions.issue_link(
        patient_id=patient.pk, purpose="questionnaire", task_id=patient.pk, expires_at=AT + timedelta(days=7), by=BY
    )
    assert again.pk == link.pk
    actions.revoke_link(link=link, at=AT, by=BY)
    actions.revoke_link(link=link, at=AT, by=BY)
    assert AccessLink.objects.unscoped("test").get().revoked_at == AT
    assert AuditEvent.objects.filter(name="patients.LinkRevoked").count() == 1


def test_breaking_the_glass_needs_a_reason_and_a_role_and_ends_after_four_hours(cast: Cast) -> None:
    from django.utils import timezone

    at = timezone.now()
    with pytest.raises(actions.ReasonNeeded):
        actions.break_glass(patient_id=cast.ma.pk, reason="  x ", at=at, by=cast.as_wang)
    with pytest.raises(actions.NotForYou):
        actions.break_glass(patient_id=cast.ma.pk, reason="curious", at=at, by=cast.viewer(cast.he))
    assert not Patient.objects.visible_to(cast.as_wang).filter(pk=cast.ma.pk).exists()
    grant = actions.break_glass(patient_id=cast.ma.pk, reason="patient calls, chest pain", at=at, by=cast.as_wang)
    assert grant.valid_to - grant.valid_from == timedelta(hours=4)
    assert Patient.objects.visible_to(cast.as_wang).filter(pk=cast.ma.pk).exists()
    assert not Patient.objects.visible_to(cast.as_zhao).filter(pk=cast.ma.pk).exists()
    again = actions.break_glass(patient_id=cast.ma.pk, reason="patient calls, chest pain", at=at, by=cast.as_wang)
    assert again.pk == grant.pk
    assert AuditEvent.objects.filter(name="patients.GlassBroken", patient_id=cast.ma.pk).count() == 1


def test_an_ended_grant_shows_nothing(cast: Cast) -> None:
    grant = actions.break_glass(patient_id=cast.ma.pk, reason="patient calls, chest pain", at=AT, by=cast.as_wang)
    assert grant.valid_to < AT + timedelta(hours=5)
    assert not Patient.objects.visible_to(cast.as_wang).filter(pk=cast.ma.pk).exists()


def test_nobody_reviews_their_own_emergency_access(cast: Cast) -> None:
    grant = actions.break_glass(patient_id=cast.zhang.pk, reason="patient calls, chest pain", at=AT, by=cast.as_wang)
    with pytest.raises(actions.OwnReview):
        actions.review_access(grant=grant, at=AT, by=cast.as_wang)
    actions.review_access(grant=grant, at=AT, by=cast.viewer(cast.qian))
    row = AccessGrant.objects.unscoped("test").get()
    assert (row.reviewed_at, row.reviewed_by_id) == (AT, cast.qian.pk)


def test_a_supervisor_lends_only_what_they_see(cast: Cast) -> None:
    qian, until = cast.viewer(cast.qian), AT + timedelta(days=1)
    actions.grant_access(
        patient=cast.zhang, practitioner_id=cast.li.pk, reason="helps out", until=until, at=AT, by=qian
    )
    with pytest.raises(Patient.DoesNotExist):
        actions.grant_access(patient=cast.ma, practitioner_id=cast.wang.pk, reason="helps", until=until, at=AT, by=qian)


def test_a_sensitive_record_disappears_from_those_without_the_permission(cast: Cast) -> None:
    actions.set_sensitivity(patient=cast.zhang, sensitivity="restricted", by=BY)
    assert not Patient.objects.visible_to(cast.as_wang).filter(pk=cast.zhang.pk).exists()


def test_risk_is_recorded_once_per_change() -> None:
    patient = upsert(person())
    for __ in range(2):
        actions.set_risk(patient_id=patient.pk, risk="high", reason="alert", at=AT, by=BY)
    assert AuditEvent.objects.filter(name="patients.RiskChanged").count() == 1
