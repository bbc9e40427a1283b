"""What is ahead of the clock, from the roll-up by day, equals a count of the rows at any instant, for everybody."""

import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError, connection, transaction

from careloop.alerts.models import Alert
from careloop.patients import actions as patients
from careloop.patients.models import Condition, Encounter, Patient
from careloop.reports import actions, reads, rules
from careloop.reports.models import ClockRollup, FirstContact
from careloop.reports.tests.test_rollup import (
    SYSTEM,
    Chaos,
    assert_equal,
    attempt,
    change,
    discharge,
    make_alert,
    make_task,
)
from careloop.tasks.models import Task
from careloop.tasks.rules.state import state_of
from tests.cast import NOW

ZONE = ZoneInfo("Asia/Shanghai")
HALF, MICRO = timedelta(minutes=30), timedelta(microseconds=1)


def month_of(instant):
    return rules.month_of(instant.astimezone(ZONE).date())


def midnight(day):
    return datetime(day.year, day.month, day.day, tzinfo=ZONE)


def asked(viewer, month, at, departments=None, months=3):
    return reads.dashboard(
        viewer=viewer, months=rules.last_months(month, months), begin=midnight(month),
        end=midnight(rules.add_months(month, 1)), at=at, departments=departments,
    )  # fmt: skip


def live(viewer, month, at, departments=None):
    """(month, department) → the measures that depend on the clock, and the open states of the month, row by row."""
    wide = viewer.everything or viewer.hospital_wide

    def seen(department):
        if department is None:
            return wide and departments is None
        return (wide or department in viewer.departments) and (departments is None or department in departments)

    tasks = Task.objects.unscoped("test").filter(status="requested", kind="follow-up")
    tasks = [task for task in tasks if seen(task.department_id)]
    counted = [("not_yet_due", task.due_at, task.department_id) for task in tasks if task.due_at > at]
    counted += [
        ("alerts_waiting", alert.raised_at, alert.department_id)
        for alert in Alert.objects.unscoped("test").exclude(status="closed")
        if alert.close_by > at
    ]
    counted += [
        (name, stay.discharged_at, stay.department_id)
        for name, young in (("discharges_waiting", timedelta(hours=72)), ("discharges_waiting_14d", timedelta(days=14)))
        for stay in uncontacted()
        if at - young < stay.discharged_at <= at
    ]
    begun = at.astimezone(ZONE).date() - timedelta(days=30)  # whoever left since then may still come again
    for stay in stayed():
        if stay.discharged_at.astimezone(ZONE).date() >= begun:
            counted.append(("stays_open", stay.discharged_at, stay.department_id))
            if came_again(stay):
                counted.append(("readmitted_open", stay.discharged_at, stay.department_id))
    found = {}
    for name, instant, department in counted:
        if seen(department):
            key = (month_of(instant), department or reads.NOBODY)
            found.setdefault(key, dict.fromkeys(rules.BY_CLOCK, 0))[name] += 1
    return found, states_of([task for task in tasks if month_of(task.due_at) == month], at)


def stayed():
    rows = Encounter.objects.unscoped("test").filter(status="finished", class_code="IMP")
    return rows.exclude(disposition__in=("died", "transferred", "cancelled"))


def came_again(stay):
    """The definition in words, row by row: in bed again within thirty days, for something that was not planned before."""
    others = Encounter.objects.unscoped("test").filter(patient_id=stay.patient_id, class_code="IMP").exclude(pk=stay.pk)
    planned = Condition.objects.unscoped("test").filter(active=True, rank=1, code_key__startswith="Z51.1")
    return any(
        other.admitted_at is not None
        and other.admitted_at > stay.discharged_at
        and (other.admitted_at.astimezone(ZONE).date() - stay.discharged_at.astimezone(ZONE).date()).days <= 30
        and not planned.filter(encounter_id=other.pk, patient_id=other.patient_id).exists()
        for other in others.filter(status__in=("in-progress", "finished"))
    )


def uncontacted():
    stays = Encounter.objects.unscoped("test").filter(status="finished", class_code__in=("IMP", "SS"))
    excluded = ("died", "against-advice", "cancelled", "transferred")
    contacted = FirstContact.objects.values_list("encounter_id", flat=True)
    return stays.exclude(disposition__in=excluded).exclude(pk__in=list(contacted))


def states_of(tasks, at):
    found = dict.fromkeys(("scheduled", "snoozed", "due"), 0)
    for task in tasks:
        found[
            state_of(
                status=task.status, available_at=task.available_at, snoozed_until=task.snoozed_until,
                promised_at=task.promised_at, at=at,
            )
        ] += 1  # fmt: skip
    return found


