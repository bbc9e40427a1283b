"""The retry ladder as data: every ladder that may be put in force ends; what does not end is refused; edits are versions."""

import copy
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from careloop.accounts.models import Practitioner
from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.tasks import actions, reads, rules
from careloop.tasks.models import LadderVersion, Task
from careloop.tasks.rules import Called, best_band, faults
from careloop.tasks.tests.factories import make_task
from tests.cast import NOW, SYSTEM, _person

AT = datetime(2026, 11, 20, 10, 0, tzinfo=ZoneInfo("Asia/Shanghai"))
TODAY = date(2026, 11, 20)
DAY = timedelta(days=1)
OWN, DAUGHTER = UUID(int=1), UUID(int=2)
NUMBERS = (rules.Number(id=OWN), rules.Number(id=DAUGHTER, owner="relative", order=1))


def content(**changes):
    """The shipped ladder with dotted changes; None takes a key away."""
    made = copy.deepcopy(reads.shipped_content())
    for path, value in changes.items():
        *way, last = path.split("__")
        here = made
        for key in way:
            here = here[key.replace("_", "-")] if key.replace("_", "-") in here else here[key]
        last = last if last in here or last.replace("_", "-") not in here else last.replace("_", "-")
        if value is None:
            del here[last]
        else:
            here[last] = value
    return made


def codes(made):
    return {fault.code for fault in faults(made)}


def history(*outcomes, number=OWN):
    return [rules.Try(number_id=number, outcome=outcome, at=AT) for outcome in outcomes]


# --- what may be put in force ------------------------------------------------------------------------------------------------


def test_the_shipped_ladder_has_no_fault():
    assert faults(reads.shipped_content()) == []
    assert rules.shipped_ladder().rounds_until_review == 3


def rungs(**steps):
    return content(rungs={code.replace("_", "-"): step for code, step in steps.items()}, no_number="end") | {
        "after": {
            code: {**step, "start": "a"} for code, step in reads.shipped_content()["after"].items()
        }
    }  # fmt: skip


END = {"do": "review"}


@pytest.mark.parametrize(
    ("made", "fault"),
    [
        (rungs(a={"do": "call", "next": "b"}, b={"do": "call", "next": "a"}, end=END), "cycle"),
        (rungs(a={"do": "call", "next": "a"}, end=END), "cycle"),
        (rungs(a={"do": "call"}, end=END), "no-end"),
        (rungs(a={"do": "call", "next": ""}, end=END), "no-end"),
        (rungs(a={"do": "call", "next": "nowhere"}, end=END), "unknown-rung"),
        (rungs(a={"do": "review", "next": "end"}, end=END), "end-goes-on"),
        (rungs(a={"do": "pray", "next": "end"}, end=END), "unknown-step"),
        (rungs(a={"do": "letter", "next": "end"}, end=END), "days-missing"),
        (rungs(a={"do": "call", "next": "end", "number": "any"}, end=END), "unknown-number"),
        (rungs(b={"do": "call", "next": "end"}, end=END), "unknown-rung"),
        (content(no_number="call-again"), "no-number-needs-end"),
        (content(no_number="gone"), "no-number-needs-end"),
        (content(after__busy=None), "outcome-missing"),
        (content(after__busy__wait="for ever"), "unknown-wait"),
        (content(after__busy__minutes=0), "minutes-missing"),
        (content(after__busy__minutes=10**6), "minutes-missing"),
        (content(after__busy__wait="none"), "at-once-again"),
        (content(after__empty_number__same_number=True), "dead-number-again"),
        (content(after={**reads.shipped_content()["after"], "died": {}}), "unknown-outcome"),
        (content(follow={"died": "review"}), "unknown-outcome"),
        (content(follow={"moved": "forget"}), "unknown-step"),
        (content(calling_hours={"from": "20:00", "to": "09:00"}), "hours-backwards"),
        (content(bands=[]), "no-bands"),
        (content(bands=[{"code": "x", "from": "06:00", "to": "08:00"}]), "bands-disordered"),
        (content(tries_per_number=0), "limit"),
        (content(review_within_hours=100_000), "limit"),
        (content(rungs={}), "too-many-rungs"),
        (content(calling_hours={"from": "soon", "to": "late"}), "unreadable"),
        (content(rungs=None), "unreadable"),
        ({}, "unreadable"),
        ({"calling_hours": 5}, "unreadable"),
        (content(rungs=[1, 2]), "unreadable"),
    ],
)
def test_a_ladder_that_does_not_end_or_makes_no_sense_is_named(made, fault):
    assert fault in codes(made)


