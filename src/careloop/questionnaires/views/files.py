"""Files of answers: handed out one at a time, to who may see the patient, and never run."""

from __future__ import annotations

from io import BytesIO
from uuid import UUID

from django.http import FileResponse, HttpResponse

from careloop.audit.record import seen
from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page
from careloop.kernel.viewer import Viewer
from careloop.patients import access as patients_access
from careloop.questionnaires.models import Attachment
from careloop.questionnaires.rules.ranges import BadRange, part_of

ENDINGS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "application/pdf": "pdf", "audio/webm": "webm", "audio/mp4": "m4a", "audio/ogg": "ogg", "text/plain": "txt"}  # fmt: skip


@page(patients_access.VIEW)
def file(request: PageRequest, attachment_id: UUID) -> HttpResponse:
    """A picture or PDF of an answer; 404 for other departments, and when it was taken back."""
    mine = Attachment.objects.visible_to(request.viewer).filter(removed_at=None)
    return file_answer(get_or_404(mine, pk=attachment_id), by=request.viewer, wanted=request.headers.get("Range", ""))


def file_answer(attachment: Attachment, *, by: Viewer, wanted: str = "") -> HttpResponse:
    """The bytes, in pieces, with a name that says nothing; looking at them is recorded. A PDF is saved, not opened.

    `wanted` is the Range header: a part is 206, one behind the end 416. Each look at a part is a look.
    """
    seen(patient_id=attachment.patient_id, what="questionnaires.attachment", by=by)
    data = bytes(attachment.data)
    try:
        part = part_of(wanted, size=len(data))
    except BadRange:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{len(data)}"})
    answer = FileResponse(
        BytesIO(data if part is None else data[part.start : part.stop]),
        status=200 if part is None else 206,
        as_attachment=attachment.content_type == "application/pdf",
        filename=f"answer-{str(attachment.pk)[-12:]}.{ENDINGS[attachment.content_type]}",
        content_type="text/plain; charset=utf-8"
        if attachment.content_type == "text/plain"
        else attachment.content_type,
    )
    if part is not None:
        answer.headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{len(data)}"
    answer.headers["Accept-Ranges"] = "bytes"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    answer.headers["Cache-Control"] = "private, no-store"
    return answer  # type: ignore[return-value]  # a file is streamed; the door passes any response on
