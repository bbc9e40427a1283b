"""Language, zone and addresses of a request: each thread and each task has its own, as with Django's."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from zoneinfo import ZoneInfo

import pytest
from django.urls import base as urls
from django.utils import timezone, translation
from django.utils.translation import trans_real

from careloop.kernel.places import Place, language


def test_django_looks_in_our_places():
    held = (trans_real._active, timezone._active, urls._prefixes, urls._urlconfs)
    assert all(type(place) is Place for place in held)


def test_a_place_is_empty_until_it_is_filled_and_after_it_was_emptied():
    place = Place("test")
    assert not hasattr(place, "value")
    with pytest.raises(AttributeError):
        del place.value
    place.value = None
    assert place.value is None  # to hold nothing is not to be empty
    place.value = "zh-hans"
    del place.value
    assert getattr(place, "value", "none") == "none"


def test_another_thread_knows_nothing_of_this_ones_language_and_zone():
    with translation.override("en"), timezone.override(ZoneInfo("Asia/Tokyo")), ThreadPoolExecutor(1) as pool:
        there = pool.submit(lambda: (translation.get_language(), timezone.get_current_timezone_name())).result()
        assert (translation.get_language(), timezone.get_current_timezone_name()) == ("en", "Asia/Tokyo")
    assert there == ("zh-hans", "Asia/Shanghai")


def test_tasks_of_one_thread_do_not_speak_each_others_language():
    async def one(code: str) -> str | None:
        with translation.override(code):
            await asyncio.sleep(0)  # the others begin meanwhile
            return translation.get_language()

    async def all_of_them() -> list[str | None]:
        return await asyncio.gather(*(one(code) for code in ("en", "zh-hans", "en", "zh-hans")))

    assert asyncio.run(all_of_them()) == ["en", "zh-hans", "en", "zh-hans"]


def test_an_address_follows_the_prefix_and_the_urlconf_of_its_thread():
    before = urls.get_script_prefix()
    try:
        urls.set_script_prefix("/below/")
        assert urls.reverse("accounts:login").startswith("/below/")
        urls.set_urlconf("careloop.config.urls_portal")
        assert urls.get_urlconf() == "careloop.config.urls_portal"
        urls.set_urlconf(None)
        assert urls.get_urlconf() is None
    finally:
        urls.set_script_prefix(before)


def test_the_language_of_words_is_djangos():
    for code in ("en", "zh-hans", None):
        with translation.override(code):
            assert language() == translation.get_language()
    assert language() == translation.get_language()
