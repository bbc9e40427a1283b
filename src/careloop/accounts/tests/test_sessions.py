"""Signing in and staying signed in, through the real pages: throttle, ages, cookies, and what a stranger learns."""

import re
import threading
from dataclasses import replace
from datetime import timedelta
from html import escape

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.test import Client, override_settings
from django.utils import timezone

from careloop.accounts import actions, reads
from careloop.accounts.middleware import client_ip
from careloop.accounts.models import LoginAttempt, Practitioner, StaffSession
from careloop.accounts.rules import MOST_PER_ACCOUNT, MOST_PER_ADDRESS
from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.kernel.errors import Refused
from tests.cast import SYSTEM, make_cast

GOOD, NEW = "Rain-over-42-hills", "Snow-over-17-lakes"
FAST = ["django.contrib.auth.hashers.MD5PasswordHasher"]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick(settings):
    """Argon2 is slow on purpose; its use is tried once below."""
    settings.PASSWORD_HASHERS = [*FAST, *settings.PASSWORD_HASHERS]


@pytest.fixture
def wang(cast):
    return with_password(cast.wang)


def with_password(person, password=GOOD, **more):
    with seeding():
        person.password = make_password(password)
        for name, value in more.items():
            setattr(person, name, value)
        person.save()
    return person


def sign_in(username="wang", password=GOOD, client=None, **more):
    client = client or Client()
    return client, client.post("/login/", {"username": username, "password": password, **more})


def aged(**ages):
    """The newest session, as if this much time had passed."""
    row = StaffSession.objects.order_by("-started_at").first()
    with seeding():
        StaffSession.objects.filter(pk=row.pk).update(**{name: timezone.now() - age for name, age in ages.items()})
    return row


def is_in(client):
    return client.get("/account/").status_code == 200


# ---- the door


def test_signing_in_and_out(wang):
    client, answer = sign_in()
    assert (answer.status_code, answer.url) == (302, "/")
    assert is_in(client)
    gone = client.post("/logout/")
    assert gone.url == "/login/"
    assert gone["Clear-Site-Data"] == '"storage"'
    assert not is_in(client)


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("wang", "wrong"),
        ("nobody", GOOD),
        ("", ""),
        ("wang", ""),
        ("WANG", GOOD),
        ("wang\x00", GOOD),
        ("x" * 500, "y" * 5000),
    ],
)
def test_every_kind_of_failure_looks_alike(wang, username, password):
    """Only what was typed differs: no hint whether the name exists (A24)."""
    _, answer = sign_in(username, password)
    _, other = sign_in("nobody-else", "wrong")
    assert answer.status_code == 422
    assert client_text(answer, username) == client_text(other, "nobody-else")


def client_text(answer, username):
    text = re.sub(r'name="csrfmiddlewaretoken" value="[^"]*"', "", answer.content.decode())
    for written in (escape(username), username):
        text = text.replace(f'value="{written}"', 'value=""')
    return text.replace(" autofocus", "")


def test_a_disabled_person_is_told_nothing_more(cast, wang):
    actions.disable_practitioner(practitioner=wang, at=timezone.now(), by=SYSTEM)
    _, answer = sign_in()
    assert answer.status_code == 422
    assert AuditEvent.objects.filter(name="accounts.SignInFailed", payload__why="disabled").exists()


@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("/account/", "/account/"), ("/today/?tab=due", "/today/?tab=due"), ("//evil.example/", "/"), ("", "/"),
        ("https://evil.example/", "/"), ("javascript:alert(1)", "/"), ("\\\\evil.example", "/"), ("/\\evil.example", "/"),
        ("http:///evil.example", "/"), (" //evil.example", "/"), ("///evil.example", "/"),
    ],
)  # fmt: skip
def test_the_page_asked_for_comes_next_and_never_another_site(wang, target, leads_to):
    assert sign_in(next=target)[1].url == leads_to
    client = Client()
    assert client.post("/account/language/", {"language": "en", "next": target}).url == leads_to


