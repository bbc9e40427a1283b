"""Rows written as one JSON value are the rows Django would have written; what JSON cannot carry goes Django's way."""

from datetime import UTC, date, datetime, timedelta, timezone
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from django.db import DataError, IntegrityError, connection, models, transaction
from django.test.utils import CaptureQueriesContext
from django.utils.translation import gettext_lazy
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from careloop.integration.models import InboxMessage
from careloop.kernel import rows as kernel_rows
from careloop.kernel.actions import seeding
from careloop.kernel.rows import Conflict, NotAsJson, insert_rows, known_row, new_row
from careloop.patients.models import Condition, ContactPoint, Encounter, Patient, PatientIdentifier
from careloop.plans.models import CarePlan

pytestmark = pytest.mark.django_db
MANY = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
BORN = UUID("019aa000-0000-7000-8000-000000000001")
ZONES = [UTC, ZoneInfo("Asia/Shanghai"), timezone(timedelta(hours=-9, minutes=-30)), ZoneInfo("Europe/Amsterdam")]
texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=40)
instants = st.datetimes(datetime(1850, 1, 1), datetime(2190, 1, 1), timezones=st.sampled_from(ZONES))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def patients(draw: st.DrawFn) -> dict[str, object]:
    died = draw(st.none() | instants)
    return {
        "name": draw(texts), "address": draw(texts), "birth_date": draw(st.none() | st.dates()),
        "sex": draw(st.sampled_from(["male", "unknown"])), "deceased": died is not None,
        "deceased_at": died, "data_conflicts": draw(st.lists(json_values, max_size=3)),
        "do_not_contact": draw(st.booleans()), "risk_at": draw(st.none() | instants),
    }  # fmt: skip


def stored(pk: UUID) -> dict[str, object]:
    ignored = {"id", "created_at", "updated_at"}
    (row,) = Patient.objects.unscoped("test").filter(pk=pk).values()
    return {name: value for name, value in row.items() if name not in ignored}


@MANY
@given(st.lists(patients(), min_size=1, max_size=3))
@example([{"name": "王韡 \U0002b695 \u2028 \\ \"'", "data_conflicts": [{"a": "\\u0041"}], "birth_date": date(1, 1, 1)}])
@example([{"deceased": True, "deceased_at": datetime(1899, 5, 1, tzinfo=ZoneInfo("Asia/Shanghai"))}])
def test_as_django_writes_it(told: list[dict[str, object]]) -> None:
    with seeding(), transaction.atomic():
        ours = Patient.objects.bulk_create([Patient(**each) for each in told])
        theirs = [Patient(**each) for each in told]
        models.QuerySet(Patient).bulk_create(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            assert stored(mine.pk) == stored(other.pk)
            assert (mine._state.adding, mine._state.db) == (other._state.adding, other._state.db)
        transaction.set_rollback(True)


def held(row: models.Model) -> dict[str, object]:
    """All that a row knows, without what is another one each time."""
    ignored = {"_state", "id"}
    state = (row._state.adding, row._state.db, dict(row._state.fields_cache))
    return {name: value for name, value in row.__dict__.items() if name not in ignored} | {"state": state}


@MANY
@given(patients())
def test_a_row_is_made_as_django_makes_it(told: dict[str, object]) -> None:
    assert held(new_row(Patient, **told)) == held(Patient(**told))
    patient, born = Patient(id=BORN), {"id": BORN, "created_at": None}
    for model, columns in (
        (PatientIdentifier, {"patient": patient, "value": "1"}), (Condition, {"patient_id": BORN, "encounter": None}),
        (Encounter, {"patient": patient, "visit_number": "v"}), (ContactPoint, {"related_person": None}),
        (CarePlan, {"patient": patient, "reasons": [told["name"]]}), (InboxMessage, born),
    ):  # fmt: skip
        ours, theirs = new_row(model, **columns), model(**columns)
        assert held(ours) == held(theirs)
        assert isinstance(ours.pk, UUID)
        assert (ours.pk == theirs.pk) == ("id" in columns)
    first, second = new_row(CarePlan), new_row(CarePlan)
    assert first.reasons is not second.reasons  # a default that is a list is made for each


def test_a_row_has_no_other_columns() -> None:
    with pytest.raises(TypeError, match="shoe_size"):
        new_row(Patient, shoe_size=43)


def test_a_known_row_is_the_one_django_reads() -> None:
    with seeding():
        Patient.objects.bulk_create([new(1)])
    names = [field.attname for field in Patient._meta.concrete_fields]
    (values,) = Patient.objects.unscoped("test").values_list(*names)
    ours, theirs = known_row(Patient, "default", names, values), Patient.from_db("default", names, values)
    assert held(ours) == held(theirs)
    part = known_row(Patient, "default", names[:3], values[:3])
    assert part.get_deferred_fields() == Patient.from_db("default", names[:3], values[:3]).get_deferred_fields()
    assert part.name == "周1"  # read when it is asked for


def new(number: int = 0, **columns: object) -> Patient:
    return Patient(name=f"周{number}", **columns)


def test_one_statement_of_one_text_for_any_number() -> None:
    told = []
    for count in (1, 2, 300):
        with CaptureQueriesContext(connection) as captured, seeding():
            Patient.objects.bulk_create([new(n) for n in range(count)])
        told.append([query["sql"].split("FROM json_to_recordset")[0] for query in captured.captured_queries])
    assert told[0] == told[1] == told[2]
    assert len(told[0]) == 1
    assert Patient.objects.unscoped("test").count() == 303


def test_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_rows, "PORTION", 2)
    with seeding():
        made = Patient.objects.bulk_create([new(n) for n in range(5)])
    names = Patient.objects.unscoped("test").filter(pk__in=[row.pk for row in made]).order_by("created_at")
    assert [row.name for row in names] == [f"周{n}" for n in range(5)]  # times of creation keep the order


