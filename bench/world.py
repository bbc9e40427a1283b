"""The invented hospital of the benchmark as rows, deterministic by seed: the same size gives the same bytes.

Proportions: 40 departments, 200 staff, 24 months of discharges, eight follow-ups for each discharge; of those that fell
due 70 % are done, 28 % ended otherwise, 2 % are still open (a hospital that keeps up); every second one that was done
has answers, six of ten got a message, every second one a call. The follow-up after two weeks asks how satisfied the patient is.
Every fifth stay is of somebody who was there before; two of five of those came back within thirty days.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MONTHS_OF_HISTORY = 24
DAYS = 730
DEPARTMENTS, STAFF = 40, 200
TASKS_PER_DISCHARGE = 8
OFFSETS = (3, 7, 14, 30, 60, 90, 120, 150)
STAYS_PER_PATIENT = 1.25
RETURNS = 5
"""Every so many stays are of somebody who was there before."""
SOON = 0.4
"""Of those, how many come within thirty days."""
SURVEYED = 2
"""Which of the eight follow-ups asks about satisfaction."""
DONE, ENDED, ANSWERED, MESSAGED, CALLED, ALERTED = 0.70, 0.28, 0.5, 0.6, 0.5, 0.02
AUDITED_PER_DISCHARGE = 10

SURNAMES = "王李张刘陈杨黄赵周吴徐孙朱马胡郭林何高梁郑罗宋谢唐韩曹许邓萧冯曾程蔡彭潘袁于董余苏叶吕魏蒋田杜丁沈姜"
LETTERS = "wlzlcyhzzwxszmhglhglzlsxthcxdxfzccppyydysylwjtddsj"
GIVEN = "伟芳娜敏静秀英丽强磊军洋勇艳杰娟涛明超兰霞平刚桂英华玉红文建国志海春梅金荣德林永生云飞龙凤雪莲香珍宝成"
DIAGNOSES = (
    ("I21.0", "急性前壁心肌梗死"), ("I50.9", "心力衰竭"), ("I63.9", "脑梗死"), ("I10", "高血压病"), ("E11.9", "2型糖尿病"),
    ("M17.1", "膝关节骨关节炎"), ("C34.9", "肺恶性肿瘤"), ("J44.1", "慢性阻塞性肺病急性加重"), ("K80.2", "胆囊结石"),
    ("S72.0", "股骨颈骨折"),
)  # fmt: skip
RISKS = ("none", "ok", "ok", "ok", "watch", "high")
RISK_POINTS = {"none": 20, "ok": 0, "watch": 100, "high": 250}


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is. `tasks` decides; everything else follows."""

    tasks: int

    @property
    def discharges(self) -> int:
        return self.tasks // TASKS_PER_DISCHARGE

    @property
    def patients(self) -> int:
        return max(1, int(self.discharges / STAYS_PER_PATIENT))


def uid(kind: int, number: int) -> str:
    """The id of the n-th row of one kind, shaped like a version 7 UUID whose time rises with the number."""
    return f"{0x019000000000 + number // 40:012x}7{kind:03x}8{number:015x}"


# Kinds of ids, so that any row can name any other without looking it up.
(
    PATIENT,
    STAY,
    DIAGNOSIS,
    PLAN,
    TASK,
    ANSWERS,
    FACT,
    MESSAGE,
    CALL,
    NUMBER,
    IDENTIFIER,
    CARE,
    DECISION,
    ALERT,
    UNIT,
    PERSON,
    LINK,
) = range(1, 18)


def departments() -> list[str]:
    """Ids of the departments."""
    return [uid(UNIT, n) for n in range(1, DEPARTMENTS + 1)]


def nurses_of(department: int) -> list[str]:
    """Ids of the people of one department."""
    per = STAFF // DEPARTMENTS
    return [uid(PERSON, department * per + n) for n in range(per)]


@dataclass(frozen=True, slots=True)
class Stay:
    """One discharge with what follows from its number alone."""

    number: int
    patient: int
    department: int
    diagnosis: int
    left_at: datetime
    nurse: str


def stays(size: Size, *, seed: int, now: datetime) -> Iterator[Stay]:
    """All discharges, oldest first, evenly over the two years; the last one this morning."""
    step = timedelta(days=DAYS) / max(1, size.discharges)
    begin = now - timedelta(days=DAYS)
    for number in range(size.discharges):
        dice = random.Random(seed * 1_000_003 + number)
        patient = min(_patient(number, size.discharges / DAYS, dice), size.patients - 1)
        department = number % DEPARTMENTS
        yield Stay(
            number, patient, department, dice.randrange(len(DIAGNOSES)), begin + step * (number + 1),
            dice.choice(nurses_of(department)),
        )  # fmt: skip


def _patient(number: int, a_day: float, dice: random.Random) -> int:
    """Whose stay it is. A stay takes six days, so whoever comes again soon is discharged 7 to 36 days after the first time."""
    if number % RETURNS != RETURNS - 1:
        return number - number // RETURNS
    days = 7 + dice.random() * 29 if dice.random() < SOON else 45 + dice.random() * 500
    back = max(1, int(days * a_day))
    earlier = number - back if back <= number else dice.randrange(number)  # the hospital's records go back no further
    earlier -= earlier % RETURNS == RETURNS - 1
    return earlier - earlier // RETURNS


def satisfied(stay: Stay) -> int:
    """The answer on the whole stay, 1 to 5: most are satisfied, a few percent more or fewer by department."""
    lot = stay.number * 2654435761 % 1000 + stay.department % 8 * 12 - 42
    return next((level for level, until in ((1, 12), (2, 35), (3, 90), (4, 480)) if lot < until), 5)


def name_of(patient: int) -> tuple[str, str, str]:
    """Name, pinyin, initials: invented and only as real as a search needs."""
    surname, rest = patient % len(SURNAMES), patient // len(SURNAMES)
    given = GIVEN[rest % len(GIVEN)] + GIVEN[rest // len(GIVEN) % len(GIVEN)]
    letters = LETTERS[surname % len(LETTERS)] + chr(97 + rest % 26) + chr(97 + rest // 26 % 26)
    return SURNAMES[surname] + given, " ".join(letters), letters


def phone_of(patient: int) -> str:
    """A number of the range that nobody has (170 0000 0000 and on)."""
    return f"+86170{patient:08d}"


def instant(at: datetime) -> str:
    """As COPY reads it."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S+00")


def reasons(late: int, risk: str) -> tuple[int, str]:
    """The priority and its explanation, as the product stores it."""
    points = {"overdue": 40 * late, "risk": RISK_POINTS[risk]}
    words = {"overdue": f"overdue {points['overdue']} days:{late}", "risk": f"risk {points['risk']} risk={risk}"}
    told = sorted((code for code in points if points[code]), key=lambda code: (-points[code], code))
    return sum(points.values()), json.dumps([words[code] for code in told])