def test_a_long_chain_is_refused():
    chain = {f"s{n}": {"do": "call", "next": f"s{n + 1}"} for n in range(10)} | {"s10": END}
    made = content(rungs=chain, no_number="s10")
    made["after"] = {code: {**step, "start": "s0"} for code, step in made["after"].items()}
    assert "too-long" in codes(made)


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
junk = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))


@given(st.sampled_from(sorted(reads.shipped_content())), junk)
def test_whatever_stands_in_a_field_is_answered_and_never_raises(name, value):
    assert isinstance(faults(content() | {name: value}), list)


@st.composite
def ladders(draw):
    """Ladders of random rungs, most of them good."""
    n = draw(st.integers(1, 7))
    steps = {}
    for place in range(n):
        do = draw(st.sampled_from(["call", "call", "letter", "visit"]))
        steps[f"s{place}"] = {
            "do": do, "next": f"s{draw(st.integers(place + 1, n))}", "days": 3, "message": draw(st.booleans()),
            "number": draw(st.sampled_from(["best", "relative"])),
        }  # fmt: skip
    steps[f"s{n}"] = {"do": draw(st.sampled_from(["review", "contact-check"]))}
    made = content(rungs=steps, no_number=f"s{n}")
    made["after"] = {code: {**step, "start": f"s{draw(st.integers(0, n))}"} for code, step in made["after"].items()}
    return made


@given(ladders(), st.lists(st.sampled_from(rules.RETRIED), min_size=1, max_size=30))
def test_every_ladder_that_may_be_put_in_force_ends_whatever_happens(made, outcomes):
    assert faults(made) == []
    ladder = rules.ladder_of(made)
    lively = [code for code in outcomes if not rules.OUTCOMES[code].number_failed]
    before = None
    for n in range(1, len(lively) + 1):
        tries = history(*lively[:n])
        rung = rules.rung_after(tries, ladder)
        if before is not None and not before.is_end:
            assert ladder.left(rung) < ladder.left(before)
        before = rung
        if n >= ladder.rounds_until_review:
            assert rung.is_end
            move = rules.decide(outcome=lively[n - 1], numbers=NUMBERS, tries=tries, at=AT, ladder=ladder)
            assert move.move in ("review", "contact-check")
            assert rules.is_exhausted(numbers=NUMBERS, tries=tries, ladder=ladder)


# --- the steps -----------------------------------------------------------------------------------------------------------------


def test_a_letter_and_a_visit_are_steps_with_their_days():
    made = rungs(
        a={"do": "letter", "days": 7, "next": "v"}, v={"do": "visit", "days": 3, "next": "end"}, end=END
    )  # fmt: skip
    ladder = rules.ladder_of(made)
    first = rules.decide(outcome="off", numbers=NUMBERS, tries=history("off"), at=AT, ladder=ladder)
    assert (first.move, first.not_before) == ("letter", AT + 7 * DAY)
    second = rules.decide(outcome="off", numbers=NUMBERS, tries=history("off", "off"), at=AT, ladder=ladder)
    assert (second.move, second.not_before) == ("visit", AT + 3 * DAY)


