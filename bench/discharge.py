"""The discharge of W1 as performance.md words it: an A03 message whose diagnosis leads to one plan with eight follow-ups.
Invented for measuring: the plan says nothing about how anybody should be followed up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import psycopg

from bench import product
from bench import world as w

URL = "https://careloop.org/PlanDefinition/bench-eight"
FORM = "https://careloop.org/Questionnaire/general-discharge"
DIAGNOSES = (
    ("K80.2", "胆囊结石"), ("K35.8", "急性阑尾炎"), ("N20.0", "肾结石"), ("J18.9", "肺炎"), ("H25.9", "老年性白内障"),
    ("N39.0", "泌尿道感染"), ("M51.2", "腰椎间盘突出"), ("D25.9", "子宫平滑肌瘤"), ("K40.9", "腹股沟疝"), ("L03.1", "蜂窝织炎"),
)  # fmt: skip
"""Main diagnoses that no shipped disease plan claims, so that a discharge has this plan alone."""
SYSTEM = "BENCH"
LOOKS_EVERY = 0.005
"""Seconds between two looks at what has been written; a discharge is found this much later at most."""


def publish(*, at: datetime) -> None:
    """The plan in force, published by the product's own action; again: nothing new."""
    from careloop.kernel.viewer import Viewer
    from careloop.plans.actions import publish_plan

    publish_plan(raw=plan(), enrols=True, at=at, by=Viewer.system("bench"))


def plan() -> dict[str, Any]:
    """As a file of plans/content holds it: eight calls, all known on the day of discharge."""
    return {
        "url": URL, "version": "1.0", "title": {"zh": "八次随访", "en": "Eight follow-ups"},
        "description": {"zh": "用于测速，与临床无关。", "en": "Made for measuring; no clinical meaning."},
        "category": "specialty", "group": "bench", "specialty": "general", "in_force": True, "valid_from": "2025-01-01",
        "valid_to": None, "covers_first_contact": True,
        "enrolment": {
            "diagnoses": {"any": [code.split(".")[0] for code, _ in DIAGNOSES], "main_only": True},
            "encounter_classes": ["IMP"],
        },
        "steps": [_step(days) for days in w.OFFSETS], "ends": {"after": str(max(w.OFFSETS) + 30)},
        "sources": [{"title": "bench", "locator": "W1", "verified": False}],
    }  # fmt: skip


def _step(days: int) -> dict[str, Any]:
    return {
        "code": f"day-{days}", "title": {"zh": f"第 {days} 天", "en": f"Day {days}"}, "purpose": "tracking",
        "schedule": str(days), "activity": "questionnaire", "questionnaire": FORM, "window": [1, 3],
        "ladder": [{"channel": "phone"}], "shift": "nearest-workday",
    }  # fmt: skip


def message(number: int, run: str, at: datetime) -> bytes:
    """A03 with patient, telephone, stay, attending doctor and two diagnoses, as hospital systems send it."""
    stamp, place = f"{at:%Y%m%d%H%M%S}", f"B{number % w.DEPARTMENTS + 1}"
    code, text = DIAGNOSES[number % len(DIAGNOSES)]
    name = w.name_of(number)[0]
    segments = (
        f"MSH|^~\\&|HIS|{SYSTEM}|CARELOOP|{SYSTEM}|{stamp}||ADT^A03^ADT_A03|{run}{number}|P|2.4|||||CHN|UNICODE UTF-8",
        f"EVN|A03|{stamp}",
        f"PID|1||{run}{number}^^^HIS^MR||{name}||19560412|F|||浙江省杭州市||170{number:08d}",
        f"PV1|1|I|{place}^01^12^{SYSTEM}||||D1^主任|||||||||||I|{visit(run, number)}|||||||||||||||||01|||||||||{stamp}",
        f"DG1|1||{code}^{text}^ICD-10|{text}|{stamp}|A",
        "DG1|2||I10^高血压病^ICD-10|高血压病||A",
    )
    return "\r".join(segments).encode() + b"\r"


def visit(run: str, number: int) -> str:
    """The number of the stay."""
    return f"V{run}{number}"


# Asked by keys alone: a look must cost the database next to nothing, because it counts as the product's.
_WRITTEN = """
SELECT e.visit_number FROM patients_encounter e JOIN plans_careplan p ON p.encounter_id = e.id
JOIN tasks_task t ON t.care_plan_id = p.id
WHERE e.system = %s AND e.visit_number = ANY(%s) GROUP BY e.visit_number HAVING count(t.id) >= %s
"""
_EXACT = """
SELECT count(*) FROM patients_encounter e WHERE e.system = %s AND e.visit_number = ANY(%s) AND e.status = 'finished'
AND (SELECT count(*) FROM patients_condition c WHERE c.encounter_id = e.id AND c.active) = 2
AND (SELECT count(*) FROM plans_careplan p WHERE p.encounter_id = e.id) = 1
AND (SELECT count(*) FROM plans_careplan p JOIN tasks_task t ON t.care_plan_id = p.id
     WHERE p.encounter_id = e.id AND p.definition_url = %s AND t.status = 'requested') = %s
AND EXISTS (SELECT 1 FROM audit_auditevent a WHERE a.patient_id = e.patient_id AND a.name = 'plans.CarePlanStarted')
"""


def wrongly_stored(owner: str, run: str, count: int) -> int:
    """Of this run's discharges, how many are not there as told: both diagnoses, one plan, its eight tasks, audited."""
    visits = [visit(run, number) for number in range(count)]
    with psycopg.connect(owner) as database:
        row = database.execute(_EXACT, (SYSTEM, visits, URL, len(w.OFFSETS))).fetchone()
    return count - int(str(row[0] if row else 0))


class Watch:
    """Says when a discharge is there with all its follow-ups, committed, as another connection sees it."""

    def __init__(self, owner: str) -> None:
        self._database = psycopg.connect(owner, autocommit=True)
        self._database.prepare_threshold = 1
        self._waited: dict[str, threading.Event] = {}
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def wait(self, visits: Sequence[str], *, seconds: float = 120.0) -> bool:
        """Until all of them are there; false when they are not in time."""
        events = [threading.Event() for _ in visits]
        self._waited |= dict(zip(visits, events, strict=True))
        until = time.monotonic() + seconds
        return all(event.wait(max(0.0, until - time.monotonic())) for event in events)

    def close(self) -> None:
        self._ends.set()
        self._thread.join()
        self._database.close()

    def _look(self) -> None:
        while not self._ends.wait(LOOKS_EVERY):
            if not self._waited:
                continue
            found = self._database.execute(_WRITTEN, (SYSTEM, list(self._waited), len(w.OFFSETS)))
            for (number,) in found.fetchall():
                self._waited.pop(str(number)).set()


def lines(doors: product.Doors, run: str, at: datetime, clients: int) -> list[Callable[[int], bool]]:
    """One connection for each client; a unit is the message acknowledged as accepted."""
    from careloop.simulation.wire import Line

    def client(_n: int) -> Callable[[int], bool]:
        line = Line("127.0.0.1", doors.hl7)
        return lambda number: line.send(message(number, run, at)) == "AA"

    return [client(n) for n in range(clients)]


def until_written(senders: Sequence[Callable[[int], bool]], run: str, watch: Watch) -> list[Callable[[int], bool]]:
    """The same clients, each waiting after its acknowledgement until the eight follow-ups are there."""

    def client(send: Callable[[int], bool]) -> Callable[[int], bool]:
        return lambda number: send(number) and watch.wait([visit(run, number)])

    return [client(send) for send in senders]