def assert_live(viewer, month, at, departments=None):
    found = asked(viewer, month, at, departments)
    counted, states = live(viewer, month, at, departments)
    assert found.states == states, (month, at)
    for name in rules.BY_CLOCK:
        here = {key[1]: number[name] for key, number in counted.items() if key[0] == month and number[name]}
        told = {key[1]: numbers[name] for key, numbers in found.departments.items() if numbers.get(name)}
        assert told == here, (name, month, at)
        for one in rules.last_months(month, 3):
            whole = sum(numbers[name] for key, numbers in counted.items() if key[0] == one)
            assert found.months[one].get(name, 0) == whole, (name, one, at)


class Hospital(Chaos):
    """More that happens: days are moved, work is put off, patients and stays move, records become one."""

    def __init__(self, cast, seed):
        super().__init__(cast, seed)
        self.merge = None
        self.more = (self.new_day, self.put_off, self.transfer, self.merge_or_part, self.make_sensitive, self.fold)

    def step(self):
        if self.dice.random() < 0.45:
            self.dice.choice(self.more)()
        else:
            super().step()

    def when(self):
        """Often at the edges of a half hour, a day, a month."""
        at = super().when()
        return self.dice.choice(
            [at, at.replace(minute=30, second=0, microsecond=0), midnight(at.date()).astimezone(UTC)]
        )

    def one(self):
        return self.dice.choice(self.tasks).pk if self.tasks else None

    def new_day(self):
        due = self.when()
        change(Task, self.one(), due_at=due, available_at=due - timedelta(hours=self.dice.randint(0, 90)))

    def put_off(self):
        until = self.dice.choice([None, self.when()])
        change(Task, self.one(), snoozed_until=until, promised_at=self.dice.choice([None, until, self.when()]))

    def transfer(self):
        stay = self.dice.choice([self.cast.stay, self.cast.other_stay])
        change(
            Encounter, stay.pk, department=self.dice.choice([None, self.cast.cardiology, self.cast.orthopaedics]),
            class_code=self.dice.choice(["IMP", "IMP", "AMB", "SS"]),
        )  # fmt: skip

    def merge_or_part(self):
        if self.merge is None:
            self.merge = patients.merge_patients(
                survivor=self.cast.ma, gone=self.cast.zhang, source="test", at=NOW, by=SYSTEM
            )
        else:
            patients.unmerge_patients(merge=self.merge, reason="test", at=NOW, by=SYSTEM)
            self.merge = None

    def make_sensitive(self):
        change(Patient, self.cast.zhang.pk, sensitivity=self.dice.choice(["normal", "sensitive"]))

    def fold(self):
        actions.fold_rollup(by=SYSTEM)

    def edges(self, number):
        """Instants to look at: anywhere, and where a row begins or ends to count, and next to that."""
        instants = [self.when() for _ in range(number)]
        for model, name in (
            (Task, "due_at"),
            (Task, "available_at"),
            (Task, "snoozed_until"),
            (Encounter, "discharged_at"),
        ):
            known = model.objects.unscoped("test").exclude(**{name: None}).values_list(name, flat=True)
            instants += self.dice.sample(sorted(known), min(2, len(known)))
        shift = [timedelta(), MICRO, -MICRO, HALF, timedelta(hours=72), timedelta(days=14)]
        return [instant + self.dice.choice(shift) for instant in instants]


@pytest.mark.parametrize("seed", range(5))
def test_whatever_happens_the_page_counts_what_a_recount_of_the_rows_counts(cast, seed):
    hospital = Hospital(cast, seed)
    viewers = [SYSTEM, cast.viewer(cast.sun), cast.viewer(cast.qian), cast.viewer(cast.li)]
    places = [None, None, (cast.cardiology.pk,), (cast.orthopaedics.pk, cast.hospital.pk), ()]
    for number in range(60):
        hospital.step()
        if number % 12 == 11:
            assert_equal()
            for at in hospital.edges(4):
                month = rules.add_months(month_of(at), hospital.dice.choice([0, 0, 0, -1, 1]))
                assert_live(hospital.dice.choice(viewers), month, at, hospital.dice.choice(places))
    assert actions.check_rollup(at=NOW, by=SYSTEM).differing == 0