def test_a_page_that_needs_a_person_leads_to_the_door_and_back(wang):
    client = Client()
    away = client.get("/account/?x=1")
    assert away.url == "/login/?next=%2Faccount%2F%3Fx%3D1"
    assert client.get("/account/", headers={"HX-Request": "true"}).status_code == 401
    assert 'value="/account/?x=1"' in client.get(away.url).content.decode()


def test_a_head_request_only_looks(wang):
    assert Client().head("/login/").status_code == 200
    assert Client().put("/login/").status_code == 405


def test_what_was_typed_comes_back_as_text(wang):
    _, answer = sign_in('"><script>x</script>', "y", next='"><script>y</script>')
    assert b"<script>x" not in answer.content
    assert b"<script>y" not in answer.content


# ---- throttle (A24)


def test_the_sixth_try_is_shut_even_with_the_right_password(wang):
    for _ in range(MOST_PER_ACCOUNT):
        assert sign_in(password="wrong")[1].status_code == 422
    assert sign_in()[1].status_code == 422
    assert AuditEvent.objects.filter(name="accounts.SignInFailed", payload__why="throttled").count() == 1


@pytest.mark.parametrize("name", [" wang ", "WANG", "wang "])
def test_another_way_to_write_the_name_is_the_same_account(wang, name):
    for _ in range(MOST_PER_ACCOUNT):
        sign_in(name, "wrong")
    assert sign_in()[1].status_code == 422


def test_a_success_clears_the_account_but_not_the_address(wang, cast):
    now = cast.now
    for n in range(MOST_PER_ACCOUNT - 1):
        attempt(now, "wang", n=n)
    assert actions.sign_in(username="wang", password=GOOD, ip="10.0.0.1", at=now, by=SYSTEM) == wang
    assert reads.failures(username="wang", ip="10.0.0.1", at=now + timedelta(seconds=9)) == (0, MOST_PER_ACCOUNT - 1)


def attempt(at, username, *, n=0, ip="10.0.0.1"):
    with seeding():
        LoginAttempt.objects.create(
            at=at - timedelta(seconds=60 - n), account_hash=reads.account_hash(username), ip=ip, succeeded=False
        )


def test_one_password_tried_on_many_accounts_shuts_the_address(wang, cast):
    for n in range(MOST_PER_ADDRESS):
        attempt(cast.now, f"person{n}")
    here = {"username": "wang", "password": GOOD, "at": cast.now, "by": SYSTEM}
    assert actions.sign_in(ip="10.0.0.1", **here) is None
    assert actions.sign_in(ip="10.0.0.2", **here) == wang  # the neighbours work on


def test_failures_of_half_an_hour_ago_are_forgotten_to_the_second(wang, cast):
    for n in range(MOST_PER_ACCOUNT):
        attempt(cast.now, "wang", n=n)
    here = {"username": "wang", "password": GOOD, "ip": "10.0.0.9", "by": SYSTEM}
    oldest = cast.now - timedelta(seconds=60)
    assert actions.sign_in(at=oldest + timedelta(minutes=30, seconds=-1), **here) is None
    assert actions.sign_in(at=cast.now + timedelta(minutes=30), **here) == wang


