"""May this message go, and what will it say? Asked before a batch starts, and again when each message is written down."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Organization
from careloop.kernel.errors import Refused
from careloop.kernel.models import uuid7
from careloop.kernel.viewer import Viewer
from careloop.messaging.models import Communication, MessageTemplate
from careloop.messaging.reads import policy
from careloop.messaging.reads.consent import refused_scopes, refuses
from careloop.messaging.rules import wording
from careloop.messaging.rules.requests import MessageRequest, Value, written
from careloop.patients.models import AccessLink, ContactPoint, Patient

State = Communication.State
SYSTEM_OF = {"sms": "phone", "email": "email", "wechat": "wechat"}
NUMBER_IS_DEAD = ("empty-number", "wrong-person")


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


class Desk:
    """Everything that a batch of requests needs, fetched once.

    `links_to_come`: the links are made later, when it is known who gets a message at all.
    """

    def __init__(self, requests: Sequence[MessageRequest], *, by: Viewer, links_to_come: bool = False) -> None:
        self.by, self.links_to_come = by, links_to_come
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
        """The row for one request, with its state; nothing is saved."""
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
        if "link" in needed and made.link_id is None and not self.links_to_come:
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
