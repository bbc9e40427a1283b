"""From which records a sample may be drawn, and whether a drawn one can be drawn again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from careloop.accounts.models import Organization, Practitioner
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Patient
from careloop.supervision import rules
from careloop.supervision.models import Sample, SampledRecord
from careloop.supervision.reads import content
from careloop.supervision.reads.records import Found, Period, gather
from careloop.supervision.rules.weighing import weigh
from careloop.tasks.models import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a sample is drawn from."""

    department_id: UUID | None  # None: the whole hospital
    period: Period
    strata: tuple[str, ...] = ()
    author_id: UUID | None = None
    url: str = ""
    mode: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """The list to draw from, with what was left out and why."""

    found: dict[str, Found]
    candidates: tuple[rules.Candidate, ...]
    left_out: dict[str, int]

    @property
    def finished(self) -> int:
        """All finished records of the selection: what can be drawn and what is left out."""
        return len(self.candidates) + sum(self.left_out.values())

    @property
    def strata(self) -> dict[str, int]:
        return dict(sorted(Counter(one.stratum for one in self.candidates).items()))


def departments_below(department_id: UUID | None) -> list[UUID] | None:
    """The department with its wards; None for the whole hospital."""
    if department_id is None:
        return None
    root = Organization.objects.get(pk=department_id)
    return list(Organization.objects.filter(path__startswith=root.path).values_list("pk", flat=True))


def population(wanted: Wanted, *, viewer: Viewer, without: Iterable[str] = ()) -> Population:
    """Every record of level 1 that may be drawn by this viewer. Drawn from and left out are all finished records.

    Left out, and counted: what `gather` leaves out; the viewer's own; those in a check already; those drawn before
    (`without`); patients who died or do not want to be called; patients with an open alert, whom the checker may need to
    see.
    """
    gathered = gather(
        viewer=viewer, period=wanted.period, departments=departments_below(wanted.department_id),
        author_id=wanted.author_id, url=wanted.url, mode=wanted.mode,
        most=content.sampling()["largest_population"] + 1,
    )  # fmt: skip
    everything = gathered.found
    kept, left_out = _sorted_out(everything, viewer, set(without))
    weights = weigh([one.record for one in everything], content.sampling())
    names = _names(kept)
    candidates = tuple(
        rules.Candidate(
            id=one.record.id, stratum=_stratum(one, wanted.strata, names), weight=weights[one.record.id][0],
            reasons=weights[one.record.id][1],
        )
        for one in kept
    )  # fmt: skip
    return Population(
        found={one.record.id: one for one in kept}, candidates=candidates, left_out={**gathered.left_out, **left_out}
    )


def _sorted_out(everything: list[Found], viewer: Viewer, without: set[str]) -> tuple[list[Found], dict[str, int]]:
    patients = {one.response.patient_id for one in everything}
    silent = set(
        Patient.objects.visible_to(viewer)
        .filter(pk__in=patients)
        .exclude(deceased=False, do_not_contact=False, active=True)
        .values_list("pk", flat=True)
    )
    alarmed = set(
        Task.objects.unscoped("whether something urgent is open, nothing else")
        .open()
        .filter(patient__in=patients, kind__in=(Task.Kind.ALERT, Task.Kind.WORK_ORDER, Task.Kind.MESSAGE))
        .values_list("patient_id", flat=True)
    )
    checking = {
        str(pk)
        for pk in SampledRecord.objects.unscoped("whether somebody checks it already")
        .filter(response__in=[one.response.pk for one in everything])
        .exclude(status=SampledRecord.Status.NOT_REACHED)
        .values_list("response_id", flat=True)
    }
    left_out: Counter[str] = Counter()
    kept = []
    for one in everything:
        why = (
            "own" if one.author_id == viewer.practitioner_id
            else "checked-already" if one.record.id in checking or one.record.id in without
            else "no-contact" if one.response.patient_id in silent
            else "open-alert" if one.response.patient_id in alarmed
            else ""
        )  # fmt: skip
        if why:
            left_out[why] += 1
        else:
            kept.append(one)
    return kept, dict(left_out)


def _names(found: list[Found]) -> dict[UUID, str]:
    departments = Organization.objects.filter(pk__in={one.department_id for one in found}).values_list("pk", "name")
    people = Practitioner.objects.filter(pk__in={one.author_id for one in found}).values_list("pk", "name")
    return {**dict(departments), **dict(people)}


def _stratum(one: Found, strata: tuple[str, ...], names: dict[UUID, str]) -> str:
    told = {
        "department": names[one.department_id],
        "author": names[one.author_id],
        "form": one.response.questionnaire.title,
        "mode": one.response.mode,
        "origin": one.origin,
    }
    return " / ".join(told[name] for name in strata)[:300]


def drawn_before(widens: Sample | None) -> set[str]:
    """Everything that the sample to be widened, and those before it, have drawn."""
    drawn: set[str] = set()
    while widens is not None:
        rows = SampledRecord.objects.unscoped("what was drawn before").filter(sample=widens)
        drawn |= {str(pk) for pk in rows.values_list("response_id", flat=True)}
        widens = widens.widens
    return drawn


def asked_json(wanted: Wanted, size: int | None, percent: float | None, blind_percent: float) -> dict[str, Any]:
    """What was asked for, so that it can be shown and, when the sample is widened, asked for again."""
    return {
        "size": size, "percent": percent, "blind_percent": blind_percent, "strata": list(wanted.strata),
        "author": str(wanted.author_id or ""), "form": wanted.url, "mode": wanted.mode,
    }  # fmt: skip


def wanted_again(sample: Sample) -> Wanted:
    """The selection of a stored sample."""
    author = sample.asked.get("author")
    return Wanted(
        department_id=sample.department_id, period=Period(first=_day(sample.period_from), last=_day(sample.period_to)),
        strata=tuple(sample.asked.get("strata", ())), author_id=UUID(author) if author else None,
        url=sample.asked.get("form", ""), mode=sample.asked.get("mode", ""),
    )  # fmt: skip


def _day(value: date | str) -> date:
    return value if isinstance(value, date) else date.fromisoformat(value)


@dataclass(frozen=True, slots=True)
class Redrawn:
    """What came out of drawing a stored sample again."""

    same_list: bool  # the kept list still has the fingerprint it was drawn with
    same_records: bool

    @property
    def holds(self) -> bool:
        return self.same_list and self.same_records


def draw_again(sample: Sample, records: Iterable[SampledRecord]) -> Redrawn:
    """Draw from the kept list with the kept seed and compare: the proof that nobody picked."""
    candidates = [rules.Candidate(id=id_, stratum=stratum, weight=weight) for id_, stratum, weight in sample.population]
    drawn = rules.draw(
        candidates, size=sample.size, seed=sample.seed, blind_percent=float(sample.asked.get("blind_percent", 100))
    )
    kept = {(str(row.response_id), row.order) for row in records}
    return Redrawn(
        same_list=rules.fingerprint(candidates) == sample.population_hash,
        same_records={(one.candidate.id, one.order) for one in drawn} == kept,
    )
