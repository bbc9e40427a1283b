"""The registry of letters: draft → submitted → approved or rejected → retired. Four eyes; approved versions never change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record, record_all
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.letters.events import LetterTemplateChanged
from careloop.letters.models import LetterTemplate
from careloop.letters.reads.checking import check_texts
from careloop.letters.reads.site import CONTENT

State = LetterTemplate.State


class TemplateStateRefused(Refused):
    """The template is not in the state that this step needs."""

    code = "letter-template-state"
    message = _("Somebody already decided about this letter template. Load the page again.")


class OwnTemplate(Refused):
    """Nobody approves what they wrote themselves."""

    code = "letter-template-own"
    message = _("You wrote this letter yourself. Somebody else has to approve it.")


@action
def draft_template(
    *,
    code: str,
    title: Mapping[str, str],
    texts: Mapping[str, Mapping[str, str]],
    has_slip: bool,
    by: Viewer,
) -> LetterTemplate:
    """A new version as a draft. The same words as the newest version give that version back.

    Refused with the place: unknown names, single braces, invisible characters, a telling subject, too long a text.
    """
    clean = {
        language: {part: _tidy(words.get(part, "")) for part in ("subject", "body")}
        for language, words in texts.items()
        if language == "zh" or any(value.strip() for value in words.values())
    }
    check_texts(clean)
    fingerprint = _fingerprint(clean, has_slip)
    newest = LetterTemplate.objects.select_for_update().filter(code=code).order_by("-version").first()
    if newest and newest.content_hash == fingerprint and newest.state not in (State.RETIRED, State.REJECTED):
        return newest
    made = LetterTemplate.objects.create(
        code=code, version=newest.version + 1 if newest else 1, title=dict(title), texts=clean, has_slip=has_slip,
        content_hash=fingerprint, author_id=by.practitioner_id,
    )  # fmt: skip
    _changed(made, by)
    return made


@action
def submit_template(*, template: LetterTemplate, at: datetime, by: Viewer) -> LetterTemplate:
    """Hand it to whoever approves."""
    return _move(template, (State.DRAFT,), State.SUBMITTED, by, submitted_at=at)


@action
def approve_template(*, template: LetterTemplate, at: datetime, by: Viewer) -> LetterTemplate:
    """Used from now on; the version before it is retired. Refused: the author's own approval."""
    locked = _locked(template, (State.SUBMITTED,))
    if locked.author_id is not None and locked.author_id == by.practitioner_id:
        raise OwnTemplate
    LetterTemplate.objects.filter(code=locked.code, state=State.APPROVED).update(state=State.RETIRED, updated_at=at)
    return _move(
        template, (State.SUBMITTED,), State.APPROVED, by,
        decided_at=at, approver_id=by.practitioner_id, rejected_reason="",
    )  # fmt: skip


@action
def reject_template(*, template: LetterTemplate, reason: str, at: datetime, by: Viewer) -> LetterTemplate:
    """Not used, for a reason that is kept. Refused: one's own (withdraw it by retiring)."""
    locked = _locked(template, (State.SUBMITTED,))
    if locked.author_id is not None and locked.author_id == by.practitioner_id:
        raise OwnTemplate
    return _move(
        template, (State.SUBMITTED,), State.REJECTED, by,
        decided_at=at, approver_id=by.practitioner_id, rejected_reason=reason[:200],
    )  # fmt: skip


@action
def retire_template(*, template: LetterTemplate, at: datetime, by: Viewer) -> LetterTemplate:
    """Not used any more. Letters made from it stay as they are."""
    before = (State.DRAFT, State.SUBMITTED, State.APPROVED, State.REJECTED)
    return _move(template, before, State.RETIRED, by, decided_at=template.decided_at or at)


@action
def load_letter_templates(*, at: datetime, by: Viewer) -> int:
    """Bring the shipped letters up to date; says how many versions are new. What a hospital wrote itself is kept."""
    newest = {row.code: row for row in LetterTemplate.objects.order_by("version")}
    made = []
    for shipped in json.loads((CONTENT / "templates.json").read_text(encoding="utf-8"))["templates"]:
        check_texts(shipped["texts"])
        known, fingerprint = newest.get(shipped["code"]), _fingerprint(shipped["texts"], shipped["has_slip"])
        if known is not None and (known.origin == "hospital" or known.content_hash == fingerprint):
            continue
        LetterTemplate.objects.filter(code=shipped["code"], state=State.APPROVED).update(
            state=State.RETIRED, updated_at=at
        )
        made.append(
            LetterTemplate(
                code=shipped["code"],
                version=known.version + 1 if known else 1,
                title=shipped["title"],
                texts=shipped["texts"],
                has_slip=shipped["has_slip"],
                state=State.APPROVED,
                submitted_at=at,
                decided_at=at,
                content_hash=fingerprint,
                origin="shipped",
            )  # fmt: skip
        )
    LetterTemplate.objects.bulk_create(made)
    record_all([_fact(template) for template in made], by=by)
    return len(made)


def _tidy(text: str) -> str:
    """Line ends as one character, no spaces at the end of lines."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(line.rstrip() for line in lines).strip()


def _fingerprint(texts: Mapping[str, Mapping[str, str]], has_slip: bool) -> str:
    content = json.dumps([texts, has_slip], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


def _locked(template: LetterTemplate, before: tuple[str, ...]) -> LetterTemplate:
    found = LetterTemplate.objects.select_for_update().filter(pk=template.pk, state__in=before).first()
    if found is None:
        raise TemplateStateRefused
    return found


def _move(template: LetterTemplate, before: tuple[str, ...], after: str, by: Viewer, **values: Any) -> LetterTemplate:
    if not LetterTemplate.objects.filter(pk=template.pk, state__in=before).update(state=after, **values):
        raise TemplateStateRefused
    template.refresh_from_db()
    _changed(template, by)
    return template


def _changed(template: LetterTemplate, by: Viewer) -> None:
    record(_fact(template), by=by)


def _fact(template: LetterTemplate) -> LetterTemplateChanged:
    return LetterTemplateChanged(code=template.code, version=template.version, state=template.state)
