"""The pages of teams and of the distribution: what they show, change and refuse."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from careloop.rosters import actions
from careloop.rosters.models import Leave, Shift, Skill, Team, TeamMember
from careloop.rosters.tests.factories import member, owners, skill, team
from careloop.tasks.tests.factories import make_patient, make_task
from tests.cast import SYSTEM

pytestmark = pytest.mark.django_db


def today():
    return timezone.localtime(timezone.now()).date()


def due_now(cast, patient=None, **given):
    now = timezone.now()
    times = {"available_at": now - timedelta(hours=1), "due_at": now + timedelta(hours=1)}
    return make_task(cast, patient or make_patient(cast), **{**times, **given})


def post(client, door, *args, **data):
    return client.post(reverse(f"rosters:{door}", args=args), data)


# --- sharing out ----------------------------------------------------------------------------------------------------------


def test_share_out_from_the_page(cast):
    due_now(cast)
    client = cast.client(cast.wang)
    page = client.get(reverse("rosters:workload"))
    assert 'data-waiting="1"' in page.content.decode()
    done = post(client, "workload").content.decode()
    assert 'data-given="1"' in done
    assert 'data-waiting="0"' in done
    assert 'data-given-on-day="1"' in done
    assert set(owners().values()) != {None}


def test_a_team_without_capacity_is_refused_with_words(cast):
    team(cast)
    due_now(cast)
    response = cast.client(cast.wang).post(reverse("rosters:workload"), headers={"HX-Request": "true"})
    assert response.status_code == 409
    assert set(owners().values()) == {None}


def test_the_figure_leads_to_its_tasks_and_hides_foreign_patients(cast):
    task = due_now(cast)
    member(team(cast), cast.wang)
    post(cast.client(cast.wang), "workload")
    address = reverse("rosters:nurse-day", args=[cast.wang.pk, today().isoformat()])
    assert f'data-task="{task.pk}"' in cast.client(cast.wang).get(address).content.decode()
    assert f'data-task="{task.pk}"' not in cast.client(cast.li).get(address).content.decode()


@pytest.mark.parametrize("day", ["yesterday", "2026-13-45", "2026-02-30"])
def test_an_unreadable_day_is_not_found(cast, day):
    address = reverse("rosters:nurse-day", args=[cast.wang.pk, day])
    assert cast.client(cast.wang).get(address).status_code == 404


@pytest.mark.parametrize("query", ["first=x&last=y", "first=2026-11-20&last=2020-01-01", "first=1900-01-01"])
def test_an_unreadable_or_endless_period_shows_something_sensible(cast, query):
    assert cast.client(cast.wang).get(f"{reverse('rosters:workload')}?{query}").status_code == 200


def test_a_nurse_sees_the_colleagues_of_the_own_departments_only(cast):
    page = cast.client(cast.wang).get(reverse("rosters:workload")).content.decode()
    assert f'data-person="{cast.zhao.pk}"' in page
    assert f'data-person="{cast.li.pk}"' not in page
    everybody = cast.client(cast.sun).get(reverse("rosters:workload")).content.decode()
    assert f'data-person="{cast.li.pk}"' in everybody
    for shown in (page, everybody):
        assert int(re.search(r'data-room="(\d+)"', shown)[1]) == sum(
            map(int, re.findall(r'data-capacity="(\d+)"', shown))
        )


def test_queries_do_not_grow_with_people_and_work(cast, django_assert_max_num_queries):
    heart = team(cast)
    for person in (cast.wang, cast.zhao):
        member(heart, person)
    for _n in range(15):
        due_now(cast)
    client = cast.client(cast.wang)
    with django_assert_max_num_queries(44):
        post(client, "workload")


def test_who_does_not_share_out_is_refused(cast):
    for name in ("workload", "teams"):
        assert cast.client(cast.he).get(reverse(f"rosters:{name}")).status_code == 403
    assert cast.client(cast.wang).get(reverse("rosters:teams")).status_code == 403


# --- teams -----------------------------------------------------------------------------------------------------------------


def test_the_supervisor_keeps_a_team_from_beginning_to_end(cast):
    client = cast.client(cast.qian)
    assert client.get(reverse("rosters:teams")).status_code == 200
    common = {"organization": cast.cardiology.pk, "departments": [cast.cardiology.pk]}
    assert post(client, "found-team", name="Heart", **common).status_code == 302
    heart = Team.objects.get()
    post(client, "keep-skill", code="wound", name="Wounds", kind="follow-up", plan_title="")
    assert (
        post(client, "join-team", heart.pk, practitioner=cast.wang.pk, capacity=12, skill=["wound"]).status_code == 302
    )
    mine = TeamMember.objects.get()
    assert (mine.capacity, mine.skills) == (12, ["wound"])
    post(client, "change-member", mine.pk, capacity=20)
    mine.refresh_from_db()
    assert (mine.capacity, mine.skills) == (20, [])
    page = client.get(reverse("rosters:teams")).content.decode()
    assert f'data-team="{heart.pk}"' in page
    assert f'data-member="{mine.pk}"' in page
    post(client, "leave-team", mine.pk)
    post(client, "end-skill", Skill.objects.get().pk)
    post(client, "end-team", heart.pk)
    assert TeamMember.objects.count() == 0
    assert not Skill.objects.get().is_active
    assert Team.objects.get().last_day == today()


def test_shifts_and_leave_from_the_page(cast):
    client = cast.client(cast.qian)
    shift = {"practitioner": cast.wang.pk, "first_day": today(), "weekdays": [0, 1], "part": "morning"}
    assert post(client, "add-shift", **shift).status_code == 302
    assert post(client, "add-shift", **shift).status_code == 409
    leave = {
        "practitioner": cast.wang.pk, "first_day": today(), "first_half": "afternoon", "last_day": today(),
        "last_half": "afternoon", "reason": "sick",
    }  # fmt: skip
    assert post(client, "take-leave", **leave).status_code == 302
    page = client.get(reverse("rosters:teams")).content.decode()
    assert f'data-shift="{Shift.objects.get().pk}"' in page
    assert f'data-leave="{Leave.objects.get().pk}"' in page
    post(client, "end-shift", Shift.objects.get().pk)
    post(client, "end-leave", Leave.objects.get().pk)
    assert (Shift.objects.count(), Leave.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("found-team", {"name": ""}),
        ("add-shift", {"part": "night"}),
        ("add-shift", {"weekdays": ["9"]}),
        ("take-leave", {"first_day": "soon"}),
        ("take-leave", {"reason": "from-alerts"}),
        ("keep-skill", {"code": "no spaces allowed"}),
    ],
)
def test_incomplete_or_impossible_input_is_answered_with_words(cast, name, data):
    response = post(cast.client(cast.qian), name, **data)
    assert response.status_code == 422
    assert (Team.objects.count(), Shift.objects.count(), Leave.objects.count(), Skill.objects.count()) == (0, 0, 0, 0)


@pytest.mark.parametrize("capacity", ["", "0", "-3", "lots", "99999"])
def test_a_capacity_that_is_none_is_answered_with_words(cast, capacity):
    heart = team(cast)
    response = post(cast.client(cast.qian), "join-team", heart.pk, practitioner=cast.wang.pk, capacity=capacity)
    assert response.status_code == 422
    assert TeamMember.objects.count() == 0


def test_a_foreign_team_is_refused_and_not_shown(cast):
    bones = team(cast, name="Bones", departments=[cast.orthopaedics])
    client = cast.client(cast.qian)
    assert post(client, "end-team", bones.pk).status_code == 409
    assert post(client, "join-team", bones.pk, practitioner=cast.wang.pk, capacity=9).status_code == 409
    assert f'data-team="{bones.pk}"' not in client.get(reverse("rosters:teams")).content.decode()
    assert Team.objects.get(pk=bones.pk).last_day is None


def test_the_page_of_teams_asks_no_more_with_more_members(cast, django_assert_max_num_queries):
    skill("wound")
    heart = team(cast)
    for person in (cast.wang, cast.zhao, cast.sun):
        member(heart, person)
    actions.add_shift(
        practitioner_id=cast.wang.pk, first_day=today(), last_day=None, weekdays=[0], part="whole", by=SYSTEM
    )
    client = cast.client(cast.qian)
    with django_assert_max_num_queries(26):
        client.get(reverse("rosters:teams"))
