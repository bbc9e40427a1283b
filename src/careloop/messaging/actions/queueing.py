"""Writing a message down, in the transaction of its cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Organization
from careloop.audit.record import record_all
from careloop.kernel.actions import action, wrote
from careloop.kernel.errors import Refused
from careloop.kernel.events import Event
from careloop.kernel.models import uuid7
from careloop.kernel.viewer import Viewer
from careloop.messaging.events import CommunicationQueued, CommunicationSuppressed
from careloop.messaging.models import Communication, MessageTemplate
from careloop.messaging.reads import policy
from careloop.messaging.reads.consent import refused_scopes, refuses
from careloop.messaging.rules import wording
from careloop.messaging.rules.requests import MessageRequest, Value, written
from careloop.messaging.rules.timing import code_refusal
from careloop.patients.models import AccessLink, ContactPoint, Patient

State = Communication.State
SYSTEM_OF = {"sms": "phone", "email": "email", "wechat": "wechat"}
NUMBER_IS_DEAD = ("empty-number", "wrong-person")
_CODES_LOCK = 7_301_001  # one-time codes are counted one after the other


class TemplateMissing(Refused):
    """There is no such message template."""

    code = "template-missing"
    message = _("There is no such message template.")


class ParameterMissing(Refused):
    """The message would have a hole in it."""

    code = "parameter-missing"
    message = _("A value for the message is missing.")


class ParameterUnknown(Refused):
    """A value that no template may use was given."""

    code = "parameter-unknown"
    message = _("This value may not be used in a message.")


class LinkMissing(Refused):
    """The template needs a link of this patient."""

    code = "link-missing"
    message = _("The message needs a link of this patient.")


class CodeRefused(Refused):
    """Too many one-time codes. `reason` is too-soon, too-many-today or budget-spent."""

    code = "code-refused"
    message = _("A code was sent a moment ago. Wait a minute and try again.")
    status = 429

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


@action
def queue_message(
    *,
    key: str,
    patient_id: UUID,
    channel: str,
    template_code: str,
    params: Mapping[str, Value],
    task_id: UUID | None = None,
    contact_point_id: UUID | None = None,
    link_id: UUID | None = None,
    not_before: datetime | None = None,
    expires_at: datetime | None = None,
    at: datetime,
    by: Viewer,
) -> Communication:
    """Write one message down. The same key again gives the same message back and sends nothing more.

    What may not be sent (no number, no consent, dead …) is written down too, as suppressed with its reason.
    Refused: an unknown template or value, a missing value or link, too many one-time codes.
    """
    request = MessageRequest(
        key=key,
        patient_id=patient_id,
        channel=channel,
        template_code=template_code,
        params=params,
        task_id=task_id,
        contact_point_id=contact_point_id,
        link_id=link_id,
        not_before=not_before,
        expires_at=expires_at,
    )
    return queue_messages(requests=[request], at=at, by=by)[0]


@action
def queue_messages(*, requests: Sequence[MessageRequest], at: datetime, by: Viewer) -> list[Communication]:
    """Write many messages down with a fixed number of queries; the answer is in the order of the requests."""
    keys = [request.key for request in requests]
    known = _by_key(keys)
    fresh = list({r.key: r for r in requests if r.key not in known}.values())
    if fresh:
        desk = _Desk(fresh, by=by)
        made = [desk.written_down(request, at=at) for request in fresh]
        _refuse_too_many_codes(made, at=at)
        Communication.objects.bulk_create(made, ignore_conflicts=True)
        stored = _by_key([m.key for m in made])
        lost = [m for m in made if stored[m.key].pk != m.pk]  # another process was a moment faster
        wrote("messaging_communication", -len(lost))
        record_all([_fact(m) for m in made if stored[m.key].pk == m.pk], by=by)
        known |= stored
    return [known[key] for key in keys]


@action
def suppress_open(*, task_ids: Sequence[UUID], reason: str, at: datetime, by: Viewer) -> int:
    """Hold back what is not yet in a sender's hands, because its tasks are gone. Says how many."""
    waiting = Communication.objects.visible_to(by).filter(
        task_id__in=list(task_ids), state__in=[State.QUEUED, State.PREPARATION], maybe_sent=False
    )
    found = list(waiting.select_for_update(skip_locked=True, of=("self",)).order_by("pk"))
    changed = (
        Communication.objects.visible_to(by)
        .filter(pk__in=[c.pk for c in found])
        .update(state=State.SUPPRESSED, reason=reason, ended_at=at, updated_at=at)
    )
    for communication in found:
        communication.state, communication.reason = State.SUPPRESSED, reason
    record_all([_fact(c) for c in found], by=by)
    return changed