def test_a_rung_may_ask_for_a_relative_first():
    made = rungs(a={"do": "call", "number": "relative", "next": "end"}, end=END)
    move = rules.decide(outcome="busy", numbers=NUMBERS, tries=history("busy"), at=AT, ladder=rules.ladder_of(made))
    assert (move.move, move.number_id) == ("next-number", DAUGHTER)


def test_a_result_may_begin_further_on():
    made = content(after__off__start="call-and-write")
    ladder = rules.ladder_of(made)
    assert rules.decide(outcome="off", numbers=NUMBERS, tries=history("off"), at=AT, ladder=ladder).send_message
    after = rules.decide(outcome="off", numbers=NUMBERS, tries=history("off", "off"), at=AT, ladder=ladder)
    assert after.move == "review"


def test_an_empty_number_leads_on_to_the_next_without_climbing():
    tries = history("empty-number")
    assert rules.rung_after(tries, rules.shipped_ladder()) is None
    assert not rules.is_exhausted(numbers=NUMBERS, tries=tries, ladder=rules.shipped_ladder())
    both = [*tries, *history("wrong-person", number=DAUGHTER)]
    assert rules.is_exhausted(numbers=NUMBERS, tries=both, ladder=rules.shipped_ladder())


def test_nobody_is_exhausted_before_anything_was_tried():
    assert not rules.is_exhausted(numbers=NUMBERS, tries=[], ladder=rules.shipped_ladder())


# --- good hours ---------------------------------------------------------------------------------------------------------------


def called(*hours):
    """Positive: answered at this hour; negative: not."""
    return [Called(at=AT.replace(hour=abs(hour)), reached=hour > 0) for hour in hours]


BANDS = rules.shipped_ladder().bands


def test_the_evidence_is_counted_by_part_of_the_day():
    reach = best_band(called(18, 18, -19, 19, -10, -10, 15), BANDS)
    assert (reach.band, reach.reached, reach.tried) == ("evening", 3, 4)
    assert (reach.starts, reach.ends) == (time(17, 30), time(20, 0))


def test_one_answered_of_one_does_not_beat_nine_of_ten():
    assert best_band(called(10, *[18] * 9, -18), BANDS).band == "evening"


def test_without_an_answer_or_outside_the_hours_nothing_is_known():
    assert best_band(called(-10, -18), BANDS) is None
    assert best_band(called(23, 3), BANDS) is None
    assert best_band([], BANDS) is None


@given(st.lists(st.integers(9, 19).flatmap(lambda hour: st.sampled_from([hour, -hour])), max_size=30))
def test_the_evidence_never_claims_more_than_there_was(hours):
    reach = best_band(called(*hours), BANDS)
    answered = [hour for hour in hours if hour > 0]
    assert (reach is None) == (not answered)
    if reach:
        assert 1 <= reach.reached <= reach.tried <= len(hours)
        assert reach.reached <= len(answered)


@pytest.mark.parametrize(
    ("hour", "favourite", "expected"),
    [
        (10, "evening", (20, 17, 30)),
        (18, "morning", (21, 9, 0)),
        (18, "evening", (21, 11, 30)),  # it failed just there: another part of the day
        (10, "", (20, 14, 0)),
        (10, "night", (20, 14, 0)),
    ],
)
def test_the_next_call_is_in_the_patients_own_good_hours(hour, favourite, expected):
    at = AT.replace(hour=hour)
    tries = [rules.Try(number_id=OWN, outcome="no-answer", at=at)]
    move = rules.decide(outcome="no-answer", numbers=NUMBERS, tries=tries, at=at, favourite=favourite)
    assert (move.not_before.day, move.not_before.hour, move.not_before.minute) == expected


# --- versions -------------------------------------------------------------------------------------------------------------------


def publish(made=None, **given):
    values = {"valid_from": TODAY, "note": "fewer calls", "based_on": LadderVersion.objects.count(), "today": TODAY}
    return actions.publish_ladder(content=made or content(), at=NOW, by=SYSTEM, **{**values, **given})