@pytest.mark.parametrize(
    ("when", "at", "later"),
    [
        ("2026-11-05 17:30:00", "2026-11-05 17:30:00", 0),  # due at the end of work is not later than that
        ("2026-11-05 17:30:00", "2026-11-05 17:29:59.999999", 1),
        ("2026-11-05 17:59:59.999999", "2026-11-05 17:30:00", 1),  # in the half hour that is running
        ("2026-11-05 17:30:00", "2026-11-05 17:59:59", 0),
        ("2026-11-05 18:00:00", "2026-11-05 17:59:59", 1),  # in the next one
        ("2026-11-05 23:59:59", "2026-11-05 23:30:00", 1),  # the last half hour of a day
        ("2026-11-06 00:00:00", "2026-11-05 23:59:59", 1),
        ("2026-11-06 00:00:00", "2026-11-06 00:00:00", 0),
        ("2026-11-30 23:59:59", "2026-11-01 00:00:00", 1),
        ("2026-12-01 00:00:00", "2026-11-30 23:59:59", 0),  # due in another month
        ("2028-02-29 12:00:00", "2028-02-29 11:59:00", 1),
        ("2026-12-31 23:59:59", "2026-12-31 00:00:00", 1),
    ],
)
@pytest.mark.parametrize("folded", [True, False])
def test_edges_of_half_hours_days_and_months(cast, when, at, later, folded):
    due, at = (datetime.fromisoformat(text).replace(tzinfo=ZONE) for text in (when, at))
    make_task(cast, due_at=due)
    if folded:
        assert actions.fold_rollup(by=SYSTEM)
    month = month_of(at)
    assert asked(SYSTEM, month, at).months[month].get("not_yet_due", 0) == later
    assert_live(SYSTEM, month, at)


@pytest.mark.parametrize(
    ("hours", "waits", "waits_two_weeks"),
    [(-1, 0, 0), (0, 1, 1), (71.99, 1, 1), (72, 0, 1), (335.9, 0, 1), (336, 0, 0)],
)
@pytest.mark.parametrize("folded", [True, False])
def test_a_discharge_waits_three_days_and_two_weeks(cast, hours, waits, waits_two_weeks, folded):
    discharge(cast)
    if folded:
        actions.fold_rollup(by=SYSTEM)
    at = NOW + timedelta(hours=hours)
    months = asked(SYSTEM, month_of(at), at).months
    assert rules.add(months.values()).get("discharges_waiting", 0) == waits
    assert rules.add(months.values()).get("discharges_waiting_14d", 0) == waits_two_weeks
    attempt(make_task(cast), "reached-patient", started_at=NOW + timedelta(hours=1))
    assert rules.add(asked(SYSTEM, month_of(at), at).months.values()).get("discharges_waiting_14d", 0) == 0


def test_a_discharge_whose_contact_goes_and_whose_instant_moves_in_one_statement_counts_once(cast):
    task = make_task(cast)
    discharge(cast)
    attempt(task, "reached-patient", started_at=NOW + timedelta(hours=2))
    assert_equal()
    change(Encounter, cast.stay.pk, discharged_at=NOW + timedelta(hours=5), department=cast.orthopaedics)
    assert_equal()  # the call was before the discharge now, so nobody was contacted
    actions.fold_rollup(by=SYSTEM)
    (waiting,) = ClockRollup.objects.filter(measure="waiting")
    assert (waiting.number, waiting.department_id) == (1, cast.orthopaedics.pk)
    change(Encounter, cast.stay.pk, discharged_at=NOW)
    assert_equal()


def test_a_folded_day_is_one_row_and_one_that_is_over_is_none(cast):
    first, second = make_task(cast), make_task(cast, due_at=NOW + HALF)
    actions.fold_rollup(by=SYSTEM)
    (row,) = ClockRollup.objects.filter(measure="due")
    local = NOW.astimezone(ZONE)
    place = local.hour * 2 + local.minute // 30
    assert (row.number, row.slot, row.slots) == (2, None, [2] * (place + 1) + [1] + [0] * (46 - place))
    change(Task, first.pk, status="completed", outcome="reached-patient", ended_at=NOW)
    actions.fold_rollup(by=SYSTEM)
    assert ClockRollup.objects.get(measure="due").slots == [1] * (place + 2) + [0] * (46 - place)
    change(Task, second.pk, kind="alert")
    actions.fold_rollup(by=SYSTEM)
    assert not ClockRollup.objects.exists()


