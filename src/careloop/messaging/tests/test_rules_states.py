from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.messaging.rules import replies, signing, states
from careloop.messaging.rules.claiming import Decision, Facts, decide
from careloop.messaging.rules.states import Abilities, Outcome, after_attempt, merge_receipt
from careloop.messaging.rules.timing import MAX_ATTEMPTS, Caps, Policy, QuietHours

AT = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)  # 15:00 in Beijing
NIGHT = datetime(2026, 11, 20, 19, 0, tzinfo=UTC)  # 03:00 in Beijing
KEYED = Abilities(knows_key=True, can_be_asked=True)
ASKED = Abilities(knows_key=False, can_be_asked=True)
BLIND = Abilities(knows_key=False, can_be_asked=False)
POLICY = Policy(QuietHours.parse("21:00-08:00"), Caps(per_day=2, per_week=5))


@pytest.mark.parametrize(
    ("outcome", "abilities", "attempts", "before", "state", "reason"),
    [
        (Outcome.accepted("g1"), BLIND, 1, False, "sent", ""),
        (Outcome.delivered(), BLIND, 1, False, "delivered", ""),
        (Outcome.rejected("bad-number"), KEYED, 1, False, "failed", "bad-number"),
        (Outcome.rejected(""), KEYED, 1, False, "failed", "rejected"),
        (Outcome.postponed("busy"), BLIND, 1, False, "queued", "busy"),
        (Outcome.postponed("busy"), BLIND, MAX_ATTEMPTS, False, "failed", "gave-up"),
        (Outcome.uncertain("timeout"), KEYED, 1, False, "queued", "timeout"),
        (Outcome.uncertain("timeout"), ASKED, 1, False, "queued", "timeout"),
        (Outcome.uncertain("timeout"), BLIND, 1, False, "unknown", "no-answer-from-gateway"),
        (Outcome.uncertain("timeout"), KEYED, MAX_ATTEMPTS, False, "unknown", "no-answer-from-gateway"),
        (Outcome.postponed("busy"), KEYED, MAX_ATTEMPTS, True, "unknown", "no-answer-from-gateway"),
        (Outcome.postponed("busy"), BLIND, 2, True, "unknown", "no-answer-from-gateway"),
    ],
)
def test_after_attempt(outcome, abilities, attempts, before, state, reason):
    following = after_attempt(outcome, abilities, attempts=attempts, uncertain_before=before, at=AT, spread=0.5)
    assert (following.state, following.reason) == (state, reason)
    assert (following.not_before is not None) == (state == "queued")


OUTCOMES = st.sampled_from(
    [Outcome.accepted(), Outcome.delivered(), Outcome.rejected("x"), Outcome.postponed("x"), Outcome.uncertain("x")]
)
ABILITIES = st.sampled_from([KEYED, ASKED, BLIND])


@given(OUTCOMES, ABILITIES, st.integers(1, 10), st.booleans())
def test_every_step_is_in_the_table(outcome, abilities, attempts, before):
    following = after_attempt(outcome, abilities, attempts=attempts, uncertain_before=before, at=AT, spread=0)
    assert following.state in states.MAY_FOLLOW["sending"]


@given(st.integers(1, 10), st.booleans(), OUTCOMES)
def test_a_blind_gateway_never_gets_an_uncertain_message_twice(attempts, before, outcome):
    following = after_attempt(outcome, BLIND, attempts=attempts, uncertain_before=before, at=AT, spread=0)
    if before or outcome.kind == "uncertain":
        assert following.state != "queued"


def test_nothing_that_may_have_gone_returns_to_the_queue():
    for state in ("sent", "delivered", "failed", "unknown", "suppressed"):
        assert "queued" not in states.MAY_FOLLOW[state]
        assert "sending" not in states.MAY_FOLLOW[state]


@pytest.mark.parametrize(
    ("state", "receipt", "result"),
    [
        ("sent", "delivered", "delivered"),
        ("sent", "failed", "failed"),
        ("sending", "delivered", "delivered"),
        ("queued", "sent", "sent"),
        ("unknown", "sent", "sent"),
        ("unknown", "failed", "failed"),
        ("failed", "delivered", "delivered"),
        ("delivered", "failed", "delivered"),
        ("delivered", "sent", "delivered"),
        ("failed", "sent", "failed"),
        ("suppressed", "delivered", "suppressed"),
    ],
)
def test_merge_receipt(state, receipt, result):
    assert merge_receipt(state, receipt) == result


@pytest.mark.parametrize("start", ["queued", "sending", "sent", "unknown", "failed"])
def test_receipts_end_the_same_in_any_order(start):
    for some in (["sent", "delivered"], ["failed", "delivered"], ["sent", "failed"], ["sent", "failed", "delivered"]):
        ends = set()
        for order in permutations(some + some[:1]):
            state = start
            for receipt in order:
                state = merge_receipt(state, receipt)
            ends.add(state)
        assert len(ends) == 1


FINE = Facts(
    maybe_sent=False,
    urgent=False,
    expires_at=None,
    contact_ok=True,
    do_not_contact=False,
    consent_refused=False,
    dead=False,
    merged=False,
    requested_at=AT - timedelta(hours=1),
    template_approved=True,
    link_expired=False,
)


def but(**changes):
    return Facts(**{name: getattr(FINE, name) for name in Facts.__slots__} | changes)


