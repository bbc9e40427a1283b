"""Small plans, written as the JSON that a plan file holds; and a hospital scene in which patients are discharged."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from pathlib import Path
from typing import Any

from django.utils import timezone

from careloop.accounts.models import Practitioner
from careloop.kernel.actions import seeding
from careloop.kernel.models import uuid7
from careloop.patients.models import CareRelationship, Condition, Encounter, Patient, Procedure
from careloop.plans.models import CarePlan, PlanDefinition
from careloop.plans.rules.calendar import WorkCalendar, parse_calendars
from careloop.plans.rules.content import PlanContent, parse_plan
from careloop.questionnaires.models import Questionnaire
from careloop.tasks.models import Task
from tests.cast import Cast

CONTENT = Path(__file__).parents[1] / "content"
PLAN_FILES = sorted(path for path in CONTENT.glob("*.json") if not path.name.startswith("calendar_"))
FORM = "https://careloop.org/Questionnaire/general-discharge"


def calendar() -> WorkCalendar:
    return parse_calendars([json.loads(path.read_text()) for path in sorted(CONTENT.glob("calendar_cn_*.json"))])


def raw_step(code: str = "call", schedule: str = "3", **more: Any) -> dict[str, Any]:
    step = {
        "code": code,
        "title": {"zh": f"节点 {code}", "en": f"Step {code}"},
        "purpose": "tracking",
        "activity": "questionnaire",
        "questionnaire": FORM,
        "schedule": schedule,
    }
    return step | more


def raw_plan(name: str = "example", *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    plan: dict[str, Any] = {
        "url": f"https://careloop.org/PlanDefinition/{name}",
        "version": "1.0",
        "title": {"zh": f"方案 {name}", "en": f"Plan {name}"},
        "description": {"zh": "说明", "en": "Description"},
        "category": "single-disease",
        "group": "example",
        "specialty": "general",
        "valid_from": "2025-01-01",
        "steps": [deepcopy(step) for step in steps] or [raw_step()],
        "sources": [{"title": "Example", "locator": "", "verified": True}],
    }
    return plan | more


def a_plan(name: str = "example", *steps: dict[str, Any], **more: Any) -> PlanContent:
    return parse_plan(raw_plan(name, *steps, **more))


def shipped(name: str) -> PlanContent:
    return parse_plan(json.loads((CONTENT / f"{name}.json").read_text()))


@cache
def every_shipped() -> tuple[PlanContent, ...]:
    """All plans that are shipped, in the order of their addresses."""
    plans = [parse_plan(json.loads(path.read_text())) for path in PLAN_FILES]
    return tuple(sorted(plans, key=lambda plan: plan.url))


def forms_in_force(*urls: str) -> None:
    """Questionnaires that a plan may name; what they ask does not matter to plans."""
    with seeding():
        Questionnaire.objects.bulk_create(
            Questionnaire(
                url=url, version="1.0", name=url.rsplit("/", 1)[-1], title=url, status="active", content={},
                content_hash=url, valid_from=date(2025, 1, 1), published_at=datetime(2025, 1, 1, tzinfo=UTC),
            )
            for url in urls
        )  # fmt: skip


DISCHARGED = date(2026, 11, 13)
DISCHARGED_AT = datetime(2026, 11, 13, 3, 0, tzinfo=UTC)  # 11:00 in the hospital


@dataclass
class Scene:
    """The cast with means to discharge, admit and change patients."""

    cast: Cast

    @property
    def zone(self) -> tzinfo:
        return timezone.get_default_timezone()

    def definition(self, name: str) -> PlanDefinition:
        return PlanDefinition.objects.get(url=f"https://careloop.org/PlanDefinition/{name}", status="active")

    def new_patient(self) -> Patient:
        with seeding():
            patient = Patient.objects.create(name="Invented", sex="male", birth_date=date(1960, 1, 1))
            CareRelationship.objects.create(patient=patient, department=self.cast.cardiology, since=DISCHARGED_AT)
            return patient

    def discharge(
        self,
        patient: Patient | None = None,
        diagnosis: str = "",
        procedures: tuple[str, ...] = (),
        operated_at: datetime | None = DISCHARGED_AT - timedelta(days=2),
        at: datetime | None = None,
        **changed: str,
    ) -> Encounter:
        """A finished stay. Zhang's own one by default, with a myocardial infarction."""
        stay = self._stay_of(patient or self.cast.zhang)
        if diagnosis:
            with seeding():
                Condition.objects.unscoped("test").filter(encounter=stay).delete()
            self.diagnose(stay, diagnosis)
        for code in procedures:
            self.operate(stay, code, at=operated_at)
        fields = {
            "status": "finished",
            "discharged_at": at or DISCHARGED_AT,
            "disposition": "home",
            "discharge_cycle": 1,
        }
        self.change(stay, **{**fields, **changed})
        return stay

    def admit(self, patient: Patient, *, at: datetime, class_code: str = "IMP") -> Encounter:
        with seeding():
            return Encounter.objects.create(
                patient=patient, system="HIS", visit_number=f"V{uuid7().hex}", class_code=class_code,
                status="in-progress", department=self.cast.cardiology, admitted_at=at,
            )  # fmt: skip

    def diagnose(self, stay: Encounter, code: str) -> None:
        with seeding():
            Condition.objects.create(
                patient_id=stay.patient_id, encounter=stay, code=code, code_key=code, text=code, use="final", rank=1
            )

    def operate(self, stay: Encounter, code: str, at: datetime | None = None) -> None:
        with seeding():
            Procedure.objects.create(
                patient_id=stay.patient_id, encounter=stay, code=code, code_key=code, performed_at=at
            )

    def change(self, row: Patient | Encounter, **values: object) -> None:
        """What other rooms' actions would have written."""
        with seeding():
            type(row).objects.unscoped("test").filter(pk=row.pk).update(**values)
        row.refresh_from_db()

    def speaks(self, person: Practitioner, language: str) -> None:
        with seeding():
            Practitioner.objects.filter(pk=person.pk).update(language=language)

    def give_role(self, person: Practitioner, permission: str) -> None:
        """One more permission for everybody with this person's roles."""
        self._change_roles(person, lambda permissions: [*permissions, permission])

    def take_role(self, person: Practitioner, permission: str) -> None:
        self._change_roles(person, lambda permissions: [p for p in permissions if p != permission])

    def _change_roles(self, person: Practitioner, change: Callable[[list[str]], list[str]]) -> None:
        with seeding():
            for assignment in person.assignments.select_related("role"):
                assignment.role.permissions = change(assignment.role.permissions)
                assignment.role.save()

    def call_in_vain(self, task: Task) -> None:
        """Somebody tried to reach the patient."""
        with seeding():
            Task.objects.unscoped("test").filter(pk=task.pk).update(attempts=1, last_outcome="no-answer")

    def _stay_of(self, patient: Patient) -> Encounter:
        found = Encounter.objects.unscoped("test").filter(patient=patient, status="in-progress").first()
        return found or self.admit(patient, at=DISCHARGED_AT - timedelta(days=6))


def tasks_of(plan: CarePlan, **narrowed: object) -> list[Task]:
    rows = Task.objects.unscoped("test").filter(care_plan_id=plan.pk, **narrowed)
    return list(rows.order_by("due_at", "step_code", "occurrence"))
