"""What the gateway must know of a message before it stores it: cheap, and never failing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from careloop.integration.hl7v2.answer import Code, Header, header_of
from careloop.integration.hl7v2.charsets import SITE_DEFAULT, decode
from careloop.integration.hl7v2.facts import Site
from careloop.integration.hl7v2.framing import MAX_MESSAGE_BYTES, fingerprint
from careloop.integration.hl7v2.mapping import order_keys
from careloop.integration.hl7v2.message import Message

CHARSET_GUESSED = "charset-guessed"
CHARSET_DIFFERS = "charset-differs"

_DECLARED = {
    "UNICODE UTF-8": "utf-8", "UTF-8": "utf-8", "UTF8": "utf-8", "UNICODE": "utf-8",
    "GB 18030-2000": "gb18030", "GB18030": "gb18030", "GBK": "gb18030", "GB2312": "gb18030",
    "8859/1": "latin-1", "BIG-5": "big5", "ASCII": "",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message is refused: something only its sender can mend."""

    code: Code
    reason: str
    """Our code of the reason, as the dead letter shows it."""
    words: str
    """MSA-3: what is wrong and how to mend it, for the engineer at the other end."""


@dataclass(frozen=True, slots=True)
class Intake:
    """A message as the gateway sees it."""

    raw: bytes
    message: Message
    header: Header
    facility: str
    charset: str
    flags: tuple[str, ...]
    sha256: bytes
    keys: tuple[str, ...]
    refusal: Refusal | None


def take_in(
    raw: bytes, *, site: Site, charset: str = SITE_DEFAULT, facilities: frozenset[str] = frozenset(),
    oversize: bool = False,
) -> Intake:  # fmt: skip
    """Decode and look at the header. `facilities` empty = any may send."""
    decoded = decode(raw, site_default=charset)
    message = Message(decoded.text)
    header = header_of(message)
    return Intake(
        raw=raw,
        message=message,
        header=header,
        facility=(header.sending_facility or site.facility) if message.has_header else "",
        charset=decoded.charset,
        flags=tuple(_flags(message, decoded.charset, guessed=decoded.guessed)),
        sha256=fingerprint(raw),
        keys=order_keys(message, site=site, header=header) if message.has_header else (),
        refusal=_refusal(message, header, facilities, oversize=oversize or len(raw) > MAX_MESSAGE_BYTES),
    )


def bare(raw: bytes) -> Intake:
    """A message our own program stumbled over: kept as bytes and accepted, because it is ours to deal with."""
    empty = Message("")
    return Intake(
        raw=raw,
        message=empty,
        header=header_of(empty),
        facility="",
        charset="",
        flags=(),
        sha256=fingerprint(raw),
        keys=(),
        refusal=Refusal(Code.ACCEPT, "unexpected", ""),
    )


def row_of_a_list(raw: bytes, *, sha256: bytes, facility: str, key: str, number: str) -> Intake:
    """A row of a spreadsheet on its way into the same inbox. It was examined before; `sha256` is of what it says, `number` names it."""
    empty = Message("")
    header = replace(header_of(empty), message_type="ROW", sending_facility=facility, control_id=number)
    return Intake(
        raw=raw, message=empty, header=header, facility=facility, charset="utf-8", flags=(), sha256=sha256, keys=(key,),
        refusal=None,
    )  # fmt: skip


def _flags(message: Message, charset: str, *, guessed: bool) -> list[str]:
    """MSH-18 is a hint; where it is wrong somebody should know, and nobody should suffer."""
    declared = _DECLARED.get(message.first("MSH").get(18, 1).strip().upper(), "")
    flags = [CHARSET_GUESSED] if guessed else []
    if declared and declared != charset and not message.text.isascii():
        flags.append(CHARSET_DIFFERS)
    return flags


def _refusal(message: Message, header: Header, facilities: frozenset[str], *, oversize: bool) -> Refusal | None:
    if oversize:
        limit = MAX_MESSAGE_BYTES // (1024 * 1024)
        return Refusal(Code.REJECT, "over-limit", f"message larger than {limit} MB: send large files by reference")
    if not message.has_header:
        return Refusal(Code.REJECT, "no-header", "no MSH segment: a message begins with MSH and a field separator")
    if not header.message_type:
        return Refusal(Code.ERROR, "no-message-type", "MSH-9 is empty: name the event, such as ADT^A03")
    if facilities and header.sending_facility not in facilities:
        return Refusal(Code.REJECT, "unknown-facility", "MSH-4 names a facility that may not send here")
    return None
