"""Who comes in, what a stranger finds, what is refused in which words, and that shared-out work adds up."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from careloop.accounts.models import Practitioner
from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.kernel.errors import Refused
from careloop.rosters import actions, reads, rules
from careloop.rosters.models import Assignment, Distribution, Leave, NurseDay, Shift, Skill, Team, TeamMember
from careloop.rosters.tests.factories import DAY, away, member, owners, team
from careloop.tasks.models import Task
from careloop.tasks.tests.factories import make_patient, make_task
from tests.cast import NOW, SYSTEM, Cast, _person
from tests.refusals import refusals_of, words_in_both

REFUSALS = refusals_of(actions)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda one: one.code)
def test_every_refusal_speaks_both_languages_and_says_what_to_do(refusal: type[Refused]) -> None:
    assert len(words_in_both(refusal).split()) >= 6


@pytest.mark.django_db
def test_a_supervisor_of_another_department_changes_nothing_behind_any_address(cast: Cast) -> None:
    heart = team(cast)
    mine = member(heart, cast.wang)
    shift = actions.add_shift(
        practitioner_id=cast.wang.pk, first_day=DAY, last_day=None, weekdays=[0], part="whole", by=SYSTEM
    )
    leave = away(cast.wang)
    with seeding():
        stranger = _person("lin", "Lin", cast.orthopaedics, "department-supervisor")
    client = cast.client(stranger)
    before = (AuditEvent.objects.filter(name__startswith="rosters.").count(), TeamMember.objects.get().last_day)
    day = {"first_day": DAY.isoformat(), "practitioner": str(cast.wang.pk)}
    doors: list[tuple[str, list[Any], dict[str, Any]]] = [
        ("end-team", [heart.pk], {}), ("join-team", [heart.pk], {"practitioner": str(stranger.pk), "capacity": "9"}),
        ("change-member", [mine.pk], {"capacity": "9"}), ("leave-team", [mine.pk], {}), ("end-shift", [shift.pk], {}),
        ("end-leave", [leave.pk], {}), ("add-shift", [], {**day, "weekdays": ["1"], "part": "whole"}),
        ("take-leave", [], {**day, "first_half": "morning", "last_half": "afternoon", "reason": "sick"}),
        ("found-team", [], {"name": "X", "organization": str(cast.cardiology.pk), "departments": [str(cast.cardiology.pk)]}),
    ]  # fmt: skip
    for name, arguments, data in doors:
        answer = client.post(reverse(f"rosters:{name}", args=arguments), data)
        assert answer.status_code in (409, 422), (name, answer.status_code)
    after = (AuditEvent.objects.filter(name__startswith="rosters.").count(), TeamMember.objects.get().last_day)
    assert after == before
    assert (Team.objects.count(), Shift.objects.count(), Leave.objects.count()) == (1, 1, 1)
    page = client.get(reverse("rosters:teams")).content.decode()
    assert str(heart.pk) not in page
    assert str(mine.pk) not in page
    assert str(leave.pk) not in page
    for name in ("end-team", "join-team", "change-member", "leave-team", "end-skill", "end-shift", "end-leave"):
        assert client.post(reverse(f"rosters:{name}", args=[uuid4()])).status_code == 404, name


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name", ["𠮷野家组", "葛\U000e0100组", "O'Brien & <b>", "x" * 60, "组\u3000一", "{{ team }}", "%s"]
)
def test_a_team_is_called_as_it_was_named(cast: Cast, name: str) -> None:
    client = cast.client(cast.qian)
    sent = {"name": name, "organization": str(cast.cardiology.pk), "departments": [str(cast.cardiology.pk)]}
    assert client.post(reverse("rosters:found-team"), sent).status_code == 302
    assert Team.objects.get().name == name
    assert client.post(reverse("rosters:found-team"), sent).status_code == 409  # the same again
    page = client.get(reverse("rosters:teams")).content.decode()
    assert "O'Brien & <b>" not in page  # a name is never markup


@pytest.mark.django_db
def test_somebody_without_any_department_or_role_is_nobodys_colleague(cast: Cast) -> None:
    with seeding():
        lonely = Practitioner.objects.create(name="Lonely", username="lonely")
        roleless = Practitioner.objects.create(name="Roleless", username="roleless", organization=cast.cardiology)
    found = {one.practitioner.pk for one in reads.colleagues(day=DAY, at=NOW)}
    assert not {lonely.pk, roleless.pk} & found
    with pytest.raises(actions.NobodyHere):
        with seeding():
            Practitioner.objects.exclude(pk=lonely.pk).update(is_active=False)
        make_task(cast)
        actions.distribute(day=DAY, at=NOW, trigger="hand", by=SYSTEM)
    assert not Distribution.objects.exists()


@pytest.mark.django_db
def test_shared_out_work_adds_up_whatever_the_team_is(cast: Cast) -> None:
    """Random teams, leave and work: each due task is with a member who may do it and has room, or counted as left over."""
    luck = random.Random(23)
    heart = team(cast)
    people = [cast.wang, cast.zhao]
    with seeding():
        people += [_person(f"n{n}", f"N{n}", cast.cardiology, "follow-up-nurse") for n in range(2)]
    for person in people:
        member(heart, person, capacity=luck.randint(1, 4))
    rooms: dict[Any, int] = {}
    for turn in range(4):
        for _n in range(luck.randint(1, 6)):
            patient = make_patient(cast)
            for _again in range(luck.choice([1, 1, 2])):
                make_task(cast, patient=patient)
        if turn == 2:
            away(people[2])
        try:
            run = actions.distribute(day=DAY, at=NOW, trigger="hand", by=SYSTEM)
        except actions.NobodyHere:  # said in words rather than done in vain: everybody is full
            assert turn > 0
            assert not any(rooms.values())
            break
        held = owners()
        contacts: dict[Any, set[Any]] = {}
        unowned = set()
        for task in Task.objects.unscoped("test"):
            owner = held[task.pk]
            (unowned if owner is None else contacts.setdefault(owner, set())).add(task.patient_id)
        here = {one.practitioner.pk: one for one in reads.colleagues(day=DAY, at=NOW)}
        assert len(unowned) == run.full + run.nobody_able  # what nobody got is counted, contact by contact
        for owner, patients in contacts.items():
            assert len(patients) <= here[owner].capacity, turn
        rooms = {one.pk: max(0, here[one.pk].capacity - len(contacts.get(one.pk, ()))) for one in people}
        assert not unowned or max(rooms.values()) <= 0  # nothing is left over beside an empty place
        days = NurseDay.objects.filter(day=DAY)
        assert {one.practitioner_id: one.capacity for one in days} == {pk: one.capacity for pk, one in here.items()}
    assert Assignment.objects.unscoped("test").count() >= len([one for one in owners().values() if one])


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 40), st.integers(0, 60)), max_size=30))
def test_the_report_adds_up_and_its_widest_gap_is_that_of_its_worst_day(told: list[tuple[int, int, int, int]]) -> None:
    days = [
        rules.PersonDay(person=n, day=DAY + timedelta(days=day), group=group, capacity=capacity, given=count)
        for n, (day, group, capacity, count) in enumerate(told)
    ]
    found = rules.fairness(days)
    here = [one for one in days if one.capacity > 0]
    assert (found.nurse_days, found.total) == (len(here), sum(one.given for one in here))
    assert found.widest == rules.spread([one.given for one in found.worst])
    assert len({(one.day, one.group, one.capacity) for one in found.worst}) <= 1  # like is compared with like
    assert found.least <= found.most
    assert -1e-9 <= found.gini <= 1
    assert rules.fairness(reversed(days)).widest == found.widest  # whoever is told first


@pytest.mark.django_db
@pytest.mark.parametrize("code", ["wound", "WOUND ", " wound-2 ", "a" * 40])
def test_a_skill_keeps_its_code_when_its_words_change(cast: Cast, code: str) -> None:
    made = actions.keep_skill(code=code, name="Wound", kind="", plan_title="Wound care", by=SYSTEM)
    changed = actions.keep_skill(
        skill=made, code="another", name=" 伤口护理 ", kind="follow-up", plan_title="", by=SYSTEM
    )
    assert (changed.pk, changed.code, changed.name) == (made.pk, code.strip().lower(), "伤口护理")
    with pytest.raises(actions.SkillNeedsWork):
        actions.keep_skill(skill=made, code=code, name="x", kind="", plan_title="", by=SYSTEM)
    assert Skill.objects.get().kind == "follow-up"
