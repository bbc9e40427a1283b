"""Blood pressure and weight from home: stored once, judged, drawn; nonsense is refused and nothing typed is lost."""

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
