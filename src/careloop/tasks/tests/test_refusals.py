"""Every action on every state: what is refused, that a refusal writes nothing, and what others may not touch."""

from datetime import timedelta
from uuid import uuid4

import pytest

from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.patients.models import ContactPoint, Patient
from careloop.tasks import actions, rules
from careloop.tasks.models import ContactAttempt, SavedFilter, Task
from careloop.tasks.rules import HandOut
from careloop.tasks.tests.factories import make_patient, make_task
from tests.cast import NOW, SYSTEM

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
ENDED = {
    "done": {"status": "completed", "outcome": "reached-patient", "ended_at": NOW},
    "closed": {"status": "cancelled", "closed_reason": "plan-ended", "ended_at": NOW},
}


def state():
    """Everything that an action could have written."""
    tasks = list(Task.objects.unscoped("test").order_by("pk").values())
    return tasks, ContactAttempt.objects.unscoped("test").count(), AuditEvent.objects.count()


def acts(cast, task, by):
    """Name → the action on this task, as this person."""
    return {
        "complete": lambda: actions.complete_task(task=task, outcome="reached-patient", at=NOW, by=by),
        "attempt": lambda: actions.record_attempt(task=task, contact_point_id=None, outcome="no-answer", at=NOW, by=by),
        "visit": lambda: actions.record_attempt(
            task=task, contact_point_id=None, outcome="reached-patient", channel="visit", at=NOW, by=by
        ),
        "snooze": lambda: actions.snooze_task(task=task, until=NOW + DAY, reason="test", at=NOW, by=by),
        "promise": lambda: actions.promise_call(task=task, promised_at=NOW + DAY, at=NOW, by=by),
        "claim": lambda: actions.claim_task(task=task, at=NOW, by=by),
        "lose": lambda: actions.lose_patient(task=task, reason="missing", at=NOW, by=by),
    }


NAMES = ("complete", "attempt", "visit", "snooze", "promise", "claim", "lose")


@pytest.mark.parametrize("ended", ENDED)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_over_is_over(cast, name, ended):
    task = make_task(cast, **ENDED[ended])
    before = state()
    with pytest.raises(actions.TaskNotOpen):
        acts(cast, task, cast.as_wang)[name]()
    assert state() == before


@pytest.mark.parametrize("who", ["li", "nobody", "patient"])
@pytest.mark.parametrize("name", NAMES)
def test_who_does_not_see_it_cannot_touch_it(cast, name, who):
    task = make_task(cast)
    by = {"li": cast.as_li, "nobody": Viewer(actor="x"), "patient": Viewer.patient(cast.ma.pk)}[who]
    before = state()
    with pytest.raises(actions.TaskNotOpen):
        acts(cast, task, by)[name]()
    assert state() == before


@pytest.mark.parametrize("who", ["li", "nobody"])
def test_bulk_actions_leave_foreign_work_alone(cast, who):
    ids = [make_task(cast).pk]
    by = cast.as_li if who == "li" else Viewer(actor="x")
    before = state()
    assert actions.close_tasks(task_ids=ids, reason="plan-ended", at=NOW, by=by) == 0
    assert actions.assign_tasks(task_ids=ids, owner_id=cast.li.pk, at=NOW, by=by) == 0
    assert actions.open_early(task_ids=ids, at=NOW, by=by) == 0
    assert actions.note_message(task_ids=ids, state="sent", at=NOW, by=by) == 0
    assert state()[0] == before[0]


def test_a_sensitive_patient_is_closed_to_whoever_may_not_see(cast):
    hidden = make_patient(cast)
    with seeding():
        Patient.objects.unscoped("test").filter(pk=hidden.pk).update(sensitivity="restricted")
    task = make_task(cast, hidden)
    before = state()
    for name in NAMES:
        with pytest.raises(actions.TaskNotOpen):
            acts(cast, task, cast.as_wang)[name]()
    assert state() == before
    assert actions.close_tasks(task_ids=[task.pk], reason="x", at=NOW, by=cast.as_wang) == 0


