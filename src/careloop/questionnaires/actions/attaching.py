"""Files as answers: looked at before they are kept, in the database, gone when they are taken back."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.questionnaires import events, rules
from careloop.questionnaires.actions._open import UnknownQuestion, answer_of, drop_files, item_of, open_response
from careloop.questionnaires.models import Attachment, QuestionnaireResponse
from careloop.questionnaires.rules.attachments import BadFile, clean_file, clean_voice

MOST_FILES = 6  # of one question

WHY = {
    "empty": _("The file is empty. Choose it again."),
    "too-big": _("The file is larger than 8 MB. Take a smaller picture."),
    "unknown-type": _("Only pictures (JPEG, PNG, WebP) and PDF can be kept. Choose another file."),
    "no-voice": _("This is no recording of a voice. Record it again, or write it."),
    "voice-too-big": _("The recording is larger than 4 MB. Say it in fewer words, or write it."),
    "damaged": _("This picture is damaged. Take it again."),
    "too-many-pixels": _("The picture is too large to be shown. Take a smaller one."),
    "active-content": _("This PDF runs programs or carries other files. Print it to a plain PDF first."),
}


class FileRefused(Refused):
    """`reason` is the code of BadFile."""

    code = "file-refused"
    status = 422

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(WHY[reason])


class TooManyFiles(Refused):
    code = "too-many-files"
    message = _("There are six files already. Take one away first.")
    status = 422


@action
def attach_file(
    *, response: QuestionnaireResponse, link_id: str, data: bytes, source: str, at: datetime, by: Viewer
) -> Attachment:
    """Keep a picture or PDF as (one more) answer. The type is read from the content; name and metadata are not kept.

    Refused: other types, damaged or too large files, PDFs that run programs, answers that stand already.
    """
    locked = open_response(response, by)
    item = item_of(locked, link_id)
    if item.type != "attachment":
        raise UnknownQuestion
    try:
        clean = clean_voice(data) if item.is_voice else clean_file(data)
    except BadFile as fault:
        raise FileRefused(fault.code) from None
    before = _files(locked, link_id)
    if item.repeats and len(before) >= MOST_FILES:
        raise TooManyFiles
    made = _kept(locked, link_id, clean.content_type, clean.data, source, at)
    if not item.repeats:
        drop_files(locked, before, at=at, by=by)
    value: Any = [*before, str(made.pk)] if item.repeats else str(made.pk)
    locked.answers[link_id] = answer_of(value, "", source, at, by)
    locked.save(update_fields=["answers", "updated_at"])
    record(
        events.AttachmentAdded(
            response_id=locked.pk, patient_id=locked.patient_id, attachment_id=made.pk, link_id=link_id, source=source
        ),
        by=by,
    )
    return made


def _kept(
    response: QuestionnaireResponse, link_id: str, content_type: str, data: bytes, source: str, at: datetime
) -> Attachment:
    return Attachment.objects.unscoped("creating").create(
        patient_id=response.patient_id, response=response, link_id=link_id, content_type=content_type, size=len(data),
        sha256=hashlib.sha256(data).hexdigest(), data=data, source=source, added_at=at,
    )  # fmt: skip


def _files(response: QuestionnaireResponse, link_id: str) -> list[str]:
    value = response.answers.get(link_id, {}).get("value")
    values = value if isinstance(value, list) else [value]
    return [one for one in values if one not in (None, rules.NOT_MEASURED)]


@action
def remove_file(*, response: QuestionnaireResponse, attachment_id: UUID | str, at: datetime, by: Viewer) -> None:
    """Take a file back while answering: its bytes are gone at once. Again, or somebody else's file: nothing happens."""
    locked = open_response(response, by)
    wanted = str(attachment_id)
    for link_id in list(locked.answers):
        files = _files(locked, link_id)
        if wanted not in files:
            continue
        drop_files(locked, [wanted], at=at, by=by)
        rest = [one for one in files if one != wanted]
        if rest:
            locked.answers[link_id]["value"] = rest
        else:
            locked.answers.pop(link_id)
        locked.save(update_fields=["answers", "updated_at"])
