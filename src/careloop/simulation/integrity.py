"""Honest departments and people who invent records, to measure what the indicators of integrity cost and find.

`careloop integrity-study --seed 7` prints the share of honest nurse-months in which an indicator fires (false alarms) and
the share of inventors' months in which one does (catch rate), by kind of inventor. All invented; nothing is stored.

Honest noise is meant to be as untidy as real work: noughts preferred when pressure is read by hand (a nurse's habit, up
to four readings in five), calls that were not logged, a nurse who never uses the call key, days on which notes are typed
in afterwards, patients who are stable and say the same again, departments whose patients are well treated, and checkers
who differ because patients changed or remembered otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import careloop.supervision
from careloop.supervision.rules import integrity
from careloop.supervision.rules.integrity import Peers
from careloop.supervision.rules.records import Record

LIMITS: Final = Path(careloop.supervision.__file__).parent / "content" / "integrity.json"
MONTH: Final = datetime(2026, 10, 1, tzinfo=UTC)
CHOICES: Final = {"symptoms": 5, "adherence": 3, "salt": 3, "smoking": 2, "adr": 2, "sleep": 3, "mood": 3, "visit": 2}
SBP, DBP = "8480-6", "8462-4"
MONTHS: Final = 3  # in a row, as long as the window of the indicators
SHARES: Final = (1.0, 0.7, 0.5)  # how much of the month an inventor invents


@dataclass(frozen=True, slots=True)
class Department:
    """Whose patients these are: how high their pressure is, and how often a rule of the form finds something."""

    mean: float
    spread: float
    findings: float
    tail: float = 0.0  # 0: as symmetric as measuring is; 1: half the spread lies in a long tail of high pressures
    again: float = 0.0  # share of high pressures that are measured a second time, the second one being written


@dataclass(frozen=True, slots=True)
class Nurse:
    """How one person works."""

    name: str
    contacts: int
    noughts: float  # share of readings rounded to a full ten
    evens: bool
    unlogged: float  # share of calls without a call in the log
    catch_up_days: int
    pressure_share: float  # share of records with a measured pressure
    shift: float = 0.0  # her patients' pressure against the department's
    findings: float = 1.0  # how often her patients have something to report, against the department's


def department(luck: random.Random) -> Department:
    """An invented department: systolic mean and spread in mmHg, share of high risk, tail and habits of measuring again."""
    tail = luck.uniform(0.3, 1.0) if luck.random() < 0.4 else 0.0
    again = luck.uniform(0.1, 0.5) if luck.random() < 0.3 else 0.0
    return Department(luck.gauss(132, 4), luck.uniform(12, 17), luck.betavariate(6, 20), tail, again)


def nurse(luck: random.Random, name: str) -> Nurse:
    """A person like those one meets: most log their calls, one in 200 never touches the call key."""
    never_logs = luck.random() < 0.005
    by_hand = luck.random() < 0.6
    return Nurse(
        name=name,
        contacts=max(25, min(450, round(luck.lognormvariate(4.9, 0.55)))),
        noughts=luck.betavariate(4, 5) if by_hand else 0.1,
        evens=by_hand,
        unlogged=luck.uniform(0.6, 1.0) if never_logs else luck.betavariate(1.2, 18),
        catch_up_days=int(luck.random() < 0.3),
        pressure_share=luck.uniform(0.35, 0.9),
        shift=luck.gauss(0, 3),
        findings=luck.uniform(0.6, 1.4),
    )


def begins(month: int) -> datetime:
    """When this month of the study begins; 28 days each, so that months never overlap."""
    return MONTH + timedelta(days=28 * month, hours=1)


def honest_month(luck: random.Random, where: Department, who: Nurse, month: int = 0) -> list[Record]:
    """A month of real calls: uneven gaps, forgotten logs, readings as they were said, answers that repeat honestly."""
    at, found = begins(month), []
    left_of_catch_up = 0
    catch_up_from = luck.randrange(who.contacts) if who.catch_up_days else -1
    for number in range(who.contacts):
        if number == catch_up_from:
            left_of_catch_up = luck.randint(5, 14)
        typed_in = left_of_catch_up > 0
        left_of_catch_up -= typed_in
        at += timedelta(seconds=luck.uniform(12, 35) if typed_in else 45 + luck.expovariate(1 / 240))
        found.append(honest_record(luck, where, who, at))
    return found


def honest_record(luck: random.Random, where: Department, who: Nurse, at: datetime) -> Record:
    """What this nurse writes down when she asks and measures."""
    patient = f"p{luck.randrange(10**9)}"
    usual = _usual(luck, where, who)
    measured = luck.random() < who.pressure_share
    values: dict[str, Any] = {name: _choice(luck, options) for name, options in CHOICES.items()}
    earlier = None
    if luck.random() < 0.6:  # seen before: most say the same about most things
        steady = 1.0 if luck.random() < 0.35 else 0.85
        earlier = {n: v if luck.random() < steady else _choice(luck, CHOICES[n]) for n, v in values.items()}
    readings: dict[str, float] = {}
    if measured:
        readings = _pressure(luck, usual, where, who)
        values |= {"sbp": int(readings[SBP]), "dbp": int(readings[DBP])}
        if earlier is not None:
            before = _pressure(luck, usual, where, who)
            earlier |= {"sbp": int(before[SBP]), "dbp": int(before[DBP])}
    badly = where.findings * who.findings
    logged = luck.random() >= who.unlogged
    return Record(
        id=f"{who.name}-{at.timestamp():.3f}", author=who.name, patient=patient, form="htn", mode="phone" if luck.random() < 0.92 else "visit",
        at=at, values=values, readings=readings, earlier=earlier,
        call_seconds=luck.uniform(40, 400) if logged else luck.choice([None, 0.0, luck.uniform(0, 5)]),
        findings=int(luck.random() < badly),
    )  # fmt: skip


def _choice(luck: random.Random, options: int) -> str:
    """The first option is the ordinary one."""
    return "1" if luck.random() < 0.75 else str(luck.randint(2, options))


def _usual(luck: random.Random, where: Department, who: Nurse) -> float:
    """A patient's usual systolic pressure; in some departments high ones are further away than low ones."""
    spread = where.spread * 0.8
    symmetric = luck.gauss(0, spread * (1 - where.tail / 2))
    return where.mean + who.shift + symmetric + spread * where.tail / 2 * (luck.expovariate(1) - 1)


