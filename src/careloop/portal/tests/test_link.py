"""The way in (security A03, A05, A06): what a link shows before and after the second factor."""

from __future__ import annotations

import re
import statistics
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.kernel.viewer import NOBODY
from careloop.patients.models import AccessLink, ContactPoint, RelatedPerson
from careloop.portal import actions, rules
from careloop.portal.models import FailedCheck
from careloop.portal.tests.conftest import PHONE_MA, PHONE_ZHANG, make_link, visitor
from tests.cast import make_cast


def audit_names():
    return list(AuditEvent.objects.order_by("pk").values_list("name", flat=True))


def body_of(answer) -> bytes:
    """Without the parts that differ from answer to answer: the CSRF token and the address of this page."""
    text = re.sub(rb'value="[A-Za-z0-9]{64}"', b"", answer.content)
    return re.sub(rb'name="next" value="[^"]*"', b"", text)


@pytest.mark.django_db
def test_before_the_second_factor_nothing_about_a_person_is_shown(zhang, cast):
    answer = zhang.client.get(zhang.url)
    assert answer.status_code == 200
    text = answer.content.decode()
    for secret in ("Zhang", "I21", "infarction", "2026110347", "13800", "Cardiology", str(cast.zhang.pk)):
        assert secret not in text
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "noindex" in answer.headers["X-Robots-Tag"]
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert not re.search(r'(src|href|action)="https?://', text)


@pytest.mark.django_db
def test_opening_a_link_changes_nothing_however_often(zhang):
    before = list(AccessLink.objects.unscoped("test").values())
    facts = audit_names()
    for _ in range(3):
        Client().get(zhang.url)
        Client().head(zhang.url)
    assert list(AccessLink.objects.unscoped("test").values()) == before
    assert audit_names() == facts
    assert not FailedCheck.objects.exists()


