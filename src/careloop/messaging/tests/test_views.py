"""Pages: what they show, what they refuse, and that Li gets 404."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from careloop.audit.models import AuditEvent
from careloop.kernel.viewer import Viewer
from careloop.messaging import actions
from careloop.messaging.models import Communication, InboundMessage, MessageTemplate
from careloop.messaging.reads.inbox import portal_inbox
from careloop.messaging.reads.texts import link_address
from careloop.messaging.rules.requests import ReplyData
from careloop.messaging.rules.states import Outcome
from tests.cast import SYSTEM

from .factories import claim, fresh, link_for, more_patients, queue, record, site

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _site(db):
    with site(sms_quiet_hours=""):
        actions.load_templates(at=timezone.now(), by=SYSTEM)
        yield


@pytest.fixture
def at():
    return timezone.now()


def get(client, name, *args, **query):
    return client.get(reverse(f"messaging:{name}", args=args), query)


def post(client, name, *args, **data):
    return client.post(reverse(f"messaging:{name}", args=args), data)


def failed(patient, at, key="f1", outcome=None):
    made = queue(patient, key, at=at)
    record(claim(at), outcome or Outcome.rejected("bad-number"), at)
    return made


def test_the_list_shows_words_without_links_and_own_patients_only(cast, at):
    link = link_for(cast.zhang, at=at)
    made = queue(
        cast.zhang, template_code="follow-up-link", params={"discharge_date": "11月13日"}, link_id=link.pk, at=at
    )
    other = queue(cast.ma, "other", at=at)
    page = get(cast.client(cast.wang), "list")
    html = page.content.decode()
    assert page.status_code == 200
    assert f'data-id="{made.pk}"' in html
    assert str(other.pk) not in html
    assert "•••" in html
    assert link_address(link.pk) not in html
    assert "13800110347" not in html
    assert AuditEvent.objects.filter(name="audit.ListSeen").exists()


def test_filters_and_pages(cast, at):
    for n, patient in enumerate(more_patients(55, cast.cardiology)):
        queue(patient, f"k{n}", at=at)
    queue(cast.zhang, "w", channel="wechat", at=at)
    client = cast.client(cast.wang)
    first = get(client, "list", state="queued").content.decode()
    assert first.count("<tr data-row") == 50
    following = re.search(r'href="([^"]+)" rel="next"', first).group(1).replace("&amp;", "&")
    second = client.get(following).content.decode()
    assert second.count("<tr data-row") == 5
    assert get(client, "list", channel="wechat").content.decode().count("<tr data-row") == 1
    assert 'data-state="empty-filtered"' in get(client, "list", state="failed").content.decode()
    assert get(client, "list", state="'; drop", channel="x", before="y").status_code == 200


def test_empty_states(cast):
    client = cast.client(cast.wang)
    assert 'data-state="empty-first"' in get(client, "list").content.decode()
    assert 'data-state="empty-done"' in get(client, "dead").content.decode()
    assert 'data-state="empty-done"' in get(client, "replies").content.decode()


def test_detail_tells_the_story_and_is_recorded(cast, at):
    made = failed(cast.zhang, at)
    page = get(cast.client(cast.wang), "detail", made.pk)
    assert 'data-state="failed"' in page.content.decode()
    assert 'data-reason="bad-number"' in page.content.decode()
    assert AuditEvent.objects.filter(name="audit.RecordSeen", patient_id=cast.zhang.pk).exists()


@pytest.mark.parametrize(
    ("name", "method"),
    [("detail", "get"), ("take", "post"), ("resend", "post"), ("settle", "post"), ("patient_messages", "get")],
)
def test_li_gets_404(cast, at, name, method):
    made = failed(cast.zhang, at)
    argument = cast.zhang.pk if name == "patient_messages" else made.pk
    client = cast.client(cast.li)
    response = (
        client.get(reverse(f"messaging:{name}", args=[argument]))
        if method == "get"
        else post(client, name, argument, how="closed")
    )
    assert response.status_code == 404
    assert fresh(made).settled_at is None


def test_who_may_not(cast, at):
    made = failed(cast.zhang, at)
    assert get(cast.client(cast.he), "list").status_code == 403
    assert post(cast.client(cast.qian), "resend", made.pk).status_code == 403, "a supervisor looks, but does not send"
    assert get(cast.client(cast.wang), "templates").status_code == 403
    assert get(cast.client(cast.system_admin), "list").status_code == 403, "an administrator sees no patients"
    assert get(cast.client(cast.wang), "resend", made.pk).status_code == 405


def test_taking_over_and_sending_again_once(cast, at):
    made = failed(cast.zhang, at)
    client = cast.client(cast.wang)
    assert get(client, "dead").content.decode().count('data-settled="no"') == 1
    row = post(client, "take", made.pk).content.decode()
    assert "Wang" in row
    assert fresh(made).owner_id == cast.wang.pk
    row = post(client, "resend", made.pk).content.decode()
    assert 'data-settled="yes"' in row
    again = Communication.objects.unscoped("t").get(key=f"resend:{made.pk}")
    assert again.state == "queued"
    assert again.resend_of_id == made.pk
    assert post(client, "resend", made.pk).status_code == 409
    assert post(client, "take", made.pk).status_code == 409
    assert 'data-state="empty-done"' in get(client, "dead").content.decode()


@pytest.mark.parametrize("how", ["was-sent", "was-not-sent"])
def test_an_unclear_message_is_settled_by_a_person(cast, at, how):
    with site(sms_gateway_repeat="none", sms_quiet_hours=""):
        made = failed(cast.zhang, at, outcome=Outcome.uncertain("timeout"))
    client = cast.client(cast.wang)
    assert 'data-state="unknown"' in get(client, "dead").content.decode()
    assert post(client, "settle", made.pk, how="nonsense").status_code == 422
    assert 'data-settled="yes"' in post(client, "settle", made.pk, how=how).content.decode()
    assert fresh(made).settled_how == how
    assert AuditEvent.objects.get(name="messaging.CommunicationSettled").payload["how"] == how


def test_a_failed_message_is_closed_but_not_guessed_about(cast, at):
    made = failed(cast.zhang, at)
    client = cast.client(cast.wang)
    assert post(client, "settle", made.pk, how="was-sent").status_code == 409
    assert post(client, "settle", made.pk, how="closed").status_code == 200


def test_mine_only(cast, at):
    made = failed(cast.zhang, at)
    client = cast.client(cast.wang)
    assert get(client, "dead", mine="1").content.decode().count("data-settled") == 0
    post(client, "take", made.pk)
    assert get(client, "dead", mine="1").content.decode().count('data-settled="no"') == 1


def answered(cast, at, text="<b>胸闷</b>"):
    queue(cast.zhang, at=at)
    record(claim(at), Outcome.accepted("g"), at)
    later = at + timedelta(seconds=1)
    reply = ReplyData(message_id="r1", address="+8613800110347", text=text, occurred_at=later)
    actions.store_replies(gateway="sms", replies=[reply], at=later, by=SYSTEM)
    return InboundMessage.objects.unscoped("t").get()


def test_replies_wait_until_dealt_with(cast, at):
    inbound = answered(cast, at)
    client = cast.client(cast.wang)
    html = get(client, "replies").content.decode()
    assert "&lt;b&gt;" in html
    assert "<b>胸闷" not in html
    assert str(inbound.pk) not in get(cast.client(cast.li), "replies").content.decode()
    assert post(cast.client(cast.li), "reply_handled", inbound.pk).status_code == 404
    assert 'data-handled="yes"' in post(client, "reply_handled", inbound.pk).content.decode()
    assert post(client, "reply_handled", inbound.pk).status_code == 409
    assert 'data-state="empty-done"' in get(client, "replies").content.decode()


def test_the_patients_page_shows_both_directions(cast, at):
    inbound = answered(cast, at, "1")
    html = get(cast.client(cast.wang), "patient_messages", cast.zhang.pk).content.decode()
    assert f'data-id="{inbound.pk}" data-intent="call-me"' in html
    assert 'data-state="sent"' in html
    assert html.index("call-me") < html.index('data-state="sent"')
    assert get(cast.client(cast.wang), "patient_messages", uuid4()).status_code == 404


def test_the_inbox_of_the_patient_pages(cast, at):
    link = link_for(cast.zhang, at=at)
    params = {"discharge_date": "11月13日"}
    queue(cast.zhang, "in", channel="portal", template_code="follow-up-link", params=params, link_id=link.pk, at=at)
    record(claim(at), Outcome.delivered(), at)
    me, other = Viewer.patient(cast.zhang.pk), Viewer.patient(cast.ma.pk)
    (message,) = portal_inbox(cast.zhang.pk, viewer=me)
    assert message.link == link_address(link.pk)
    assert message.is_new
    assert not message.text.endswith("：")
    assert "•••" not in message.text
    assert portal_inbox(cast.zhang.pk, viewer=other) == []
    assert actions.mark_read(patient_id=cast.zhang.pk, at=at, by=other) == 0
    assert actions.mark_read(patient_id=cast.zhang.pk, at=at, by=me) == 1
    assert not portal_inbox(cast.zhang.pk, viewer=me)[0].is_new


# ---- templates ----------------------------------------------------------------------------------------------------


def draft_data(**values):
    return {
        "code": "greeting",
        "channel": "sms",
        "category": "care",
        "title": "问候",
        "zh": "【{hospital}】{salutation}，您好。",
    } | values


def test_template_pages(cast):
    client = cast.client(cast.system_admin)
    html = get(client, "templates").content.decode()
    assert html.count('data-code="follow-up-link"') == 3
    assert "sf.example.cn/q/•••" in html
    template = MessageTemplate.objects.get(code="follow-up-link", channel="sms")
    html = get(client, "template", template.pk).content.decode()
    assert 'data-language="zh" data-segments="2"' in html or 'data-language="zh" data-segments="1"' in html
    assert get(client, "template_draft", **{"from": str(template.pk)}).content.decode().count("{link}") >= 2
    assert get(client, "template_draft", **{"from": "nonsense"}).status_code == 200


def test_from_draft_to_approved(cast):
    client = cast.client(cast.system_admin)
    response = post(client, "template_draft", **draft_data())
    template = MessageTemplate.objects.get(code="greeting")
    assert response.url == reverse("messaging:template", args=[template.pk])
    post(client, "template_step", template.pk, step="submit")
    assert post(client, "template_step", template.pk, step="reject").status_code == 422
    assert post(client, "template_step", template.pk, step="approve", carrier_id="C9").status_code == 302
    template.refresh_from_db()
    assert (template.state, template.carrier_id) == ("approved", "C9")
    assert post(client, "template_step", template.pk, step="approve").status_code == 409
    assert post(client, "template_step", template.pk, step="dance").status_code == 422
    assert post(client, "template_step", template.pk, step="retire").status_code == 302


@pytest.mark.parametrize(
    "zh", ["{{ settings.SECRET_KEY }}", "{salutation.__class__}", "您的糖尿病", "字" * 400, "{diagnosis}"]
)
def test_bad_texts_come_back_with_words(cast, zh):
    client = cast.client(cast.system_admin)
    response = post(client, "template_draft", **draft_data(zh=zh))
    assert response.status_code == 422
    assert "data-error-summary" in response.content.decode()
    assert not MessageTemplate.objects.filter(code="greeting").exists()
    assert 'data-fault="yes"' in post(client, "template_preview", channel="sms", zh=zh).content.decode()


def test_preview_counts_while_typing(cast):
    client = cast.client(cast.system_admin)
    html = post(client, "template_preview", channel="sms", zh="字" * 71, en="short").content.decode()
    assert 'data-language="zh" data-segments="2"' in html
    assert 'data-language="en" data-segments="1"' in html


def test_health_is_shown(cast, at):
    queue(cast.zhang, at=at - timedelta(minutes=10))
    html = get(cast.client(cast.wang), "list").content.decode()
    assert 'data-due="1"' in html
    assert int(re.search(r'data-oldest="(\d+)"', html).group(1)) >= 600
