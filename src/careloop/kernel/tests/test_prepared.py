"""A statement that is compiled once answers as the queryset would: for every viewer, every value, every world."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import Count
from django.db.models.functions import Lower

from careloop.accounts.models import Organization, Practitioner
from careloop.kernel import prepared as kept
from careloop.kernel.actions import seeding
from careloop.kernel.models import UnscopedQuery
from careloop.kernel.prepared import CannotPrepare, Literal, Many, ask, prepared, together
from careloop.kernel.viewer import NOBODY, Viewer
from careloop.patients.models import AccessGrant, BlindSeal, CareRelationship, Encounter, Observation, Patient
from careloop.patients.reads.finding import find
from careloop.tasks.models import Task
from careloop.tasks.tests.factories import make_task
from tests.cast import NOW

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def by_name(viewer, name):
    return Patient.objects.visible_to(viewer).filter(name=name).order_by("pk")


def stays(viewer, since, patient_id):
    found = Encounter.objects.visible_to(viewer).filter(admitted_at__gte=since)
    found = found.filter(patient_id=patient_id) if patient_id else found
    return found.select_related("department", "attending").order_by("pk")


def due(viewer, at):
    return (
        Task.objects.visible_to(viewer)
        .open()
        .filter(due_at__lt=at)
        .order_by("pk")
        .values_list("pk", "department__name")
    )


def viewers(cast):
    """Every kind of right, with and without what the viewer brings along."""
    base = [cast.as_wang, cast.as_li, cast.as_sun, cast.as_zhao, cast.viewer(cast.qian), cast.viewer(cast.he), NOBODY]
    base += [Viewer.patient(cast.zhang.pk), Viewer.system("tests")]
    base += [replace(one, may_see_sensitive=True) for one in base if one.is_staff]
    base += [replace(one, own_only=True) for one in base if one.is_staff]
    base += [replace(one, permissions=one.permissions | {"supervision.check"}) for one in base if one.is_staff]
    return base


def running(person, at=NOW):
    rows = AccessGrant.objects.unscoped("the truth").filter(practitioner_id=person, valid_from__lte=at, valid_to__gt=at)
    return frozenset(rows.values_list("patient_id", flat=True))


def scatter(cast, seed):
    """Patients over departments; some restricted, some lent for a while, some sealed."""
    chance = random.Random(seed)
    places = [cast.cardiology, cast.orthopaedics, cast.centre]
    people = [cast.wang, cast.li, cast.zhao, cast.sun, cast.qian]
    with seeding():
        for n in range(14):
            one = Patient.objects.create(name=f"P{n}", sensitivity=chance.choice(["normal", "normal", "restricted"]))
            where = chance.choice(places)
            if chance.random() < 0.8:
                doctor = chance.choice([None, *people])
                CareRelationship.objects.create(patient=one, department=where, practitioner=doctor, since=NOW)
            for lent_to in chance.sample(people, chance.randint(0, 2)):
                begin = chance.choice([-3, -1, 1]) * HOUR
                AccessGrant.objects.create(
                    patient=one, practitioner=lent_to, kind="temporary", reason="x", valid_from=NOW + begin,
                    valid_to=NOW + begin + 2 * HOUR, granted_by=cast.qian,
                )  # fmt: skip
            if chance.random() < 0.3:
                lifted = chance.choice([{}, {"lifted_at": NOW, "lifted_because": "done"}])
                BlindSeal.objects.create(patient=one, practitioner=chance.choice(people), why="t", since=NOW, **lifted)
            make_task(cast, one, department=where, owner=chance.choice([None, *people]))


@prepared
def all_patients(viewer):
    return Patient.objects.visible_to(viewer).order_by("pk").values_list("pk", flat=True)


@prepared
def all_tasks(viewer):
    return Task.objects.visible_to(viewer).order_by("pk").values_list("pk", flat=True)


@pytest.mark.parametrize("seed", range(6))
def test_a_prepared_scope_is_the_scope(cast, seed):
    scatter(cast, seed)
    for viewer in viewers(cast):
        patients = list(Patient.objects.visible_to(viewer).order_by("pk").values_list("pk", flat=True))
        tasks = list(Task.objects.visible_to(viewer).order_by("pk").values_list("pk", flat=True))
        assert all_patients(viewer=viewer) == patients
        assert all_tasks(viewer=viewer) == tasks


@pytest.mark.parametrize("seed", range(6))
def test_grants_brought_along_open_what_the_table_opens(cast, seed, monkeypatch):
    from django.db.models import DateTimeField, Value

    from careloop.patients import models

    monkeypatch.setattr(models, "Now", lambda: Value(NOW, output_field=DateTimeField()))
    scatter(cast, seed)
    for viewer in viewers(cast):
        if not viewer.is_staff:
            continue
        asking = Patient.objects.visible_to(viewer).order_by("pk").values_list("pk", flat=True)
        bringing = replace(viewer, granted=running(viewer.practitioner_id))
        assert all_patients(viewer=bringing) == list(asking)


@pytest.mark.parametrize("seed", range(3))
def test_a_narrowed_viewer_sees_the_one_record_and_of_it_what_it_saw_before(cast, seed):
    scatter(cast, seed)
    for viewer in viewers(cast):
        if not viewer.is_staff:
            continue
        for one in list(Patient.objects.visible_to(viewer))[:5]:
            narrowed = viewer.narrowed(one.pk)
            for prepared_question, model in ((all_patients, Patient), (all_tasks, Task)):
                path = "pk" if model is Patient else "patient_id"
                wide = model.objects.visible_to(viewer).filter(**{path: one.pk}).order_by("pk")
                assert prepared_question(viewer=narrowed) == list(wide.values_list("pk", flat=True))
            assert not Patient.objects.visible_to(narrowed).exclude(pk=one.pk).exists()


def test_a_narrowed_viewer_does_not_turn_to_another_patient(cast):
    narrowed = cast.as_sun.narrowed(cast.zhang.pk)
    with pytest.raises(ValueError):
        narrowed.narrowed(cast.ma.pk)
    assert not by_name(narrowed, "Ma").exists()
    assert Viewer.patient(cast.ma.pk).narrowed(cast.zhang.pk).narrowed_to is None


def test_rows_are_the_same_objects_with_what_was_joined(cast, django_assert_num_queries):
    question = prepared(stays)
    wanted = list(stays(cast.as_sun, NOW - timedelta(days=20), None))
    found = question(viewer=cast.as_sun, since=NOW - timedelta(days=20), patient_id=None)
    with django_assert_num_queries(0):
        assert [(one, one.department.name, one.attending and one.attending.name) for one in found] == [
            (one, one.department.name, one.attending and one.attending.name) for one in wanted
        ]
    assert [one.__dict__.keys() for one in found] == [one.__dict__.keys() for one in wanted]


def test_compiled_once_for_each_shape_whatever_the_values(cast):
    question = prepared(stays)
    for days in range(1, 12):
        for viewer in (cast.as_wang, cast.as_li):
            found = question(viewer=viewer, since=NOW - timedelta(days=days), patient_id=None)
            assert found == list(stays(viewer, NOW - timedelta(days=days), None))
    assert len(question._made) == 1
    assert question(viewer=cast.as_wang, since=NOW - 99 * HOUR * 24, patient_id=cast.zhang.pk) == [cast.stay]
    assert question(viewer=cast.as_wang, since=NOW - 99 * HOUR * 24, patient_id=cast.ma.pk) == []
    assert len(question._made) == 2


def test_values_never_stay_from_the_first_call(cast):
    question = prepared(by_name)
    assert question(viewer=cast.as_wang, name="Zhang") == [cast.zhang]
    assert question(viewer=cast.as_wang, name="Ma") == []
    assert question(viewer=cast.as_li, name="Ma") == [cast.ma]
    assert question(viewer=cast.as_li, name="Zhang") == []
    assert question(viewer=NOBODY, name="Zhang") == []


@pytest.mark.parametrize("name", ["%", "%s", "%(name)s", "100%%", "'", "$1", "张三", "", "x" * 300])
def test_values_with_signs_of_the_language_are_only_values(cast, name):
    with seeding():
        one = Patient.objects.create(name=name[:120])
        CareRelationship.objects.create(patient=one, department=cast.cardiology, since=NOW)
    assert one in prepared(by_name)(viewer=cast.as_wang, name=name[:120])


def test_the_scope_cannot_be_left_out(cast):
    with pytest.raises(UnscopedQuery):
        prepared(lambda viewer: Patient.objects.filter(name="Zhang"))(viewer=cast.as_wang)


@pytest.mark.parametrize(
    "build",
    [
        lambda viewer, at: Task.objects.visible_to(viewer).filter(due_at__lt=at - HOUR),
        lambda viewer, at: Task.objects.visible_to(viewer).filter(due_at__date=at.date()),
        lambda viewer, at: Task.objects.visible_to(viewer).filter(due_at__lt=at).prefetch_related("contact_attempts"),
        lambda viewer, at: Task.objects.visible_to(viewer).filter(due_at__lt=at).values("pk"),
    ],
)
def test_what_would_not_follow_from_the_shape_is_refused(cast, build):
    with pytest.raises(CannotPrepare):
        prepared(build)(viewer=cast.as_wang, at=NOW)


def test_a_value_without_a_place_is_refused(cast):
    with pytest.raises(CannotPrepare):
        prepared(lambda viewer, n: Task.objects.visible_to(viewer).filter(attempts=n))(viewer=cast.as_wang, n=3)


def test_literals_and_flags_choose_the_statement(cast):
    @prepared
    def sorted_names(viewer, order, backwards):
        found = Patient.objects.visible_to(viewer).order_by(str(order), "pk")
        return (found.reverse() if backwards else found).values_list("name", flat=True)

    assert sorted_names(viewer=cast.as_sun, order=Literal("name"), backwards=False) == ["Ma", "Zhang"]
    assert sorted_names(viewer=cast.as_sun, order=Literal("name"), backwards=True) == ["Zhang", "Ma"]


def test_lists_by_their_length(cast):
    @prepared
    def these(viewer, ids):
        return Patient.objects.visible_to(viewer).filter(pk__in=ids).order_by("name").values_list("name", flat=True)

    assert these(viewer=cast.as_sun, ids=[cast.zhang.pk]) == ["Zhang"]
    assert these(viewer=cast.as_sun, ids=[cast.ma.pk]) == ["Ma"]
    assert these(viewer=cast.as_sun, ids=[cast.ma.pk, cast.zhang.pk, uuid4()]) == ["Ma", "Zhang"]
    assert these(viewer=cast.as_wang, ids=[cast.ma.pk]) == []
    assert these(viewer=cast.as_sun, ids=[]) == []


def test_many_ids_are_one_value_and_one_statement(cast):
    @prepared
    def these(viewer, ids, names):
        found = Patient.objects.visible_to(viewer).filter(pk__among=ids, name__among=names)
        return found.order_by("name").values_list("name", flat=True)

    @prepared
    def stays_of(viewer, patients):
        return Encounter.objects.visible_to(viewer).filter(patient_id__among=patients).select_related("patient")

    names = Many(["Ma", "Zhang", "%s", "'"])
    for ids in ([cast.zhang.pk], [cast.ma.pk, cast.zhang.pk, uuid4()], [], [uuid4() for _ in range(300)]):
        for viewer in (cast.as_sun, cast.as_wang):
            wanted = Patient.objects.visible_to(viewer).filter(pk__in=ids).order_by("name")
            assert these(viewer=viewer, ids=Many(ids), names=names) == [one.name for one in wanted]
            found = Encounter.objects.visible_to(viewer).filter(patient_id__in=ids)
            assert set(stays_of(viewer=viewer, patients=Many(ids))) == set(found)
    assert these(viewer=cast.as_sun, ids=Many([cast.ma.pk]), names=Many(["Zhang"])) == []
    assert len(these._made) == len(stays_of._made) == 2  # one for each viewer's rights
    plain = Patient.objects.visible_to(cast.as_sun).filter(pk__among=[cast.ma.pk])
    assert list(plain) == [cast.ma]  # unprepared too


@pytest.mark.parametrize("count", [1, 3])
def test_the_server_keeps_the_plan_whatever_the_number_of_ids(cast, count):
    """One id promised fewer rows than any number of them, so each question was planned anew."""

    @prepared
    def joined(viewer, stays):
        rows = Encounter.objects.unscoped("test").filter(pk__among=stays)
        return rows.select_related("patient", "department", "attending").order_by("pk")

    @prepared
    def named(viewer, names):
        return Patient.objects.unscoped("test").filter(name__among=names).order_by("pk")

    for _ in range(15):
        joined(viewer=NOBODY, stays=Many(uuid4() for _ in range(count)))
        named(viewer=NOBODY, names=Many(str(uuid4()) for _ in range(count)))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT max(custom_plans), min(generic_plans) FROM pg_prepared_statements WHERE statement LIKE '%ANY((SELECT%'"
            " AND statement NOT LIKE '%pg_prepared%' AND generic_plans + custom_plans > 8"
        )
        custom, kept = cursor.fetchone()
    assert custom <= 5 < kept + 5


def test_annotations_and_joined_columns(cast):
    make_task(cast, cast.zhang)

    @prepared
    def counted(viewer):
        return Patient.objects.visible_to(viewer).annotate(low=Lower("name"), n=Count("tasks")).order_by("pk")

    assert [(one.low, one.n) for one in counted(viewer=cast.as_wang)] == [("zhang", 1)]
    assert prepared(due)(viewer=cast.as_wang, at=NOW + 999 * HOUR) == list(due(cast.as_wang, NOW + 999 * HOUR))


def test_several_questions_make_one_journey_and_answer_in_order(cast, django_assert_num_queries):
    names, empty = prepared(by_name), prepared(lambda viewer: Patient.objects.visible_to(viewer).none())
    questions = [
        names.asked(viewer=cast.as_wang, name="Zhang"), empty.asked(viewer=cast.as_wang),
        names.asked(viewer=cast.as_wang, name="Ma"), all_patients.asked(viewer=cast.as_sun),
    ]  # fmt: skip
    with django_assert_num_queries(3):  # counted one by one; what can only be empty is not asked
        first, nothing, other, everyone = together(*questions)
    assert (first, nothing, other) == ([cast.zhang], [], [])
    assert set(everyone) == {cast.zhang.pk, cast.ma.pk}
    assert together() == []


def test_without_counting_the_server_numbers_its_places(cast):
    """The way production goes: no search for places in the text."""
    connection.force_debug_cursor = False
    assert kept._numbered("a = %(x)s AND b LIKE '5%%' AND c = %(y)s OR d = %(x)s") == (
        "a = $1 AND b LIKE '5%' AND c = $2 OR d = $1", ("x", "y"),
    )  # fmt: skip
    assert ask("SELECT %(a)s::int + %(b)s::int, '5%%', %(a)s::text", {"a": 2, "b": 3, "unused": 9}) == [(5, "5%", "2")]


def test_tables_about_nobody_may_be_prepared_too(cast):
    @prepared
    def places(viewer, path):
        return Organization.objects.filter(path__startswith=path, pk__in=viewer.departments).order_by("path")

    assert places(viewer=cast.as_wang, path=Literal("/H/")) == [cast.cardiology]
    assert places(viewer=cast.as_li, path=Literal("/H/")) == [cast.orthopaedics]


# ---- asked ahead ----


def test_what_was_asked_ahead_is_answered_without_a_journey_and_once(cast, django_assert_num_queries):
    question = prepared(by_name)
    zhang = {"viewer": cast.as_wang, "name": cast.zhang.name}
    question(**zhang)
    with django_assert_num_queries(1), kept.ahead(question.asked(**zhang)):
        assert [one.pk for one in question(**zhang)] == [cast.zhang.pk]
    with django_assert_num_queries(2), kept.ahead(question.asked(**zhang)):
        assert question(**zhang) == question(**zhang)  # who asks again asks the server
    with django_assert_num_queries(1):
        question(**zhang)  # and nothing is kept afterwards


@pytest.mark.parametrize("other", ["viewer", "value", "narrowed"])
def test_an_answer_is_given_to_the_same_viewer_and_the_same_values_only(cast, other):
    question = prepared(by_name)
    asked = question.asked(viewer=cast.as_sun, name=cast.zhang.name)
    viewer, name = {
        "viewer": (cast.as_li, cast.zhang.name),  # of another department: sees nothing of Zhang
        "value": (cast.as_sun, cast.ma.name),
        "narrowed": (cast.as_sun.narrowed(cast.ma.pk), cast.zhang.name),
    }[other]
    with kept.ahead(asked):
        assert question(viewer=viewer, name=name) == list(by_name(viewer, name))


@pytest.mark.parametrize("seed", range(3))
def test_several_questions_ahead_in_any_order_answer_as_the_querysets_do(cast, seed):
    scatter(cast, seed)
    chance = random.Random(seed)
    names, tasks = prepared(by_name), prepared(due)
    for viewer in viewers(cast):
        todo = [
            (names, by_name, {"name": cast.zhang.name}), (names, by_name, {"name": cast.ma.name}),
            (tasks, due, {"at": NOW}), (tasks, due, {"at": NOW + HOUR}),
        ]  # fmt: skip
        first = chance.sample(todo, k=chance.randint(0, 4))
        chance.shuffle(todo)
        with kept.ahead(*(one.asked(viewer=viewer, **values) for one, _plain, values in first)):
            for one, plain, values in todo:
                assert one(viewer=viewer, **values) == list(plain(viewer, **values))


def test_one_ahead_inside_another_keeps_what_came_with_both(cast, django_assert_num_queries):
    question = prepared(by_name)
    zhang, ma = ({"viewer": cast.as_sun, "name": one.name} for one in (cast.zhang, cast.ma))
    question(**zhang)
    with django_assert_num_queries(2), kept.ahead(question.asked(**zhang)), kept.ahead(question.asked(**ma)):
        assert [one.pk for one in (*question(**ma), *question(**zhang))] == [cast.ma.pk, cast.zhang.pk]


def test_the_record_a_page_found_is_given_to_its_parts_and_to_nobody_else(cast, django_assert_num_queries):
    narrowed = cast.as_sun.narrowed(cast.zhang.pk, found=cast.zhang)
    with django_assert_num_queries(0):
        assert find(cast.zhang.pk, viewer=narrowed) is cast.zhang
    assert find(cast.ma.pk, viewer=narrowed) is None
    assert narrowed.whole == cast.as_sun
    assert find(cast.ma.pk, viewer=narrowed.whole) == cast.ma
    with pytest.raises(ValueError):
        cast.as_sun.narrowed(cast.ma.pk, found=cast.zhang)


@pytest.mark.parametrize("fault", ["SELECT 1/%(n)s", "SELECT nothing_there, %(n)s::int"])
def test_a_statement_that_fails_raises_djangos_error_and_the_connection_goes_on(fault):
    with pytest.raises(DatabaseError), transaction.atomic():
        ask(fault, {"n": 0})
    assert ask("SELECT %(n)s::int", {"n": 5}) == [(5,)]
    assert kept.run("SELECT %(n)s::int", {"n": 5}) == 1


# ---- many questions, one statement ----


@prepared
def everything_of_a_stay(viewer, patient_id):
    mine = Encounter.objects.visible_to(viewer).filter(patient_id=patient_id)
    return mine.select_related("department", "attending").defer("attending__password_history").order_by("pk")


@prepared
def values_of_every_kind(viewer, patient_id):
    mine = Observation.objects.visible_to(viewer).filter(patient_id=patient_id).order_by("value_number", "pk")
    return mine.values_list("pk", "value_number", "effective_at", "text", "patient__birth_date", "patient__corrected")


def test_one_statement_answers_what_many_would(cast, django_assert_num_queries):
    """Ids, instants with microseconds, days, decimals to the last digit, JSON, nothing at all, and words with signs."""
    name = '100%% %s \\ " \u2028 张三'
    with seeding():
        Patient.objects.unscoped("test").filter(pk=cast.zhang.pk).update(
            name=name, birth_date=date(1956, 2, 29), corrected={"a": [1, None, "%"]}
        )
        for text, number in (("", None), (name, "12345678901.123456"), ("x", "0.100000")):
            Observation.objects.create(
                patient=cast.zhang, key=uuid4().hex, code="c", text=text, value_number=number and Decimal(number),
                effective_at=NOW + timedelta(microseconds=1), source="t",
            )  # fmt: skip
    zhang, sun = {"patient_id": cast.zhang.pk}, cast.as_sun
    asked = [
        values_of_every_kind.asked(viewer=sun, **zhang), everything_of_a_stay.asked(viewer=sun, **zhang),
        prepared(by_name).asked(viewer=sun, name=name), prepared(by_name).asked(viewer=sun, name="Ma"),
        prepared(lambda viewer: Patient.objects.visible_to(viewer).none()).asked(viewer=sun),
        values_of_every_kind.asked(viewer=cast.as_li, **zhang),  # of another department: sees nothing
    ]  # fmt: skip
    alone = [one.fetch() for one in asked]
    with django_assert_num_queries(1):
        told = kept.at_once(*asked)
    assert told == alone
    assert [[type(value) for value in row] for row in told[0]] == [[type(value) for value in row] for row in alone[0]]
    assert told[1][0].__dict__.keys() == alone[1][0].__dict__.keys()
    with django_assert_num_queries(0):
        assert told[1][0].department.name
    assert (len(told[0]), told[2], [one.name for one in told[3]], told[4], told[5]) == (3, [cast.zhang], ["Ma"], [], [])


def test_what_cannot_travel_as_json_is_asked_by_itself(cast, django_assert_num_queries):
    staff = prepared(lambda viewer: Organization.objects.filter(pk__in=viewer.departments).order_by("pk"))
    codes = prepared(
        lambda viewer: Practitioner.objects.filter(pk=viewer.practitioner_id).values_list("password_history")
    )
    names = prepared(by_name).asked(viewer=cast.as_wang, name="Zhang")
    asked = [staff.asked(viewer=cast.as_wang), codes.asked(viewer=cast.as_wang), names]
    assert asked[1].made.columns is None
    with django_assert_num_queries(2):
        assert kept.at_once(*asked) == [[cast.cardiology], [([],)], [cast.zhang]]
    assert kept.at_once() == []


def test_an_answer_ordered_twice_is_given_twice_and_the_lists_are_two(cast, django_assert_num_queries):
    question = prepared(by_name)
    zhang = {"viewer": cast.as_wang, "name": cast.zhang.name}
    with django_assert_num_queries(2), kept.ahead(question.asked(**zhang), question.asked(**zhang)):
        first, second = question(**zhang), kept.at_once(question.asked(**zhang))[0]
        first.clear()  # whoever sorts or empties the list has it alone
        assert second == [cast.zhang]
        assert question(**zhang) == [cast.zhang]  # a third time: asked


def test_a_viewer_made_from_another_asks_as_itself(cast):
    """What is worked out once for a viewer does not go on to those made from it."""
    asking = prepared(by_name)
    wide = replace(cast.as_wang, hospital_wide=True)
    made = [wide, wide.within("patients.view"), replace(wide, hospital_wide=False, departments=frozenset())]
    made += [
        wide.narrowed(cast.ma.pk),
        wide.narrowed(cast.zhang.pk),
        replace(wide, practitioner_id=uuid4(), own_only=True),
    ]
    for viewer in (*made, *reversed(made)):
        assert asking(viewer=viewer, name=cast.ma.name) == list(by_name(viewer, cast.ma.name))
    assert wide == replace(wide)  # it is the same person, whether it has asked or not
    assert "asks_as" not in repr(wide)


def test_ids_from_the_server_are_those_the_driver_gives():
    for one in (uuid4(), UUID(int=0), UUID(int=2**128 - 1)):
        read = kept._uuid(str(one))
        assert (read, hash(read), repr(read), read.bytes) == (one, hash(one), repr(one), one.bytes)
        assert read.is_safe is one.is_safe


@pytest.mark.parametrize(
    ("size", "threshold", "is_kept"), [(kept.LARGE, 3, True), (0, 3, False), (kept.LARGE, None, False)]
)
def test_a_large_statement_is_kept_from_the_first_time_unless_nothing_may_be(cast, size, threshold, is_kept):
    """Behind a pooler that does not know prepared statements (`prepare=off`) the server keeps none, large or not."""
    connection.force_debug_cursor = False
    mark = f"kept {size} {threshold}"
    sql = f'SELECT %(a)s::int AS "{mark}" /* {" " * size} */'
    driver = connection.connection
    before, driver.prepare_threshold = driver.prepare_threshold, threshold
    try:
        assert ask(sql, {"a": 7}) == [(7,)]
        assert ask(sql, {"a": 8}) == [(8,)]
        held = ask(
            "SELECT count(*) FROM pg_prepared_statements WHERE strpos(statement, %(mark)s::text) > 0",
            {"mark": f'"{mark}"'},
        )
    finally:
        driver.prepare_threshold = before
    assert held == [(int(is_kept),)]
