"""What another room says when it asks for a task."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRequest:
    """One task, asked for once: `key` is what makes it the same task when asked again.

    `available_at` opens the window (before, it is scheduled), `due_at` is the promised day, `window_ends_at` the last
    moment it still makes sense. `channel` is the way it is planned (rules.CHANNELS). `owner_role` says who should do it while nobody owns it.
    """

    key: str
    patient_id: UUID
    department_id: UUID
    available_at: datetime
    due_at: datetime
    window_ends_at: datetime | None = None
    kind: str = "follow-up"
    channel: str = "phone"
    owner_id: UUID | None = None
    owner_role: str = ""
    encounter_id: UUID | None = None
    care_plan_id: UUID | None = None
    step_code: str = ""
    occurrence: int = 0
    focus_id: UUID | None = None
    questionnaire_url: str = ""
    plan_title: str = ""
    step_title: str = ""
    plan_title_en: str = ""
    step_title_en: str = ""
    diagnosis_text: str = ""
    risk: str = "none"
    self_report: str = ""
    discharged_at: datetime | None = None