@pytest.mark.django_db
class TestVersions:
    def test_the_shipped_ladder_is_in_force_until_the_hospital_writes_its_own(self):
        assert reads.version_in_force(TODAY) is None
        publish(content(tries_per_number=1))
        assert reads.ladder_in_force(TODAY).tries_per_number == 1
        assert reads.ladder_in_force(TODAY - DAY) == rules.shipped_ladder()
        assert AuditEvent.objects.filter(name="tasks.LadderPublished").count() == 1

    def test_a_later_version_waits_for_its_day_and_the_newest_of_a_day_counts(self):
        publish(content(tries_per_number=1))
        publish(content(tries_per_number=3), valid_from=TODAY + DAY)
        publish(content(tries_per_number=4))
        assert reads.ladder_in_force(TODAY).tries_per_number == 4
        assert reads.ladder_in_force(TODAY + DAY).tries_per_number == 3
        assert [one.number for one in reads.versions()] == [3, 2, 1]

    def test_a_cycle_is_refused_with_its_place(self):
        with pytest.raises(actions.LadderFaulty) as refusal:
            publish(rungs(a={"do": "call", "next": "b"}, b={"do": "call", "next": "a"}, end=END))
        assert {(fault.code, fault.place) for fault in refusal.value.faults} >= {("cycle", "a"), ("cycle", "b")}
        assert LadderVersion.objects.count() == 0

    @pytest.mark.parametrize(
        ("given", "refusal"),
        [
            ({"note": "  "}, actions.LadderNeedsNote),
            ({"valid_from": TODAY - DAY}, actions.LadderTooEarly),
            ({"based_on": 7}, actions.LadderChangedMeanwhile),
        ],
    )
    def test_no_reason_a_day_that_is_over_or_somebody_elses_newer_version(self, given, refusal):
        with pytest.raises(refusal):
            publish(**given)

    def test_the_ladder_in_force_decides_about_a_call(self, cast):
        publish(content(after__busy__minutes=5))
        task = make_task(cast)
        actions.record_attempt(task=task, contact_point_id=None, outcome="busy", at=NOW, by=cast.as_wang)
        task.refresh_from_db()
        assert task.snoozed_until == NOW + timedelta(minutes=5)

    def test_a_letter_is_a_task_for_a_person_and_the_call_comes_back_after_its_days(self, cast):
        publish(rungs(a={"do": "letter", "days": 7, "next": "end"}, end=END))
        task = make_task(cast)
        actions.record_attempt(task=task, contact_point_id=None, outcome="off", at=NOW, by=cast.as_wang)
        task.refresh_from_db()
        letter = Task.objects.unscoped("test").get(kind="contact-check")
        assert (letter.step_code, letter.focus_id) == ("letter", task.pk)
        assert task.snoozed_until == NOW + 7 * DAY

    @pytest.mark.parametrize(
        ("outcome", "asked"),
        [
            ("moved", "contact-check"), ("language-barrier", "review"), ("transferred", None), ("refused", None),
            ("reached-informed-relative", None), ("readmitted", None), ("died", None),
        ],
    )  # fmt: skip
    def test_every_ending_has_its_own_next_step(self, cast, outcome, asked):
        task = make_task(cast)
        actions.record_attempt(task=task, contact_point_id=None, outcome=outcome, at=NOW, by=cast.as_wang)
        left = list(Task.objects.unscoped("test").open().values_list("step_code", flat=True))
        assert left == ([asked] if asked else [])

    def test_the_next_step_of_an_ending_can_be_changed(self, cast):
        publish(content(follow={"readmitted": "review"}))
        task = make_task(cast)
        actions.record_attempt(task=task, contact_point_id=None, outcome="readmitted", at=NOW, by=cast.as_wang)
        assert Task.objects.unscoped("test").open().get().step_code == "review"