def _pressure(luck: random.Random, usual: float, where: Department, who: Nurse) -> dict[str, float]:
    """One reading around the patient's usual one, as this nurse would read it off; a high one perhaps taken again."""
    systolic, diastolic = _device(luck, usual, where)
    if (systolic >= 140 or diastolic >= 90) and luck.random() < where.again:
        systolic, diastolic = _device(luck, usual, where)
    return {SBP: _read(luck, systolic, who), DBP: _read(luck, diastolic, who)}


def _device(luck: random.Random, usual: float, where: Department) -> tuple[float, float]:
    systolic = luck.gauss(usual, where.spread * 0.6)
    return systolic, luck.gauss(46 + 0.26 * systolic, 7)


def _read(luck: random.Random, value: float, who: Nurse) -> float:
    if luck.random() < who.noughts:
        return float(round(value / 10) * 10)
    return float(round(value / 2) * 2 if who.evens else round(value))


# ---- people who invent ------------------------------------------------------------------------------------------------

Trick = Callable[[random.Random, Record, int], Record]


def desk(luck: random.Random, record: Record, number: int) -> Record:
    """Never calls, types one record after the other, everything is fine and just under the limits."""
    return replace(_fine(luck, record), mode="phone", call_seconds=luck.choice([None, 0.0]))


def careful(luck: random.Random, record: Record, number: int) -> Record:
    """Lets the telephone ring for a while and takes the time, but invents the answers and the numbers."""
    return replace(_fine(luck, record), mode="phone", call_seconds=luck.uniform(15, 120))


def lazy(luck: random.Random, record: Record, number: int) -> Record:
    """Always 120/80 or 130/80, with a call that rings out."""
    fine = _fine(luck, record)
    readings = {SBP: luck.choice([120.0, 130.0, 120.0]), DBP: 80.0}
    return _measured(replace(fine, mode="phone", call_seconds=luck.uniform(0, 30)), readings)


def copier(luck: random.Random, record: Record, number: int) -> Record:
    """Takes over what stands there from the last time; calls only now and then."""
    if record.earlier is None:
        return replace(record, mode="phone", call_seconds=None if luck.random() < 0.5 else luck.uniform(0, 60))
    readings = {
        code: float(record.earlier[name]) for code, name in ((SBP, "sbp"), (DBP, "dbp")) if name in record.earlier
    }
    return replace(
        record, mode="phone", values=dict(record.earlier), readings=readings, findings=int(luck.random() < 0.05),
        call_seconds=luck.uniform(15, 90),
    )  # fmt: skip


