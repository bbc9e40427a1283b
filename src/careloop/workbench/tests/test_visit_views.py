"""What the call screen sends about a contact: which way, when, what is refused; and small words of the working pages."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from careloop.patients.models import ContactPoint
from careloop.tasks import actions, rules
from careloop.tasks.models import ContactAttempt, Task
from careloop.tasks.tests.factories import make_patient, make_task
from careloop.workbench.forms.today import AttemptForm, ListForm, quick_promise
from careloop.workbench.reads.timeline import timeline
from careloop.workbench.tests import forms
from careloop.workbench.tests.test_today import due_now, page
from tests.cast import NOW

SHANGHAI = ZoneInfo("Asia/Shanghai")
MINUTE = "%Y-%m-%dT%H:%M"


def finish(client, task, **fields):
    return client.post(reverse("workbench:finish", args=[task.pk]), {"outcome": "reached-patient", **fields})


def mine(cast, **given):
    task = due_now(cast, make_patient(cast), **given)
    actions.claim_task(task=task, at=timezone.now(), by=cast.as_wang)
    return task


# --- the form, without a database -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "valid"),
    [
        ({}, True), ({"channel": "phone"}, True), ({"channel": "visit"}, True), ({"channel": "clinic"}, True),
        ({"channel": "letter"}, False), ({"channel": "pigeon"}, False), ({"happened_at": "2026-11-20T09:30"}, True),
        ({"happened_at": "2026-11-20 09:30"}, True), ({"happened_at": "20.11.2026"}, False), ({"happened_at": ""}, True),
        ({"seconds": "-1"}, False), ({"seconds": "21600"}, True), ({"seconds": "21601"}, False), ({"seconds": "x"}, False),
        ({"contact_point": "1"}, False), ({"note": "x" * 301}, False), ({"note": "字" * 300}, True), ({"outcome": "x"}, False),
        ({"when": "never"}, False), ({"when": "2h"}, True),
    ],
)  # fmt: skip
def test_what_is_understood_of_a_result(fields, valid):
    assert AttemptForm({"outcome": "reached-patient", **fields}).is_valid() is valid


@pytest.mark.parametrize("channel", ["", "phone", *rules.IN_PERSON])
@pytest.mark.parametrize("seconds", ["", "0", "95"])
@pytest.mark.parametrize("moment", ["", "2026-11-20T09:30"])
def test_when_a_contact_began(channel, seconds, moment):
    form = AttemptForm({"outcome": "refused", "channel": channel, "seconds": seconds, "happened_at": moment})
    assert form.is_valid()
    at = datetime(2026, 11, 20, 12, 0, tzinfo=SHANGHAI)
    if channel in rules.IN_PERSON:
        expected = datetime(2026, 11, 20, 9, 30, tzinfo=SHANGHAI) if moment else at
    else:
        expected = at - timedelta(seconds=int(seconds or 0))
    assert (form.began(at=at), form.channel_code()) == (expected, channel or "phone")


@pytest.mark.parametrize(
    ("code", "at", "expected"),
    [
        ("30m", (20, 23, 50), (21, 0, 20)), ("2h", (20, 9, 0), (20, 11, 0)), ("2h", (30, 23, 0), (31, 1, 0)),
        ("afternoon", (20, 9, 0), (20, 15, 0)), ("afternoon", (20, 14, 59), (20, 15, 0)),
        ("afternoon", (20, 15, 0), (21, 9, 30)), ("tomorrow", (20, 0, 0), (21, 9, 30)), ("tomorrow", (20, 23, 59), (21, 9, 30)),
    ],
)  # fmt: skip
def test_the_quick_times(code, at, expected):
    day, hour, minute = at
    found = quick_promise(code, at=datetime(2026, 10, day, hour, minute, tzinfo=SHANGHAI))
    assert (found.day, found.hour, found.minute) == expected


@given(
    st.sampled_from(["30m", "2h", "afternoon", "tomorrow"]), st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1))
)
def test_a_quick_time_always_lies_ahead(code, at):
    moment = at.replace(tzinfo=SHANGHAI)
    assert moment < quick_promise(code, at=moment) <= moment + timedelta(days=2)


@given(
    st.dictionaries(
        st.sampled_from(["tab", "mine", "department", "plan", "risk", "discharged", "offset"]), st.text(max_size=20)
    )
)
def test_any_address_of_the_list_is_a_query(address):
    query = ListForm(address).query(at=datetime(2026, 11, 20, 12, tzinfo=SHANGHAI))
    assert query.tab
    assert query.offset >= 0


# --- recording ------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("channel", rules.IN_PERSON)
def test_a_visit_is_recorded_with_its_time_and_without_a_number(cast, channel):
    task = mine(cast)
    point = ContactPoint.objects.unscoped("test").filter(patient=task.patient).first()
    began = timezone.localtime() - timedelta(hours=5)
    response = finish(
        cast.client(cast.wang),
        task,
        channel=channel,
        contact_point=point.pk,
        happened_at=began.strftime(MINUTE),
        seconds="9",
    )
    attempt = ContactAttempt.objects.unscoped("test").get()
    task.refresh_from_db()
    assert (response.status_code, task.status, task.channel) == (200, "completed", channel)
    assert (attempt.channel, attempt.contact_point_id) == (channel, None)
    assert attempt.started_at == began.replace(second=0, microsecond=0)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"channel": "visit", "outcome": "busy"}, 409, "outcome-not-of-channel"),
        ({"channel": "clinic", "outcome": "wrong-person"}, 409, "outcome-not-of-channel"),
        ({"channel": "visit", "happened_at": "2099-01-01T10:00"}, 409, "contact-at-no-time"),
        ({"channel": "visit", "happened_at": "2001-01-01T10:00"}, 409, "contact-at-no-time"),
        ({"channel": "pigeon"}, 422, ""), ({"channel": "visit", "happened_at": "yesterday"}, 422, ""),
        ({"channel": "visit", "outcome": "call-later"}, 409, "promise-needs-time"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_writes_nothing(cast, fields, status, code):
    task = mine(cast)
    response = finish(cast.client(cast.wang), task, **fields)
    task.refresh_from_db()
    assert (response.status_code, task.status) == (status, "requested")
    assert f'data-code="{code}"' in response.content.decode() or not code
    assert not ContactAttempt.objects.unscoped("test").exists()


@pytest.mark.django_db
def test_the_answers_of_a_visit_are_answers_of_a_visit(cast):
    forms.publish()
    task = mine(cast, questionnaire_url=forms.URL)
    refused = finish(cast.client(cast.wang), task, channel="visit")
    assert refused.status_code == 422  # required answers are missing, at home too
    assert not ContactAttempt.objects.unscoped("test").exists()


@pytest.mark.django_db
@pytest.mark.parametrize(("channel", "pressed"), [("phone", set()), ("visit", {"visit"}), ("clinic", {"clinic"})])
def test_the_planned_way_is_chosen_already(cast, channel, pressed):
    import re

    html = page(cast.client(cast.wang), "call", mine(cast, channel=channel).pk).content.decode()
    ways = dict(re.findall(r'data-way="([a-z]+)" data-key="[HO]" aria-pressed="(true|false)"', html))
    assert {code for code, on in ways.items() if on == "true"} == pressed
    assert set(ways) == set(rules.IN_PERSON)
    assert f'data-channel="{channel}"' in html


@pytest.mark.django_db
def test_whoever_only_looks_has_no_ways(cast):
    html = page(cast.client(cast.wang), "call", due_now(cast).pk).content.decode()
    assert "data-way=" not in html


@pytest.mark.django_db
def test_the_record_tells_calls_visits_and_letters_apart(cast):
    for channel, outcome in (
        ("phone", "no-answer"),
        ("visit", "no-answer"),
        ("clinic", "reached-patient"),
        ("letter", "letter-sent"),
    ):
        actions.record_attempt(
            task=make_task(cast), contact_point_id=None, outcome=outcome, channel=channel, at=NOW, by=cast.as_wang
        )
    found = [
        entry
        for entry in timeline(cast.zhang, kind="follow-up", viewer=cast.as_wang).entries
        if entry.kind == "follow-up"
    ]
    told = {entry.icon: (entry.title.split(" · ")[0], entry.tag[1]) for entry in found}
    assert told["home"] == ("上门", "未见到")
    assert told["stethoscope"][0] == "门诊"
    assert told["mail"][0] == "信件"
    assert told["phone-off"] == ("电话随访", "无人接听")
    page_ = cast.client(cast.wang).get(reverse("tasks:patient_followups", args=[cast.zhang.pk])).content.decode()
    assert "上门" in page_


@pytest.mark.django_db
def test_a_day_of_visits_is_no_day_of_calls(cast):
    task = mine(cast)
    finish(cast.client(cast.wang), task, channel="visit")
    html = page(cast.client(cast.wang), "today", tab="done").content.decode()
    assert "data-unreached" not in html
    assert Task.objects.unscoped("test").get(pk=task.pk).channel == "visit"


@pytest.mark.django_db
def test_tried_in_vain_is_said_beside_the_bar(cast):
    task = due_now(cast)
    actions.record_attempt(task=task, contact_point_id=None, outcome="busy", at=timezone.now(), by=cast.as_wang)
    assert 'data-unreached="1"' in page(cast.client(cast.wang), "today").content.decode()


@pytest.mark.django_db
def test_whoever_has_no_page_of_their_own_lands_on_the_own_account(cast):
    from careloop.accounts.models import RoleAssignment
    from careloop.kernel.actions import seeding

    with seeding():
        RoleAssignment.objects.filter(practitioner=cast.wang).update(valid_to=timezone.now() - timedelta(days=1))
    assert cast.client(cast.wang).get("/").headers["Location"] == reverse("accounts:sessions")


@pytest.mark.django_db
@pytest.mark.parametrize("number", ["²", "9" * 5000, "-1", "", "0", "x", "٣"])
def test_an_instance_that_is_no_number_is_refused_with_words(cast, number):
    forms.publish()
    task = mine(cast, questionnaire_url=forms.URL)
    response = cast.client(cast.wang).post(
        reverse("workbench:form_part", args=[task.pk]), {"op": "remove-instance", "link_id": "bp", "number": number}
    )
    assert response.status_code in (404, 409, 422)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "query", [{"limit": "²"}, {"offset": "³"}, {"limit": "9" * 5000}, {"offset": "٣"}, {"limit": ""}]
)
def test_digits_that_are_no_number_are_no_server_error(cast, query):
    assert cast.client(cast.wang).get(reverse("tasks:api-due"), query).status_code == 400
