"""What the site has decided about paper: its name, its envelope, its printer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from django.conf import settings
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Organization
from careloop.kernel.errors import Refused
from careloop.letters.rules.envelope import BadEnvelope, Envelope, parse_envelopes

CONTENT: Final = Path(__file__).resolve().parent.parent / "content"


class EnvelopeUnusable(Refused):
    """The envelope in the settings does not exist or its measures cannot be right."""

    code = "envelope-unusable"
    message = _("The envelope set for letters cannot be used. An administrator must check CARELOOP_LETTER_ENVELOPE.")


def language() -> str:
    """Of the paper a member of staff prints: their own."""
    return "en" if (get_language() or "").startswith("en") else "zh"


@dataclass(frozen=True, slots=True)
class Sender:
    """Who writes: the hospital's name, and the number to call where a department has none."""

    hospital: str
    phone: str

    def phone_of(self, department: Organization | None) -> str:
        """The department's own, the one set for messages, or the hospital's."""
        return (department.phone if department else "") or self.phone


def sender() -> Sender:
    """The name and number set for messages, else the root organization's. At most one statement."""
    name, phone = str(settings.ENV.hospital_name), str(settings.ENV.hospital_phone)
    if name and phone:
        return Sender(name, phone)
    root = Organization.objects.filter(kind="hospital", parent__isnull=True).order_by("id").first()
    return Sender(name or (root.name if root else ""), phone or (root.phone if root else ""))


def hospital_name() -> str:
    return sender().hospital


def phone_of(department: Organization | None) -> str:
    """The number to call about a patient of this department."""
    return sender().phone_of(department)


def department_name(department: Organization | None) -> str:
    """In the language of the paper."""
    return department.called(language()) if department else ""


def envelopes() -> dict[str, Envelope]:
    """The envelopes that come with the product."""
    return _parsed(str(CONTENT / "envelopes.json"))


def envelope() -> Envelope:
    """The envelope of this site. Refused: an unknown code, an unreadable file, impossible measures."""
    wanted = settings.ENV.letter_envelope
    if not wanted.endswith(".json"):
        if wanted not in envelopes():
            raise EnvelopeUnusable
        return envelopes()[wanted]
    try:
        found = list(_parsed(wanted).values())
    except (BadEnvelope, OSError, UnicodeDecodeError) as fault:
        raise EnvelopeUnusable(_("The envelope set for letters cannot be used: %(fault)s") % {"fault": fault}) from None
    return found[0]


def shift_mm() -> tuple[float, float]:
    """How far the printer prints off its place: right and down, at most 10 mm each."""
    try:
        right, down = (float(part) for part in settings.ENV.letter_shift_mm.split(","))
    except ValueError:
        return 0.0, 0.0
    return max(-10.0, min(10.0, right)), max(-10.0, min(10.0, down))


@lru_cache(maxsize=8)
def _parsed(path: str) -> dict[str, Envelope]:
    return parse_envelopes(Path(path).read_text(encoding="utf-8"))
