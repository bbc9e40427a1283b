"""Facts, refusals, ids, viewers, display: the small parts everything else is made of."""

from __future__ import annotations

import json
import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.http import Http404
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy
from hypothesis import given
from hypothesis import strategies as st

from careloop.accounts.models import Organization
from careloop.kernel import assets, display
from careloop.kernel.access import Permission
from careloop.kernel.api import Door
from careloop.kernel.errors import DeliveryFailed, Refused
from careloop.kernel.events import Event
from careloop.kernel.lookup import get_or_404, id_from, ids_from
from careloop.kernel.models import uuid7
from careloop.kernel.viewer import NOBODY, Viewer

ID = uuid.UUID("01890000-0000-7000-8000-000000000001")
AT = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class SomethingHappened(Event):
    ids: tuple[uuid.UUID, ...] = ()
    on: date | None = None
    at: datetime | None = None
    count: int = 0
    word: str = ""
    few: frozenset[str] = frozenset()


# ---- facts


def test_a_fact_is_named_after_its_room_and_class():
    from careloop.accounts.events import SignedIn

    assert SignedIn.name() == "accounts.SignedIn"


@given(
    st.lists(st.uuids(), max_size=4), st.dates() | st.none(), st.datetimes(timezones=st.just(UTC)) | st.none(),
    st.integers(), st.text(max_size=20), st.frozensets(st.text(max_size=5), max_size=3),
)  # fmt: skip
def test_every_payload_can_be_written_as_json_and_says_the_same(ids, on, at, count, word, few):
    fact = SomethingHappened(patient_id=ID, ids=tuple(ids), on=on, at=at, count=count, word=word, few=few)
    told = json.loads(json.dumps(fact.payload()))
    assert told["patient_id"] == str(ID)
    assert told["ids"] == [str(one) for one in ids]
    assert told["on"] == (on and on.isoformat())
    assert told["at"] == (at and at.isoformat())
    assert (told["count"], told["word"], set(told["few"])) == (count, word, few)


def test_a_fact_never_changes():
    with pytest.raises(FrozenInstanceError):
        SomethingHappened().count = 3


# ---- ids


def test_ids_made_later_sort_later():
    made = []
    for _ in range(20):
        made.append(uuid7())
        time.sleep(0.002)
    assert made == sorted(made)
    assert [one.version for one in made] == [7] * 20
    assert {one.variant for one in made} == {uuid.RFC_4122}


def test_ids_of_one_moment_differ():
    assert len({uuid7() for _ in range(10_000)}) == 10_000


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # newer Pythons warn of a fork beside threads
def test_ids_of_threads_and_of_a_forked_process_differ():
    """Chance is fetched for many ids at once: what is left over must not be used twice."""
    uuid7()
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        os.write(tell, b"".join(uuid7().bytes[6:] for _ in range(50)))
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(told, 10 * 50)
    os.close(told), os.close(tell)
    mine = [uuid7().bytes[6:] for _ in range(50)]
    with ThreadPoolExecutor(4) as pool:
        others = list(pool.map(lambda _n: uuid7().bytes[6:], range(1_000)))
    chances = [theirs[start : start + 10] for start in range(0, len(theirs), 10)] + mine + others
    assert len(set(chances)) == 50 + 50 + 1_000


def test_an_id_holds_its_moment(monkeypatch):
    monkeypatch.setattr(time, "time_ns", lambda: 1_800_000_000_123_456_789)
    assert uuid7().int >> 80 == 1_800_000_000_123


# ---- refusals


class Closed(Refused):
    """It is closed."""

    code = "closed"


class Said(Refused):
    message = gettext_lazy("Nobody may change their own rights.")


def test_a_refusal_says_the_most_exact_words_it_has():
    assert str(Closed()) == "It is closed."
    assert str(Closed("Since Monday.")) == "Since Monday."
    assert (Closed().status, Closed.code) == (409, "closed")


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_a_refusal_speaks_the_language_of_who_reads_it(language):
    with translation.override(language):
        assert str(Said()).isascii() is (language == "en")


@pytest.mark.parametrize("permanent", [True, False])
def test_the_world_failed(permanent):
    assert DeliveryFailed("x", permanent=permanent).permanent is permanent
    assert not issubclass(DeliveryFailed, Refused)


# ---- viewers and doors


@pytest.mark.parametrize("viewer", [NOBODY, Viewer(actor="staff:x"), Viewer.patient(ID)])
def test_nobody_may_anything_that_was_not_granted(viewer):
    for code in Permission.all:
        assert not viewer.can(code)
    assert not viewer.everything


def test_the_system_may_everything_and_says_who_it_is():
    system = Viewer.system("plans.enrol")
    assert system.actor == "job:plans.enrol"
    assert not system.is_staff
    assert all(system.can(permission) for permission in Permission.all.values())