@pytest.mark.django_db
def test_the_right_digits_open_the_pages_of_the_link(zhang):
    answer = zhang.enter()
    assert (answer.status_code, answer.url) == (303, "/")
    assert "Zhang" in zhang.client.get("/").content.decode()
    zhang.link = AccessLink.objects.unscoped("test").get(pk=zhang.link.pk)
    assert zhang.link.passed_at is not None
    assert audit_names()[-1] == "portal.LinkChecked"
    cookie = zhang.client.cookies["careloop_patient"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


@pytest.mark.django_db
def test_any_telephone_we_know_of_the_patient_opens_it_but_no_retired_one(zhang, cast):
    with seeding():
        ContactPoint.objects.create(patient=cast.zhang, value="+8615900000348", raw="1", last4="5511", rank=2)
        ContactPoint.objects.create(
            patient=cast.zhang, value="+8615900000349", raw="2", last4="5522", rank=3, active=False
        )
    assert zhang.enter("5522").status_code == 422
    assert zhang.enter("5511").status_code == 303


@pytest.mark.django_db
def test_the_year_of_birth_where_the_hospital_chose_it(zhang, portal):
    portal.ENV = replace(portal.ENV, link_check="birth-year")
    assert zhang.enter(PHONE_ZHANG).status_code == 422
    assert zhang.enter("1959").status_code == 303


@pytest.mark.django_db
def test_wrong_old_revoked_and_unknown_links_give_the_same_answer(zhang, cast):
    expired = visitor(cast.zhang, days=-1, token="expired")
    revoked = visitor(cast.zhang, token="revoked")
    with seeding():
        AccessLink.objects.unscoped("test").filter(pk=revoked.link.pk).update(revoked_at=datetime.now(UTC))
    answers = [
        zhang.enter("1111"),
        expired.enter(),
        revoked.enter(),
        Client().post("/q/never-issued", {"factor": PHONE_ZHANG}),
        zhang.enter(PHONE_MA),
        zhang.enter(""),
    ]
    assert {answer.status_code for answer in answers} == {422}
    assert len({body_of(answer) for answer in answers}) == 1
    pages = [Client().get(url) for url in (zhang.url, expired.url, revoked.url, "/q/never-issued")]
    assert {answer.status_code for answer in pages} == {200}
    assert len({body_of(answer) for answer in pages}) == 1


@pytest.mark.django_db
def test_wrong_and_unknown_take_the_same_time_and_statements(zhang):
    counts, client = [], Client()
    for url in ("/q/warm-up", zhang.url, "/q/never-issued"):
        with CaptureQueriesContext(connection) as queries:
            client.post(url, {"factor": "1111"})
        counts.append(len(queries))
    assert counts[1] == counts[2]

    times: dict[str, list[float]] = {zhang.url: [], "/q/never-issued": []}
    for _ in range(40):  # in turn, so that whatever else this machine does slows both alike
        for url, taken in times.items():
            with seeding():
                FailedCheck.objects.all().delete()
                AccessLink.objects.unscoped("test").update(failures=0)
            start = time.perf_counter()
            client.post(url, {"factor": "1111"})
            taken.append(time.perf_counter() - start)
    known, unknown = (statistics.median(taken) for taken in times.values())
    assert abs(known - unknown) < max(known, unknown) * 0.6


@pytest.mark.parametrize("by", ["link", "network"])
@pytest.mark.django_db
def test_the_eleventh_wrong_try_in_ten_minutes_is_turned_away(zhang, cast, by):
    for number in range(10):
        ip = f"198.51.100.{number}" if by == "link" else "198.51.100.1"
        url = zhang.url if by == "link" else f"/q/guess-{number}"
        assert Client(REMOTE_ADDR=ip).post(url, {"factor": "1111"}).status_code == 422
    ip = "198.51.100.77" if by == "link" else "198.51.100.1"
    answer = Client(REMOTE_ADDR=ip).post(zhang.url, {"factor": PHONE_ZHANG})
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "600"
    with seeding():
        FailedCheck.objects.update(failed_at=datetime.now(UTC) - timedelta(minutes=11))
    assert Client(REMOTE_ADDR=ip).post(zhang.url, {"factor": PHONE_ZHANG}).status_code == 303


@pytest.mark.django_db
def test_a_link_dies_after_thirty_wrong_tries(zhang):
    with seeding():
        AccessLink.objects.unscoped("test").filter(pk=zhang.link.pk).update(failures=rules.LINK_DIES_AFTER)
    assert zhang.enter().status_code == 422


@pytest.mark.django_db
def test_wrong_tries_are_facts_without_digits(zhang):
    zhang.enter("1234")
    event = AuditEvent.objects.order_by("pk").last()
    assert event.name == "portal.LinkCheckFailed"
    assert event.patient_id == zhang.link.patient_id
    assert "1234" not in str(event.payload)
    assert AccessLink.objects.unscoped("test").get(pk=zhang.link.pk).failures == 1


@pytest.mark.django_db
def test_old_wrong_tries_are_forgotten(zhang):
    zhang.enter("1234")
    system = zhang_viewer()
    assert actions.forget_failed_checks(at=datetime.now(UTC), by=system) == 0
    assert actions.forget_failed_checks(at=datetime.now(UTC) + timedelta(minutes=11), by=system) == 2
    assert actions.forget_failed_checks(at=datetime.now(UTC) + timedelta(minutes=11), by=system) == 0


def zhang_viewer():
    from careloop.kernel.viewer import Viewer

    return Viewer.system("tests")


@pytest.mark.django_db
def test_without_a_session_every_page_leads_to_the_check(portal, cast):
    for url in ("/", "/plan/", "/medicines/", "/measure/weight/"):
        answer = Client().get(url)
        assert (answer.status_code, answer.url) == (302, "/again/")
    assert Client().get("/again/").status_code == 200
    assert Client().post("/again/", {"factor": PHONE_ZHANG}).status_code == 401


@pytest.mark.django_db
def test_an_idle_browser_is_asked_again_without_the_link(zhang):
    zhang.enter()
    _age(zhang.client, seen=11)
    assert zhang.client.get("/").url == "/again/"
    assert "Zhang" not in zhang.client.get("/again/").content.decode()
    assert zhang.client.post("/again/", {"factor": "1111"}).status_code == 422
    answer = zhang.client.post("/again/", {"factor": PHONE_ZHANG})
    assert (answer.status_code, answer.url) == (303, "/")
    assert zhang.client.get("/").status_code == 200


@pytest.mark.django_db
def test_after_twelve_hours_only_the_link_opens_it(zhang):
    zhang.enter()
    _age(zhang.client, started=12 * 60)
    assert zhang.client.get("/").url == "/again/"
    assert zhang.client.post("/again/", {"factor": PHONE_ZHANG}).status_code == 401
    assert zhang.enter().status_code == 303


@pytest.mark.django_db
def test_a_revoked_link_ends_the_open_session_at_the_next_page(zhang):
    zhang.enter()
    with seeding():
        AccessLink.objects.unscoped("test").filter(pk=zhang.link.pk).update(revoked_at=datetime.now(UTC))
    assert zhang.client.get("/").url == "/again/"


@pytest.mark.django_db
def test_the_session_key_changes_when_the_check_is_passed(zhang):
    zhang.client.get(zhang.url)
    session = zhang.client.session
    session["planted"] = "by somebody"
    session.save()
    zhang.client.cookies["careloop_patient"] = session.session_key
    zhang.enter()
    assert zhang.client.cookies["careloop_patient"].value != session.session_key
    assert "planted" not in zhang.client.session


@pytest.mark.django_db
def test_leaving_closes_the_pages(zhang):
    zhang.enter()
    answer = zhang.client.post("/leave/")
    assert answer.status_code == 200
    assert zhang.client.get("/").url == "/again/"


@pytest.mark.django_db
def test_a_relative_is_named_as_such_on_every_page(zhang):
    zhang.enter()
    zhang.client.post("/family/", {"family": "1"})
    assert 'class="family"' in zhang.client.get("/medicines/").content.decode()
    zhang.client.post("/family/", {"family": "0"})
    assert 'class="family"' not in zhang.client.get("/").content.decode()


@pytest.mark.django_db
def test_large_print_is_remembered_and_leads_only_to_this_site(zhang):
    answer = zhang.client.post("/large/", {"large": "1", "next": "//evil.example/"})
    assert answer.url == "/"
    assert 'class="xl"' in zhang.client.get(zhang.url).content.decode()
    zhang.client.post("/large/", {"large": "0", "next": zhang.url})
    assert 'class="xl"' not in zhang.client.get(zhang.url).content.decode()


@pytest.mark.django_db
def test_forms_need_their_token_also_from_a_page_without_referrer(zhang):
    strict = Client(enforce_csrf_checks=True)
    page = strict.get(zhang.url)
    assert strict.post(zhang.url, {"factor": PHONE_ZHANG}, headers={"origin": "null"}).status_code == 403
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.content.decode()).group(1)
    good = {"factor": PHONE_ZHANG, "csrfmiddlewaretoken": token}
    assert strict.post(zhang.url, good, headers={"origin": "https://evil.example"}).status_code == 403
    assert strict.post(zhang.url, good, headers={"origin": "null"}).status_code == 303


