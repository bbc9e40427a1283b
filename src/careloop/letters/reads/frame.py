"""What every sheet has: hospital, heading, foot, and the lines about the person at its top."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from careloop.accounts.models import Organization
from careloop.kernel.display import day_full
from careloop.kernel.viewer import Viewer
from careloop.letters.reads import site
from careloop.patients.models import Condition, Encounter, Patient
from careloop.questionnaires.reads import patient_number

Block = dict[str, Any]
SHARES = [1.15, 1, 1.15, 1.35]  # of the four values in the table at the top


def sheet(
    *, heading: str, blocks: Sequence[Block], viewer: Viewer, at: datetime, number: str = "", note: str = "",
    flipped: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Data of `sheet.typ`. The title of the file is the kind of paper, never a person."""
    return {
        "title": heading,
        "lang": site.language(),
        "hospital": site.hospital_name(),
        "heading": heading,
        "note": note,
        "blocks": list(blocks),
        "footer": footer(viewer, at, number=number),
        "page_words": page_words(),
        "flipped": flipped,
    }


def footer(viewer: Viewer, at: datetime, *, number: str = "") -> str:
    """Record number, who printed it, when."""
    printed = _("Printed %(when)s by %(who)s") % {
        "when": f"{timezone.localtime(at):%Y-%m-%d %H:%M}", "who": viewer.name or "CareLoop",
    }  # fmt: skip
    return " · ".join(part for part in (_("Record %(number)s") % {"number": number} if number else "", printed) if part)


def page_words() -> list[str]:
    """The words before, between and after the two page numbers."""
    mark = "\x00"
    return (_("Page %(page)s of %(pages)s") % {"page": mark, "pages": mark}).split(mark)


def heading(text: str) -> Block:
    return {"kind": "heading", "text": text}


def pairs(rows: Sequence[tuple[str, Any]]) -> Block:
    """Label and value, one row each; empty values are left out."""
    return {"kind": "pairs", "rows": [[label, value] for label, value in rows if value not in ("", None)]}


def age_words(patient: Patient, *, on: date) -> str:
    """67 岁 / 67 years; a dash when the birth date is not known."""
    born = patient.birth_date
    if born is None:
        return "–"
    years = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    return ngettext("%(n)d year", "%(n)d years", years) % {"n": years} if years >= 0 else "–"


def person_block(
    patient: Patient,
    stay: Encounter | None,
    *,
    department: Organization | None,
    point: str,
    viewer: Viewer,
    at: datetime,
) -> Block:
    """The table at the top of the picture: person, stay, diagnosis. `point` is which follow-up it is."""
    number = (stay.admission_number if stay else "") or patient_number(patient.pk)
    where = department or (stay.department if stay else None)
    rows = [
        [
            _cell(_("Name"), patient.name), _cell(_("Sex"), str(patient.get_sex_display())),
            _cell(_("Age"), age_words(patient, on=timezone.localdate(at))), _cell(_("Record no."), number or "–"),
        ],
        [
            _cell(_("Department"), site.department_name(where) or "–"),
            _cell(_("Attending"), stay.attending.name if stay and stay.attending else "–"),
            _cell(_("Discharge day"), day_full(stay.discharged_at) if stay and stay.discharged_at else "–"),
            _cell(_("Contact point"), point or "–"),
        ],
        [_cell(_("Diagnosis"), diagnosis_text(patient, stay, viewer=viewer) or "–", span=7)],
    ]  # fmt: skip
    return {"kind": "facts", "columns": 8, "shares": SHARES, "rows": rows}


def diagnosis_text(patient: Patient, stay: Encounter | None, *, viewer: Viewer) -> str:
    """The final diagnoses of the stay, the main one first; at most four."""
    rows = Condition.objects.visible_to(viewer).filter(patient=patient, active=True)
    if stay is not None:
        rows = rows.filter(encounter=stay)
    found = list(rows.order_by("rank", "pk").values_list("text", "use")[:20])
    final = [text for text, use in found if use == "final"] or [text for text, _use in found]
    return ("；" if site.language() == "zh" else "; ").join(dict.fromkeys(text for text in final if text))[:300]


def _cell(label: str, value: str, *, span: int = 1) -> dict[str, Any]:
    return {"label": label, "value": value, "span": span}