@pytest.mark.parametrize(
    ("facts", "at", "decision"),
    [
        (FINE, AT, Decision("send")),
        (but(dead=True, urgent=True), AT, Decision("suppress", "patient-dead")),
        (but(merged=True), AT, Decision("hold", "patient-merged", AT + timedelta(minutes=2))),
        (but(merged=True, requested_at=AT - timedelta(days=2)), AT, Decision("suppress", "patient-merged")),
        (but(do_not_contact=True), AT, Decision("suppress", "do-not-contact")),
        (but(consent_refused=True), AT, Decision("suppress", "no-consent")),
        (but(held_back_by="task-closed"), AT, Decision("suppress", "task-closed")),
        (but(contact_ok=False), AT, Decision("suppress", "no-contact")),
        (but(template_approved=False), AT, Decision("suppress", "template-withdrawn")),
        (but(link_expired=True), AT, Decision("suppress", "link-expired")),
        (but(expires_at=AT), AT, Decision("suppress", "too-late")),
        (FINE, NIGHT, Decision("hold", "", datetime(2026, 11, 21, 0, 0, tzinfo=UTC))),
        (but(urgent=True), NIGHT, Decision("send")),
        (but(expires_at=NIGHT + timedelta(hours=2)), NIGHT, Decision("suppress", "too-late")),
        (but(sent_before=(AT, AT)), AT, Decision("hold", "cap-reached", datetime(2026, 11, 21, 0, 0, tzinfo=UTC))),
        (but(sent_before=(AT, AT), urgent=True), AT, Decision("send")),
        (but(sent_before=(AT, AT), expires_at=AT + timedelta(hours=3)), AT, Decision("suppress", "cap-reached")),
        (but(maybe_sent=True), AT, Decision("send")),
        (but(maybe_sent=True, dead=True), AT, Decision("unknown", "sender-died")),
    ],
)
def test_decide(facts, at, decision):
    assert decide(facts, POLICY, KEYED, at=at) == decision


def test_the_dead_come_before_everything_else():
    facts = but(dead=True, do_not_contact=True, contact_ok=False, held_back_by="task-closed", expires_at=AT)
    assert decide(facts, POLICY, KEYED, at=AT).reason == "patient-dead"


@given(
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.datetimes(timezones=st.just(UTC), min_value=datetime(2026, 1, 1), max_value=datetime(2027, 1, 1)),
)
def test_a_blind_repeat_is_never_decided(dead, urgent, contact_ok, at):
    facts = but(maybe_sent=True, dead=dead, urgent=urgent, contact_ok=contact_ok)
    assert decide(facts, POLICY, BLIND, at=at).kind == "unknown"


BODY = b'{"events":[]}'


def signed(at=AT, *, secret="s3cret", nonce="n1", body=BODY):
    timestamp = str(int(at.timestamp()))
    return {
        "timestamp": timestamp,
        "nonce": nonce,
        "given": signing.signature(secret, timestamp=timestamp, nonce=nonce, body=body),
    }


def test_a_genuine_callback_is_believed():
    assert signing.callback_refusal("s3cret", **signed(), body=BODY, at=AT + timedelta(minutes=4)) is None


@pytest.mark.parametrize(
    ("headers", "body", "at", "refusal"),
    [
        (signed(), b'{"events":[1]}', AT, "bad-signature"),
        (signed(secret="other"), BODY, AT, "bad-signature"),
        (signed() | {"nonce": "n2"}, BODY, AT, "bad-signature"),
        (signed() | {"timestamp": "1"}, BODY, AT, "bad-signature"),
        (signed() | {"given": ""}, BODY, AT, "bad-signature"),
        (signed() | {"given": "é\udcff"}, BODY, AT, "bad-signature"),
        (signed(nonce=""), BODY, AT, "bad-signature"),
        (signed(), BODY, AT + timedelta(minutes=6), "bad-time"),
        (signed(), BODY, AT - timedelta(minutes=6), "bad-time"),
    ],
)
def test_forged_and_stale_callbacks(headers, body, at, refusal):
    assert signing.callback_refusal("s3cret", **headers, body=body, at=at) == refusal


def test_without_a_secret_nothing_is_believed():
    assert signing.callback_refusal("", **signed(secret=""), body=BODY, at=AT) == "no-secret"


MESSAGE = UUID("01980000-0000-7000-8000-000000000001")


def test_one_time_code():
    code = signing.one_time_code(MESSAGE, "s")
    assert len(code) == 6
    assert code.isdigit()
    assert signing.code_matches(MESSAGE, "s", typed=f" {code} ", requested_at=AT, at=AT + timedelta(minutes=9))
    assert not signing.code_matches(MESSAGE, "s", typed=code, requested_at=AT, at=AT + timedelta(minutes=10))
    assert not signing.code_matches(MESSAGE, "other", typed=code, requested_at=AT, at=AT)
    assert not signing.code_matches(MESSAGE, "s", typed="１２３４５６", requested_at=AT, at=AT)


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("T", "stop"),
        (" t。", "stop"),
        ("ＴＤ", "stop"),
        ("退订", "stop"),
        ("退 订", "stop"),
        ("1", "call-me"),
        ("１", "call-me"),
        ("“1”", "call-me"),
        ("请回电", "call-me"),
        ("Y", "start"),
        ("1 粒还是 2 粒", "text"),
        ("我今天胸口闷", "text"),
        ("Thanks", "text"),
        ("", "text"),
    ],
)
def test_intent(text, intent):
    assert replies.intent_of(text) == intent


@given(st.text(max_size=100))
def test_intent_is_total(text):
    assert replies.intent_of(text) in {"stop", "start", "call-me", "text"}