def shader(luck: random.Random, record: Record, number: int) -> Record:
    """Calls and asks, but writes every pressure that is a little too high down to just under the limit."""
    readings = dict(record.readings)
    for code, limit in ((SBP, 140), (DBP, 90)):
        if code in readings and limit <= readings[code] < limit + 14:
            readings[code] = float(limit - luck.choice([2, 2, 4, 4, 6, 8]))
    return _measured(record, readings) if readings else record


def _fine(luck: random.Random, record: Record) -> Record:
    """Invented: ordinary answers, numbers a person makes up (no round ends), a pressure that asks for nothing."""
    values: dict[str, Any] = {name: "1" if luck.random() < 0.93 else "2" for name in CHOICES}
    fine = replace(record, values=values, findings=int(luck.random() < 0.03))
    if not record.readings:
        return replace(fine, readings={})
    ends = (2, 4, 6, 8, 2, 4, 6, 8, 3, 7)
    tens = luck.choice([12, 12, 13, 13, 13, 13])
    readings = {SBP: float(tens * 10 + luck.choice(ends)), DBP: float(luck.choice([7, 8, 8]) * 10 + luck.choice(ends))}
    return _measured(fine, readings)


def _measured(record: Record, readings: Mapping[str, float]) -> Record:
    values = {**record.values}
    for code, name in ((SBP, "sbp"), (DBP, "dbp")):
        if code in readings:
            values[name] = int(readings[code])
    return replace(record, values=values, readings=dict(readings))


TRICKS: Final[dict[str, Trick]] = {"desk": desk, "careful": careful, "lazy": lazy, "copier": copier, "shader": shader}


def invented_month(
    luck: random.Random, where: Department, who: Nurse, *, trick: str, share: float, month: int = 0
) -> list[Record]:
    """An honest month, of which this share was invented in this way. The desk inventor also needs no time."""
    honest = honest_month(luck, where, who, month)
    false = {record.id for record in honest if luck.random() < share}
    told = [TRICKS[trick](luck, record, n) if record.id in false else record for n, record in enumerate(honest)]
    if trick != "desk":
        return told
    at, found = begins(month), []
    for record in told:
        at += timedelta(seconds=luck.uniform(8, 40) if record.id in false else 45 + luck.expovariate(1 / 240))
        found.append(replace(record, at=at))
    return found


def checked(luck: random.Random, month: Sequence[Record], honest: Sequence[Record]) -> list[Record]:
    """Level 2 asked up to ten patients again, one in twenty: honest records differ seriously in 4 of 100 cases."""
    true = {record.id: record for record in honest}
    count = min(10, round(len(month) * 0.05))
    chosen = {record.id for record in luck.sample(list(month), count)} if luck.random() < 0.6 else set()
    return [
        replace(record, second_look=_second_look(luck, record, true.get(record.id))) if record.id in chosen else record
        for record in month
    ]


def _second_look(luck: random.Random, told: Record, true: Record | None) -> str:
    invented = true is None or told.values != true.values
    return "serious" if luck.random() < (0.6 if invented else 0.04) else luck.choice(["agrees", "agrees", "differs"])


# ---- the measurement ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Tally:
    """People followed over the months of the study: when an indicator fired first, and which ones did."""

    people: int = 0
    fired_in: Counter[int] = field(default_factory=Counter)  # month → people with an indicator in that month
    first_in: Counter[int] = field(default_factory=Counter)  # month → people whose first indicator it was
    by_code: list[Counter[str]] = field(default_factory=lambda: [Counter() for _month in range(MONTHS)])

    def add(self, person: Person, limits: Mapping[str, Any]) -> None:
        """Judge each month by itself and together with those before it, as the nightly count does."""
        self.people += 1
        seen = False
        for month in range(MONTHS):
            firing = person.firing(month, limits)
            self.by_code[month].update(firing)
            self.fired_in[month] += bool(firing)
            self.first_in[month] += bool(firing) and not seen
            seen = seen or bool(firing)

    def join(self, other: Tally) -> None:
        """The people of another department, too."""
        self.people += other.people
        self.fired_in.update(other.fired_in)
        self.first_in.update(other.first_in)
        for mine, theirs in zip(self.by_code, other.by_code, strict=True):
            mine.update(theirs)

    def share(self, month: int) -> float:
        """Of these people, how many had an indicator in this month."""
        return self.fired_in[month] / self.people if self.people else 0.0

    def by_end_of(self, month: int) -> float:
        """Of these people, how many had one in this month or before."""
        return sum(self.first_in[n] for n in range(month + 1)) / self.people if self.people else 0.0