def test_an_unknown_name_costs_a_hash_too(wang, monkeypatch):
    """Equal work, so that time tells nothing: a hash is checked for names that nobody has."""
    checked = []
    monkeypatch.setattr(actions, "check_password", lambda given, kept: checked.append(kept) or False)
    sign_in("nobody", "x")
    sign_in("wang", "x")
    assert len(checked) == 2
    assert all(checked)


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_twenty_tries_at_once_count_as_twenty():
    """Without a queue each of them would still see an account without a failure."""
    cast = make_cast()
    with_password(cast.wang)
    start = threading.Barrier(20)

    def try_one(n):
        start.wait()
        try:
            actions.sign_in(username="wang", password=f"wrong{n}", ip="10.0.0.1", at=cast.now, by=SYSTEM)
        finally:
            connection.close()

    threads = [threading.Thread(target=try_one, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    why = list(AuditEvent.objects.filter(name="accounts.SignInFailed").values_list("payload__why", flat=True))
    assert (why.count("unknown-or-wrong"), why.count("throttled")) == (MOST_PER_ACCOUNT, 20 - MOST_PER_ACCOUNT)


# ---- ages and ends (A09, A25)


def test_a_session_ends_after_minutes_without_a_click(wang):
    client, _ = sign_in()
    row = aged(last_seen_at=timedelta(minutes=14, seconds=50))
    assert is_in(client)
    aged(last_seen_at=timedelta(minutes=15))
    assert not is_in(client)
    row.refresh_from_db()
    assert row.ended_reason == "idle"
    assert not is_in(client)  # and does not come back


def test_a_session_ends_after_twelve_hours_whatever_is_done(wang):
    client, _ = sign_in()
    aged(started_at=timedelta(hours=12))
    assert not is_in(client)
    assert StaffSession.objects.get(practitioner=wang).ended_reason == "absolute"
    assert AuditEvent.objects.filter(name="accounts.SignedOut", payload__why="absolute").count() == 1


def test_polling_keeps_nobody_signed_in(wang):
    client, _ = sign_in()
    row = aged(last_seen_at=timedelta(minutes=10))
    before = StaffSession.objects.get(pk=row.pk).last_seen_at
    client.get("/account/", headers={"X-Background": "1"})
    assert StaffSession.objects.get(pk=row.pk).last_seen_at == before
    client.get("/account/")
    assert StaffSession.objects.get(pk=row.pk).last_seen_at > before


def test_a_click_is_written_down_once_a_minute_at_most(wang, django_assert_max_num_queries):
    client, _ = sign_in()
    client.get("/account/")
    seen = StaffSession.objects.get(practitioner=wang).last_seen_at
    client.get("/account/")
    assert StaffSession.objects.get(practitioner=wang).last_seen_at == seen


def test_the_key_changes_at_the_door(wang):
    """A key planted in the browser beforehand is worth nothing afterwards (fixation)."""
    client = Client()
    client.get("/login/")
    client.post("/account/language/", {"language": "en"})
    planted = client.cookies["careloop_staff"].value
    sign_in(client=client)
    assert client.cookies["careloop_staff"].value != planted
    thief = Client()
    thief.cookies["careloop_staff"] = planted
    assert not is_in(thief)


def test_signing_in_again_ends_the_session_before(wang):
    client, _ = sign_in()
    old = client.cookies["careloop_staff"].value
    sign_in(client=client)
    assert is_in(client)
    thief = Client()
    thief.cookies["careloop_staff"] = old
    assert not is_in(thief)
    assert StaffSession.objects.filter(practitioner=wang, ended_at__isnull=True).count() == 1


def test_a_cookie_taken_before_the_logout_is_worth_nothing(wang):
    client, _ = sign_in()
    thief = Client()
    thief.cookies["careloop_staff"] = client.cookies["careloop_staff"].value
    assert is_in(thief)
    client.post("/logout/")
    assert not is_in(thief)


@pytest.mark.parametrize("cookie", ["", "x", "a" * 32, "' OR 1=1 --", "a" * 4000])
def test_a_made_up_cookie_is_nobody(wang, cookie):
    client = Client()
    client.cookies["careloop_staff"] = cookie
    assert client.get("/account/").status_code == 302


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(wang):
    client, answer = sign_in()
    cookie = answer.cookies["careloop_staff"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert StaffSession.objects.get(practitioner=wang).key_hash != cookie.value


def test_the_database_keeps_no_cookie(wang):
    client, _ = sign_in()
    assert client.cookies["careloop_staff"].value not in str(list(StaffSession.objects.values()))


def test_a_right_taken_away_is_gone_at_the_next_click(cast):
    client = cast.client(cast.audit_admin)
    assert client.get("/console/audit/").status_code == 200
    given = cast.audit_admin.assignments.get()
    actions.revoke_role(assignment=given, at=timezone.now(), by=SYSTEM)
    assert client.get("/console/audit/").status_code == 403


def test_own_browsers_are_listed_and_can_be_ended_one_by_one(wang, cast):
    here, _ = sign_in()
    there, _ = sign_in(client=Client(headers={"user-agent": "Another browser"}))
    page = here.get("/account/").content.decode()
    assert "Another browser" in page
    other = StaffSession.objects.get(user_agent="Another browser")
    assert here.post(f"/account/sessions/{other.pk}/end/").status_code == 302
    assert not is_in(there)
    assert is_in(here)


def test_nobody_ends_another_persons_session_by_its_number(wang, cast):
    cast.client(cast.li)
    of_li = StaffSession.objects.get(practitioner=cast.li)
    client, _ = sign_in()
    assert client.post(f"/account/sessions/{of_li.pk}/end/").status_code == 404
    of_li.refresh_from_db()
    assert of_li.ended_at is None


def test_ending_twice_is_one_fact(wang, cast):
    sign_in()
    session = StaffSession.objects.get(practitioner=wang)
    for _ in range(2):
        actions.end_session(session=session, why="logout", at=cast.now, by=SYSTEM)
    assert AuditEvent.objects.filter(name="accounts.SignedOut").count() == 1
    assert actions.end_sessions(practitioner=wang, why="password", at=cast.now, by=SYSTEM) == 0


# ---- live streams ask the same questions without writing


def test_the_live_streams_viewer_follows_the_same_ages(wang, cast):
    client, _ = sign_in()
    key, now = client.cookies["careloop_staff"].value, timezone.now()
    assert reads.live_viewer(key, at=now).practitioner_id == wang.pk
    assert reads.open_keys([key, "other", ""], at=now) == {key}
    for later in (timedelta(minutes=15), timedelta(hours=12)):
        assert reads.live_viewer(key, at=now + later) is None
        assert reads.open_keys([key], at=now + later) == frozenset()
    actions.disable_practitioner(practitioner=wang, at=now, by=SYSTEM)
    assert reads.live_viewer(key, at=now) is None
    assert reads.open_keys([key], at=now) == frozenset()


# ---- passwords


def change(client, current=GOOD, new=NEW, again=None):
    return client.post("/account/password/", {"current": current, "new": new, "again": new if again is None else again})


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"current": "wrong"}, "wrong-password"), ({"new": "short"}, "password-too-weak"),
        ({"new": GOOD}, "password-used-before"), ({"again": "another"}, "again"), ({"new": "", "again": ""}, "new"),
    ],
)  # fmt: skip
def test_a_password_that_will_not_do_changes_nothing(wang, given, shown):
    client, _ = sign_in()
    answer = change(client, **given)
    assert answer.status_code == 422
    assert Practitioner.objects.get(pk=wang.pk).password == wang.password
    assert is_in(client)


