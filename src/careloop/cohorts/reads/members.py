"""A definition compiled to one statement over patients, always inside the viewer's scope (tests/test_members.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import and_, or_
from typing import Any
from uuid import UUID

from django.db import OperationalError
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Collate
from django.db.models.lookups import GreaterThanOrEqual, LessThan
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from careloop.cohorts.models import Cohort, CohortMember, NewestAnswer, NewestResult, PatientTag
from careloop.cohorts.rules import definition as rules
from careloop.cohorts.rules.definition import Definition
from careloop.kernel.counting import large_question
from careloop.kernel.errors import Refused
from careloop.kernel.models import ScopedQuerySet
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Condition, Encounter, Observation, Patient, Procedure, patient_scope_as_set
from careloop.plans.models import CarePlan

WITHIN = "narrows patients that are scoped themselves"
LOOKUPS = {">=": "gte", "<=": "lte", ">": "gt", "<": "lt", "=": "exact"}
PATIENCE = timedelta(seconds=8)
Patients = ScopedQuerySet[Patient]
Ids = QuerySet[Any, Any]  # of patients


class TooLong(Refused):
    """The search takes too long. Add a condition that narrows it, such as a department or a time."""

    code = "cohort-too-long"
    message = _("The search takes too long. Add a condition that narrows it, such as a department or a time.")


def members(definition: Definition, *, viewer: Viewer, at: datetime) -> Patients:
    """The patients that fit and that this viewer may see, as a query that has not run yet. Tombstones never fit."""
    found: Patients = Patient.objects.unscoped("the viewer's scope is the next line, as sets").filter(active=True)
    if not viewer.everything:
        found = found.filter(patient_scope_as_set(viewer))
    groups = [group for group in definition.groups if rules.leaves(group)]
    alone = len(groups) == 1 and (viewer.everything or viewer.hospital_wide)
    for group in groups:
        found = _narrow(found, group, at, alone=alone)
    return found


def members_of(cohort: Cohort, *, viewer: Viewer, at: datetime) -> Patients:
    """Of a kept cohort: a frozen one's members of then, a living one's of now; both inside the viewer's scope of now."""
    if cohort.kind != Cohort.Kind.FROZEN:
        return members(cohort.conditions(), viewer=viewer, at=at)
    everyone = members(Definition(()), viewer=viewer, at=at)
    return everyone.filter(pk__in=CohortMember.objects.unscoped(WITHIN).filter(cohort=cohort).values("patient_id"))


def count(found: Patients) -> int:
    """How many, exactly. Refused (TooLong) rather than keeping a page and the database busy."""
    with _measured():
        return found.order_by().count()


def first(found: Patients, limit: int) -> list[UUID]:
    """Their ids in a stable order, at most `limit`."""
    with _measured():
        return list(found.order_by("pk").values_list("pk", flat=True)[:limit])


@contextmanager
def _measured() -> Iterator[None]:
    """One large question, and an end to it."""
    try:
        with large_question(PATIENCE):
            yield
    except OperationalError as error:
        if "statement timeout" in str(error):
            raise TooLong from None
        raise


def _narrow(found: Patients, group: rules.Group, at: datetime, *, alone: bool) -> Patients:
    """Only those of whom the group holds. What must hold becomes a join, what must not an anti-join."""
    parts = [part for part in group.conditions if rules.leaves(part)]
    if group.mode == "any" and len(parts) > 1:
        return found.filter(_any(parts, at, alone=alone))
    for part in parts:
        if group.mode == "none":
            found = _without(found, part, at)
        elif isinstance(part, rules.Group):
            found = _narrow(found, part, at, alone=alone and len(parts) == 1)
        else:
            held = _held(part, at)
            found = found.filter(held if isinstance(held, Q) else _has(held))
    return found


def _without(found: Patients, part: rules.Part, at: datetime) -> Patients:
    """Only those of whom it does not hold. "Not one of these" is "none of these", and the other way round."""
    if isinstance(part, rules.Group):
        if part.mode == "all":
            return found.filter(~_said(part, at))
        turned: rules.Mode = "none" if part.mode == "any" else "any"
        return _narrow(found, rules.Group(turned, part.conditions), at, alone=False)
    held = _held(part, at)
    return found.filter(~held if isinstance(held, Q) else ~_has(held))


def _any(parts: Sequence[rules.Part], at: datetime, *, alone: bool) -> Q:
    """One OR. Sets are put together, so that they are hashed or joined once and not asked one after the other.

    Where something else narrows the patients first, the patient's own columns go in as one more set: the sets then run
    past the few that are left. Where nothing does, asking a million patients their own column first is the cheaper.
    """
    held = [_said(part, at) if isinstance(part, rules.Group) else _held(part, at) for part in parts]
    own = [one for one in held if isinstance(one, Q)]
    sets = [one for one in held if not isinstance(one, Q)]
    joins = not alone and sets and not any(isinstance(part, rules.Group) for part in parts)
    if joins and own:
        sets.append(Patient.objects.unscoped(WITHIN).filter(reduce(or_, own)).order_by().values("pk"))
        own = []
    return reduce(or_, own + ([_within(sets)] if sets else []))


def _said(part: rules.Part, at: datetime) -> Q:
    """The same as a plain condition, for what stands under an OR: each set is hashed once."""
    if not isinstance(part, rules.Group):
        held = _held(part, at)
        return held if isinstance(held, Q) else _within([held])
    parts = [one for one in part.conditions if rules.leaves(one)]
    if part.mode == "any":
        return _any(parts, at, alone=True)
    said = [_said(one, at) for one in parts]
    return reduce(and_, [~one for one in said] if part.mode == "none" else said)


