"""The progress of one's own background work, and its result."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone

from careloop.batches import access, actions, reads
from careloop.batches.models import Batch
from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page, render

SHOWN = 100


@page(access.VIEW)
def mine(request: PageRequest) -> HttpResponse:
    """What I asked for, the newest first."""
    batches = list(Batch.objects.of(request.viewer).order_by("-id")[:SHOWN])
    rows = [(batch, reads.kind(batch.kind).label) for batch in batches]
    return render(request, "batches/mine.html", {"rows": rows})


@page(access.VIEW)
def detail(request: PageRequest, batch_id: UUID) -> HttpResponse:
    """One batch: bar, counts, reasons, result."""
    return render(request, "batches/detail.html", _context(request, _mine_or_404(request, batch_id)))


@page(access.VIEW)
def progress(request: PageRequest, batch_id: UUID) -> HttpResponse:
    """The same without the frame; the page asks for it again while work is going on."""
    return render(request, "batches/_progress.html", _context(request, _mine_or_404(request, batch_id)))


@page(access.VIEW, methods=("POST",))
def stop(request: PageRequest, batch_id: UUID) -> HttpResponse:
    """No further rows."""
    batch = _mine_or_404(request, batch_id)
    batch = actions.stop_batch(batch_id=batch.pk, at=timezone.now(), by=request.viewer)
    if "HX-Request" not in request.headers:
        return HttpResponseRedirect(reverse("batches:detail", args=[batch.pk]))
    return render(request, "batches/_progress.html", _context(request, batch))


@page(access.VIEW, methods=("POST",))
def undo(request: PageRequest, batch_id: UUID) -> HttpResponse:
    """Take it back: leads to the batch that does so."""
    batch = _mine_or_404(request, batch_id)
    undoing = actions.undo_batch(batch_id=batch.pk, at=timezone.now(), by=request.viewer)
    address = reverse("batches:detail", args=[undoing.pk])
    if "HX-Request" in request.headers:
        return HttpResponse(status=204, headers={"HX-Redirect": address})
    return HttpResponseRedirect(address)


@page(access.VIEW)
def file(request: PageRequest, batch_id: UUID) -> HttpResponse:
    """The result as a download: for who asked for it and still may, and it is written down."""
    batch = _mine_or_404(request, batch_id)
    if not request.viewer.can(reads.kind(batch.kind).permission):
        raise PermissionDenied
    taken = actions.take_file(batch_id=batch.pk, at=timezone.now(), by=request.viewer)
    answer = StreamingHttpResponse(reads.content(taken), content_type=taken.content_type)
    answer["Content-Disposition"] = f'attachment; filename="{taken.name}"'
    answer["Content-Length"] = str(taken.size)
    answer["Cache-Control"] = "no-store"
    answer["X-Content-Type-Options"] = "nosniff"
    return cast(HttpResponse, answer)  # Django's two answers share a base but not a type


def _mine_or_404(request: PageRequest, batch_id: UUID) -> Batch:
    return get_or_404(Batch.objects.of(request.viewer), pk=batch_id)


def _context(request: PageRequest, batch: Batch) -> dict[str, Any]:
    at = timezone.now()
    return {
        "batch": batch,
        "kind_label": reads.kind(batch.kind).label,
        "state_word": batch.get_state_display(),
        "progress": batch.progress,
        "reasons": reads.reasons(batch),
        "passed_over": [] if batch.is_under_way else reads.passed_over(batch, viewer=request.viewer),
        "file": None if batch.is_under_way else reads.file_of(batch, at=at),
        "can_undo": reads.can_undo(batch, at=at),
        "undone_by": Batch.objects.filter(undo_of=batch).values_list("pk", flat=True).first(),
    }
