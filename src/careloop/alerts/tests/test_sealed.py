"""A blind re-check keeps old alerts from the checker, never a new one: safety goes first."""

from __future__ import annotations

from datetime import timedelta

import pytest

from careloop.alerts.actions import Finding, Origin, raise_findings
from careloop.alerts.models import Alert
from careloop.patients.actions import seal_records
from tests.cast import NOW, SYSTEM, Cast


def raised(cast: Cast, code: str, at: object) -> None:
    raise_findings(
        origin=Origin(patient_id=cast.zhang.pk, department_id=cast.cardiology.pk, encounter_id=cast.stay.pk),
        findings=[Finding(rule_code=code, severity="critical", sentence_zh="胸闷", sentence_en="Chest pain")],
        at=at, by=SYSTEM,
    )  # fmt: skip


def codes(cast: Cast, person: object) -> set[str]:
    return set(Alert.objects.visible_to(cast.viewer(person)).values_list("rule_code", flat=True))


@pytest.mark.parametrize("hospital_wide", [False, True])
def test_only_alerts_from_before_the_seal_are_kept_away(cast: Cast, hospital_wide: bool) -> None:
    from tests.guards.test_matrix import give

    checker = give(cast.sun, "hospital-inspector") if hospital_wide else cast.qian
    raised(cast, "before", NOW - timedelta(days=1))
    seal_records(patients={"re-check:1": cast.zhang.pk}, practitioner_id=checker.pk, at=NOW, by=SYSTEM)
    raised(cast, "after", NOW + timedelta(minutes=1))
    assert codes(cast, checker) == {"after"}
    assert codes(cast, cast.wang) == {"before", "after"}
