"""The token of forms: Django takes it, and no two pages carry the same bytes."""

from __future__ import annotations

from collections import Counter

import pytest
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CSRF_ALLOWED_CHARS, CsrfViewMiddleware, get_token

from careloop.config import csrf
from careloop.config.csrf import csrf_token


def asked(secret: str, token: str) -> HttpRequest:
    """A form as it comes back, with the cookie it was made for."""
    request = HttpRequest()
    request.method, request.META = "POST", {"HTTP_HOST": "testserver", "REQUEST_METHOD": "POST"}
    request.COOKIES = {"careloop_csrf": secret, "csrftoken": secret}
    request.POST = request.POST.copy()
    request.POST["csrfmiddlewaretoken"] = token
    return request


def refused(request: HttpRequest) -> bool:
    door = CsrfViewMiddleware(lambda request: HttpResponse())
    door.process_request(request)
    return door.process_view(request, lambda request: HttpResponse(), (), {}) is not None


def test_django_takes_the_token_and_only_with_its_own_cookie():
    page = HttpRequest()
    get_token(page)
    secret = page.META["CSRF_COOKIE"]
    other = "".join(reversed(CSRF_ALLOWED_CHARS[:32]))
    for _ in range(200):
        token = csrf_token(page)
        assert len(token) == 64
        assert not refused(asked(secret, token))
        assert refused(asked(other, token))
    assert page.META["CSRF_COOKIE_NEEDS_UPDATE"] is True
    assert page.META["CSRF_COOKIE"] == secret


def test_a_page_without_a_cookie_gets_one():
    page = HttpRequest()
    token = csrf_token(page)
    assert not refused(asked(page.META["CSRF_COOKIE"], token))


def test_no_two_pages_carry_the_same_bytes():
    page = HttpRequest()
    get_token(page)
    tokens = [csrf_token(page) for _ in range(300)]
    assert len(set(tokens)) == 300
    assert len({token[32:] for token in tokens}) == 300


@pytest.mark.parametrize("drawn", [bytes(range(256)), bytes(range(255, -1, -1)), b"\xff" * 40 + bytes(range(40))])
def test_each_letter_stands_for_as_many_bytes_as_any_other(drawn, monkeypatch):
    """What is beyond a multiple of the letters is drawn again, else the first letters would come more often."""
    monkeypatch.setattr(csrf, "token_bytes", lambda many: drawn)
    mask = csrf._mask()
    fair = [byte for byte in drawn if byte < 248]
    assert mask == "".join(CSRF_ALLOWED_CHARS[byte % 62] for byte in fair)[:32]
    assert set(Counter(csrf._LETTERS[byte] for byte in range(248)).values()) == {4}
