"""A message to many: who can be sent it, where each one's link leads, and when the first may leave. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q

from careloop.cohorts.rules.bulk import FREE_PARAMS, UNSENT_FOR, target_of
from careloop.kernel.viewer import Viewer
from careloop.messaging.models import Communication, MessageTemplate
from careloop.messaging.reads import policy
from careloop.messaging.reads.desk import Desk, ParameterMissing
from careloop.messaging.rules.requests import MessageRequest, Value
from careloop.messaging.rules.timing import next_allowed, start_of_day, start_of_next_day
from careloop.messaging.rules.wording import placeholders
from careloop.patients.models import Encounter, Patient
from careloop.plans.models import LadderRun
from careloop.tasks.models import Task

WITHIN = "of patients the viewer may see"
PORTION = 500
# What holds a message back, in the words of a group. Whatever is not here is told with its own code.
_REASONS = {"patient-dead": "died", "do-not-contact": "refused", "no-contact": "no-number"}
_ON_ITS_WAY = ("queued", "sending", "sent", "delivered", "unknown")


@dataclass(frozen=True, slots=True)
class Recipient:
    """One patient who can be sent the message: what it says of them and what its link opens."""

    patient_id: UUID
    params: Mapping[str, Value]
    purpose: str  # of the link; empty: the text has none
    task_id: UUID | None


@dataclass(frozen=True, slots=True)
class Sending:
    """Each patient once: a recipient, or out with one reason."""

    recipients: tuple[Recipient, ...]
    left_out: Mapping[UUID, str]


def templates() -> list[MessageTemplate]:
    """Texts that can go to many: approved, and saying nothing that is different for each task."""
    approved = MessageTemplate.objects.filter(state=MessageTemplate.State.APPROVED).order_by("code", "channel")
    return [one for one in approved if _is_general(one)]


OF_A_PLAN = frozenset({"care-reminder", "education-link"})  # lead to words that only a plan's own step has


def _is_general(template: MessageTemplate) -> bool:
    if template.code in OF_A_PLAN:
        return False
    return _used(template) <= FREE_PARAMS and template.category != MessageTemplate.Category.ONE_TIME_CODE


def _used(template: MessageTemplate) -> set[str]:
    return {name for text in template.texts.values() for name in placeholders(text)}


def template_of(given: str) -> MessageTemplate | None:
    """The text with this id, while it may go to many."""
    return next((one for one in templates() if str(one.pk) == given), None)


def first_leaves_at(template: MessageTemplate, *, at: datetime) -> datetime:
    """After the minutes in which it can be taken back, and not in quiet hours."""
    return next_allowed(at + UNSENT_FOR, policy.policy(template.channel).quiet)


def sending(patient_ids: Sequence[UUID], template: MessageTemplate, *, viewer: Viewer, at: datetime) -> Sending:
    """Sort these patients; a fixed number of statements for every few hundred."""
    recipients: list[Recipient] = []
    left_out: dict[UUID, str] = {}
    ids = list(dict.fromkeys(patient_ids))
    for start in range(0, len(ids), PORTION):
        _portion(ids[start : start + PORTION], template, recipients, left_out, viewer, at)
    return Sending(tuple(recipients), left_out)


def _portion(
    ids: Sequence[UUID],
    template: MessageTemplate,
    recipients: list[Recipient],
    left_out: dict[UUID, str],
    viewer: Viewer,
    at: datetime,
) -> None:
    seen = set(Patient.objects.visible_to(viewer).filter(pk__in=ids, active=True).values_list("pk", flat=True))
    left_out |= {pk: "not-visible" for pk in ids if pk not in seen}
    visible = [pk for pk in ids if pk in seen]
    said, forms = _said(visible), _open_forms(visible, viewer)
    told_today = _told_today(visible, template, at)
    has_link, target = "link" in _used(template), target_of(template.code)
    desk = Desk([_request(pk, template, said.get(pk, {})) for pk in visible], by=viewer, links_to_come=True)
    for pk in visible:
        task_id = forms.get(pk) if has_link and target in ("questionnaire", "any") else None
        why = _held_back(desk, _request(pk, template, said.get(pk, {})), at)
        if not why and has_link and target == "questionnaire" and task_id is None:
            why = "no-form"
        if not why and pk in told_today:
            why = "told-today"
        if why:
            left_out[pk] = why
            continue
        purpose = "" if not has_link else "questionnaire" if task_id else "home" if target == "any" else target
        recipients.append(Recipient(pk, said.get(pk, {}), purpose, task_id))


def _request(patient_id: UUID, template: MessageTemplate, params: Mapping[str, Value]) -> MessageRequest:
    return MessageRequest(
        key=str(patient_id), patient_id=patient_id, channel=template.channel, template_code=template.code, params=params
    )


def _held_back(desk: Desk, request: MessageRequest, at: datetime) -> str:
    """Why this one would not go; the only value a general text can lack is the day of a discharge."""
    try:
        would_be = desk.written_down(request, at=at)
    except ParameterMissing:
        return "no-stay"
    return _REASONS.get(would_be.reason, would_be.reason) if would_be.state != Communication.State.QUEUED else ""


def _said(ids: Collection[UUID]) -> dict[UUID, dict[str, Value]]:
    """What a general text may say of each: the last discharge. Messaging adds the greeting and the hospital."""
    stays = Encounter.objects.unscoped(WITHIN).filter(
        patient_id__in=ids, status=Encounter.Status.FINISHED, discharged_at__isnull=False
    )
    last = stays.order_by("patient_id", "-discharged_at", "-pk").distinct("patient_id")
    return {pk: {"discharge_date": left} for pk, left in last.values_list("patient_id", "discharged_at") if left}


def _open_forms(ids: Collection[UUID], viewer: Viewer) -> dict[UUID, UUID]:
    """The open follow-up with a form that is due first, of each patient."""
    tasks = Task.objects.visible_to(viewer).open().filter(patient_id__in=ids).exclude(questionnaire_url="")
    first = tasks.order_by("patient_id", "due_at", "pk").distinct("patient_id")
    return dict(first.values_list("patient_id", "pk"))


def _told_today(ids: Collection[UUID], template: MessageTemplate, at: datetime) -> set[UUID]:
    """Who gets a message today anyway, or will by a plan: nobody is disturbed twice a day (pain 16)."""
    if template.channel == "portal":  # the inbox of the patient pages disturbs nobody
        return set()
    begin, end = start_of_day(at), start_of_next_day(at)
    others = Communication.objects.unscoped(WITHIN).filter(
        Q(claimed_at__gte=begin) | Q(state="queued", not_before__lt=end),
        patient_id__in=ids, requested_at__gt=at - timedelta(days=30), state__in=_ON_ITS_WAY, category__in=("care", "survey"),
        urgent=False,
    ).exclude(channel__in=("portal", "letter"))  # fmt: skip
    coming = LadderRun.objects.unscoped(WITHIN).filter(patient_id__in=ids, next_move_at__lt=end, tried=[])
    return set(others.values_list("patient_id", flat=True)) | set(coming.values_list("patient_id", flat=True))


def is_quiet(template: MessageTemplate, *, at: datetime) -> bool:
    """Whether the first message waits for the end of the quiet hours."""
    return first_leaves_at(template, at=at) > at + UNSENT_FOR
