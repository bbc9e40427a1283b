"""A draft on the hospital's own past: which discharges it would have taken, what work that is, and whom it would meet.

Two halves: `Player` takes stays in portions (a background job shows its progress between them) and keeps numbers only;
`adoption_numbers` compares a draft with the version that patients are in now.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from careloop.accounts.models import Organization, RoleAssignment
from careloop.patients.models import Encounter
from careloop.plans.models import CarePlan, LadderRun
from careloop.plans.reads import facts
from careloop.plans.reads.facts import Stay
from careloop.plans.rules.calendar import shipped_calendar
from careloop.plans.rules.content import PlanContent
from careloop.plans.rules.diff import diff_future
from careloop.plans.rules.enrolment import Outcome, choose
from careloop.plans.rules.replay import (
    Capacity,
    Contact,
    Day,
    Pause,
    around_pauses,
    days_of,
    how_reached,
    overlap,
    owner_of,
    peak,
)
from careloop.plans.rules.schedule import Anchors, Progress, last_day, plan_occurrences
from careloop.rosters.reads.capacity import capacity_between

PORTION = 500
MOST_LEAD = 366  # days: what a plan does later than a year after discharge is missing from the first months
YEAR = timedelta(days=365)
FEWEST_LADDERS = 30
HORIZON = timedelta(days=400)
USUAL_PER_DAY = 60  # calls of one nurse on one day (design: 80 to 100 effective ones is the upper end)


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when contacts are counted, and from which discharges on they may come."""

    first: date
    last: date
    lead: int  # days before `first`

    @property
    def discharged_since(self) -> datetime:
        return _midnight(self.first - timedelta(days=self.lead))

    @property
    def discharged_until(self) -> datetime:
        return _midnight(self.last + timedelta(days=1))


def span(plan: PlanContent, *, months: int, today: date) -> Span:
    """The last full months up to yesterday. Patients of earlier discharges count too, as far as the plan reaches."""
    last = today - timedelta(days=1)
    year, month = divmod(last.year * 12 + last.month - 1 - months, 12)
    first = date(year, month + 1, min(last.day, 28)) + timedelta(days=1)
    lead = (plan.ends.after.after(first) - first).days if plan.ends.after else MOST_LEAD
    return Span(first, last, min(lead, MOST_LEAD))


def discharges(span: Span) -> int:
    """How many stays the replay has to look at."""
    return _finished(span).count()


def stay_ids(span: Span, *, after: tuple[datetime, UUID] | None = None) -> list[tuple[UUID, datetime]]:
    """The next portion, oldest discharge first."""
    rows = _finished(span)
    if after:
        rows = rows.filter(Q(discharged_at__gt=after[0]) | Q(discharged_at=after[0], id__gt=after[1]))
    return [
        (pk, at) for pk, at in rows.order_by("discharged_at", "id").values_list("id", "discharged_at")[:PORTION] if at
    ]


def usual_capacity() -> Capacity:
    """The people at hand: nurses with a running role at the follow-up centre, and what past messages left to them."""
    now = timezone.now()
    running = RoleAssignment.objects.filter(
        Q(valid_to=None) | Q(valid_to__gt=now), valid_from__lte=now, role__code="follow-up-nurse",
        practitioner__is_active=True,
    )  # fmt: skip
    nurses = running.values("practitioner_id").distinct().count()
    return Capacity(max(nurses, 1), USUAL_PER_DAY, answered_share(since=now - YEAR))


def roster_capacity(span: Span, *, answered: float) -> Capacity:
    """What the people of the roster could take on each day of the span: teams, shifts, leave, each nurse's own number."""
    days = capacity_between(first=span.first, last=span.last)
    people = {day: tuple(can.values()) for day, can in days.items()}
    most = max((sum(1 for can in there if can) for there in people.values()), default=0)
    room = [can for there in people.values() for can in there if can]
    return Capacity(most, round(sum(room) / len(room)) if room else 0, answered, people)


def answered_share(*, since: datetime) -> float:
    """Of the message ladders that are over, the share that needed no person. Too few of them: nought, the worst case."""
    runs = LadderRun.objects.unscoped("a share of all ladders, nobody named").filter(created_at__gte=since)
    ended = Counter(runs.filter(ended_how__in=["task-over", "phone", "exhausted"]).values_list("ended_how", flat=True))
    total = sum(ended.values())
    return round(ended["task-over"] / total, 3) if total >= FEWEST_LADDERS else 0.0


@dataclass(slots=True)
class _Run:
    """One patient's way through one plan, until a later stay or death ends it."""

    plan: PlanContent
    anchors: Anchors
    enrolled: date
    ends: date | None = None
    pauses: list[Pause] = field(default_factory=list)