def test_a_patient_sees_one_patient():
    found = Viewer.patient(ID, ip="1.2.3.4")
    assert (found.patient_id, found.is_staff, found.hospital_wide, found.departments) == (ID, False, False, frozenset())


class Asked:
    def __init__(self, viewer):
        self.viewer = viewer


@pytest.mark.parametrize(
    ("viewer", "status"),
    [
        (NOBODY, 401), (Viewer.patient(ID), 401), (Viewer(actor="staff:x", practitioner_id=ID), 403),
        (Viewer(actor="staff:x", practitioner_id=ID, permissions=frozenset({"other.view"})), 403),
    ],
)  # fmt: skip
def test_the_door_of_the_api_is_shut(viewer, status):
    from ninja.errors import HttpError

    with pytest.raises(HttpError) as refusal:
        Door(Permission("test.view", "x"))(Asked(viewer))
    assert refusal.value.status_code == status


def test_the_door_of_the_api_opens_with_the_right():
    viewer = Viewer(actor="staff:x", practitioner_id=ID, permissions=frozenset({"test.view"}))
    assert Door(Permission("test.view", "x"))(Asked(viewer)) is viewer


@pytest.mark.django_db
def test_one_row_or_404(cast):
    assert get_or_404(Organization.objects.all(), code="CARD") == cast.cardiology
    with pytest.raises(Http404):
        get_or_404(Organization.objects.all(), code="NONE")
    with pytest.raises(Organization.MultipleObjectsReturned):  # a bug, so it is heard of
        get_or_404(Organization.objects.all(), parent=cast.hospital)


# ---- what stands on the screen

MIDNIGHT = datetime(2026, 11, 19, 16, 0, tzinfo=UTC)  # 2026-11-20 00:00 in the hospital


@pytest.mark.parametrize(
    ("show", "value", "text"),
    [
        (display.day_short, MIDNIGHT, "11-20"), (display.day_short, MIDNIGHT - timedelta(seconds=1), "11-19"),
        (display.day_short, date(2028, 2, 29), "02-29"), (display.day_short, None, "–"),
        (display.day_full, MIDNIGHT, "2026-11-20"), (display.day_full, date(1, 1, 1), "1-01-01"), (display.day_full, None, "–"),
        (display.clock, MIDNIGHT, "00:00"), (display.clock, None, "–"), (display.moment, None, "–"),
        (display.number, 12486, "12,486"), (display.number, 0, "0"), (display.number, None, "–"), (display.number, -1234.5, "-1,234"),
        (display.percent, 0.934, "93.4"), (display.percent, 0, "0.0"), (display.percent, 1, "100.0"), (display.percent, None, "–"),
    ],
)  # fmt: skip
def test_dates_and_numbers(show, value, text):
    shown = show(value)
    assert shown == text or (value == date(1, 1, 1) and shown.endswith("1-01-01"))


@pytest.mark.parametrize("digits", [0, 1, 3])
def test_decimals_as_asked(digits):
    assert display.number(Decimal("5.25"), digits).split(".")[-1:] == ([f"{5.25:.{digits}f}".split(".")[-1]])
    assert len(display.percent(1 / 3, digits).partition(".")[2]) == digits


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_moments_near_are_words_and_far_are_dates(language):
    now = timezone.localtime()
    noon = now.replace(hour=12, minute=5)
    with translation.override(language):
        assert display.moment(noon).endswith("12:05")
        assert not display.moment(noon)[:1].isdigit()
        assert display.moment(noon - timedelta(days=1)).endswith("12:05")
        assert display.moment(noon - timedelta(days=1)) != display.moment(noon)
        last_year = noon.replace(year=now.year - 1, day=1)
        assert display.moment(last_year) == f"{last_year:%Y-%m-%d}"


def test_moments_of_tomorrow_are_dates():
    tomorrow = timezone.localtime() + timedelta(days=1)
    assert display.moment(tomorrow) in {f"{tomorrow:%m-%d %H:%M}", f"{tomorrow:%Y-%m-%d}"}


def test_every_filter_takes_nothing():
    assert {show(None) for show in display.FILTERS.values()} == {"–"}


def test_a_file_that_was_not_built_keeps_its_plain_name():
    assert assets.asset("no-such-file.js") == "/static/dist/no-such-file.js"


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("0198f0a0-0000-7000-8000-000000000001", True), ("0198F0A0000070008000000000000001", True), ("", False), ("1", False),
        ("0198f0a0-0000-7000-8000-00000000000g", False), ("\x00", False), ("阿", False), ("'; DROP TABLE", False),
        ("0198f0a0-0000-7000-8000-0000000000011", False), ("9" * 100, False),
    ],
)  # fmt: skip
def test_identifiers_that_somebody_typed(text, is_one):
    assert (id_from(text) is not None) is is_one
    good = "0198f0a0-0000-7000-8000-000000000009"
    assert [str(one) for one in ids_from([good, text, good])] == [
        good,
        *([str(uuid.UUID(text))] if is_one else []),
        good,
    ]
