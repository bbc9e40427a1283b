"""Searching for a group, keeping the search, and what makes a group unusable."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.cohorts.events import CohortArchived, CohortAsked, CohortSaved
from careloop.cohorts.models import Cohort, CohortMember
from careloop.cohorts.reads import members
from careloop.cohorts.rules.definition import Definition
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer

ROWS = 2000  # written in one statement


class CohortEmpty(Refused):
    """Nobody fits."""

    code = "cohort-empty"
    message = _("Nobody fits these conditions, or nobody of them is left. Take a condition away or widen it.")


class CohortTooLarge(Refused):
    """More patients than one piece of work may have (CARELOOP_COHORT_LIMIT)."""

    code = "cohort-too-large"
    message = _("These are too many patients for one piece of work. Narrow the conditions.")


class CohortUnlimited(Refused):
    """No condition at all is everybody."""

    code = "cohort-unlimited"
    message = _("Without a condition this is every patient there is. Add at least one.")


class CohortNeedsTitle(Refused):
    """A kept search needs a name."""

    code = "cohort-needs-title"
    message = _("Give the group a name, so that it can be found again.")


def _limited(definition: Definition, ids: Sequence[UUID], limit: int, count: int) -> None:
    """Refuse a group that nobody can work with, saying by how much it is too large."""
    if definition.is_everyone:
        raise CohortUnlimited
    if not ids:
        raise CohortEmpty
    if len(ids) > limit:
        raise CohortTooLarge(
            gettext("These are %(count)s patients; one piece of work may have %(limit)s. Narrow the conditions.")
            % {"count": f"{count:,}", "limit": f"{limit:,}"}
        )


def _ids_within_limit(cohort: Cohort, *, viewer: Viewer, at: datetime) -> list[UUID]:
    """The patients of a cohort for work in bulk. Refused: everybody, nobody, or more than the setting allows."""
    limit = settings.ENV.cohort_limit
    definition = cohort.conditions()
    if definition.is_everyone and cohort.kind != Cohort.Kind.FROZEN:
        raise CohortUnlimited
    found = members.members_of(cohort, viewer=viewer, at=at)
    ids = members.first(found, limit + 1)
    if len(ids) > limit:
        _limited(definition, ids, limit, members.count(found))
    if not ids:
        raise CohortEmpty
    return ids


@action
def ask(*, definition: Definition, by: Viewer) -> Cohort:
    """Write a search of the moment down, so that its page has an address without a patient's data in it."""
    if by.practitioner_id is None:
        raise CohortUnlimited
    cohort = Cohort.objects.create(definition=definition.as_json(), owner_id=by.practitioner_id)
    record(CohortAsked(cohort_id=cohort.pk, conditions=sum(len(g.conditions) for g in definition.groups)), by=by)
    return cohort


@action
def keep_cohort(*, cohort_id: UUID, title: str, frozen: bool, shared: bool, at: datetime, by: Viewer) -> Cohort:
    """Keep a search under a name: living, or frozen with the members the keeper sees at this moment.

    Refused: no name, no condition, and for a frozen one nobody or too many.
    """
    cohort = Cohort.objects.filter(owner_id=by.practitioner_id).select_for_update(of=("self",)).get(pk=cohort_id)
    if not title.strip():
        raise CohortNeedsTitle
    if cohort.conditions().is_everyone:
        raise CohortUnlimited
    cohort.title, cohort.shared = title.strip()[:120], shared
    many: int | None = None
    if cohort.kind != Cohort.Kind.FROZEN:
        if frozen:
            ids = _ids_within_limit(cohort, viewer=by, at=at)
            CohortMember.objects.bulk_create(
                [CohortMember(cohort=cohort, patient_id=pk) for pk in ids], batch_size=ROWS
            )
            many = len(ids)
        cohort.kind = Cohort.Kind.FROZEN if frozen else Cohort.Kind.LIVING
        cohort.frozen_at = at if frozen else None
    cohort.save()
    record(CohortSaved(cohort_id=cohort.pk, kind=cohort.kind, members=many, shared=shared), by=by)
    return cohort


@action
def archive_cohort(*, cohort_id: UUID, at: datetime, by: Viewer) -> None:
    """Take it off the list. What came from it stays and goes on."""
    changed = Cohort.objects.filter(pk=cohort_id, owner_id=by.practitioner_id, archived_at__isnull=True)
    if changed.update(archived_at=at, updated_at=at):
        record(CohortArchived(cohort_id=cohort_id), by=by)
