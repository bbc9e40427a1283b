"""The board, the pane, the banner and the bell: what is shown, to whom, and what a click changes."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from careloop.alerts import actions
from careloop.alerts.tests.test_actions import CHEST_PAIN, SYSTEM, WEIGHT, again, origin_of
from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.patients.models import MedicationStatement, Observation

HTMX = {"HTTP_HX_REQUEST": "true"}


def now():
    return datetime.now(UTC)


def raised(cast, finding=CHEST_PAIN, **more):
    (alert,) = actions.raise_findings(
        origin=origin_of(cast, **more), findings=[finding], at=now() - timedelta(minutes=2), by=SYSTEM
    )
    return again(alert)


def html(response):
    assert response.status_code == 200
    return response.content.decode()


def listed(text):
    return re.findall(r'<tr data-row[^>]*data-alert="([0-9a-f-]+)"', text)


def post(client, alert, step, **data):
    return client.post(f"/alerts/{alert.pk}/{step}/", data, **HTMX)


def test_the_board_lists_the_worst_first_with_counts(cast):
    weight, pain = raised(cast, WEIGHT), raised(cast)
    page = html(cast.client(cast.zhao).get("/alerts/"))
    assert listed(page) == [str(pain.pk), str(weight.pk)]
    assert re.findall(r"data-count>(\d+)<", page) == ["2", "1", "1", "0"]
    assert page.count("data-countdown=") == 2


def test_tabs_mine_and_closed_narrow_the_list(cast):
    pain, weight = raised(cast), raised(cast, WEIGHT)
    client = cast.client(cast.qian)
    assert listed(html(client.get("/alerts/?severity=high"))) == [str(weight.pk)]
    assert len(listed(html(client.get("/alerts/?mine=1")))) == 2  # stand-in of both
    assert listed(html(cast.client(cast.wang).get("/alerts/?mine=1"))) == []
    actions.accept(alert=pain, at=now(), by=cast.as_zhao)
    actions.close(alert=pain, code="duplicate", at=now(), by=cast.as_zhao)
    assert listed(html(client.get("/alerts/?state=closed"))) == [str(pain.pk)]
    assert listed(html(client.get("/alerts/?state=nonsense&severity=nonsense"))) == [str(weight.pk)]


def test_another_department_sees_nothing_and_gets_404(cast):
    alert = raised(cast)
    client = cast.client(cast.li)
    assert listed(html(client.get("/alerts/"))) == []
    assert client.get(f"/alerts/{alert.pk}/").status_code == 404
    assert client.get(f"/alerts/?open={alert.pk}").status_code == 404
    assert client.get(f"/alerts/patient/{alert.patient_id}/").status_code == 404
    doctorless = cast.client(cast.he)
    assert doctorless.get("/alerts/").status_code == 403


@pytest.mark.parametrize("step", ["accept", "hand-over", "act", "close", "undo"])
def test_steps_need_the_right_to_handle_and_a_visible_alert(cast, step):
    alert = raised(cast)
    assert post(cast.client(cast.he), alert, step).status_code == 403
    assert cast.client(cast.zhao).get(f"/alerts/{alert.pk}/{step}/").status_code == 405
    assert post(cast.client(cast.li), alert, step).status_code == 404


def test_the_address_of_a_button_opened_by_itself_says_so(cast):
    alert = raised(cast)
    address = f"/alerts/{alert.pk}/accept/"
    page = cast.client(cast.zhao).get(address)
    assert (page.status_code, page.headers["Allow"]) == (405, "POST")
    assert "这一步不能单独打开" in page.content.decode()
    scripted = cast.client(cast.zhao).get(address, headers={"HX-Request": "true"})
    assert (scripted.status_code, scripted.headers["Allow"], scripted.content) == (405, "POST", b"")
    assert cast.client(cast.zhao).put(address).content == b""
    assert again(alert).status == alert.status


def test_opening_is_seen_and_is_in_the_audit_trail(cast):
    alert = raised(cast)
    pane = html(cast.client(cast.zhao).get(f"/alerts/{alert.pk}/"))
    assert 'data-status="seen"' in pane
    assert again(alert).seen_at is not None
    assert AuditEvent.objects.filter(name="audit.RecordSeen", patient_id=alert.patient_id).count() == 1
    html(cast.client(cast.wang).get(f"/alerts/?open={alert.pk}"))
    assert AuditEvent.objects.filter(name="audit.RecordSeen").count() == 2


def test_the_pane_shows_answers_trend_medicines(cast):
    alert = raised(cast)
    with seeding():
        for day in range(3):
            Observation.objects.create(
                patient=cast.zhang, key=f"bp{day}", code="8480-6", text="SBP", value_number=140 + day, unit="mm[Hg]",
                effective_at=now() - timedelta(days=day),
            )  # fmt: skip
        MedicationStatement.objects.create(patient=cast.zhang, key="m1", text="Ticagrelor", status="stopped")
    pane = html(cast.client(cast.zhao).get(f"/alerts/{alert.pk}/"))
    assert "静息时" in pane
    assert 'class="spark"' in pane
    assert 'class="stopped"' in pane


def test_the_way_from_accept_to_close_by_clicks(cast):
    alert, client = raised(cast), cast.client(cast.zhao)
    accepted = post(client, alert, "accept")
    assert 'data-status="accepted"' in html(accepted)
    trigger = json.loads(accepted.headers["HX-Trigger"])
    assert trigger["toast"]["undo"].startswith(f"/alerts/{alert.pk}/undo/?step=")
    assert trigger["alerts-changed"] == str(alert.pk)
    assert 'data-status="acted"' in html(post(client, alert, "act", code="phone-contact", note="打通了"))
    assert 'data-status="closed"' in html(post(client, alert, "close", code="resolved"))
    found = again(alert)
    assert found.raised_at < found.seen_at <= found.accepted_at < found.acted_at < found.closed_at


def test_a_second_accept_is_refused_in_words(cast):
    alert = raised(cast)
    post(cast.client(cast.zhao), alert, "accept")
    second = post(cast.client(cast.qian), alert, "accept")
    assert second.status_code == 409
    assert 'data-code="alert-taken"' in second.content.decode()


def test_undo_by_the_toast(cast):
    alert, client = raised(cast), cast.client(cast.zhao)
    post(client, alert, "accept")
    undone = post(client, alert, "undo")
    assert "alert-undone" in json.loads(undone.headers["HX-Trigger"])
    assert again(alert).accepted_at is None


def test_an_older_toast_takes_back_nothing_else(cast):
    alert, client = raised(cast), cast.client(cast.zhao)
    older = json.loads(post(client, alert, "accept").headers["HX-Trigger"])["toast"]["undo"]
    newer = json.loads(post(client, alert, "act", code="phone-contact").headers["HX-Trigger"])["toast"]["undo"]
    assert client.post(older, **HTMX).status_code == 409
    assert again(alert).status == "acted"
    assert client.post(newer, **HTMX).status_code == 200
    assert again(alert).status == "accepted"


def test_hand_over_lists_colleagues_who_may_handle(cast):
    alert, client = raised(cast), cast.client(cast.zhao)
    pane = html(client.get(f"/alerts/{alert.pk}/"))
    assert set(re.findall(r'<option value="([0-9a-f-]{36})"', pane)) == {
        str(person.pk) for person in (cast.qian, cast.wang, cast.sun)
    }
    assert post(client, alert, "hand-over").status_code == 422
    assert 'data-status="raised"' in html(post(client, alert, "hand-over", to=cast.qian.pk, note="x"))
    assert again(alert).owner_id == cast.qian.pk


@pytest.mark.parametrize("step", ["act", "close"])
def test_a_step_without_a_code_comes_back_with_words(cast, step):
    alert, client = raised(cast), cast.client(cast.zhao)
    post(client, alert, "accept")
    assert post(client, alert, step).status_code == 422


def test_without_htmx_a_step_leads_to_the_page(cast):
    alert = raised(cast)
    response = cast.client(cast.zhao).post(f"/alerts/{alert.pk}/accept/")
    assert (response.status_code, response.headers["Location"]) == (302, f"/alerts/?open={alert.pk}")


def test_the_bell_counts_what_one_has_to_look_at(cast):
    alert, client = raised(cast), cast.client(cast.zhao)
    assert 'data-bell="1"' in html(client.get("/alerts/bell/"))
    post(client, alert, "accept")
    client.get(f"/alerts/{alert.pk}/")
    assert 'data-bell="0"' in html(client.get("/alerts/bell/"))
    assert 'data-bell="0"' in html(cast.client(cast.li).get("/alerts/bell/"))


def test_the_banner_of_a_patient(cast):
    alert = raised(cast)
    banner = html(cast.client(cast.zhao).get(f"/alerts/patient/{cast.zhang.pk}/"))
    assert f'data-alert="{alert.pk}"' in banner
    assert f"/alerts/{alert.pk}/accept/" in banner


def test_the_list_fetched_again_equals_the_page(cast):
    raised(cast)
    client = cast.client(cast.zhao)
    page, fragment = html(client.get("/alerts/")), html(client.get("/alerts/rows/"))
    assert listed(page) == listed(fragment)


def test_the_board_needs_few_queries(cast, django_assert_max_num_queries):
    for _ in range(5):
        raised(cast)
    client = cast.client(cast.zhao)
    with django_assert_max_num_queries(6):  # session, rights, counts, rows
        client.get("/alerts/rows/")


def test_plain_django_says_that_live_events_are_elsewhere(cast):
    assert cast.client(cast.zhao).get("/live/").status_code == 204


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_both_languages_render(cast, language):
    alert = raised(cast)
    with seeding():
        cast.zhao.language = language
        cast.zhao.save()
    page = html(cast.client(cast.zhao).get(f"/alerts/?open={alert.pk}"))
    assert ("Chest tightness at rest" in page) is (language == "en")
