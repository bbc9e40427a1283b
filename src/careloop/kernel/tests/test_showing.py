"""Numbers, dates and addresses as pages show them."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from django.http import HttpResponse
from django.urls import NoReverseMatch, get_resolver, reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from careloop.kernel import display
from careloop.kernel.addresses import address
from careloop.kernel.counting import SETTINGS, large_question
from careloop.kernel.pages import Piece

SOME_TIME = st.datetimes(min_value=datetime(1900, 1, 2), max_value=datetime(2200, 12, 30), timezones=st.just(UTC))


@given(st.floats(-1e9, 1e9, allow_nan=False), st.integers(0, 4))
def test_a_number_reads_back_and_nothing_is_never_minus_nothing(value, digits):
    shown = display.number(value, digits)
    assert float(shown.replace(",", "")) == pytest.approx(value, abs=0.51 * 10**-digits)
    assert not (shown.startswith("-") and float(shown.replace(",", "")) == 0)
    share = display.percent(value, digits)
    assert not (share.startswith("-") and float(share) == 0)


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [
        (0, 0, "0"),
        (-0.4, 0, "0"),
        (-0.04, 1, "0.0"),
        (-0.06, 1, "-0.1"),
        (12486, 0, "12,486"),
        (1e6, 2, "1,000,000.00"),
        (None, 3, "–"),
    ],
)
def test_numbers(value, digits, shown):
    assert display.number(value, digits) == shown


@pytest.mark.parametrize(("value", "shown"), [(0.934, "93.4"), (1, "100.0"), (0, "0.0"), (-0.0001, "0.0"), (None, "–")])
def test_shares(value, shown):
    assert display.percent(value) == shown


@given(SOME_TIME)
def test_moments_are_those_of_the_hospital(value):
    local = value + timedelta(hours=8) if value.year > 1991 else timezone.localtime(value)
    assert display.day_full(value) == f"{local:%Y-%m-%d}"
    assert display.clock(value) == f"{local:%H:%M}"
    assert display.day_short(value) == f"{local:%m-%d}"


@pytest.mark.parametrize("show", [display.day_short, display.day_full, display.clock, display.moment])
def test_no_moment_is_a_dash(show):
    assert show(None) == "–"


def test_a_date_is_shown_as_it_is():
    """A birthday has no hour, so no time zone moves it."""
    assert display.day_full(date(1952, 2, 29)) == "1952-02-29"


@pytest.mark.parametrize(
    ("now", "value", "shown"),
    [
        # midnight in Shanghai is 16:00 UTC of the day before
        ("2026-11-22 16:00", "2026-11-22 15:59", "yesterday"), ("2026-11-22 15:59", "2026-11-22 15:58", "today"),
        ("2026-11-22 16:00", "2026-11-22 16:00", "today"), ("2026-11-22 16:00", "2026-11-23 16:00", "11-24 00:00"),
        ("2026-12-31 15:59", "2025-12-31 16:00", "01-01 00:00"), ("2026-12-31 16:00", "2026-12-30 15:00", "2026-12-30"),
        ("2028-02-29 16:00", "2028-02-29 15:00", "yesterday"), ("2028-03-01 16:00", "2028-02-29 15:00", "02-29 23:00"),
    ],
)  # fmt: skip
def test_today_and_yesterday_change_at_midnight_here(monkeypatch, now, value, shown):
    at = {name: datetime.fromisoformat(text).replace(tzinfo=UTC) for name, text in (("now", now), ("value", value))}
    monkeypatch.setattr(timezone, "now", lambda: at["now"])
    told = display.moment(at["value"])
    clock = display.clock(at["value"])
    words = {"today": {f"今天 {clock}", f"Today {clock}"}, "yesterday": {f"昨天 {clock}", f"Yesterday {clock}"}}
    assert told in words.get(shown, {shown})


# --- addresses


def routes_of_ids():
    """Every named route whose values are ids only."""
    found = []

    def walk(resolver, prefix):
        for entry in resolver.url_patterns:
            if hasattr(entry, "url_patterns"):
                walk(entry, f"{prefix}{entry.namespace}:" if entry.namespace else prefix)
            elif entry.name and all(type(one).__name__ == "UUIDConverter" for one in entry.pattern.converters.values()):
                found.append((f"{prefix}{entry.name}", len(entry.pattern.converters)))

    walk(get_resolver(), "")
    return sorted(set(found))


def test_an_address_is_that_of_django_for_every_route():
    routes = routes_of_ids()
    assert len(routes) > 100
    for name, count in routes:
        for _ in range(2):  # the second time from memory
            ids = [uuid4() for _ in range(count)]
            try:
                wanted = reverse(name, args=ids)
            except NoReverseMatch:
                continue  # a route of the same name with other values
            assert address(name, *ids) == wanted


def test_one_id_in_two_places_stays_in_its_places():
    same = uuid4()
    assert address("questionnaires:compare", same, same) == reverse("questionnaires:compare", args=[same, same])


@pytest.mark.parametrize("given", [("no:where",), ("workbench:patient",), ("workbench:patient", "x")])
def test_an_address_that_does_not_exist_is_refused(given):
    with pytest.raises(NoReverseMatch):
        address(*given)


# --- one large question


@pytest.mark.parametrize("fails", [False, True])
def test_settings_of_a_large_question_are_taken_back(db, fails):
    from django.db import connection, transaction

    def shown():
        with connection.cursor() as cursor:
            found = []
            for setting in (*SETTINGS, "statement_timeout"):
                cursor.execute(f"SHOW {setting.partition(' =')[0]}")
                found += cursor.fetchone()
            return found

    before = shown()
    try:
        with transaction.atomic(), large_question(timedelta(seconds=7)):
            assert shown() != before
            assert shown()[-1] == "7s"
            if fails:
                raise LookupError
    except LookupError:
        pass
    assert shown() == before


# ---- a part on its way into the page


def test_a_part_is_an_answer_like_any_other_for_who_wants_more_of_it():
    piece, whole = Piece("<p>病</p>", status=200), HttpResponse("<p>病</p>")
    assert (piece.said, piece.status_code) == ("<p>病</p>", 200)
    assert "_charset" not in vars(piece)  # nothing was made yet
    piece["HX-Trigger"] = "{}"
    assert piece.headers["HX-Trigger"] == "{}"
    assert (piece.content, piece.charset, piece.headers["Content-Type"]) == (
        whole.content, whole.charset, whole.headers["Content-Type"],
    )  # fmt: skip
    with pytest.raises(AttributeError):
        _ = piece.unknown
    assert Piece("x", status=404).reason_phrase == "Not Found"


@pytest.mark.django_db
def test_only_what_is_asked_as_a_part_is_one(cast):
    client = cast.client(cast.wang)
    assert type(client.get("/alerts/bell/")) is not Piece
    page = client.get(f"/patients/{cast.zhang.pk}/")
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