def number(patient: Patient, value: str, **columns: object) -> PatientIdentifier:
    return PatientIdentifier(patient=patient, system="YX", type="MR", value=value, source="test", **columns)


def test_conflicts_are_refused_left_or_changed() -> None:
    with seeding():
        patient = new()
        patient.save()
        first = number(patient, "1")
        PatientIdentifier.objects.bulk_create([first])
        with pytest.raises(IntegrityError), transaction.atomic():
            PatientIdentifier.objects.bulk_create([number(patient, "1")])
        PatientIdentifier.objects.bulk_create([number(patient, "1"), number(patient, "2")], ignore_conflicts=True)
        PatientIdentifier.objects.bulk_create(
            [number(patient, "1", last4="9999")],
            update_conflicts=True, unique_fields=["system", "type", "value"], update_fields=["last4", "patient"],
        )  # fmt: skip
    kept = {row.value: row for row in PatientIdentifier.objects.unscoped("test")}
    assert (kept["1"].pk, kept["1"].last4, set(kept)) == (first.pk, "9999", {"1", "2"})


@pytest.mark.parametrize(
    "columns",
    [{"name": "x" * 200}, {"name": "a\0b"}, {"sex": None}, {"merged_into_id": uuid4()}],
    ids=["too-long", "nul", "null", "nobody"],
)
def test_the_database_refuses_the_same(columns: dict[str, object]) -> None:
    with seeding(), pytest.raises((DataError, IntegrityError)), transaction.atomic():
        Patient.objects.bulk_create([Patient(**columns)])
        connection.check_constraints()


@pytest.mark.parametrize(
    "row",
    [
        lambda: new(address=gettext_lazy("Phone")),
        lambda: new(risk_at=datetime(1880, 1, 1, tzinfo=UTC)),
        lambda: new(birth_date=datetime(2000, 1, 1, 20, tzinfo=UTC)),
        lambda: new(data_conflicts=[2**70]),
        lambda: new(address=models.functions.Upper(models.Value("abc"))),
        lambda: InboxMessage(channel="mllp"),
    ],
    ids=["lazy-words", "old-instant", "instant-for-a-date", "huge-number", "expression", "bytes"],
)
def test_what_json_does_not_carry_is_left_to_django(row) -> None:
    with pytest.raises(NotAsJson):
        insert_rows([row()], conflict=Conflict())


def test_django_writes_what_json_does_not_carry() -> None:
    with seeding():
        made = Patient.objects.bulk_create(
            [new(address=gettext_lazy("Phone")), new(birth_date=datetime(2000, 1, 1, 20, tzinfo=UTC))]
        )
    days = {row.pk: row.birth_date for row in Patient.objects.unscoped("test")}
    assert days[made[1].pk] == date(2000, 1, 2)  # the zone of the hospital says which day that is


@pytest.mark.parametrize("model", [Patient, Encounter, Condition, ContactPoint, PatientIdentifier])
def test_the_tables_of_a_discharge_go_the_short_way(model) -> None:
    assert kernel_rows._table(model, Conflict()).sql.startswith(f'INSERT INTO "{model._meta.db_table}"')


def test_nothing_is_nothing() -> None:
    with seeding(), CaptureQueriesContext(connection) as captured:
        assert Patient.objects.bulk_create([]) == []
    assert len(captured.captured_queries) == 0
