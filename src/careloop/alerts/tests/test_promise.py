"""What the designer says about an alert rule is what the ladder then does."""

from datetime import timedelta

import pytest
from django.urls import reverse

from careloop.alerts import reads, rules
from tests.cast import NOW, signed_in


@pytest.mark.parametrize("severity", ["critical", "high", "watch"])
@pytest.mark.parametrize("minutes", [None, 0, 1, 10, 30, 120, 100_000])
def test_every_rung_is_climbed_at_the_minute_that_was_promised(severity, minutes):
    level = reads.limits().severities[severity]
    by = rules.respond_by(level, raised_at=NOW, minutes=minutes)
    told = rules.promised(level, minutes=minutes)
    assert [one.role for one in told] == [rung.role for rung in level.ladder]
    for number, one in enumerate(told):
        for early, climbed in ((1, number), (0, number + 1)):
            at = NOW + timedelta(minutes=one.minutes) - timedelta(seconds=early)
            due = rules.escalation_due(
                level, times=rules.Times(raised_at=NOW), level=0, phone_rung=True, respond_by=by, at=at
            )
            assert due.level == climbed, (one, early)


def test_a_rule_brings_only_the_first_rung_forward():
    critical = reads.limits().severities["critical"]
    assert [one.minutes for one in rules.promised(critical, minutes=10)] == [10, 60]
    assert [one.minutes for one in rules.promised(critical, minutes=500)] == [30, 60]


@pytest.mark.parametrize(("language", "words"), [("zh-hans", "科主任"), ("en", "head of department")])
def test_the_fragment_says_it(cast, language, words):
    client = signed_in(cast.wang)
    client.post("/account/language/", {"language": language})
    address = reverse("alerts:promise", args=["critical", "attending-doctor"])
    page = client.get(address, {"minutes": "20"}).content.decode()
    assert 'data-rung="department-head" data-minutes="20"' in page
    assert 'data-next="stand-in"' in page
    assert words in page
    for odd in ("", "²", "-4", "9" * 40):
        assert 'data-minutes="30"' in client.get(address, {"minutes": odd}).content.decode()


def test_an_unknown_level_is_not_there_and_an_unknown_role_is_the_attending_doctor(cast):
    client = signed_in(cast.wang)
    assert client.get(reverse("alerts:promise", args=["dreadful", "attending-doctor"])).status_code == 404
    shown = client.get(reverse("alerts:promise", args=["watch", "typing-error"])).content.decode()
    assert 'data-next="stand-in"' in shown