# --- results ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["", "nonsense", "REACHED-PATIENT", "reached-patient ", "lost-missing", "x" * 500])
def test_a_result_nobody_agreed_on(cast, outcome):
    task = make_task(cast)
    before = state()
    with pytest.raises(actions.UnknownOutcome):
        actions.record_attempt(task=task, contact_point_id=None, outcome=outcome, at=NOW, by=cast.as_wang)
    assert state() == before


@pytest.mark.parametrize("outcome", [code for code, one in rules.OUTCOMES.items() if not one.final])
def test_what_does_not_finish_cannot_complete(cast, outcome):
    task = make_task(cast)
    before = state()
    with pytest.raises(actions.UnknownOutcome):
        actions.complete_task(task=task, outcome=outcome, at=NOW, by=cast.as_wang)
    assert state() == before


def test_a_promise_without_a_time(cast):
    task = make_task(cast)
    before = state()
    with pytest.raises(actions.PromiseNeedsTime):
        actions.record_attempt(task=task, contact_point_id=None, outcome="call-later", at=NOW, by=cast.as_wang)
    assert state() == before


def test_somebody_elses_number_is_told_nothing(cast):
    stranger = ContactPoint.objects.unscoped("test").get(patient=cast.ma)
    done = actions.record_attempt(
        task=make_task(cast), contact_point_id=stranger.pk, outcome="empty-number", at=NOW, by=cast.as_wang
    )
    stranger.refresh_from_db()
    assert stranger.is_valid
    assert done.decision is not None


@pytest.mark.parametrize("note", ["", "x" * 299, "x" * 300, "x" * 301, "字" * 1000, "a\nb", "<b>", "😀" * 400])
def test_a_note_is_kept_up_to_its_length(cast, note):
    done = actions.record_attempt(
        task=make_task(cast), contact_point_id=None, outcome="no-answer", at=NOW, by=cast.as_wang, note=note
    )
    done.attempt.refresh_from_db()
    assert done.attempt.note == note[:300]


# --- every outcome: what it leaves behind ------------------------------------------------------------------------------

EFFECTS = {"complete": "completed", "close": "cancelled", "end-contact": "cancelled"}


@pytest.mark.parametrize("outcome", rules.OUTCOMES)
def test_every_result_leaves_the_task_in_its_state(cast, outcome):
    task, known = make_task(cast), rules.OUTCOMES[outcome]
    promised = NOW + DAY if known.needs_time else None
    done = actions.record_attempt(
        task=task, contact_point_id=ContactPoint.objects.unscoped("test").get(patient=cast.zhang).pk, outcome=outcome,
        at=NOW, by=cast.as_wang, promised_at=promised,
    )  # fmt: skip
    task.refresh_from_db()
    assert task.status == EFFECTS.get(known.effect, "requested")
    assert (task.attempts, task.last_attempt_at) == (1, NOW)
    assert (done.decision is not None) == (known.effect == "retry")
    assert (task.ended_at is not None) == known.final
    if known.effect in ("close", "end-contact"):
        assert (task.closed_reason, task.outcome) == (outcome, outcome)
    if known.effect == "promise":
        assert task.promised_at == promised
    if known.effect == "note":
        assert task.last_outcome == ""


