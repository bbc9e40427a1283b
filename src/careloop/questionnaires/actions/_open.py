"""What every action on answers needs: the locked response, its questions, one answer as it is stored, files let go."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.errors import Refused
from careloop.kernel.prepared import prepared
from careloop.kernel.viewer import Viewer
from careloop.questionnaires import events, reads, rules
from careloop.questionnaires.models import Attachment, QuestionnaireResponse
from careloop.questionnaires.rules.logic import as_list

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
Status = QuestionnaireResponse.Status


class ResponseClosed(Refused):
    code = "response-closed"
    message = _("These answers were already completed. Amend them instead.")


class UnknownQuestion(Refused):
    code = "unknown-question"
    message = _("This form has no such question.")


def open_response(response: QuestionnaireResponse, by: Viewer) -> QuestionnaireResponse:
    """The response, locked, while it can still be answered. Refused when it is completed."""
    locked = locked_response(response, by)
    if locked.status != Status.IN_PROGRESS:
        raise ResponseClosed
    return locked


def answer_of(value: Any, reason: str, source: str, at: datetime, by: Viewer) -> dict[str, Any]:
    """One answer as it is stored."""
    made = {"value": value, "source": source, "at": at.isoformat(), "by": by.actor}
    return {**made, "reason": reason} if reason else made


def item_of(response: QuestionnaireResponse, link_id: str) -> rules.Item:
    """The question with this linkId (of any instance). Refused when nobody may answer it."""
    return question_of(reads.asked_form(response), link_id)


def question_of(form: rules.Form, link_id: str) -> rules.Item:
    """The same for a form at hand."""
    try:
        item = form.item(link_id)
    except KeyError:
        raise UnknownQuestion from None
    if not item.is_question or item.read_only:
        raise UnknownQuestion
    return item


def locked_response(response: QuestionnaireResponse, by: Viewer) -> QuestionnaireResponse:
    """This response for writing; nobody else writes it until the transaction ends."""
    found: list[QuestionnaireResponse] = _locked(viewer=by, response_id=response.pk)
    if not found:
        raise QuestionnaireResponse.DoesNotExist
    return found[0]


@prepared
def _locked(viewer: Viewer, response_id: UUID) -> QuerySet[QuestionnaireResponse]:
    mine = QuestionnaireResponse.objects.visible_to(viewer).filter(pk=response_id)
    locked = mine.select_for_update(of=("self",), no_key=True)
    return locked.select_related("questionnaire").defer("questionnaire__content")


def file_ids(answers: Mapping[str, Any]) -> list[str]:
    """What may be the id of a file among these answers."""
    values = [value for answer in answers.values() for value in as_list(answer.get("value"))]
    return [value for value in values if isinstance(value, str) and _UUID.fullmatch(value)]


def drop_files(response: QuestionnaireResponse, wanted: Sequence[str], *, at: datetime, by: Viewer) -> None:
    """The bytes of these files of an open response are gone; what is left says that there was one."""
    mine = Attachment.objects.unscoped("files of the response just locked")
    for row in list(mine.filter(response_id=response.pk, pk__in=wanted, removed_at=None).only("pk", "link_id")):
        mine.filter(pk=row.pk).update(data=b"", size=0, removed_at=at)
        record(
            events.AttachmentRemoved(
                response_id=response.pk, patient_id=response.patient_id, attachment_id=row.pk, link_id=row.link_id
            ),
            by=by,
        )
