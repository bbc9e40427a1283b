"""The acknowledgement, built without trusting the message: it may have no control id, no type, no charset."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from careloop.integration.hl7v2.charsets import encode
from careloop.integration.hl7v2.message import Delimiters, Message, unescape


class Code(StrEnum):
    """MSA-1."""

    ACCEPT = "AA"
    ERROR = "AE"
    REJECT = "AR"


@dataclass(frozen=True, slots=True)
class Header:
    """What MSH says, as text."""

    sending_application: str
    sending_facility: str
    control_id: str
    message_type: str  # ADT
    trigger: str  # A03
    version: str

    @property
    def event(self) -> str:
        return f"{self.message_type}^{self.trigger}" if self.trigger else self.message_type

    @property
    def sender(self) -> str:
        """Application and facility: who to call when something is wrong."""
        return "/".join(part for part in (self.sending_application, self.sending_facility) if part)


def header_of(message: Message) -> Header:
    """Every part may be `""`."""
    msh = message.first("MSH")
    return Header(
        sending_application=msh.field(3).get(1),
        sending_facility=msh.field(4).get(1),
        control_id=msh.get(10),
        message_type=msh.get(9, 1).strip().upper(),
        trigger=msh.get(9, 2).strip().upper() or _trigger_of(message),
        version=msh.get(12, 1),
    )


def acknowledge(message: Message, *, code: Code, text: str, at: datetime, control_id: str, charset: str) -> bytes:
    """An ACK in the delimiters, version and charset of the request; fields go back exactly as they came."""
    marks = message.delimiters
    msh = message.first("MSH")
    trigger = header_of(message).trigger
    version = msh.raw_field(12) or "2.4"
    header = (
        "MSH", f"{marks.component}{marks.repetition}{marks.escape}{marks.subcomponent}",
        msh.raw_field(5), msh.raw_field(6), msh.raw_field(3), msh.raw_field(4),
        at.strftime("%Y%m%d%H%M%S%z"), "", marks.component.join(part for part in ("ACK", trigger) if part),
        control_id, msh.raw_field(11) or "P", version, "", "", "", "", "", msh.raw_field(18),
    )  # fmt: skip
    answer = ("MSA", code.value, msh.raw_field(10), escape(text, marks))
    lines = (marks.field.join(header).rstrip(marks.field), marks.field.join(answer).rstrip(marks.field))
    return encode("".join(f"{line}\r" for line in lines), charset)


def read_answer(answer: bytes) -> tuple[str, str, str]:
    """MSA-1, MSA-2 and MSA-3 of an ACK we were sent (the sending side of tests, simulator and outbox)."""
    message = Message(answer.decode("utf-8", errors="replace"))
    msa = message.first("MSA")
    return msa.get(1), msa.get(2), unescape(msa.raw_field(3), message.delimiters)


def escape(text: str, marks: Delimiters) -> str:
    """Our own words into a field: the separators of the request must not break it."""
    table = {
        marks.escape: "E", marks.field: "F", marks.component: "S", marks.subcomponent: "T", marks.repetition: "R",
    }  # fmt: skip
    return "".join(f"{marks.escape}{table[c]}{marks.escape}" if c in table else c for c in text).replace("\n", " ")


def _trigger_of(message: Message) -> str:
    """Old feeds leave MSH-9.2 empty and put the event into EVN-1 or MSH-9.3 (`ADT^^ADT_A01`)."""
    structure = message.first("MSH").get(9, 3)
    return message.first("EVN").get(1, 1).strip().upper() or structure.partition("_")[2].strip().upper()
