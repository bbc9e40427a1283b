"""A doctor's assessment of a stretch of follow-up."""

from __future__ import annotations

from datetime import date, datetime

from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.letters.events import ReportWritten
from careloop.letters.models import FollowUpReport
from careloop.patients.models import Patient


class ReportNeedsAuthor(Refused):
    """A report is signed by a person."""

    code = "report-needs-author"
    message = _("A report is signed by a person. Sign in and write it again.")


@action
def write_report(
    *,
    patient: Patient,
    period_from: date,
    period_to: date,
    assessment: str,
    advice: str,
    at: datetime,
    by: Viewer,
) -> FollowUpReport:
    """Keep an assessment. An earlier one of the same author and period that nobody replaced yet is replaced by it."""
    if by.practitioner_id is None:
        raise ReportNeedsAuthor
    earlier = (
        FollowUpReport.objects.visible_to(by)
        .select_for_update(of=("self",), no_key=True)
        .filter(patient=patient, author_id=by.practitioner_id, period_to=period_to, replaced_by__isnull=True)
        .order_by("-written_at", "-pk")
        .first()
    )
    if earlier and (earlier.assessment, earlier.advice, earlier.period_from) == (assessment, advice, period_from):
        return earlier
    made = FollowUpReport.objects.create(
        patient=patient, period_from=period_from, period_to=period_to, assessment=assessment, advice=advice,
        author_id=by.practitioner_id, written_at=at, replaces=earlier,
    )  # fmt: skip
    record(ReportWritten(patient_id=patient.pk, report_id=made.pk), by=by)
    return made