@dataclass(slots=True)
class Player:
    """Collects what the stays of the span would have meant. The plan under test takes the place of its older version."""

    plan: PlanContent
    others: Sequence[PlanContent]
    span: Span
    run: int = 0  # of the replay; an older run may not write any more
    looked_at: int = 0
    considered: int = 0  # discharges within the span itself
    outcomes: Counter[str] = field(default_factory=Counter)
    departments: Counter[UUID] = field(default_factory=Counter)
    _patients: dict[UUID, int] = field(default_factory=dict)
    _runs: dict[int, list[_Run]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        """Today's plans on yesterday's patients: since when a plan is valid does not matter here."""
        self.plan = _always_valid(self.plan)
        self.others = [_always_valid(other) for other in self.others if other.url != self.plan.url]

    def add(self, stays: Sequence[Stay]) -> None:
        """Judge these stays as they would have been judged on their day of discharge. Oldest first."""
        plans = [*self.others, self.plan]
        for stay in sorted(stays, key=lambda stay: (stay.encounter.discharged_at, stay.encounter.pk)):
            self._judge(stay, plans)
        self.looked_at += len(stays)

    def _judge(self, stay: Stay, plans: Sequence[PlanContent]) -> None:
        discharged = stay.encounter.discharged_at
        assert discharged is not None
        day = facts.local_day(discharged)
        died = _died_on(stay)
        known = replace(stay.facts(today=day), is_deceased=died is not None and died <= day)
        choice = choose(plans, known, today=day)
        within = day >= self.span.first
        if within:
            self.considered += 1
            self.outcomes[choice.outcome.value] += 1
        patient = self._patients.setdefault(stay.encounter.patient_id, len(self._patients))
        if stay.encounter.class_code == Encounter.Class.INPATIENT and stay.encounter.admitted_at:
            self._pause(patient, Pause(facts.local_day(stay.encounter.admitted_at), day))
        self._end_older(patient, {plan.group for plan in choice.taken}, day, choice.outcome)
        for plan in choice.taken:
            anchors = Anchors(day, day, stay.operated_on, stay.diagnosed_on)
            self._runs[patient].append(_Run(plan, anchors, day, died))
            if within and plan.url == self.plan.url and stay.encounter.department_id:
                self.departments[stay.encounter.department_id] += 1

    def _end_older(self, patient: int, groups: set[str], day: date, outcome: Outcome) -> None:
        """A newer stay's plans take over from older ones of their group (enrolment does the same)."""
        for run in self._runs.get(patient, ()):
            over = run.plan.group in groups or outcome in (Outcome.DIED, Outcome.REFUSED)
            if over and (run.ends is None or run.ends > day):
                run.ends = day

    def _pause(self, patient: int, pause: Pause) -> None:
        """Nobody calls somebody who is in hospital: plans of earlier stays wait (pause_for_readmission does the same)."""
        for run in self._runs.get(patient, ()):
            if run.anchors.discharge <= pause.first < pause.until:
                run.pauses.append(pause)

    def pause_those_inside(self) -> None:
        """Stays that still go on are in no portion, but they pause all the same."""
        rows = Encounter.objects.unscoped("a replay looks at every stay and names nobody").filter(
            status=Encounter.Status.IN_PROGRESS, class_code=Encounter.Class.INPATIENT,
            admitted_at__lt=self.span.discharged_until,
        )  # fmt: skip
        for patient_id, admitted_at in rows.values_list("patient_id", "admitted_at").order_by("admitted_at", "pk"):
            if patient_id in self._patients and admitted_at:
                self._pause(self._patients[patient_id], Pause(facts.local_day(admitted_at), date.max))

    def contacts(self) -> list[Contact]:
        """Every contact of every run that falls due within the span."""
        return [
            contact
            for patient, runs in self._runs.items()
            for run in runs
            for contact in _contacts(run, patient, self.span)
        ]

    def result(self, capacity: Capacity) -> dict[str, Any]:
        """All numbers of the page, ready to be kept as JSON."""
        contacts = self.contacts()
        days, risk = days_of(
            contacts, plan=self.plan.url, first=self.span.first, last=self.span.last, capacity=capacity,
            calendar=shipped_calendar(),
        )  # fmt: skip
        mine = [contact for contact in contacts if contact.plan == self.plan.url]
        return {
            "first": self.span.first.isoformat(), "last": self.span.last.isoformat(), "lead": self.span.lead,
            "discharges": self.considered, "outcomes": dict(self.outcomes), "taken": sum(self.departments.values()),
            "patients": len({contact.patient for contact in mine}), "contacts": len(mine),
            "others": len(contacts) - len(mine),
            "by_owner": dict(Counter(contact.owner for contact in mine)),
            "capacity": _capacity(capacity), "risk": asdict(risk) | {"share": round(risk.share, 4)},
            "overlap": asdict(overlap(contacts, plan=self.plan.url)),
            "days": [_day(day) for day in days], "peak": _day(highest) if (highest := peak(days)) else None,
            "departments": _by_department(self.departments),
        }  # fmt: skip


def _always_valid(plan: PlanContent) -> PlanContent:
    return replace(plan, valid_from=date.min, valid_to=None)


def play(player: Player, *, after: tuple[datetime, UUID] | None) -> tuple[datetime, UUID] | None:
    """Take one portion; gives back where to go on, or None at the end."""
    portion = stay_ids(player.span, after=after)
    if not portion:
        return None
    player.add(facts.stays([pk for pk, _at in portion]))
    pk, at = portion[-1]
    return at, pk


def adoption_numbers(new: PlanContent, *, at: datetime, department: UUID | None = None) -> dict[str, Any]:
    """What the new version would change for patients who are in an older one: future items, by department."""
    until = facts.local_day(at) + HORIZON
    groups: dict[UUID, Counter[str]] = defaultdict(Counter)
    plans = CarePlan.objects.unscoped("numbers for the whole hospital, nobody named").running().with_plan()
    plans = plans.filter(definition_url=new.url).exclude(definition__version=new.version)
    if department:
        plans = plans.filter(department_id=department)
    batch: list[CarePlan] = []
    for plan in plans.order_by("pk").iterator(chunk_size=PORTION):
        batch.append(plan)
        if len(batch) == PORTION:
            _compare(batch, new, groups, until)
            batch = []
    _compare(batch, new, groups, until)
    names = dict(Organization.objects.filter(pk__in=list(groups)).values_list("pk", "name"))
    rows = [{"id": str(pk), "name": names.get(pk, ""), **counts} for pk, counts in groups.items()]
    return {"groups": sorted(rows, key=lambda row: str(row["name"]))}


def _compare(plans: Sequence[CarePlan], new: PlanContent, groups: Mapping[UUID, Counter[str]], until: date) -> None:
    histories = facts.histories(plans)
    for plan in plans:
        diff = diff_future(
            plan.definition.plan(), new, plan.anchors(), histories[plan.pk].progress(plan), shipped_calendar(),
            plan.personal(), until=until,
        )  # fmt: skip
        groups[plan.department_id].update(
            plans=1, touched=int(not diff.is_empty), added=len(diff.added), removed=len(diff.removed),
            moved=len(diff.moved), changed=len(diff.changed), kept=len(diff.kept),
        )  # fmt: skip


def _contacts(run: _Run, patient: int, span: Span) -> list[Contact]:
    steps = {step.code: (owner_of(step), *how_reached(step)) for step in run.plan.steps}
    found = []
    for due, closes, code in _dates_of(run, span.last):
        if not span.first <= due <= span.last or (run.ends is not None and due > run.ends):
            continue
        owner, first, only = steps[code]
        found.append(Contact(due, closes, patient, run.plan.url, owner, first, only))
    return found


def _dates_of(run: _Run, until: date) -> Iterable[tuple[date, date, str]]:
    if not run.pauses:
        return _dates(run.plan, run.anchors, until)
    pauses = sorted(run.pauses, key=lambda pause: (pause.first, pause.until))
    around = around_pauses(run.plan, run.anchors, pauses, shipped_calendar(), until=until)
    return [(one.due, one.closes, one.step) for one in around]


def _dates(plan: PlanContent, anchors: Anchors, until: date) -> tuple[tuple[date, date, str], ...]:
    return _dates_cached(_ById(plan), anchors, until)


class _ById:
    """A plan as a key of the cache: the same object, not the same content compared word by word."""

    def __init__(self, plan: PlanContent) -> None:
        self.plan = plan

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and other.plan is self.plan

    def __hash__(self) -> int:
        return id(self.plan)


@lru_cache(maxsize=20_000)
def _dates_cached(key: _ById, anchors: Anchors, until: date) -> tuple[tuple[date, date, str], ...]:
    """Patients discharged on one day have the same dates; a ward's whole day is computed once."""
    progress = Progress(not_before=anchors.enrolment, last_day=last_day(key.plan, anchors))
    future = plan_occurrences(key.plan, anchors, progress, shipped_calendar(), until=until)
    return tuple((o.due, o.closes, o.step) for o in future)


def _by_department(counted: Counter[UUID]) -> list[dict[str, Any]]:
    names = dict(Organization.objects.filter(pk__in=list(counted)).values_list("pk", "name"))
    return [{"name": names.get(pk, ""), "discharges": n} for pk, n in counted.most_common()]


def _capacity(capacity: Capacity) -> dict[str, Any]:
    roster = None if capacity.roster is None else [len([n for n in people if n]) for people in capacity.roster.values()]
    return {
        "nurses": capacity.nurses, "per_day": capacity.per_day, "answered": capacity.answered,
        "by_roster": roster is not None, "most_people": max(roster or [0]), "fewest_people": min(roster or [0]),
    }  # fmt: skip


def _day(day: Day) -> dict[str, Any]:
    return asdict(day) | {"day": day.day.isoformat()}


def _died_on(stay: Stay) -> date | None:
    patient = stay.encounter.patient
    if not patient.deceased:
        return None
    return facts.local_day(patient.deceased_at) if patient.deceased_at else date.min


def _finished(span: Span) -> Any:
    rows = Encounter.objects.unscoped("a replay looks at every discharge and names nobody")
    return rows.filter(
        status=Encounter.Status.FINISHED, discharged_at__gte=span.discharged_since, discharged_at__lt=span.discharged_until
    )  # fmt: skip


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(0), timezone.get_default_timezone())