@action
def hold_back(*, keys: Sequence[str], reason: str, at: datetime, by: Viewer) -> int:
    """Hold back these messages as far as no sender has them yet: whoever asked for them took it back. Says how many."""
    waiting = Communication.objects.unscoped("the keys are the asker's own").filter(
        key__in=keys, state__in=[State.QUEUED, State.PREPARATION], maybe_sent=False
    )
    found = list(waiting.select_for_update(skip_locked=True, of=("self",)).order_by("pk"))
    held = Communication.objects.unscoped("the rows just locked").filter(pk__in=[c.pk for c in found])
    held.update(state=State.SUPPRESSED, reason=reason, ended_at=at, updated_at=at)
    for communication in found:
        communication.state, communication.reason = State.SUPPRESSED, reason
    record_all([_fact(c) for c in found], by=by)
    return len(found)


def _by_key(keys: Sequence[str]) -> dict[str, Communication]:
    found = Communication.objects.unscoped("the key is the asker's own").filter(key__in=keys)
    return {communication.key: communication for communication in found}


def _fact(c: Communication) -> Event:
    if c.state == State.SUPPRESSED:
        return CommunicationSuppressed(
            patient_id=c.patient_id, communication_id=c.pk, task_id=c.task_id, channel=c.channel, reason=c.reason
        )
    return CommunicationQueued(
        patient_id=c.patient_id, communication_id=c.pk, task_id=c.task_id, channel=c.channel, template=c.template_code
    )


def _refuse_too_many_codes(made: Sequence[Communication], *, at: datetime) -> None:
    codes = [m for m in made if m.category == MessageTemplate.Category.ONE_TIME_CODE and m.state == State.QUEUED]
    if not codes:
        return
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", [_CODES_LOCK])
    last_day = Communication.objects.unscoped("limits count the whole hospital").filter(
        category=MessageTemplate.Category.ONE_TIME_CODE, requested_at__gt=at - timedelta(days=1)
    )
    last_hour = last_day.filter(requested_at__gt=at - timedelta(hours=1)).count()
    for code in codes:
        to_this = list(last_day.filter(address=code.address).values_list("requested_at", flat=True))
        reason = code_refusal(to_this, last_hour, policy.code_limits(), at=at)
        if reason:
            raise CodeRefused(reason)


class _Desk:
    """Everything that a batch of requests needs, fetched once."""

    def __init__(self, requests: Sequence[MessageRequest], *, by: Viewer) -> None:
        self.by = by
        patient_ids = {request.patient_id for request in requests}
        self.patients = {p.pk: p for p in Patient.objects.visible_to(by).filter(pk__in=patient_ids)}
        self.refused = refused_scopes(patient_ids)
        self.templates = _approved_templates({(r.template_code, r.channel) for r in requests})
        self.known_codes = set(
            MessageTemplate.objects.filter(code__in={r.template_code for r in requests}).values_list("code", "channel")
        )
        self.contacts = _contacts(patient_ids)
        self.hospital = _hospital_name()
        link_ids = {request.link_id for request in requests if request.link_id}
        links = AccessLink.objects.unscoped("checked against the patient below").filter(pk__in=link_ids)
        self.links = {link.pk: link.patient_id for link in links}

    def written_down(self, request: MessageRequest, *, at: datetime) -> Communication:
        """The row for one request, with its state."""
        patient = self.patients.get(request.patient_id)
        if patient is None:
            raise Patient.DoesNotExist
        if request.link_id and self.links.get(request.link_id) != patient.pk:
            raise LinkMissing
        template = self._template(request)
        category = template.category if template else MessageTemplate.Category.CARE
        contact = self._contact(request)
        language = _language(patient, template)
        made = Communication(
            id=uuid7(),
            patient=patient,
            key=request.key,
            channel=request.channel,
            template=template,
            template_code=request.template_code,
            category=category,
            urgent=bool(template and template.urgent),
            language=language,
            params=_params(request, patient, language, self.hospital),
            contact_point=contact,
            address=contact.value if contact else "",
            link_id=request.link_id,
            task_id=request.task_id,
            requested_at=at,
            not_before=max(request.not_before or at, at),
            expires_at=request.expires_at,
            requested_by=self.by.actor,
            owner_id=self.by.practitioner_id,
        )
        made.reason = self._stopped_by(made, patient, contact)
        if made.reason:
            made.state, made.ended_at = State.SUPPRESSED, at
        elif template is None:
            made.state, made.reason = State.PREPARATION, "template-not-approved"
        else:
            made.state = State.QUEUED
            self._check_words(made, template, at=at)
        return made

    def _template(self, request: MessageRequest) -> MessageTemplate | None:
        if (request.template_code, request.channel) not in self.known_codes and request.channel != "wechat":
            raise TemplateMissing
        return self.templates.get((request.template_code, request.channel))

    def _contact(self, request: MessageRequest) -> ContactPoint | None:
        system = SYSTEM_OF.get(request.channel)
        for contact in self.contacts.get(request.patient_id, ()):
            wanted = request.contact_point_id in (None, contact.pk)
            if wanted and contact.system == system and (contact.is_mobile or system != "phone"):
                return contact
        return None

    def _stopped_by(self, made: Communication, patient: Patient, contact: ContactPoint | None) -> str:
        asked_for = made.category in (MessageTemplate.Category.ONE_TIME_CODE, MessageTemplate.Category.NOTICE)
        refused = refuses(self.refused.get(patient.pk, frozenset()), made.channel)
        for reason, holds in (
            ("patient-dead", patient.deceased),
            ("do-not-contact", patient.do_not_contact and not asked_for),
            ("no-consent", refused and not asked_for),
            ("channel-unavailable", not policy.is_available(made.channel)),
            ("no-contact", made.channel != "portal" and contact is None),
        ):
            if holds:
                return reason
        return ""

    def _check_words(self, made: Communication, template: MessageTemplate, *, at: datetime) -> None:
        text = template.texts[made.language]
        needed = wording.placeholders(text)
        if "link" in needed and made.link_id is None:
            raise LinkMissing
        missing = needed - wording.SECRETS - set(made.params)
        if missing:
            raise ParameterMissing(
                _("A value for the message is missing: %(names)s") % {"names": ", ".join(sorted(missing))}
            )
        shown = wording.render(text, {**made.params, "link": "", "code": ""})
        if made.channel != "portal" and wording.forbidden_words(shown, policy.banned_words()):
            made.state, made.reason, made.ended_at = State.SUPPRESSED, "forbidden-word", at