@pytest.mark.parametrize("outcome", [code for code in rules.OUTCOMES if code != "answered-online"])
def test_undo_of_every_result_is_exact(cast, outcome):
    task, other = make_task(cast), make_task(cast)
    actions.claim_task(task=task, at=NOW, by=cast.as_wang)
    point = ContactPoint.objects.unscoped("test").get(patient=cast.zhang)
    before = Task.objects.unscoped("test").order_by("pk").values(
        "status", "outcome", "closed_reason", "ended_at", "snoozed_until", "promised_at", "attempts", "last_outcome",
        "channel", "claimed_by_id", "claimed_until",
    )  # fmt: skip
    known = {row.pk: None for row in (task, other)}
    then = list(before.filter(pk__in=known))
    numbers = list(ContactPoint.objects.unscoped("test").values("last_result", "failures", "is_valid", "verified_at"))
    done = actions.record_attempt(
        task=task, contact_point_id=point.pk, outcome=outcome, at=NOW, by=cast.as_wang,
        promised_at=NOW + DAY if rules.OUTCOMES[outcome].needs_time else None,
    )  # fmt: skip
    actions.undo_attempt(attempt=done.attempt, at=NOW + timedelta(seconds=9), by=cast.as_wang)
    cast.zhang.refresh_from_db()
    if not rules.OUTCOMES[outcome].ends_contact:  # tasks of other hands, closed with a death, have their own way back
        assert list(before.filter(pk__in=known)) == then
    else:
        assert list(before.filter(pk=task.pk)) == then[:1]
    assert numbers == list(
        ContactPoint.objects.unscoped("test").values("last_result", "failures", "is_valid", "verified_at")
    )
    assert (cast.zhang.deceased, cast.zhang.do_not_contact) == (False, False)


@pytest.mark.parametrize(
    ("seconds", "refused"), [(0, False), (10, False), (30, False), (31, True), (3600, True), (-1, True)]
)
def test_how_long_undo_is_possible(cast, seconds, refused):
    done = actions.record_attempt(
        task=make_task(cast), contact_point_id=None, outcome="no-answer", at=NOW, by=cast.as_wang
    )
    at = NOW + timedelta(seconds=seconds)
    if refused:
        with pytest.raises(actions.TooLateToUndo):
            actions.undo_attempt(attempt=done.attempt, at=at, by=cast.as_wang)
    else:
        actions.undo_attempt(attempt=done.attempt, at=at, by=cast.as_wang)
        with pytest.raises(actions.TooLateToUndo):
            actions.undo_attempt(attempt=done.attempt, at=at, by=cast.as_wang)


@pytest.mark.parametrize("who", ["as_zhao", "as_sun", "as_li"])
def test_only_ones_own_result_is_taken_back(cast, who):
    done = actions.record_attempt(
        task=make_task(cast), contact_point_id=None, outcome="no-answer", at=NOW, by=cast.as_wang
    )
    with pytest.raises(actions.TaskNotOpen):
        actions.undo_attempt(attempt=done.attempt, at=NOW, by=getattr(cast, who))


# --- reopening, opening early, messages, owners, views -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({}, "bulk"), (ENDED["done"], "bulk"), (ENDED["closed"], "bulk"),
        ({**ENDED["closed"], "closed_reason": "bulk", "outcome": "refused"}, "bulk"), (ENDED["closed"], ""),
    ],
)  # fmt: skip
def test_only_what_was_closed_like_this_and_without_a_contact_opens_again(cast, row, reason):
    task = make_task(cast, **row)
    before = state()
    with pytest.raises(actions.NotClosedLikeThis):
        actions.reopen_task(task_id=task.pk, closed_reason=reason, at=NOW, by=cast.as_wang)
    assert state() == before


def test_what_was_closed_in_bulk_opens_again_once(cast):
    task = make_task(cast)
    actions.close_tasks(task_ids=[task.pk], reason="bulk", at=NOW, by=cast.as_wang)
    with pytest.raises(actions.NotClosedLikeThis):
        actions.reopen_task(task_id=task.pk, closed_reason="bulk", at=NOW, by=cast.as_li)
    actions.reopen_task(task_id=task.pk, closed_reason="bulk", at=NOW, by=cast.as_wang)
    task.refresh_from_db()
    assert (task.status, task.closed_reason, task.ended_at, task.ended_by_id) == ("requested", "", None, None)
    with pytest.raises(actions.NotClosedLikeThis):
        actions.reopen_task(task_id=task.pk, closed_reason="bulk", at=NOW, by=cast.as_wang)


def test_a_task_that_does_not_exist_is_not_opened_again(cast):
    with pytest.raises(actions.NotClosedLikeThis):
        actions.reopen_task(task_id=uuid4(), closed_reason="bulk", at=NOW, by=SYSTEM)


