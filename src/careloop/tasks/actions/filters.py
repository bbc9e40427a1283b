"""Views of the list somebody keeps."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.tasks.events import FilterRemoved, FilterSaved
from careloop.tasks.models import SavedFilter


class FilterNeedsName(Refused):
    """A view without a name cannot be found again."""

    code = "filter-needs-name"
    message = _("Give the view a name.")


@action
def save_filter(*, name: str, query: Mapping[str, str], by: Viewer) -> SavedFilter:
    """Keep the filters of the moment under a name; the same name is replaced."""
    if not name.strip() or by.practitioner_id is None:
        raise FilterNeedsName
    saved, _made = SavedFilter.objects.update_or_create(
        practitioner_id=by.practitioner_id, name=name.strip()[:40], defaults={"query": dict(query)}
    )
    record(FilterSaved(filter_id=saved.pk), by=by)
    return saved


@action
def remove_filter(*, saved: SavedFilter, by: Viewer) -> None:
    """Throw a kept view away."""
    record(FilterRemoved(filter_id=saved.pk), by=by)
    saved.delete()
