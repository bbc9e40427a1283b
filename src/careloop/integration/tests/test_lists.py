"""Every number on the page of connections leads to the messages behind it, and nothing is left out in silence."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.urls import reverse
from django.utils.translation import override
from hypothesis import given
from hypothesis import strategies as st

from careloop.accounts.models import Practitioner
from careloop.integration import reads, rules
from careloop.integration.forms import DeadGroupForm, MessageFilter
from careloop.integration.jobs import process_inbox
from careloop.integration.models import InboxMessage
from careloop.integration.tests.factories import adt, receive
from careloop.integration.views import REASONS, SEGMENTS, UnknownGroup
from careloop.kernel.actions import seeding
from tests.cast import SYSTEM, Cast

OVERVIEW = "integration:overview"
FIRST, SECOND, THIRD = "0417", "心内二区", "E&M|^~"


def inbox() -> Any:
    return InboxMessage.objects.unscoped("test").order_by("seq")


def letters(cast: Cast) -> dict[tuple[str, str], int]:
    """Dead letters: three unmapped departments, one of them twice as often, and bytes that nobody can read."""
    now, number = datetime.now(UTC), 0
    for unit, count in ((FIRST, 3), (SECOND, 2), (THIRD.replace("|", "").replace("^", "").replace("~", "").replace("&", ""), 1)):  # fmt: skip
        for _n in range(count):
            number += 1
            receive(adt("A01", control=f"c{number}", number=str(number), visit=f"V{number}", unit=unit, service=""), at=now)  # fmt: skip
    receive(b"nothing readable", at=now)
    process_inbox()
    dead = inbox().filter(state="dead")
    counts: dict[tuple[str, str], int] = {}
    for code, subject in dead.values_list("error_code", "error_subject"):
        counts[code, subject] = counts.get((code, subject), 0) + 1
    return counts


# ---- numbers -----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_each_count_of_dead_letters_leads_to_exactly_those(cast: Cast) -> None:
    counts = letters(cast)
    assert len(counts) == 4
    client = cast.client(cast.system_admin)
    page = client.get(reverse(OVERVIEW)).content.decode()
    rows = re.findall(
        r'data-reason="([^"]*)" data-subject="([^"]*)">\s*<td class="num"><a href="([^"]*)">(\d+)</a>', page
    )
    assert {(code, subject): int(n) for code, subject, _url, n in rows} == counts
    for code, subject, url, n in rows:
        behind = client.get(reverse(OVERVIEW) + unescape(url)).content.decode()
        assert behind.count("data-message=") == int(n), (code, subject)
        assert behind.count('data-state="dead"') >= int(n)


@pytest.mark.django_db
def test_the_groups_add_up_to_the_strip_and_the_strip_to_the_inbox(cast: Cast) -> None:
    counts = letters(cast)
    groups = reads.dead_groups(by=SYSTEM)
    health = reads.health(since=datetime.now(UTC) - timedelta(days=1), by=SYSTEM)
    assert sum(group.count for group in groups) == health.dead == sum(counts.values())
    assert [group.count for group in groups] == sorted((group.count for group in groups), reverse=True)
    for group in groups:
        ids = reads.group_ids(code=group.code, facility=group.facility, subject=group.subject, by=SYSTEM)
        assert len(ids) == group.count
    for channel in health.channels:
        assert channel.received == channel.applied + channel.ignored + channel.waiting + channel.dead
    assert sum(channel.received for channel in health.channels) == inbox().count()


@pytest.mark.django_db
@pytest.mark.parametrize("more", [0, 1, 5])
def test_more_reasons_than_are_shown_are_said_to_be_there(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    letters(cast)
    monkeypatch.setattr(reads, "MOST_GROUPS", 4 - more if more < 4 else 1)
    page = cast.client(cast.system_admin).get(reverse(OVERVIEW)).content.decode()
    assert page.count("data-reason=") == reads.MOST_GROUPS
    assert ("data-more-reasons" in page) is (more > 0)


# ---- filters -----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("state=dead&before=-1", 7), ("state=dead&before=x", 7), ("state=dead&channel=pigeon", 7),
        ("state=done&control=" + "x" * 200, 0), ("code=no-header&state=nonsense", 1), ("before=" + "9" * 30, 7),
        ("subject=0417", 3), ("subject=0417&code=no-header", 0), ("facility=YX", 6), ("facility=XX", 0),
        ("event=%00", 7), ("sender=%25", 0), ("sender=_", 0), ("event=ADT&control=c1", 1),
    ],
)  # fmt: skip
def test_one_filter_that_makes_no_sense_does_not_take_the_others_with_it(cast: Cast, query: str, expected: int) -> None:
    letters(cast)
    page = cast.client(cast.system_admin).get(f"{reverse(OVERVIEW)}?{query}")
    assert page.status_code == 200
    assert page.content.decode().count("data-message=") == expected


@given(st.dictionaries(st.sampled_from([*MessageFilter.base_fields, "odd"]), st.text(max_size=130)))
def test_any_filter_is_text_that_can_stand_in_an_address(told: dict[str, str]) -> None:
    wanted = MessageFilter(told).wanted
    assert set(wanted) <= set(MessageFilter.base_fields) - {"before"}
    assert all(isinstance(value, str) and value and "\x00" not in value for value in wanted.values())
    assert MessageFilter(wanted).wanted == wanted  # an address made of it means the same


# ---- acting on a group ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["replay-group", "put-aside"])
@pytest.mark.parametrize(
    "sent", [{}, {"code": ""}, {"code": "x" * 61}, {"code": "a", "facility": "x" * 121}, {"code": "\x00"}]
)
def test_a_group_that_cannot_be_told_is_refused_and_nothing_moves(cast: Cast, name: str, sent: dict[str, str]) -> None:
    letters(cast)
    before = list(inbox().values_list("pk", "state"))
    answer = cast.client(cast.system_admin).post(reverse(f"integration:{name}"), sent)
    assert answer.status_code == 409
    assert UnknownGroup.code in answer.content.decode()
    assert list(inbox().values_list("pk", "state")) == before


@pytest.mark.django_db
def test_putting_one_group_aside_leaves_its_neighbours(cast: Cast) -> None:
    letters(cast)
    client = cast.client(cast.system_admin)
    sent = {"code": rules.UNKNOWN_DEPARTMENT, "facility": "YX", "subject": FIRST}
    assert DeadGroupForm(sent).is_valid()
    assert client.post(reverse("integration:put-aside"), sent, headers={"HX-Request": "true"}).status_code == 200
    assert inbox().filter(state="ignored").count() == 3
    assert {group.subject for group in reads.dead_groups(by=SYSTEM)} == {SECOND, "EM", ""}
    again = client.post(reverse("integration:put-aside"), sent, headers={"HX-Request": "true"})
    assert again.status_code == 200
    assert inbox().filter(state="ignored").count() == 3  # again changes nothing


@pytest.mark.django_db
@pytest.mark.parametrize("who", ["wang", "zhao", "qian", "he", "security_admin", "audit_admin"])
def test_nobody_else_comes_to_any_address(cast: Cast, who: str) -> None:
    letters(cast)
    row = inbox().first()
    client = cast.client(getattr(cast, who))
    for name, arguments in (("overview", []), ("health", []), ("message", [row.pk])):
        assert client.get(reverse(f"integration:{name}", args=arguments)).status_code == 403, name
    for name, arguments in (("map", []), ("replay-group", []), ("put-aside", []), ("replay", [row.pk])):
        assert client.post(reverse(f"integration:{name}", args=arguments)).status_code == 403, name
    assert inbox().filter(state="dead").count() == 7


# ---- words ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [*REASONS, "segments"])
def test_every_reason_says_what_is_wrong_and_what_to_do_in_both_languages(code: str) -> None:
    told = [*SEGMENTS.values()] if code == "segments" else [*REASONS[code]]
    for words in told:
        with override("zh-hans"):
            chinese = str(words)
        with override("en"):
            english = str(words)
        assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese), chinese
        assert not any("\u4e00" <= letter <= "\u9fff" for letter in english), english
        assert english.strip()


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_pages_in_both_languages(cast: Cast, language: str) -> None:
    letters(cast)
    with seeding():
        Practitioner.objects.filter(pk=cast.system_admin.pk).update(language=language)
    client = cast.client(cast.system_admin)
    for address in (reverse(OVERVIEW), reverse("integration:message", args=[inbox().first().pk])):
        page = client.get(address).content.decode()
        heading = page[page.index("<h2") : page.index("</h2>")]
        assert any("\u4e00" <= letter <= "\u9fff" for letter in heading) is (language == "zh-hans"), heading


# ---- waiting ---------------------------------------------------------------------------------------------------------------


@given(st.integers(1, 40), st.text(max_size=20))
def test_the_next_try_is_later_each_time_and_ends(attempts: int, seed: str) -> None:
    at = datetime(2028, 2, 29, 15, 59, tzinfo=UTC)
    when = rules.next_try(attempts=attempts, at=at, seed=seed)
    assert (when is None) is (attempts >= rules.MAX_ATTEMPTS)
    if when is not None:
        assert rules.FIRST_WAIT * 0.8 <= when - at <= rules.LONGEST_WAIT * 1.2
        assert when == rules.next_try(attempts=attempts, at=at, seed=seed)


@given(st.text(max_size=20))
def test_all_tries_together_take_no_longer_than_is_said(seed: str) -> None:
    at = begin = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
    for attempts in range(1, rules.MAX_ATTEMPTS):
        following = rules.next_try(attempts=attempts, at=at, seed=seed)
        assert following is not None
        at = following
    assert at - begin <= rules.worst_wait()


@pytest.mark.parametrize(
    ("waited", "late"),
    [(timedelta(minutes=5), False), (timedelta(minutes=5, microseconds=1), True), (timedelta(0), False), (timedelta(days=-1), False)],
)  # fmt: skip
def test_late_begins_after_five_minutes(waited: timedelta, late: bool) -> None:
    at = datetime(2026, 11, 20, tzinfo=UTC)
    assert rules.is_late(oldest=at - waited, at=at) is late
    assert not rules.is_late(oldest=None, at=at)
