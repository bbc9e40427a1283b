"""The discharge list and its drawer as pages: happy, refused, bad input, somebody else's, and what they ask of the database."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.messaging.models import Communication
from careloop.messaging.rules.signing import one_time_code
from careloop.messaging.tests.factories import site
from careloop.patients.models import AccessLink, ContactPoint
from careloop.plans import actions as plans
from careloop.plans.models import CarePlan, PlanDefinition
from careloop.plans.tests.factories import Scene, tasks_of
from careloop.workbench.models import DischargeReview
from careloop.workbench.reads import discharges as reads
from careloop.workbench.reads.goals import pressure_goal
from careloop.workbench.tests.discharging import daughter, left_hospital, load_content, plan_of, today

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def gateway():
    """A site that can send at any hour."""
    with site(sms_quiet_hours=""):
        yield


@pytest.fixture
def stay(cast):
    load_content()
    return left_hospital(cast)


@pytest.fixture
def doctor(cast):
    return cast.client(cast.zhao)


def address(name: str, *args: object) -> str:
    return reverse(f"workbench:{name}", args=args)


def listed(client, **query) -> str:
    response = client.get(address("discharges"), query)
    assert response.status_code == 200
    return response.content.decode()


def opened(client, stay) -> str:
    response = client.get(address("discharge", stay.pk))
    assert response.status_code == 200
    return response.content.decode()


def triggered(response) -> dict[str, object]:
    return json.loads(response.headers["HX-Trigger"])


def count_of(html: str, state: str) -> int:
    after = html.split(f'data-count-of="{state}"', 1)[1]
    return int(after.split('<span class="num">', 1)[1].split("<", 1)[0])


# ---- the list ----


def test_the_list_shows_the_suggested_plan_and_why(cast, doctor, stay):
    html = listed(doctor)
    assert f'data-encounter="{stay.pk}"' in html
    assert 'data-state="open"' in html
    assert "36.06" in html  # the operation that chose the plan
    assert AuditEvent.objects.filter(name="audit.ListSeen").exists()


def test_undecided_ones_come_first_then_the_newest(cast, doctor, stay):
    scene = Scene(cast)
    newer = left_hospital(cast, scene.new_patient(), diagnosis="I50.9", at=today(5))
    older = left_hospital(cast, scene.new_patient(), diagnosis="I50.9", at=today(50))
    doctor.post(address("discharge-confirm", newer.pk))
    html = listed(doctor)
    places = [html.index(f'data-encounter="{one.pk}"') for one in (stay, older, newer)]
    assert places == sorted(places)
    assert (count_of(html, "open"), count_of(html, "decided"), count_of(html, "all")) == (2, 1, 3)


@pytest.mark.parametrize(("state", "there"), [("open", True), ("decided", False), ("none", False), ("", True)])
def test_chips_narrow_the_list(cast, doctor, stay, state, there):
    assert (f'data-encounter="{stay.pk}"' in listed(doctor, state=state)) is there


def test_yesterday_is_not_today_but_within_three_days(cast, doctor):
    load_content()
    old = left_hospital(cast, at=timezone.now() - timedelta(days=2))
    assert f'data-encounter="{old.pk}"' not in listed(doctor)
    assert f'data-encounter="{old.pk}"' in listed(doctor, days="3")


@pytest.mark.parametrize("disposition", ["died", "against-advice", "other-hospital"])
def test_the_dead_and_gone_wait_for_nobody(cast, doctor, disposition):
    load_content()
    left_hospital(cast, disposition=disposition)
    html = listed(doctor)
    assert (count_of(html, "open"), count_of(html, "none")) == (0, 1)
    assert 'data-state="open"' not in html


def test_a_patient_who_died_at_home_is_not_to_be_decided(cast, doctor, stay):
    Scene(cast).change(cast.zhang, deceased=True)
    assert count_of(listed(doctor), "open") == 0


def test_an_outpatient_visit_is_no_discharge(cast, doctor, stay):
    Scene(cast).change(stay, class_code="AMB")
    assert f'data-encounter="{stay.pk}"' not in listed(doctor)


@pytest.mark.parametrize(
    "query", [{"days": "banana"}, {"department": "x"}, {"state": "nonsense"}, {"offset": "-4"}, {"open": "17"}]
)
def test_an_address_with_nonsense_opens_the_whole_list(cast, doctor, stay, query):
    assert f'data-encounter="{stay.pk}"' in listed(doctor, **query)


def test_the_department_filter(cast, doctor, stay):
    assert f'data-encounter="{stay.pk}"' in listed(doctor, department=str(cast.cardiology.pk))
    assert f'data-encounter="{stay.pk}"' not in listed(doctor, department=str(cast.orthopaedics.pk))


def test_empty_states(cast, doctor):
    assert 'data-state="empty-first"' in listed(doctor)
    load_content()
    stay = left_hospital(cast)
    assert 'data-state="empty-filtered"' in listed(doctor, state="decided")
    doctor.post(address("discharge-confirm", stay.pk))
    assert 'data-state="empty-done"' in listed(doctor, state="open")


def test_li_sees_none_of_it(cast, stay):
    assert f'data-encounter="{stay.pk}"' not in listed(cast.client(cast.li))


def test_the_list_asks_the_same_number_of_questions_for_one_and_for_ten(cast, doctor, stay):
    def asked() -> int:
        with CaptureQueriesContext(connection) as found:
            listed(doctor)
        return len(found)

    listed(doctor)
    few = asked()
    for _n in range(9):
        left_hospital(cast, Scene(cast).new_patient(), diagnosis="I50.9")
    assert asked() == few


def test_page_two(cast, doctor, stay, monkeypatch):
    monkeypatch.setattr(reads, "PAGE", 1)
    left_hospital(cast, Scene(cast).new_patient(), diagnosis="I50.9", at=today(40))
    first, second = listed(doctor), listed(doctor, offset="1")
    assert f'data-encounter="{stay.pk}"' in first
    assert f'data-encounter="{stay.pk}"' not in second
    assert 'rel="prev"' in second


# ---- the drawer ----


def test_the_drawer_says_plan_reason_steps_and_is_audited(cast, doctor, stay):
    html = opened(doctor, stay)
    assert 'data-plan="pci-12-months"' in html
    assert "data-reason" in html
    steps = [step.code for step in plan_of(stay).definition.plan().steps]
    assert all(f'data-step="{code}"' in html for code in steps)
    seen = AuditEvent.objects.filter(name="audit.RecordSeen").latest("at")
    assert seen.patient_id == cast.zhang.pk


def test_a_page_with_open_shows_the_drawer_at_once(cast, doctor, stay):
    assert f'data-discharge="{stay.pk}"' in listed(doctor, open=str(stay.pk))


@pytest.mark.parametrize("name", ["discharge", "discharge-print", "discharge-numbers"])
def test_somebody_elses_discharge_is_not_there(cast, stay, name):
    assert cast.client(cast.li).get(address(name, stay.pk)).status_code == 404


def test_a_stay_that_goes_on_has_no_drawer(cast, doctor):
    assert doctor.get(address("discharge", cast.stay.pk)).status_code == 404


def test_a_supervisor_looks_but_changes_nothing(cast, stay):
    client = cast.client(cast.qian)
    html = opened(client, stay)
    assert "data-confirm" not in html
    assert client.post(address("discharge-confirm", stay.pk)).status_code == 403


def test_confirming_closes_the_drawer_and_offers_undo(cast, doctor, stay):
    response = doctor.post(address("discharge-confirm", stay.pk))
    events = triggered(response)
    review = DischargeReview.objects.unscoped("test").get()
    assert (response.status_code, response.content) == (200, b"")
    assert events["toast"]["undo"] == address("discharge-undo", review.pk)
    assert "data-confirm" not in opened(doctor, stay)
    back = doctor.post(events["toast"]["undo"])
    assert (back.status_code, triggered(back)["discharges"]) == (204, {"open": str(stay.pk)})
    assert "data-confirm" in opened(doctor, stay)
    assert doctor.post(events["toast"]["undo"]).status_code == 409


def test_declining_needs_a_known_reason(cast, doctor, stay):
    assert doctor.post(address("discharge-decline", stay.pk), {"reason": "because"}).status_code == 422
    assert plan_of(stay).status == "active"
    assert doctor.post(address("discharge-decline", stay.pk), {"reason": "other-hospital"}).status_code == 200
    assert 'data-state="no-follow-up"' in opened(doctor, stay)


def switch_everything_off(cast) -> None:
    for definition in PlanDefinition.objects.enrolling():
        plans.switch_enrolment(definition=definition, enrols=False, by=cast.as_sun)


def test_without_a_plan_the_best_one_is_chosen_already(cast, doctor):
    load_content()
    switch_everything_off(cast)
    stay = left_hospital(cast)
    html = opened(doctor, stay)
    first = html.split('name="definition"', 1)[1].split(">", 1)[0]
    assert 'data-choice="pci-12-months"' in first
    assert "checked" in first
    assert doctor.post(address("discharge-confirm", stay.pk)).status_code == 409
    definition = Scene(cast).definition("pci-12-months")
    assert doctor.post(address("discharge-confirm", stay.pk), {"definition": definition.pk}).status_code == 200
    assert plan_of(stay).definition_id == definition.pk


@pytest.mark.parametrize("definition", ["", "nonsense", "00000000-0000-0000-0000-000000000000"])
def test_confirming_with_an_unknown_plan_starts_nothing(cast, doctor, definition):
    load_content()
    switch_everything_off(cast)
    stay = left_hospital(cast)
    assert doctor.post(address("discharge-confirm", stay.pk), {"definition": definition}).status_code in (409, 422)
    assert not CarePlan.objects.unscoped("test").exists()


def test_changing_the_plan_and_undoing_it(cast, doctor, stay):
    other = Scene(cast).definition("routine-discharge")
    response = doctor.post(address("discharge-plan", stay.pk, other.pk))
    assert plan_of(stay).definition_id == other.pk
    doctor.post(triggered(response)["toast"]["undo"])
    assert plan_of(stay).definition.name == "pci-12-months"


def test_unticking_a_step_and_undoing_it(cast, doctor, stay):
    plan = plan_of(stay)
    step = plan.definition.plan().steps[0].code
    response = doctor.post(address("discharge-step", stay.pk, plan.pk, step))
    assert f'data-step="{step}" data-on="no"' in response.content.decode()
    assert not tasks_of(plan, step_code=step, status="requested")
    doctor.post(triggered(response)["toast"]["undo"])
    assert f'data-step="{step}" data-on="yes"' in opened(doctor, stay)


def test_ticking_a_step_again(cast, doctor, stay):
    plan = plan_of(stay)
    step = plan.definition.plan().steps[0].code
    doctor.post(address("discharge-step", stay.pk, plan.pk, step))
    response = doctor.post(address("discharge-step", stay.pk, plan.pk, step), {"on": "1"})
    assert f'data-step="{step}" data-on="yes"' in response.content.decode()
    assert tasks_of(plan, step_code=step, status="requested")


def test_moving_the_first_contact(cast, doctor, stay):
    plan = plan_of(stay)
    step = plan.definition.plan().steps[0].code
    day = timezone.localdate() + timedelta(days=9)
    doctor.post(address("discharge-step-day", stay.pk, plan.pk, step), {"day": day.isoformat()})
    (task,) = tasks_of(plan, step_code=step, status="requested")
    assert timezone.localdate(task.due_at) == day


@pytest.mark.parametrize(("day", "status"), [("", 422), ("tomorrow", 422), ("2020-01-01", 409)])
def test_a_day_that_cannot_be(cast, doctor, stay, day, status):
    plan = plan_of(stay)
    step = plan.definition.plan().steps[0].code
    response = doctor.post(address("discharge-step-day", stay.pk, plan.pk, step), {"day": day})
    assert response.status_code == status


def test_adding_a_visit_in_three_days(cast, doctor, stay):
    plan = plan_of(stay)
    given = {"days": "3", "channel": "phone", "title": "Check symptoms"}
    response = doctor.post(address("discharge-visit", stay.pk, plan.pk), given)
    assert "data-visit" in response.content.decode()
    (task,) = [one for one in tasks_of(plan) if one.step_code.startswith("visit-")]
    assert (timezone.localdate(task.due_at), task.step_title) == (
        timezone.localdate() + timedelta(days=3), "Check symptoms",
    )  # fmt: skip


@pytest.mark.parametrize(
    "wrong", [{"days": "-1"}, {"days": "9999"}, {"days": "x"}, {"title": ""}, {"channel": "pigeon"}]
)
def test_a_visit_that_cannot_be_is_refused_in_words(cast, doctor, stay, wrong):
    plan = plan_of(stay)
    given = {"days": "3", "channel": "phone", "title": "Check symptoms", **wrong}
    response = doctor.post(address("discharge-visit", stay.pk, plan.pk), given)
    assert response.status_code == 422
    assert 'data-code="input"' in response.content.decode()


@pytest.mark.parametrize("code", ["follow-up-centre", "ward-nurse", "attending-doctor", "myself"])
def test_who_does_it(cast, doctor, stay, code):
    response = doctor.post(address("discharge-owner", stay.pk, plan_of(stay).pk), {"owner": code})
    chosen = response.content.decode().split(f'id="owner-{code}"', 1)[1].split(">", 1)[0]
    assert 'aria-checked="true"' in chosen
    assert (plan_of(stay).owner_id == cast.zhao.pk) is (code == "myself")


def test_a_stranger_cannot_be_the_owner(cast, doctor, stay):
    assert doctor.post(address("discharge-owner", stay.pk, plan_of(stay).pk), {"owner": "me"}).status_code == 422


def test_a_personal_goal_stands_on_the_plan_and_on_charts(cast, doctor, stay):
    response = doctor.post(
        address("discharge-goal", stay.pk, plan_of(stay).pk), {"name": "blood-pressure", "value": "１２０／７０"}
    )
    assert response.status_code == 200
    assert plan_of(stay).personal().targets == {"blood-pressure": "<120/70 mmHg"}
    assert pressure_goal(cast.zhang.pk, viewer=cast.as_zhao).below == (120, 70)
    doctor.post(triggered(response)["toast"]["undo"])
    assert pressure_goal(cast.zhang.pk, viewer=cast.as_zhao).below == (130, 80)


@pytest.mark.parametrize(
    ("name", "value"),
    [("blood-pressure", "80/130"), ("blood-pressure", ""), ("ldl-c", "140"), ("mood", "7"), ("", "1")],
)
def test_a_goal_that_cannot_be_meant(cast, doctor, stay, name, value):
    response = doctor.post(address("discharge-goal", stay.pk, plan_of(stay).pk), {"name": name, "value": value})
    assert response.status_code == 422
    assert 'data-code="input"' in response.content.decode()
    assert plan_of(stay).personal().targets == {}


def test_whom_to_tell(cast, doctor, stay):
    person = daughter(cast.zhang)
    doctor.post(address("discharge-relative", stay.pk, person.pk), {"may_answer": "1"})
    person.refresh_from_db()
    assert (person.may_answer, person.may_receive, person.name, person.relation) == (
        True, False, "Zhou Min", "daughter",
    )  # fmt: skip
    doctor.post(address("discharge-relative", stay.pk, person.pk), {"may_receive": "1"})
    person.refresh_from_db()
    assert (person.may_answer, person.may_receive) == (False, True)


def test_a_relative_named_at_the_bedside(cast, doctor, stay):
    html = doctor.post(address("discharge-relative-add", stay.pk), {"name": "Zhou Min", "may_answer": "1"}).content
    assert b"data-relative=" in html
    assert doctor.post(address("discharge-relative-add", stay.pk), {"name": ""}).status_code == 422


def test_a_relative_of_another_patient_is_not_there(cast, doctor, stay):
    assert doctor.post(address("discharge-relative", stay.pk, daughter(cast.ma).pk)).status_code == 404


def test_a_plan_of_another_patient_is_not_there(cast, doctor, stay):
    left_hospital(cast, Scene(cast).new_patient(), diagnosis="I50.9")
    other = CarePlan.objects.unscoped("test").exclude(patient=cast.zhang)[0]
    response = doctor.post(address("discharge-owner", stay.pk, other.pk), {"owner": "myself"})
    assert response.status_code == 404


# ---- numbers ----


def first_number(cast) -> ContactPoint:
    return ContactPoint.objects.unscoped("test").filter(patient=cast.zhang).order_by("created_at")[0]


def test_a_number_is_proven_by_a_test_message(cast, doctor, stay):
    point = first_number(cast)
    html = doctor.post(address("discharge-number-test", stay.pk, point.pk)).content.decode()
    assert 'data-test="queued"' in html
    assert "data-poll" in html
    message = Communication.objects.unscoped("test").get(template_code="number-check")
    code = one_time_code(message.pk, settings.SECRET_KEY)
    given = {"communication": message.pk, "code": code}
    html = doctor.post(address("discharge-number-code", stay.pk, point.pk), given).content.decode()
    assert 'data-trust="verified"' in html
    assert "data-poll" not in html


@pytest.mark.parametrize("given", [{}, {"communication": "x", "code": "1"}, {"code": "123456"}])
def test_a_code_that_is_none_is_refused(cast, doctor, stay, given):
    assert doctor.post(address("discharge-number-code", stay.pk, first_number(cast).pk), given).status_code in (
        409,
        422,
    )


@pytest.mark.parametrize("state", ["sent", "delivered", "failed", "suppressed"])
def test_what_became_of_the_test_message_is_shown(cast, doctor, stay, state):
    doctor.post(address("discharge-number-test", stay.pk, first_number(cast).pk))
    with seeding():
        now = timezone.now()
        Communication.objects.unscoped("test").update(
            state=state, reason="x", sent_at=now, delivered_at=now, ended_at=now
        )
    assert f'data-test="{state}"' in opened(doctor, stay)


def test_the_qr_code_is_a_link_for_this_patient_and_says_nothing_about_the_person(cast, doctor, stay):
    html = doctor.post(address("discharge-qr", stay.pk)).content.decode()
    link = AccessLink.objects.unscoped("test").get()
    assert (link.purpose, link.patient_id) == ("verify", cast.zhang.pk)
    assert "<svg" in html
    assert "/q/" not in html  # the address is in the picture only


def test_a_new_number_at_the_bedside(cast, doctor, stay):
    html = doctor.post(address("discharge-number-add", stay.pk), {"number": "139 0000 0001", "owner": "son"}).content
    assert html.decode().count("data-trust=") == 2


@pytest.mark.parametrize("number", ["", "12", "not a number"])
def test_what_cannot_be_a_number_is_refused(cast, doctor, stay, number):
    assert doctor.post(address("discharge-number-add", stay.pk), {"number": number}).status_code == 409


@pytest.mark.parametrize(("said", "kept"), [("yes", True), ("no", False), ("", None), ("maybe", None)])
def test_who_knows_the_diagnosis(cast, doctor, stay, said, kept):
    point = first_number(cast)
    doctor.post(address("discharge-number-knows", stay.pk, point.pk), {"knows": said})
    point.refresh_from_db()
    assert point.knows_condition is kept


# ---- the patient's own plan ----


def test_the_printed_plan_has_dates_in_order_goals_and_is_audited(cast, doctor, stay):
    html = doctor.get(address("discharge-print", stay.pk)).content.decode()
    days = [part.split('"', 1)[0] for part in html.split('data-date="')[1:]]
    assert days
    assert days == sorted(days)
    assert "<130/80" in html or "&lt;130/80" in html
    assert AuditEvent.objects.filter(name="audit.RecordSeen", payload__what="discharge.plan").exists()


def test_the_plan_is_sent_and_a_refusal_is_said(cast, doctor, stay):
    assert doctor.post(address("discharge-send", stay.pk)).status_code == 200
    assert Communication.objects.unscoped("test").get().template_code == "plan-link"
    with seeding():
        ContactPoint.objects.unscoped("test").filter(patient=cast.zhang).update(active=False)
        Communication.objects.unscoped("test").update(key="earlier")
    response = doctor.post(address("discharge-send", stay.pk))
    assert response.status_code == 422
    assert 'data-code="input"' in response.content.decode()
