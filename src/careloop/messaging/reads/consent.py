"""Who refused which way of contact. The newest decision of a scope counts."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from careloop.patients.models import Consent

EVERYTHING = "contact"


def refused_scopes(patient_ids: Iterable[UUID]) -> dict[UUID, frozenset[str]]:
    """The scopes that each patient refuses now; patients who refuse nothing are left out."""
    newest = (
        Consent.objects.unscoped("only whether contact is refused; the caller holds the patients")
        .filter(patient_id__in=list(patient_ids))
        .order_by("patient_id", "consent_scope", "-decided_at", "-pk")
        .distinct("patient_id", "consent_scope")
        .values_list("patient_id", "consent_scope", "decision")
    )
    refused: dict[UUID, set[str]] = {}
    for patient_id, scope, decision in newest:
        if decision == Consent.Decision.DENY:
            refused.setdefault(patient_id, set()).add(scope)
    return {patient_id: frozenset(scopes) for patient_id, scopes in refused.items()}


def refuses(scopes: frozenset[str], channel: str) -> bool:
    """Whether these refusals forbid a message this way."""
    return bool(scopes & {EVERYTHING, f"contact-{channel}"})
