"""A definition compiled to one statement over patients, always inside the viewer's scope (tests/test_members.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Collate
from django.db.models.lookups import GreaterThanOrEqual, LessThan
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from careloop.cohorts.models import Cohort, CohortMember, PatientTag
from careloop.cohorts.rules import definition as rules
from careloop.cohorts.rules.definition import Definition
from careloop.kernel.errors import Refused
from careloop.kernel.models import ScopedQuerySet
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Condition, Encounter, Observation, Patient, Procedure, patient_scope_as_set
from careloop.plans.models import CarePlan

WITHIN = "narrows patients that are scoped themselves"
LOOKUPS = {">=": "gte", "<=": "lte", ">": "gt", "<": "lt", "=": "exact"}
PATIENCE = timedelta(seconds=8)
Patients = ScopedQuerySet[Patient]


class TooLong(Refused):
    """The search takes too long. Add a condition that narrows it, such as a department or a time."""

    code = "cohort-too-long"
    message = _("The search takes too long. Add a condition that narrows it, such as a department or a time.")


def members(definition: Definition, *, viewer: Viewer, at: datetime) -> Patients:
    """The patients that fit and that this viewer may see, as a query that has not run yet. Tombstones never fit."""
    found: Patients = Patient.objects.unscoped("the viewer's scope is the next line, as sets").filter(active=True)
    if not viewer.everything:
        found = found.filter(patient_scope_as_set(viewer))
    for group in definition.groups:
        if group.conditions:
            found = _narrow(found, group, at)
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
    """One large question: no time spent on compiling it, room to hash, and an end."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL jit = off")
            cursor.execute("SET LOCAL work_mem = '64MB'")
            # The planner takes a union for 200 rows and would look 200,000 patients up one by one.
            cursor.execute("SET LOCAL enable_nestloop = off")
            cursor.execute(f"SET LOCAL statement_timeout = {int(PATIENCE.total_seconds() * 1000)}")
            yield
            cursor.execute("SET LOCAL statement_timeout = 0")
            cursor.execute("SET LOCAL work_mem TO DEFAULT")
            cursor.execute("SET LOCAL enable_nestloop TO DEFAULT")
    except OperationalError as error:
        if "statement timeout" in str(error):
            raise TooLong from None
        raise


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A condition on the patient's own row, or a set of patient ids. Sets join; they are never asked row by row."""

    own: Q | None = None
    ids: QuerySet[Any, Any] | None = None
    raw: RawSQL | None = None  # the same ids without the detour over the patients

    def as_ids(self) -> QuerySet[Any, Any]:
        if self.ids is not None:
            return self.ids
        return Patient.objects.unscoped(WITHIN).filter(self.own or Q()).order_by().values("pk")


def _narrow(found: Patients, group: rules.Group, at: datetime) -> Patients:
    compiled = [_compile(condition, at) for condition in group.conditions]
    if group.mode == "any":
        return found.filter(_any(compiled))
    for one in compiled:
        if group.mode == "all":
            found = found.filter(one.own if one.own is not None else Q(pk__in=one.raw or one.ids))
        elif one.own is not None:
            found = found.exclude(one.own)
        else:
            found = found.filter(~Exists(_of_this_patient(one)))
    return found


def _any(compiled: list[_Compiled]) -> Q:
    """One OR. Sets are put together and joined once: an OR of several would be asked patient by patient."""
    if all(one.own is not None for one in compiled):
        return reduce(or_, [one.own for one in compiled if one.own is not None])
    first_one, *rest = [one.as_ids() for one in compiled]
    return Q(pk__in=first_one.union(*rest, all=True) if rest else first_one)


def _of_this_patient(one: _Compiled) -> QuerySet[Any, Any]:
    assert one.ids is not None
    of_patient = "pk" if one.raw is not None else "patient_id"
    return one.ids.filter(**{of_patient: OuterRef("pk")})


def _compile(condition: rules.Condition, at: datetime) -> _Compiled:
    return _COMPILERS[condition.kind](condition, at)


def _diagnosis(wanted: rules.Diagnosis, at: datetime) -> _Compiled:
    rows = Condition.objects.unscoped(WITHIN).filter(_in_ranges(wanted.codes), active=True)
    return _ids(rows.filter(rank=1) if wanted.main_only else rows)


def _operation(wanted: rules.Operation, at: datetime) -> _Compiled:
    return _ids(Procedure.objects.unscoped(WITHIN).filter(_in_ranges(wanted.codes), active=True))