@dataclass(frozen=True, slots=True)
class Person:
    """One person's months with the colleagues' figures of each window."""

    months: Sequence[Sequence[Record]]
    peers: Sequence[Peers]  # of the month alone
    run_peers: Sequence[Peers]  # of the month and those before it

    def firing(self, month: int, limits: Mapping[str, Any]) -> set[str]:
        """The indicators of this month: `code` by itself, `code+` over the months together."""
        alone = integrity.indicators(self.months[month], self.peers[month], limits)
        found = {one.code for one in alone if one.fires}
        if month:
            run = [record for told in self.months[: month + 1] for record in told]
            over = integrity.indicators(run, self.run_peers[month], limits, months=month + 1)
            found |= {f"{one.code}+" for one in over if one.fires}
        return found


@dataclass(frozen=True, slots=True)
class Study:
    """What was measured."""

    seed: int
    version: str
    honest: Tally
    inventors: dict[tuple[str, float], Tally]

    @property
    def honest_months(self) -> int:
        """How many nurse-months of honest work were judged."""
        return self.honest.people * MONTHS

    @property
    def false_alarms(self) -> float:
        """Per honest nurse-month, over all months, the first ones with small windows and the last ones with full ones."""
        return sum(self.honest.fired_in.values()) / self.honest_months

    def catch_rate(self, month: int = 0) -> float:
        """Of all inventors, each kind and share equally often, how many were found by the end of this month."""
        return sum(t.by_end_of(month) for t in self.inventors.values()) / len(self.inventors)


def study(*, seed: int, departments: int, limits: Mapping[str, Any], processes: int = 1) -> Study:
    """In each department everybody is honest; beside them one invents, in each way and share, for three months.

    Each department has luck of its own from the seed and its number, so that the figures are the same however many
    processes count them.
    """
    one = partial(_of_department, seed, limits)
    if processes > 1:
        with ProcessPoolExecutor(processes) as pool:
            parts = list(pool.map(one, range(departments), chunksize=4))
    else:
        parts = [one(number) for number in range(departments)]
    honest, inventors = Tally(), {(t, s): Tally() for t in TRICKS for s in SHARES}
    for honest_part, inventor_parts in parts:
        honest.join(honest_part)
        for kind, tally in inventor_parts.items():
            inventors[kind].join(tally)
    return Study(seed, str(limits["version"]), honest, inventors)


def _of_department(seed: int, limits: Mapping[str, Any], number: int) -> tuple[Tally, dict[tuple[str, float], Tally]]:
    luck = random.Random(f"{seed}:{number}")
    honest = Tally()
    inventors = {(trick, share): Tally() for trick in TRICKS for share in SHARES}
    where = department(luck)
    people = [nurse(luck, f"d{number}n{n}") for n in range(luck.randint(4, 9))]
    months = {who.name: [_checked_honest(luck, where, who, n) for n in range(MONTHS)] for who in people}
    peers = {who.name: _peers(months, who.name, limits) for who in people}
    for who in people:
        honest.add(Person(months[who.name], *peers[who.name]), limits)
    for (trick, share), tally in inventors.items():
        who = luck.choice(people)
        told = [
            _with_looks(luck, invented_month(luck, where, who, trick=trick, share=share, month=n), trick, share)
            for n in range(MONTHS)
        ]
        tally.add(Person(told, *peers[who.name]), limits)
    return honest, inventors


def _checked_honest(luck: random.Random, where: Department, who: Nurse, month: int) -> list[Record]:
    told = honest_month(luck, where, who, month)
    return checked(luck, told, told)


def _with_looks(luck: random.Random, told: Sequence[Record], trick: str, share: float) -> list[Record]:
    """Level 2 looks at some of them; a record is contradicted when it was invented (60 %) or honestly differs (4 %)."""
    if luck.random() >= 0.6:
        return list(told)
    chosen = {record.id for record in luck.sample(list(told), min(10, round(len(told) * 0.05)))}
    invented_share = share * (0.3 if trick == "shader" else 1.0)
    rate = 0.6 * invented_share + 0.04 * (1 - invented_share)
    return [
        replace(record, second_look="serious" if luck.random() < rate else "agrees") if record.id in chosen else record
        for record in told
    ]


