"""Level 1 among colleagues: a record is read through by somebody who did not write it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.supervision import events
from careloop.supervision.actions.checking import VerdictNeeded
from careloop.supervision.actions.findings import raise_finding
from careloop.supervision.models import RecordReview


class OwnRecord(Refused):
    code = "own-record"
    message = _("This is your own record. A colleague has to read it through.")


class NotFinished(Refused):
    code = "not-finished"
    message = _("Only completed answers of a member of staff can be read through.")


class NoteNeeded(Refused):
    code = "note-needed"
    message = _("Write what is to be put right.")
    status = 422


@action
def review_record(
    *,
    response: QuestionnaireResponse,
    department_id: UUID,
    verdict: str,
    note: str,
    at: datetime,
    by: Viewer,
    code: str = "other",
    severity: str = "minor",
) -> RecordReview:
    """Say that a colleague's record is fine, or what is to be put right (which becomes a finding). Again: the same review.

    Refused about one's own record, about the patient's own answers, without a verdict, and without a note when something is
    to be put right.
    """
    found = QuestionnaireResponse.objects.visible_to(by).filter(pk=response.pk).first()
    if found is None or found.status != QuestionnaireResponse.Status.COMPLETED or found.author_id is None:
        raise NotFinished
    if found.author_id == by.practitioner_id or by.practitioner_id is None:
        raise OwnRecord
    if verdict not in RecordReview.Verdict.values:
        raise VerdictNeeded
    wrong = verdict != RecordReview.Verdict.FINE
    if wrong and not note.strip():
        raise NoteNeeded
    made, is_new = RecordReview.objects.unscoped("one's own review").get_or_create(
        response=found, reviewer_id=by.practitioner_id,
        defaults={
            "patient_id": found.patient_id, "author_id": found.author_id, "note": note.strip()[:500], "reviewed_at": at,
            "verdict": RecordReview.Verdict.FINDING if wrong else RecordReview.Verdict.FINE,
        },
    )  # fmt: skip
    if is_new:
        record(events.RecordReviewed(response_id=found.pk, patient_id=found.patient_id, verdict=made.verdict), by=by)
    if is_new and wrong:
        raise_finding(
            key=f"review:{made.pk}", response=found, department_id=department_id, code=code, severity=severity, note=note,
            at=at, by=by,
        )  # fmt: skip
    return made