def test_a_new_password_signs_the_other_browsers_out(wang):
    here, _ = sign_in()
    there, _ = sign_in()
    assert change(here).status_code == 302
    assert is_in(here)
    assert not is_in(there)
    assert sign_in()[1].status_code == 422
    assert sign_in(password=NEW)[1].status_code == 302


def test_five_passwords_are_remembered(wang, cast):
    used = [GOOD, *(f"Rain-over-{n}-hills-Xy" for n in range(5))]
    for before, after in zip(used, used[1:], strict=False):
        actions.change_password(practitioner=wang, current=before, new=after, at=cast.now, by=SYSTEM)
    with pytest.raises(actions.PasswordUsedBefore):
        actions.change_password(practitioner=wang, current=used[-1], new=used[1], at=cast.now, by=SYSTEM)
    actions.change_password(practitioner=wang, current=used[-1], new=GOOD, at=cast.now, by=SYSTEM)  # the sixth back
    assert len(Practitioner.objects.get(pk=wang.pk).password_history) == 5


def test_a_one_time_password_does_not_wash_the_memory(wang, cast):
    """Else an issued password would open the way back to the one that was worn out."""
    issued = actions.issue_password(practitioner=wang, at=cast.now, by=SYSTEM)
    with pytest.raises(actions.PasswordUsedBefore):
        actions.change_password(practitioner=wang, current=issued, new=GOOD, at=cast.now, by=SYSTEM)