def _peers(
    months: Mapping[str, Sequence[Sequence[Record]]], name: str, limits: Mapping[str, Any]
) -> tuple[list[Peers], list[Peers]]:
    """The colleagues' figures of each month, and of each month with those before it."""
    others = [
        [record for other, told in months.items() if other != name for record in told[month]] for month in range(MONTHS)
    ]
    alone = [Peers.of(records, limits) for records in others]
    return alone, [Peers.sum(alone[: month + 1]) for month in range(MONTHS)]


def lines(found: Study) -> Iterator[str]:
    """The report, as text. A code with + fired over the months together."""
    people, last = found.honest.people, MONTHS - 1
    yield f"Integrity indicators, limits version {found.version}, seed {found.seed}"
    yield (
        f"honest nurse-months: {found.honest_months} ({people} people); with a false alarm:"
        f" {sum(found.honest.fired_in.values())} ({found.false_alarms:.2%})"
    )
    for month in range(MONTHS):
        yield f"  month {month + 1}: {found.honest.fired_in[month]} ({found.honest.share(month):.2%})"
    for code in integrity.CODES:
        alone, run = found.honest.by_code[last][code], found.honest.by_code[last][f"{code}+"]
        yield f"  {code:<14} {alone / people:6.2%} of the month, {run / people:6.2%} over {MONTHS} months"
    yield f"inventors: {sum(t.people for t in found.inventors.values())}; caught by the end of month " + ", ".join(
        f"{month + 1}: {found.catch_rate(month):.1%}" for month in range(MONTHS)
    )
    for (trick, share), tally in found.inventors.items():
        told = " ".join(f"{tally.by_end_of(month):7.1%}" for month in range(MONTHS))
        codes = ", ".join(f"{code} {count / tally.people:.0%}" for code, count in tally.by_code[last].most_common(4))
        yield f"  {trick:<8} {share:>4.0%} invented: {told}  of {tally.people} ({codes})"
    weakest, tally = min(found.inventors.items(), key=lambda one: one[1].by_end_of(0))
    yield (
        f"least caught in one month: {weakest[0]} {weakest[1]:.0%}, {1 - tally.by_end_of(0):.0%} missed;"
        f" {1 - tally.by_end_of(last):.0%} still missed after {MONTHS} months"
    )


def as_data(found: Study, departments: int) -> dict[str, Any]:
    """The figures as supervision/content/integrity-study.json keeps them, to be shown beside each indicator."""
    people, last = found.honest.people, MONTHS - 1
    by_code = found.honest.by_code[last]
    return {
        "version": found.version,
        "source": f"careloop integrity-study --seed {found.seed} --departments {departments}: simulated departments and"
        " inventors; real departments may differ, which is why an indicator is a reason to look and not a verdict.",
        "months": MONTHS,
        "honest_months": found.honest_months,
        "any_false_alarm": round(found.false_alarms, 4),
        "false_alarms": {code: round(by_code[code] / people, 4) for code in integrity.CODES},
        "false_alarms_over_months": {code: round(by_code[f"{code}+"] / people, 4) for code in integrity.CODES},
        "inventors": sum(tally.people for tally in found.inventors.values()),
        "catch_rate": round(found.catch_rate(), 4),
        "catch_rate_by_month": [round(found.catch_rate(month), 4) for month in range(MONTHS)],
        "caught": {
            f"{trick}-{share:.0%}": [round(tally.by_end_of(month), 3) for month in range(MONTHS)]
            for (trick, share), tally in found.inventors.items()
        },
    }


def main(arguments: list[str]) -> int:
    """Print the study; 1 when a target is missed (90 % of inventors, 2 % false alarms)."""
    parser = argparse.ArgumentParser(prog="careloop integrity-study", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--departments", type=int, default=200)
    parser.add_argument("--limits", type=Path, default=LIMITS, help="another set of limits (JSON)")
    parser.add_argument("--save", type=Path, help="also write the figures to this file (JSON)")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="changes the time, never the figures"
    )
    given = parser.parse_args(arguments)
    limits = json.loads(given.limits.read_text(encoding="utf-8"))
    found = study(seed=given.seed, departments=given.departments, limits=limits, processes=given.processes)
    for line in lines(found):
        print(line)
    if given.save:
        figures = json.dumps(as_data(found, given.departments), indent=2, ensure_ascii=False)
        given.save.write_text(figures + "\n", encoding="utf-8")
    met = found.catch_rate() >= 0.9 and found.false_alarms <= 0.02
    print("targets met" if met else "TARGETS MISSED", "(catch ≥ 90 %, false alarms ≤ 2 %)")
    return 0 if met else 1