def _within(sets: Sequence[Ids]) -> Q:
    first_one, *rest = sets
    return Q(pk__in=first_one.union(*rest, all=True) if rest else first_one)


def _has(ids: Ids) -> Q:
    """The patient has one of these rows."""
    return Q(Exists(ids.filter(patient_id=OuterRef("pk"))))


def _held(condition: rules.Condition, at: datetime) -> Q | Ids:
    """A condition on the patient's own row, or the ids of the patients who have a row that fits."""
    return _COMPILERS[condition.kind](condition, at)


def _diagnosis(wanted: rules.Diagnosis, at: datetime) -> Ids:
    rows = Condition.objects.unscoped(WITHIN).filter(_in_ranges(wanted.codes), active=True)
    return _ids(rows.filter(rank=1) if wanted.main_only else rows)


def _operation(wanted: rules.Operation, at: datetime) -> Ids:
    return _ids(Procedure.objects.unscoped(WITHIN).filter(_in_ranges(wanted.codes), active=True))


def _in_ranges(ranges: tuple[rules.CodeRange, ...]) -> Q:
    """Compared byte by byte, whatever the database's language is; so says the index, too."""
    key = Collate("code_key", "C")
    return reduce(or_, [Q(GreaterThanOrEqual(key, one.low)) & Q(LessThan(key, one.below)) for one in ranges])


def _stay(wanted: rules.Stay, at: datetime) -> Ids:
    rows = Encounter.objects.unscoped(WITHIN).filter(status=Encounter.Status.FINISHED)
    if wanted.departments:
        rows = rows.filter(department_id__in=[UUID(one) for one in wanted.departments if _is_uuid(one)])
    if wanted.classes:
        rows = rows.filter(class_code__in=wanted.classes)
    if wanted.discharged_from:
        rows = rows.filter(discharged_at__gte=_midnight(wanted.discharged_from))
    if wanted.discharged_to:
        rows = rows.filter(discharged_at__lt=_midnight(wanted.discharged_to + timedelta(days=1)))
    if wanted.days:
        rows = rows.filter(discharged_at__gte=at - timedelta(days=wanted.days), discharged_at__lte=at)
    return _ids(rows)


def _is_uuid(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False


def _midnight(day: Any) -> datetime:
    return timezone.make_aware(datetime(day.year, day.month, day.day))


def _age(wanted: rules.Age, at: datetime) -> Q:
    first_day, last_day = rules.born_between(wanted, timezone.localtime(at).date())
    own = Q(birth_date__isnull=False)
    if first_day is not None:
        own &= Q(birth_date__gte=first_day)
    if last_day is not None:
        own &= Q(birth_date__lte=last_day)
    return own


def _sex(wanted: rules.Sex, at: datetime) -> Q:
    return Q(sex__in=wanted.sexes)


def _risk(wanted: rules.Risk, at: datetime) -> Q:
    return Q(risk__in=wanted.levels)


LONG_AGO = datetime(1900, 1, 1, tzinfo=UTC)


def _result(wanted: rules.Result, at: datetime) -> Ids:
    """A result entered in error is none. `latest`: no newer result of the kind, whether it has a number or not."""
    since = at - timedelta(days=wanted.days) if wanted.days else LONG_AGO
    fits = {f"value_number__{LOOKUPS[wanted.comparison]}": wanted.value, "effective_at__gte": since}
    if wanted.latest:
        return _ids(NewestResult.objects.unscoped(WITHIN).filter(concept=wanted.concept, **fits))
    rows = Observation.objects.unscoped(WITHIN).filter(concept=wanted.concept, **fits)
    return _ids(rows.exclude(concept="").exclude(status=Observation.Status.ENTERED_IN_ERROR))


def _answer(wanted: rules.Answer, at: datetime) -> Ids:
    """Of a question with several answers the newest response counts, all its answers."""
    since = at - timedelta(days=wanted.days) if wanted.days else LONG_AGO
    rows = NewestAnswer.objects.unscoped(WITHIN).filter(
        questionnaire_url=wanted.questionnaire, link_id=wanted.link_id, answered_at__gte=since
    )
    if wanted.code:
        return _ids(rows.filter(code=wanted.code))
    return _ids(rows.filter(**{f"number__{LOOKUPS[wanted.comparison]}": wanted.number}))


def _tag(wanted: rules.Tag, at: datetime) -> Ids:
    return _ids(PatientTag.objects.unscoped(WITHIN).filter(tag__in=wanted.tags))


def _plan(wanted: rules.Plan, at: datetime) -> Ids:
    rows = CarePlan.objects.unscoped(WITHIN).filter(status__in=wanted.states)
    return _ids(rows.filter(definition_url=wanted.url) if wanted.url else rows)


def _ids(rows: QuerySet[Any, Any]) -> Ids:
    return rows.order_by().values("patient_id")


_COMPILERS: dict[str, Callable[[Any, datetime], Q | Ids]] = {
    "diagnosis": _diagnosis, "operation": _operation, "stay": _stay, "age": _age, "sex": _sex, "risk": _risk,
    "result": _result, "answer": _answer, "tag": _tag, "plan": _plan,
}  # fmt: skip