@pytest.mark.parametrize("profile", ["dengbao", "asvs"])
def test_a_one_time_password_is_good_once_and_must_go(wang, cast, profile):
    with override_settings(ENV=replace(django_settings.ENV, password_profile=profile)):
        issued = actions.issue_password(practitioner=wang, at=timezone.now(), by=SYSTEM)
        client, _ = sign_in(password=issued)
        assert client.get("/today/").url == "/account/"
        assert change(client, current=issued, new=issued).status_code == 422  # keeping it is no change
        assert change(client, current=issued).status_code == 302
        assert client.get("/today/").status_code == 200


def test_an_old_password_opens_only_the_page_where_it_is_changed(cast):
    wang = with_password(cast.wang, password_changed_at=timezone.now() - timedelta(days=91))
    client, _ = sign_in()
    assert client.get("/today/").url == "/account/"
    assert client.get("/patients/").url == "/account/"
    assert change(client).status_code == 302
    assert client.get("/today/").status_code == 200
    assert not Practitioner.objects.get(pk=wang.pk).must_change_password


def test_an_issued_password_is_strong_and_random(wang, cast):
    issued = {actions.issue_password(practitioner=wang, at=cast.now, by=SYSTEM) for _ in range(5)}
    assert len(issued) == 5
    for profile in actions.PROFILES.values():
        assert all(not actions.password_faults(one, profile=profile, username="wang") for one in issued)


def test_the_product_keeps_argon2_hashes(cast, settings):
    settings.PASSWORD_HASHERS = settings.PASSWORD_HASHERS[1:]
    issued = actions.issue_password(practitioner=cast.wang, at=cast.now, by=SYSTEM)
    kept = Practitioner.objects.get(pk=cast.wang.pk).password
    assert kept.startswith("argon2$argon2id$")
    assert issued not in kept


@pytest.mark.parametrize(
    "refusal", [one for one in vars(actions).values() if isinstance(one, type) and issubclass(one, Refused) and one is not Refused]
)  # fmt: skip
@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_every_refusal_has_words_in_both_languages(refusal, language):
    from django.utils import translation

    with translation.override(language):
        words = str(refusal())
    assert words
    assert any("\u4e00" <= c <= "\u9fff" for c in words) is (language == "zh-hans")


# ---- whose address


@pytest.mark.parametrize(
    ("proxies", "header", "seen"),
    [
        (0, "1.1.1.1", "9.9.9.9"), (1, "1.1.1.1", "1.1.1.1"), (1, "6.6.6.6, 1.1.1.1", "1.1.1.1"),
        (2, "6.6.6.6, 1.1.1.1, 2.2.2.2", "1.1.1.1"), (2, "1.1.1.1", "9.9.9.9"), (1, "", "9.9.9.9"), (1, " , ", "9.9.9.9"),
        (1, "x" * 500, "x" * 45),
    ],
)  # fmt: skip
def test_only_proxies_of_ours_are_believed_about_the_address(rf, proxies, header, seen):
    request = rf.get("/", headers={"X-Forwarded-For": header}, REMOTE_ADDR="9.9.9.9")
    with override_settings(ENV=replace(django_settings.ENV, trusted_proxies=proxies)):
        assert client_ip(request) == seen