@pytest.mark.django_db
def test_no_staff_page_is_served_here(zhang):
    zhang.enter()
    for url in ("/login/", "/patients/", "/admin/", "/alerts/", "/api/"):
        assert zhang.client.get(url).status_code == 404


@pytest.mark.django_db
def test_a_link_for_one_thing_opens_nothing_else(portal, cast):
    one = visitor(cast.zhang, purpose="measurement")
    assert one.enter().url == "/measure/blood-pressure/"
    assert one.client.get("/measure/blood-pressure/").status_code == 200
    for url in ("/", "/plan/", "/medicines/"):
        assert one.client.get(url).status_code == 404
    strange = visitor(cast.zhang, purpose="something-new", token="strange")
    strange.enter()
    assert strange.client.get("/").status_code == 404


@pytest.mark.django_db
def test_tokens_hold_at_least_128_bits_and_only_their_hash_is_kept(zhang):
    stored = str(list(AccessLink.objects.unscoped("test").values()))
    assert zhang.token not in stored
    assert zhang.link.token_hash in stored
    assert len(zhang.link.token_hash) == 64


@pytest.mark.django_db
def test_two_links_of_one_patient_do_not_mix(portal, cast):
    token, _ = make_link(cast.ma, token="of-ma")
    assert Client().post(f"/q/{token}", {"factor": PHONE_ZHANG}).status_code == 422
    assert Client().post(f"/q/{token}", {"factor": PHONE_MA}).status_code == 303


