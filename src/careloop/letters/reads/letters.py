"""Letters as pages of a PDF and as rows of a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from careloop.kernel.prepared import prepared
from careloop.kernel.viewer import NOBODY, Viewer
from careloop.letters.models import ANSWERABLE, Letter, LetterTemplate
from careloop.letters.reads import pdf, site
from careloop.letters.rules import wording
from careloop.letters.rules.codes import Scan, shown
from careloop.letters.rules.envelope import Block, fit_address
from careloop.letters.rules.recipients import day_words, recipient_lines
from careloop.messaging.reads.texts import link_address
from careloop.patients.rules.links import token_digest

PAGE = 60
LANGUAGES = {"zh": "zh-hans", "en": "en"}


def approved_templates() -> list[tuple[UUID, str]]:
    """What may be sent now, with its title in the viewer's language."""
    rows = LetterTemplate.objects.filter(state=LetterTemplate.State.APPROVED).order_by("code")
    return [(row.pk, row.name(site.language())) for row in rows]


def may_wait_for_answers(patient_id: UUID) -> bool:
    """Whether a letter to this patient is on its way at all; most people who answer never got one."""
    return bool(_on_the_way(viewer=NOBODY, patient_id=patient_id))


@prepared
def _on_the_way(viewer: Viewer, patient_id: UUID) -> QuerySet[Letter, UUID]:
    mine = Letter.objects.unscoped("the patient's own answers").filter(patient_id=patient_id)
    return mine.filter(state__in=ANSWERABLE).order_by("pk").values_list("pk", flat=True)[:1]


def letters_of_batch(batch_id: UUID, *, viewer: Viewer) -> list[Letter]:
    """In the order in which they were made; the withdrawn ones are left out."""
    rows = Letter.objects.visible_to(viewer).sent_out().filter(batch_id=batch_id)
    return list(rows.select_related("template", "link").order_by("pk"))


def letter_data(letters: Sequence[Letter]) -> dict[str, Any]:
    """Everything `letter.typ` needs. All letters of one file share the envelope of the site."""
    envelope = site.envelope()
    area = envelope.address_area()
    seen = envelope.possibly_seen()
    return {
        "title": _("Letters"),
        "folds": list(envelope.folds),
        "hole": envelope.hole,
        "shift": list(site.shift_mm()),
        "area": {"left": area.left, "top": area.top, "width": area.width, "height": area.height},
        "text_starts": envelope.text_starts(),
        "qr_left": max((seen.right if seen else 110.0) + 6.0, 118.0),
        "letters": [_page(letter) for letter in letters],
    }


def _page(letter: Letter) -> dict[str, Any]:
    with translation.override(LANGUAGES[letter.language]):
        texts = letter.template.texts[letter.language]
        return _letter(
            subject=wording.render(texts["subject"], letter.params),
            body=wording.render(texts["body"], letter.params),
            values=letter.params,
            language=letter.language,
            block=Block(tuple(letter.recipient["lines"]), letter.recipient["size"]),
            code=letter.reply_code,
            link=link_address(letter.link.pk) if letter.link else "",
            has_slip=letter.template.has_slip,
            made_on=day_words(timezone.localdate(letter.made_at), letter.language),
        )


def sample_page(template: LetterTemplate, language: str, *, at: datetime) -> dict[str, Any]:
    """The letter with an invented patient, as it would look. Refuses nothing: a bad draft cannot be saved."""
    values = wording.sample_values(language)
    name, address = ("周国强", "浙江省云溪市西山区人民路 128 号 3 幢 2 单元 501 室")
    if language == "en":
        name, address = ("Zhou Guoqiang", "Flat 501, Unit 2, Building 3, 128 Renmin Road, Xishan District, Yunxi")
    lines = recipient_lines(name=name, sex="male", address=address, language=language)
    block = fit_address(lines, site.envelope().address_area()) or Block(tuple(lines), 9.0)
    with translation.override(LANGUAGES[language]):
        texts = template.texts[language]
        return _letter(
            subject=wording.render(texts["subject"], values),
            body=wording.render(texts["body"], values),
            values=values,
            language=language,
            block=block,
            code="7K3M9QX2TZ",
            link=f"{settings.ENV.public_url.rstrip('/')}/q/",
            has_slip=template.has_slip,
            made_on=day_words(timezone.localdate(at), language),
        )


def sample_data(template: LetterTemplate, language: str, *, at: datetime) -> dict[str, Any]:
    """A file with the sample letter alone."""
    return letter_data([]) | {"letters": [sample_page(template, language, at=at)]}


def _letter(
    *,
    subject: str,
    body: str,
    values: dict[str, str],
    language: str,
    block: Block,
    code: str,
    link: str,
    has_slip: bool,
    made_on: str,
) -> dict[str, Any]:
    """One letter as data. Its fixed words are in the patient's language; `translation.override` is the caller's."""
    check = _("the last four digits of your telephone number")
    if settings.ENV.link_check == "birth-year":
        check = _("your year of birth")
    return {
        "lang": language,
        "hospital": values.get("hospital", ""),
        "sender": " ".join(part for part in (_("Follow-up service"), values.get("phone", "")) if part),
        "address_lines": list(block.lines),
        "address_size": block.size,
        "code_line": shown(code),
        "code": shown(code),
        "qr": pdf.qr(link) if link else "",
        "qr_words": _("Scan to answer online. To open it, enter %(check)s.") % {"check": check},
        "subject": subject,
        "paragraphs": wording.paragraphs(body),
        "date": made_on,
        "slip": [_("I am well"), _("Please call me"), _("My number has changed"), _("No more letters")]
        if has_slip
        else [],
        "slip_words": _("Reply slip"),
        "slip_note": _("Please tick and send back, or bring it to the clinic"),
        "slip_line": _("New telephone number or message:"),
        "slip_qr": pdf.qr(code),
    }


# ---- finding and listing ------------------------------------------------------------------------------------------


def letter_of_scan(scan: Scan, *, viewer: Viewer) -> Letter | None:
    """The letter with this code, or the newest one whose QR picture holds this link; only what the viewer may see."""
    rows = Letter.objects.visible_to(viewer).select_related("patient", "template", "department")
    if scan.kind == "code":
        return rows.filter(reply_code=scan.value).first()
    return rows.filter(link__token_hash=token_digest(scan.value)).order_by("-made_at", "-pk").first()


@dataclass(frozen=True, slots=True)
class LetterRow:
    """One letter in a list."""

    letter: Letter
    title: str
    code: str


def letter_rows(
    viewer: Viewer, *, state: str = "", batch_id: UUID | None = None, patient_id: UUID | None = None,
    before: UUID | None = None,
) -> list[LetterRow]:  # fmt: skip
    """Letters, newest first, one page and one more."""
    rows = Letter.objects.visible_to(viewer).select_related("patient", "template", "made_by")
    if state:
        rows = rows.filter(state=state)
    if batch_id:
        rows = rows.filter(batch_id=batch_id)
    if patient_id:
        rows = rows.filter(patient_id=patient_id)
    if before:
        rows = rows.filter(pk__lt=before)
    language = site.language()
    return [
        LetterRow(row, row.template.name(language), shown(row.reply_code)) for row in rows.order_by("-pk")[: PAGE + 1]
    ]


def letter_ids_to_post(batch_id: UUID, *, viewer: Viewer) -> list[tuple[UUID, UUID]]:
    """(letter, patient) of a batch's letters that wait to be posted."""
    rows = Letter.objects.visible_to(viewer).filter(batch_id=batch_id, state=Letter.State.MADE)
    return list(rows.order_by("pk").values_list("pk", "patient_id"))
