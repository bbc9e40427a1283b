"""The door for gateways: receipts and answers by signed callback. Public, so it believes nothing unsigned."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from careloop.kernel.pages import PageRequest, public_page
from careloop.kernel.viewer import Viewer
from careloop.messaging import actions
from careloop.messaging.models import DeliveryReceipt
from careloop.messaging.rules.requests import ReceiptData, ReplyData
from careloop.messaging.rules.signing import callback_refusal
from careloop.messaging.rules.states import REASONS

LARGEST_BODY = 1_000_000
MOST_EVENTS = 1_000


@csrf_exempt
@public_page("gateways report receipts and answers; every call is signed", methods=("POST",))
def gateway_callback(request: PageRequest, gateway: str) -> HttpResponse:
    """200 when every event is stored (again is harmless), 403 unsigned, 400 not understood, 413 too much."""
    at = timezone.now()
    if not _is_peer(request):
        return _answer(403, "not-allowed")
    if int(request.headers.get("Content-Length") or 0) > LARGEST_BODY:
        return _answer(413, "too-large")
    body = request.body
    refusal = callback_refusal(
        settings.ENV.sms_gateway_secret,
        timestamp=request.headers.get("X-Gateway-Timestamp", ""),
        nonce=request.headers.get("X-Gateway-Nonce", ""),
        given=request.headers.get("X-Gateway-Signature", ""),
        body=body,
        at=at,
    )
    if refusal:
        return _answer(403, refusal)
    events = _events(body)
    if events is None:
        return _answer(400, "not-understood")
    return _store(gateway, events, at=at)


def _store(gateway: str, events: list[dict[str, Any]], *, at: datetime) -> HttpResponse:
    """What can be read is kept; what cannot is counted, so that one odd event does not block the others for ever."""
    receipts = [r for event in events if event.get("type") == "receipt" and (r := _receipt(event, at=at))]
    replies = [reply for event in events if event.get("type") == "reply" and (reply := _reply(event, at=at))]
    by = Viewer.system(f"messaging.gateway_{gateway}")
    stored = actions.store_receipts(gateway=gateway, receipts=receipts, at=at, by=by) if receipts else 0
    stored += actions.store_replies(gateway=gateway, replies=replies, at=at, by=by) if replies else 0
    skipped = len(events) - len(receipts) - len(replies)
    return JsonResponse({"stored": stored, "known": len(events) - stored - skipped, "skipped": skipped})


def _events(body: bytes) -> list[dict[str, Any]] | None:
    try:
        events = json.loads(body)["events"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    whole = isinstance(events, list) and len(events) <= MOST_EVENTS and all(isinstance(e, dict) for e in events)
    return events if whole else None


def _receipt(event: dict[str, Any], *, at: datetime) -> ReceiptData | None:
    status, code = _text(event, "status", 9), _text(event, "code", 40)
    receipt_id, key = _text(event, "id", 120), _text(event, "key", 200)
    if status not in DeliveryReceipt.Status.values or not receipt_id or not key:
        return None
    known_code = code if code in REASONS else ("rejected" if status == "failed" else "")
    return ReceiptData(receipt_id=receipt_id, key=key, status=status, code=known_code, occurred_at=_when(event, at=at))


def _reply(event: dict[str, Any], *, at: datetime) -> ReplyData | None:
    message_id, address, text = _text(event, "id", 120), _text(event, "from", 160), _text(event, "text", 1000)
    if not message_id or not address:
        return None
    return ReplyData(message_id=message_id, address=address, text=text, occurred_at=_when(event, at=at))


def _text(event: dict[str, Any], name: str, longest: int) -> str:
    """Without NUL, which PostgreSQL cannot keep. An id that is too long is hashed, not cut: cut ids collide."""
    value = event.get(name)
    if not isinstance(value, str):
        return ""
    value = value.replace("\x00", "").encode("utf-8", "replace").decode()
    if len(value) > longest and name == "id":
        return hashlib.sha256(value.encode()).hexdigest()
    return value[:longest]


def _when(event: dict[str, Any], *, at: datetime) -> datetime:
    """The gateway's own time if it is believable, else when we heard."""
    value = event.get("at")
    if isinstance(value, int | float) and not isinstance(value, bool) and 1_600_000_000 < value <= at.timestamp() + 60:
        return datetime.fromtimestamp(value, UTC)
    return at


def _is_peer(request: PageRequest) -> bool:
    allowed = {peer.strip() for peer in settings.ENV.sms_gateway_peers.split(",") if peer.strip()}
    return not allowed or request.viewer.ip in allowed or request.META.get("REMOTE_ADDR") in allowed


def _answer(status: int, code: str) -> HttpResponse:
    return JsonResponse({"code": code}, status=status)