def test_only_scheduled_work_comes_earlier(cast):
    later = make_task(cast, available_at=NOW + DAY, due_at=NOW + 2 * DAY)
    here = make_task(cast)
    over = make_task(cast, available_at=NOW + DAY, due_at=NOW + 2 * DAY, **ENDED["closed"])
    ids = [later.pk, here.pk, over.pk]
    assert actions.open_early(task_ids=ids, at=NOW, by=SYSTEM) == 1
    assert actions.open_early(task_ids=ids, at=NOW, by=SYSTEM) == 0
    later.refresh_from_db()
    over.refresh_from_db()
    assert (later.available_at, over.available_at) == (NOW, NOW + DAY)


def test_a_message_is_noted_once_and_only_on_open_work(cast):
    task, over = make_task(cast), make_task(cast, **ENDED["done"])
    assert actions.note_message(task_ids=[task.pk, over.pk], state="sent", at=NOW, by=SYSTEM) == 1
    assert actions.note_message(task_ids=[task.pk], state="sent", at=NOW, by=SYSTEM) == 0
    assert actions.note_message(task_ids=[task.pk], state="opened", at=NOW, by=SYSTEM) == 1
    assert actions.note_message(task_ids=[], state="opened", at=NOW, by=SYSTEM) == 0


def test_owners_change_only_on_open_work_and_nothing_is_recorded_for_nothing(cast):
    task, over = make_task(cast), make_task(cast, **ENDED["done"])
    events = AuditEvent.objects.filter(name="tasks.TasksAssigned").count
    assert actions.assign_tasks(task_ids=[task.pk, over.pk], owner_id=cast.wang.pk, at=NOW, by=cast.as_wang) == 1
    assert actions.assign_tasks(task_ids=[over.pk, uuid4()], owner_id=cast.wang.pk, at=NOW, by=cast.as_wang) == 0
    assert events() == 1


@pytest.mark.parametrize("before", ["nobody", "somebody-else"])
def test_what_moved_meanwhile_is_not_handed_out(cast, before):
    task = make_task(cast, owner=cast.zhao if before == "nobody" else cast.wang)
    seen = None if before == "nobody" else cast.sun.pk
    given = [HandOut(task_id=task.pk, owner_id=cast.wang.pk, before=seen, why="fair")]
    assert actions.hand_out(given=given, at=NOW, by=SYSTEM) == []


@pytest.mark.parametrize("name", ["", "   ", "\t\n"])
def test_a_view_needs_a_name(cast, name):
    with pytest.raises(actions.FilterNeedsName):
        actions.save_filter(name=name, query={}, by=cast.as_wang)
    assert not SavedFilter.objects.exists()


def test_the_system_keeps_no_views():
    with pytest.raises(actions.FilterNeedsName):
        actions.save_filter(name="mine", query={}, by=SYSTEM)


@pytest.mark.parametrize("reason", ["", "bored", "LOST", "not-reached ", "lost-missing"])
def test_a_loss_for_no_agreed_reason(cast, reason):
    with pytest.raises(actions.LossNeedsReason):
        actions.lose_patient(task=make_task(cast), reason=reason, at=NOW, by=cast.as_wang)


@pytest.mark.parametrize("note", ["", "   ", "\n"])
def test_other_reasons_need_words(cast, note):
    with pytest.raises(actions.LossNeedsReason):
        actions.lose_patient(task=make_task(cast), reason="other", note=note, at=NOW, by=cast.as_wang)


def test_every_refusal_says_what_is_wrong_in_both_languages():
    from django.utils import translation

    found = [one for one in vars(actions).values() if isinstance(one, type) and issubclass(one, Refused)]
    assert len(found) >= 14
    for refusal in found:
        with translation.override("zh-hans"):
            chinese = str(refusal.message)
        with translation.override("en"):
            english = str(refusal.message)
        assert refusal.code
        assert chinese != english
        assert any("\u4e00" <= sign <= "\u9fff" for sign in chinese)
        assert english.isascii() or "“" in english
