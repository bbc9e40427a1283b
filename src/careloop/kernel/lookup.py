"""Finding one row, or answering 404; identifiers that somebody typed or changed."""

from collections.abc import Iterable
from typing import Any, TypeVar
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model, QuerySet
from django.http import Http404

M = TypeVar("M", bound=Model)


def get_or_404(queryset: QuerySet[M], **lookup: Any) -> M:
    """Takes a queryset, never a model class, so the scope is said where it is used."""
    try:
        return queryset.get(**lookup)
    except ObjectDoesNotExist:
        raise Http404 from None


def id_from(text: str) -> UUID | None:
    """The identifier written there; None when it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None


def ids_from(texts: Iterable[str]) -> list[UUID]:
    """The identifiers among these, in their order; what is none is left out."""
    return [found for found in map(id_from, texts) if found is not None]