def _approved_templates(wanted: set[tuple[str, str]]) -> dict[tuple[str, str], MessageTemplate]:
    found = MessageTemplate.objects.filter(
        code__in={code for code, _channel in wanted}, state=MessageTemplate.State.APPROVED
    )
    return {(template.code, template.channel): template for template in found}


def _contacts(patient_ids: set[UUID]) -> dict[UUID, list[ContactPoint]]:
    """Usable ones per patient, best first: verified, then last reached, then rank. A relative's only if allowed."""
    usable = (
        ContactPoint.objects.unscoped("of the patients asked for")
        .filter(patient_id__in=patient_ids, active=True, is_valid=True)
        .exclude(last_result__in=NUMBER_IS_DEAD)
        .exclude(related_person__may_receive=False)
        .order_by("patient_id", F("verified_at").desc(nulls_last=True), "related_person_id", "rank", "pk")
    )
    by_patient: dict[UUID, list[ContactPoint]] = {}
    for contact in usable:
        by_patient.setdefault(contact.patient_id, []).append(contact)
    for some in by_patient.values():
        some.sort(
            key=lambda c: (c.related_person_id is not None, c.verified_at is None, c.last_result != "reached", c.rank)
        )
    return by_patient


def _language(patient: Patient, template: MessageTemplate | None) -> str:
    wants_english = patient.language.lower().startswith("en")
    return "en" if wants_english and template is not None and "en" in template.texts else "zh"


def _hospital_name() -> str:
    """The name set for messages, else the root organization's."""
    if settings.ENV.hospital_name:
        return str(settings.ENV.hospital_name)
    root = Organization.objects.filter(kind="hospital", parent__isnull=True).order_by("id").first()
    return root.name if root else str(_("Hospital"))


def _params(request: MessageRequest, patient: Patient, language: str, hospital: str) -> dict[str, Any]:
    unknown = set(request.params) - set(wording.PLACEHOLDERS) | set(request.params) & wording.SECRETS
    if unknown:
        raise ParameterUnknown
    standard: dict[str, Value] = {
        "hospital": hospital,
        "salutation": wording.salutation(patient.name, patient.sex, language),
        "phone": settings.ENV.hospital_phone,
        "minutes": "3",
    }
    return {name: _clean(name, value, language) for name, value in {**standard, **request.params}.items()}


def _clean(name: str, value: Value, language: str) -> str:
    local = value.astimezone().date() if isinstance(value, datetime) else value
    text = written(local if isinstance(local, date) else value, language)
    return wording.clean(text, longest=wording.PLACEHOLDERS[name].longest)
