"""Who lives in the example city, what they fall ill with and how they behave. Pure: the same seed gives the same city."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

CONTENT = Path(__file__).parent / "content" / "hospital.json"
BAD_PHONE_SHARE = 0.10  # B07: about one number in ten does not lead to the patient
_CHECK = "10X98765432"
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


@dataclass(frozen=True, slots=True)
class Relative:
    """Somebody close to a patient."""

    name: str
    relation: str
    phone: str


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How this person reacts. Decided once, so that a run can be repeated."""

    number: str  # good | empty | wrong: what the phone number really is
    answers_link: bool  # opens the link in a message and answers
    picks_up: float  # chance to pick up one call
    worsens_on_day: int | None  # days after discharge from which answers get alarming
    dies_on_day: int | None
    readmitted_on_day: int | None
    refuses: bool
    opts_out: bool  # replies T to the first message


@dataclass(frozen=True, slots=True)
class Person:
    """An invented inhabitant."""

    record_number: str
    name: str
    sex: str  # M | F
    born: date
    identity_number: str
    phone: str
    address: str
    relative: Relative | None
    behaviour: Behaviour


@dataclass(frozen=True, slots=True)
class Stay:
    """One stay in the hospital, from admission to discharge."""

    person: Person
    visit_number: str
    department: str
    doctor: str  # staff number
    profile: Mapping[str, Any]
    admitted_at: datetime
    discharged_at: datetime
    discharge_cancelled: bool  # the discharge is taken back and comes again two days later
    late_diagnosis: bool  # the diagnosis comes a day after the discharge (A08)
    duplicate_record: str | None  # admitted under a second record number, merged later (A40)
    discharged_twice: bool  # the same A03 is sent again under a new control id
    against_advice: bool


class City:
    """Makes people and stays in a fixed order from one seed."""

    def __init__(self, seed: int, shared: Path) -> None:
        self.random = random.Random(seed)
        self.hospital: dict[str, Any] = json.loads(CONTENT.read_text())
        self.counties = _counties(shared)
        self._numbers = 0

    def stays(self, *, first_day: date, days: int, per_day: int) -> Iterator[Stay]:
        """Stays that end on each day from `first_day` on, `per_day` of them a day on average, fewer at weekends."""
        for offset in range(days):
            day = first_day + timedelta(days=offset)
            share = 0.6 if day.weekday() >= 5 else 1.16
            count = max(1, round(per_day * share * self.random.uniform(0.85, 1.15)))
            for _ in range(count):
                yield self._stay(day)

    def _stay(self, day: date) -> Stay:
        choose = self.random
        department = choose.choices(self.departments, [d["weight"] for d in self.departments])[0]
        profile = choose.choices(department["profiles"], [p["weight"] for p in department["profiles"]])[0]
        person = self._person(profile, day)
        discharged = datetime.combine(day, time(choose.randint(8, 16), choose.randint(0, 59)))
        admitted = discharged - timedelta(days=choose.randint(*profile["stay"]), hours=choose.randint(0, 6))
        return Stay(
            person=person,
            visit_number=f"ZY{self._next():08d}",
            department=department["code"],
            doctor=f"{department['code']}D{choose.randint(1, department['doctors'])}",
            profile=profile,
            admitted_at=admitted,
            discharged_at=discharged,
            discharge_cancelled=choose.random() < 0.015,
            late_diagnosis=choose.random() < 0.12,
            duplicate_record=f"LS{self._next():08d}" if choose.random() < 0.012 else None,
            discharged_twice=choose.random() < 0.02,
            against_advice=choose.random() < 0.02,
        )

    @property
    def departments(self) -> Sequence[dict[str, Any]]:
        found: Sequence[dict[str, Any]] = self.hospital["departments"]
        return found

    def name(self, sex: str) -> str:
        """An invented name."""
        h, choose = self.hospital, self.random
        surname = choose.choice(h["compound_surnames"]) if choose.random() < 0.01 else choose.choice(h["surnames"])
        letters = h["given_male"] if sex == "M" else h["given_female"]
        return str(surname) + "".join(choose.sample(letters, 1 if choose.random() < 0.25 else 2))

    def _person(self, profile: Mapping[str, Any], day: date) -> Person:
        choose = self.random
        sex = {"female": "F", "male": "M"}.get(profile.get("sex", ""), choose.choice("MF"))
        born = day - timedelta(days=round(365.25 * choose.uniform(*profile["age"])))
        behaviour = self._behaviour(profile, (day - born).days / 365.25)
        return Person(
            record_number=f"{day.year}{self._next():07d}",
            name=self.name(sex),
            sex=sex,
            born=born,
            identity_number=self._identity_number(born, sex),
            phone=self._phone(behaviour.number),
            address=f"云溪市{choose.choice(self.hospital['streets'])}{choose.randint(1, 299)}号",
            relative=self._relative() if choose.random() < 0.7 else None,
            behaviour=behaviour,
        )

    def _behaviour(self, profile: Mapping[str, Any], age: float) -> Behaviour:
        choose = self.random
        bad = choose.random() < BAD_PHONE_SHARE
        risk = float(profile["risk"])
        return Behaviour(
            number=choose.choice(("empty", "wrong")) if bad else "good",
            answers_link=not bad and choose.random() < (0.62 if age < 60 else 0.38),
            picks_up=choose.uniform(0.35, 0.9),
            worsens_on_day=choose.randint(1, 25) if choose.random() < risk else None,
            dies_on_day=choose.randint(5, 60) if choose.random() < risk * 0.08 else None,
            readmitted_on_day=choose.randint(4, 40) if choose.random() < risk * 0.35 else None,
            refuses=choose.random() < 0.02,
            opts_out=choose.random() < 0.008,
        )

    def _relative(self) -> Relative:
        word, relation = self.random.choice(self.hospital["relations"])
        return Relative(name=self.name(self.random.choice("MF")), relation=relation or word, phone=self._phone("good"))

    def _phone(self, number: str) -> str:
        """Never a real subscriber's: the 170-0 block, numbered through."""
        if number == "empty" and self.random.random() < 0.3:
            return f"1380000{self.random.randint(0, 99):02d}"  # two digits short
        return f"1700{self._next() % 10_000_000:07d}"

    def _identity_number(self, born: date, sex: str) -> str:
        """GB 11643-1999: county, birth date, a serial whose last digit tells the sex, check digit."""
        serial = self.random.randrange(0, 999, 2) + (sex == "M")
        body = f"{self.random.choice(self.counties)}{born:%Y%m%d}{serial:03d}"
        check = _CHECK[sum(int(digit) * weight for digit, weight in zip(body, _WEIGHTS, strict=True)) % 11]
        return body + check

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers


def _counties(shared: Path) -> list[str]:
    with (shared / "cn" / "counties.csv").open(newline="") as file:
        return [row["code"] for row in csv.DictReader(file)]