def _in_ranges(ranges: tuple[rules.CodeRange, ...]) -> Q:
    """Compared byte by byte, whatever the database's language is; so says the index, too."""
    key = Collate("code_key", "C")
    return reduce(or_, [Q(GreaterThanOrEqual(key, one.low)) & Q(LessThan(key, one.below)) for one in ranges])


def _stay(wanted: rules.Stay, at: datetime) -> _Compiled:
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


def _age(wanted: rules.Age, at: datetime) -> _Compiled:
    first_day, last_day = rules.born_between(wanted, timezone.localtime(at).date())
    own = Q(birth_date__isnull=False)
    if first_day is not None:
        own &= Q(birth_date__gte=first_day)
    if last_day is not None:
        own &= Q(birth_date__lte=last_day)
    return _Compiled(own=own)


def _sex(wanted: rules.Sex, at: datetime) -> _Compiled:
    return _Compiled(own=Q(sex__in=wanted.sexes))


def _risk(wanted: rules.Risk, at: datetime) -> _Compiled:
    return _Compiled(own=Q(risk__in=wanted.levels))


# Both read the index of their question from end to end, in its order, and never sort or look at the table itself.
_LATEST_RESULT = """
SELECT patient_id FROM (
    SELECT DISTINCT ON (patient_id) patient_id, value_number, effective_at FROM patients_observation
    WHERE concept = %s AND concept <> '' AND status <> 'entered-in-error'
    ORDER BY patient_id, effective_at DESC, id DESC
) newest WHERE value_number {comparison} %s AND effective_at >= %s
"""
_LATEST_ANSWER = """
SELECT patient_id FROM (
    SELECT patient_id, code, number, answered_at, rank() OVER (PARTITION BY patient_id ORDER BY answered_at DESC) AS place
    FROM questionnaires_answerfact WHERE questionnaire_url = %s AND link_id = %s
) newest WHERE place = 1 AND {asked} AND answered_at >= %s
"""
LONG_AGO = datetime(1900, 1, 1, tzinfo=UTC)


def _result(wanted: rules.Result, at: datetime) -> _Compiled:
    """A result entered in error is none. `latest`: no newer result of the kind, whether it has a number or not."""
    since = at - timedelta(days=wanted.days) if wanted.days else LONG_AGO
    if wanted.latest:
        sql = _LATEST_RESULT.format(comparison=wanted.comparison)
        return _listed(sql, [wanted.concept, wanted.value, since])
    rows = Observation.objects.unscoped(WITHIN).filter(concept=wanted.concept, effective_at__gte=since)
    rows = rows.exclude(concept="").exclude(status=Observation.Status.ENTERED_IN_ERROR)
    return _ids(rows.filter(**{f"value_number__{LOOKUPS[wanted.comparison]}": wanted.value}))


def _answer(wanted: rules.Answer, at: datetime) -> _Compiled:
    """Of a question with several answers the newest response counts, all its answers."""
    since = at - timedelta(days=wanted.days) if wanted.days else LONG_AGO
    asked = "code = %s" if wanted.code else f"number {wanted.comparison} %s"
    value = wanted.code or wanted.number
    return _listed(_LATEST_ANSWER.format(asked=asked), [wanted.questionnaire, wanted.link_id, value, since])


def _listed(sql: str, params: list[object]) -> _Compiled:
    """Patient ids from a statement of our own; its parameters stay parameters."""
    chosen = RawSQL(sql, params)
    return _Compiled(ids=Patient.objects.unscoped(WITHIN).filter(pk__in=chosen).order_by().values("pk"), raw=chosen)


def _tag(wanted: rules.Tag, at: datetime) -> _Compiled:
    return _ids(PatientTag.objects.unscoped(WITHIN).filter(tag__in=wanted.tags))


def _plan(wanted: rules.Plan, at: datetime) -> _Compiled:
    rows = CarePlan.objects.unscoped(WITHIN).filter(status__in=wanted.states)
    return _ids(rows.filter(definition_url=wanted.url) if wanted.url else rows)


def _ids(rows: QuerySet[Any, Any]) -> _Compiled:
    return _Compiled(ids=rows.order_by().values("patient_id"))


_COMPILERS: dict[str, Callable[[Any, datetime], _Compiled]] = {
    "diagnosis": _diagnosis, "operation": _operation, "stay": _stay, "age": _age, "sex": _sex, "risk": _risk,
    "result": _result, "answer": _answer, "tag": _tag, "plan": _plan,
}  # fmt: skip
