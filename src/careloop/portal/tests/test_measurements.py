"""Blood pressure, weight, blood sugar, temperature and oxygen from home: stored once, judged, drawn; nonsense is refused and nothing typed is lost."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client

from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Observation
from careloop.portal import actions, reads
from careloop.tasks.models import Task
from tests.cast import SYSTEM, make_cast

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
BLOOD_PRESSURE = "/measure/blood-pressure/"


def stored(patient):
    rows = Observation.objects.visible_to(SYSTEM).filter(patient=patient).order_by("key")
    return {row.concept: row.value_number for row in rows}


@pytest.mark.django_db
def test_a_pressure_is_stored_with_codes_units_and_source(zhang, cast):
    zhang.enter()
    answer = zhang.client.post(BLOOD_PRESSURE, {"systolic": "148", "diastolic": "92", "pulse": "", "once": uuid4()})
    assert answer.status_code == 200
    assert 'data-level="above-target"' in answer.content.decode()
    assert stored(cast.zhang) == {"systolic": Decimal(148), "diastolic": Decimal(92)}
    row = Observation.objects.visible_to(SYSTEM).get(concept="systolic")
    assert (row.system, row.code, row.unit, row.category, row.source) == (
        "http://loinc.org", "8480-6", "mm[Hg]", "vital-signs", "patient",
    )  # fmt: skip
    assert AuditEvent.objects.filter(name="portal.MeasurementEntered", actor=f"patient:{cast.zhang.pk}").count() == 1


@pytest.mark.django_db
def test_sending_the_form_twice_counts_once(zhang, cast):
    zhang.enter()
    form = {"systolic": "186", "diastolic": "92", "once": uuid4()}
    first, again = (zhang.client.post(BLOOD_PRESSURE, form) for _ in range(2))
    assert first.status_code == again.status_code == 200
    assert Observation.objects.visible_to(SYSTEM).count() == 2
    assert Task.objects.visible_to(SYSTEM).filter(kind="work-order").count() == 1


@pytest.mark.django_db
def test_an_urgent_pressure_asks_the_department_for_a_call(zhang, cast):
    zhang.enter()
    text = zhang.client.post(BLOOD_PRESSURE, {"systolic": "186", "diastolic": "112", "once": uuid4()}).content.decode()
    assert 'data-level="urgent"' in text
    assert 'href="tel:120"' in text
    task = Task.objects.visible_to(SYSTEM).get()
    assert (task.kind, task.department_id, task.risk, task.step_code) == (
        "work-order", cast.cardiology.pk, "high", "urgent-blood-pressure",
    )  # fmt: skip
    assert task.due_at - task.available_at == timedelta(hours=2)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ({"systolic": "", "diastolic": "80"}, "missing"),
        ({"systolic": "abc", "diastolic": "80"}, "not-a-number"),
        ({"systolic": "1480", "diastolic": "80"}, "out-of-range"),
        ({"systolic": "80", "diastolic": "120"}, "pair"),
        ({"systolic": "120", "diastolic": "-5"}, "out-of-range"),
        ({"systolic": "1e99", "diastolic": "80"}, "out-of-range"),
    ],
)
def test_nonsense_is_refused_with_words_and_nothing_typed_is_lost(zhang, typed, code):
    zhang.enter()
    answer = zhang.client.post(BLOOD_PRESSURE, {**typed, "pulse": "71"})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert f'data-code="{code}"' in text
    assert 'value="71"' in text
    assert not Observation.objects.visible_to(SYSTEM).exists()


@pytest.mark.django_db
def test_the_trend_is_drawn_from_every_source_oldest_first(zhang, cast):
    zhang.enter()
    with seeding():
        for day, value in ((3, 150), (2, 146), (1, 141)):
            Observation.objects.create(
                patient=cast.zhang, key=f"ward|{day}", code="x", concept="systolic", value_number=value,
                effective_at=datetime.now(UTC) - timedelta(days=day), source="HIS",
            )  # fmt: skip
    viewer = Viewer.patient(cast.zhang.pk)
    found = reads.readings(viewer, reads.measurements()["blood-pressure"])
    assert [int(one.values["systolic"]) for one in found] == [150, 146, 141]
    assert '<svg class="trend"' in zhang.client.get(BLOOD_PRESSURE).content.decode()
    assert reads.readings(Viewer.patient(cast.ma.pk), reads.measurements()["blood-pressure"]) == []


@pytest.mark.django_db
def test_a_quick_gain_of_weight_is_urgent(zhang, cast):
    zhang.enter()
    with seeding():
        Observation.objects.create(
            patient=cast.zhang, key="patient|old", code="29463-7", concept="weight", value_number=Decimal("61.0"),
            effective_at=datetime.now(UTC) - timedelta(days=2), source="patient",
        )  # fmt: skip
    text = zhang.client.post("/measure/weight/", {"weight": "63.4", "once": uuid4()}).content.decode()
    assert 'data-level="urgent"' in text
    assert Task.objects.visible_to(SYSTEM).filter(step_code="urgent-weight").count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("code", "field", "typed", "level", "unit", "loinc"),
    [
        ("glucose", "glucose", "3.9", "urgent-low", "mmol/L", "15074-8"),
        ("glucose", "glucose", "１６.７", "urgent", "mmol/L", "15074-8"),
        ("glucose", "glucose", "7.1", "ok", "mmol/L", "15074-8"),
        ("temperature", "temperature", "39.1", "urgent", "Cel", "8310-5"),
        ("temperature", "temperature", "38", "above-target", "Cel", "8310-5"),
        ("oxygen", "spo2", "89", "urgent", "%", "59408-5"),
        ("oxygen", "spo2", "93", "low", "%", "59408-5"),
    ],
)
def test_what_else_is_measured_at_home(zhang, cast, code, field, typed, level, unit, loinc):
    """Stored under its own concept, judged, and a call asked for when it is urgent in either direction."""
    zhang.enter()
    text = zhang.client.post(f"/measure/{code}/", {field: typed, "once": uuid4()}).content.decode()
    urgent = level.startswith("urgent")
    assert f'data-level="{level}"' in text
    assert ('href="tel:120"' in text) is urgent
    row = Observation.objects.visible_to(SYSTEM).get(patient=cast.zhang)
    assert (row.concept, row.unit, row.code, row.source) == (field, unit, loinc, "patient")
    asked = list(Task.objects.visible_to(SYSTEM).values_list("step_code", flat=True))
    assert asked == ([f"urgent-{code}"] if urgent else [])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("code", "field", "typed", "problem"),
    [
        ("glucose", "glucose", "0", "out-of-range"), ("glucose", "glucose", "40.1", "out-of-range"),
        ("glucose", "glucose", "", "missing"), ("temperature", "temperature", "33.9", "out-of-range"),
        ("temperature", "temperature", "高", "not-a-number"), ("oxygen", "spo2", "101", "out-of-range"),
    ],
)  # fmt: skip
def test_what_nobody_can_have_is_refused_for_these_too(zhang, code, field, typed, problem):
    zhang.enter()
    answer = zhang.client.post(f"/measure/{code}/", {field: typed})
    assert answer.status_code == 422
    assert f'data-code="{problem}"' in answer.content.decode()
    assert not Observation.objects.visible_to(SYSTEM).exists()


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_home_page_leads_to_every_measurement(zhang, language):
    zhang.enter()
    zhang.client.cookies["django_language"] = language
    home = zhang.client.get("/").content.decode()
    for code, measurement in reads.measurements().items():
        assert f'data-measure="{code}"' in home
        page = zhang.client.get(f"/measure/{code}/")
        assert page.status_code == 200
        assert all(f'name="{field.name}"' in page.content.decode() for field in measurement.fields)
        assert f'lang="{language[:2]}' in page.content.decode()


@pytest.mark.django_db
def test_a_heartbeat_alone_is_no_blood_pressure_and_has_a_picture_of_its_own(zhang, cast):
    zhang.enter()
    with seeding():
        for day, upper, pulse in (
            (9, 150, 71),
            (8, 146, 75),
            (3, None, 66),
            (2, None, 68),
            (1, None, 64),
            (0, None, 70),
        ):
            for concept, value in (("systolic", upper), ("heart-rate", pulse)):
                if value:
                    Observation.objects.create(
                        patient=cast.zhang, key=f"ward|{day}{concept}", code="x", concept=concept, value_number=value,
                        effective_at=datetime.now(UTC).replace(microsecond=0) - timedelta(days=day), source="HIS",
                    )  # fmt: skip
    pressure = reads.measurements()["blood-pressure"]
    viewer = Viewer.patient(cast.zhang.pk)
    assert [one.values for one in reads.readings(viewer, pressure)] == [
        {"systolic": 150, "pulse": 71}, {"systolic": 146, "pulse": 75},
    ]  # fmt: skip
    assert [one.values for one in reads.readings(viewer, pressure, count=1)] == [{"systolic": 146}]
    assert zhang.client.get(BLOOD_PRESSURE).content.decode().count('<svg class="trend"') == 2


@pytest.mark.django_db
def test_the_form_names_no_patient_so_none_can_be_chosen(zhang, cast):
    zhang.enter()
    zhang.client.post(
        BLOOD_PRESSURE,
        {"systolic": "120", "diastolic": "70", "patient": str(cast.ma.pk), "patient_id": str(cast.ma.pk)},
    )
    assert stored(cast.ma) == {}
    assert stored(cast.zhang)["systolic"] == 120


@pytest.mark.django_db
def test_an_unknown_measurement_is_not_there(zhang):
    zhang.enter()
    assert zhang.client.get("/measure/mood/").status_code == 404


@pytest.mark.django_db
def test_a_getting_page_writes_nothing(zhang):
    zhang.enter()
    facts = AuditEvent.objects.count()
    for url in ("/", "/plan/", "/medicines/", BLOOD_PRESSURE, "/measure/weight/"):
        assert zhang.client.get(url).status_code == 200
        assert re.search(r"Zhang|血压|blood|Weight|plan|medicine", zhang.client.get(url).content.decode(), re.I)
    assert AuditEvent.objects.count() == facts


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_two_taps_at_the_same_moment_store_one_measurement():
    people = make_cast()
    by, once, outcomes = Viewer.patient(people.zhang.pk), uuid4(), []
    values = {"systolic": Decimal(186), "diastolic": Decimal(90), "pulse": None}

    def tap():
        try:
            measurement = reads.measurements()["blood-pressure"]
            outcomes.append(
                actions.enter_measurement(
                    patient=people.zhang, measurement=measurement, values=values, once=once, at=NOW, by=by
                )
            )
        finally:
            connection.close()

    threads = [threading.Thread(target=tap) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert outcomes == ["urgent"] * 4
    assert Observation.objects.visible_to(SYSTEM).count() == 2
    assert Task.objects.visible_to(SYSTEM).filter(kind="work-order").count() == 1
    assert isinstance(Client(), Client)