def _age(client: Client, *, seen: int = 0, started: int = 0) -> None:
    """Make the session of this browser older, in minutes."""
    session = client.session
    for key, minutes in (("seen", seen), ("started", started)):
        session[key] = (datetime.fromisoformat(session[key]) - timedelta(minutes=minutes)).isoformat()
    session.save()


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_many_guesses_at_the_same_moment_are_all_counted():
    """Forty at once from forty networks: ten are heard, the others are turned away, also one with the right digits."""
    people = make_cast()
    _, link = make_link(people.zhang)
    outcomes, at = [], datetime.now(UTC)

    def guess(number):
        try:
            prints = rules.fingerprints(ip=f"198.51.100.{number}", token="the-same-link")
            outcomes.append(
                actions.try_check(link=link, given=f"{number:04}", fingerprints=prints, at=at, by=NOBODY).value
            )
        finally:
            connection.close()

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(40)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert outcomes.count("wrong") == 10
    assert outcomes.count("too-many") == 30
    prints = rules.fingerprints(ip="203.0.113.1", token="the-same-link")
    right = actions.try_check(link=link, given=PHONE_ZHANG, fingerprints=prints, at=at, by=NOBODY)
    assert right is actions.Check.TOO_MANY
    assert AccessLink.objects.unscoped("test").get(pk=link.pk).failures == 10


# ---- scanned at the bedside (B07) ----


def number_of(patient):
    return ContactPoint.objects.unscoped("test").get(patient=patient)


def test_scanning_and_typing_the_right_digits_proves_the_number(portal, cast):
    came = visitor(cast.zhang, purpose=rules.VERIFY)
    assert came.enter().status_code == 303
    point = number_of(cast.zhang)
    assert (point.verified_how, point.verified_by_id) == ("portal", None)
    assert came.client.get("/plan/").status_code == 200


def test_wrong_digits_prove_nothing(portal, cast):
    assert visitor(cast.zhang, purpose="verify").enter("1111").status_code == 422
    assert number_of(cast.zhang).verified_at is None


def test_an_ordinary_link_proves_no_number(portal, cast):
    assert visitor(cast.zhang, purpose="home").enter().status_code == 303
    assert number_of(cast.zhang).verified_at is None


def test_a_birth_year_proves_no_number(portal, cast, settings):
    settings.ENV = replace(settings.ENV, link_check="birth-year")
    assert visitor(cast.zhang, purpose="verify").enter("1959").status_code == 303
    assert number_of(cast.zhang).verified_at is None


def test_a_relatives_digits_do_not_prove_the_patients_number(portal, cast):
    with seeding():
        aunt = RelatedPerson.objects.create(patient=cast.zhang, name="Aunt")
        ContactPoint.objects.create(patient=cast.zhang, related_person=aunt, value="+8613900007777", last4="7777")
    assert visitor(cast.zhang, purpose="verify").enter("7777").status_code == 303
    assert not ContactPoint.objects.unscoped("test").filter(verified_at__isnull=False).exists()