# --- the page ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def inspector(cast):
    with seeding():
        return _person("inspector", "Inspector", cast.hospital, "hospital-inspector")


def posted(made, **given):
    """What the form sends for this ladder."""
    today = timezone.localtime(timezone.now()).date()
    data = {
        "opens": made["calling_hours"]["from"], "closes": made["calling_hours"]["to"], "no_number": made["no_number"],
        "rung.code": list(made["rungs"]), "valid_from": today.isoformat(), "note": "fewer calls", "based_on": 0,
        **{name: made[name] for name in ("tries_per_number", "contact_check_within_hours", "review_within_hours")},
    }  # fmt: skip
    for n, band in enumerate(made["bands"]):
        data |= {f"band.{n}.from": band["from"], f"band.{n}.to": band["to"]}
    for n, rung in enumerate(made["rungs"].values()):
        data |= {f"rung.{n}.{key}": value for key, value in rung.items() if value is not True}
        data |= {f"rung.{n}.{key}": "1" for key, value in rung.items() if value is True}
    for code, step in made["after"].items():
        data |= {f"after.{code}.{key}": value for key, value in step.items() if value not in (True, False)}
        if step["same_number"]:
            data[f"after.{code}.same_number"] = "1"
    return data | {f"follow.{code}": what for code, what in made["follow"].items()} | given


@pytest.mark.django_db
class TestPage:
    def test_what_the_form_sends_is_what_is_put_in_force(self, cast, inspector):
        made = content(tries_per_number=1, after__busy__minutes=45)
        client = cast.client(inspector)
        assert client.get(reverse("tasks:ladder")).status_code == 200
        assert client.post(reverse("tasks:publish-ladder"), posted(made)).status_code == 302
        version = LadderVersion.objects.get()
        kept, wanted = rules.ladder_of({**version.content, "version": "x"}), rules.ladder_of({**made, "version": "x"})
        assert kept.rungs == wanted.rungs
        assert {code: wait for code, wait in kept.after.items()} == dict(wanted.after)
        assert (kept.bands, kept.follow, kept.tries_per_number) == (wanted.bands, wanted.follow, 1)
        page = client.get(reverse("tasks:ladder")).content.decode()
        assert 'data-version="1"' in page
        assert 'data-history="1"' in page

    def test_a_cycle_is_shown_where_it_is_and_the_form_keeps_what_was_typed(self, cast, inspector):
        made = rungs(a={"do": "call", "next": "b"}, b={"do": "call", "next": "a"}, end=END)
        response = cast.client(inspector).post(reverse("tasks:publish-ladder"), posted(made))
        assert response.status_code == 422
        assert 'data-fault="cycle"' in response.content.decode()
        assert 'value="b"' in response.content.decode()
        assert LadderVersion.objects.count() == 0

    @pytest.mark.parametrize(
        "given", [{"valid_from": "soon"}, {"based_on": "x"}, {"opens": "25:99"}, {"rung.code": []}]
    )
    def test_nonsense_is_answered_with_words(self, cast, inspector, given):
        response = cast.client(inspector).post(reverse("tasks:publish-ladder"), posted(content(), **given))
        assert response.status_code == 422
        assert LadderVersion.objects.count() == 0

    def test_two_edits_of_the_same_version_the_second_is_refused(self, cast, inspector):
        client = cast.client(inspector)
        client.post(reverse("tasks:publish-ladder"), posted(content()))
        assert client.post(reverse("tasks:publish-ladder"), posted(content())).status_code == 409
        assert LadderVersion.objects.count() == 1

    def test_a_nurse_reads_the_rules_and_may_not_change_them(self, cast):
        client = cast.client(cast.wang)
        assert "disabled" in client.get(reverse("tasks:ladder")).content.decode()
        assert client.post(reverse("tasks:publish-ladder"), posted(content())).status_code == 403
        assert LadderVersion.objects.count() == 0
        assert Practitioner.objects.filter(pk=cast.wang.pk).exists()