@pytest.mark.parametrize("folded", [True, False])
def test_a_wrong_number_is_found_at_night_and_put_right(cast, folded):
    make_task(cast)
    if folded:
        actions.fold_rollup(by=SYSTEM)
    with connection.cursor() as cursor:
        wrong = "number = 9, slots = array_fill(9, ARRAY[48])" if folded else "number = 9"
        cursor.execute(f"UPDATE reports_clockrollup SET {wrong}")
    assert actions.check_rollup(at=NOW, by=SYSTEM).differing == (4 if folded else 2)
    assert_equal()
    assert actions.check_rollup(at=NOW, by=SYSTEM).differing == 0


@pytest.mark.parametrize(
    "wrong", ["number = number + 1", "slots = ARRAY[1]", "slot = 3", "slots = NULL", "slots[1] = 7"]
)
def test_a_folded_row_cannot_contradict_itself(cast, wrong):
    make_task(cast)
    actions.fold_rollup(by=SYSTEM)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE reports_clockrollup SET {wrong}")


def test_the_list_behind_a_rate_of_the_running_month_is_as_long_as_its_denominator(cast):
    """What is not due yet is left out of both."""
    at = datetime.now(UTC)
    for minutes in (-90, -1, 1, 29, 31, 90, 3000):
        make_task(cast, due_at=at + timedelta(minutes=minutes))
    change(Patient, cast.zhang.pk, sensitivity="normal")
    indicator = reads.definitions().indicator("follow-up-rate")
    for viewer in (SYSTEM, cast.viewer(cast.sun), cast.viewer(cast.qian)):
        for month in {month_of(at), month_of(at + timedelta(minutes=3000)), month_of(at - timedelta(minutes=90))}:
            value = rules.value_of(indicator, asked(viewer, month, at).months[month])
            _lines, listed = reads.listed(
                "planned", without=indicator.minus, viewer=viewer, month=month, departments=None, practitioner_id=None,
                at=at, limit=5,
            )  # fmt: skip
            assert listed == value.denominator, month


@pytest.mark.parametrize("fold_after", [None, 40, 80])
def test_of_months_gone_by_everything_is_counted(cast, fold_after):
    """Each month of a trend says what the page of that month says, folded or not or in part."""
    chaos = Chaos(cast, 31)
    for number in range(80):
        if number == fold_after:
            actions.fold_rollup(by=SYSTEM)
        chaos.step()
    if fold_after == 80:
        actions.fold_rollup(by=SYSTEM)
    december = date(2026, 12, 1)
    for viewer in (SYSTEM, cast.viewer(cast.qian)):
        twelve = reads.dashboard(
            viewer=viewer, months=rules.last_months(december, 13), begin=midnight(december),
            end=midnight(date(2027, 1, 1)), at=NOW,
        ).months  # fmt: skip
        for month, measures in twelve.items():
            alone = asked(viewer, month, NOW, months=1).months[month]
            assert {name: measures.get(name, 0) for name in rules.STORED} == {
                name: alone.get(name, 0) for name in rules.STORED
            }, month


def test_an_alert_waits_until_its_limit(cast):
    alert = make_alert(cast)
    before, after = alert.close_by - MICRO, alert.close_by
    assert asked(SYSTEM, month_of(NOW), before).months[month_of(NOW)]["alerts_waiting"] == 1
    assert asked(SYSTEM, month_of(NOW), after).months[month_of(NOW)].get("alerts_waiting", 0) == 0


def test_months_between():
    assert rules.months_between(date(2026, 11, 1), date(2027, 1, 1)) == (
        date(2026, 11, 1), date(2026, 12, 1), date(2027, 1, 1),
    )  # fmt: skip
    assert rules.months_between(date(2026, 11, 1), date(2026, 11, 1)) == (date(2026, 11, 1),)
    assert rules.months_between(date(2027, 1, 1), date(2026, 11, 1)) == ()


def test_random_days_are_cut_into_the_same_half_hours_here_and_in_the_database(db):
    dice = random.Random(3)
    for _ in range(300):
        instant = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=dice.randint(0, 10**9))
        values = reads._clock(instant, first=date(2020, 1, 1), last=date(2020, 1, 1))
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT (x AT TIME ZONE 'Asia/Shanghai')::date, (extract(hour FROM x AT TIME ZONE 'Asia/Shanghai') * 2"
                " + floor(extract(minute FROM x AT TIME ZONE 'Asia/Shanghai') / 30))::int FROM (SELECT %s::timestamptz AS x) t",
                [instant],
            )
            assert cursor.fetchone() == (values["now_day"], values["now_slot"])
        assert values["now"] < values["now_end"] <= values["now"] + HALF
