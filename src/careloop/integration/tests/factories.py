"""Messages of an invented hospital, and the shortest way to put one into the inbox."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from careloop.integration.actions import Incoming, Receipt, receive_messages
from careloop.integration.hl7v2.facts import Site
from careloop.integration.hl7v2.intake import take_in
from tests.cast import SYSTEM

AT = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)


def adt(
    trigger: str, *, number: str = "9001", visit: str = "V9001", name: str = "周国强", control: str = "",
    unit: str = "CARD", service: str = "CARD", admitted: str = "20261112090000", discharged: str = "",
    disposition: str = "1", dx: str = "", occurred: str = "20261120100500", card: str = "",
    merges: Sequence[tuple[str, str]] = (),
) -> str:  # fmt: skip
    """An ADT message. `merges` are (survivor, gone) pairs of an A40."""
    ends = discharged or ("20261120100000" if trigger == "A03" else "")
    head = f"MSH|^~\\&|HIS|YX|CARELOOP|YX|{occurred}||ADT^{trigger}|{control or trigger + number}|P|2.4\rEVN|{trigger}|{occurred}\r"
    if merges:
        pairs = (f"PID|1||{survivor}^^^YX^MR||{name}\rMRG|{gone}^^^YX^MR\r" for survivor, gone in merges)
        return head + "".join(pairs)
    ids = f"{number}^^^YX^MR" + (f"~{card}^^^CN^NI" if card else "")
    pid = f"PID|1||{ids}||{name}||19590308|M|||云溪市和平路 1 号||13800000001\r"
    pv1 = [""] * 46
    pv1[1], pv1[2], pv1[3], pv1[7], pv1[10], pv1[19] = "1", "I", f"{unit}^301^12", "D77^赵明", service, f"{visit}^^^YX"
    pv1[36], pv1[44], pv1[45] = disposition if trigger == "A03" else "", admitted, ends
    diagnosis = f"DG1|1||{dx}|||F\r" if dx else ""
    return f"{head}{pid}PV1{'|'.join(pv1)}\r{diagnosis}"


def oru(number: str, visit: str, order: str, results: Sequence[tuple[str, str, str, str]]) -> str:
    """A laboratory report."""
    lines = "".join(
        f"OBX|{n}|NM|{code}||{value}|{unit}||{flag}|||F|||20261119080000\r"
        for n, (code, value, unit, flag) in enumerate(results, 1)
    )
    return (
        f"MSH|^~\\&|LIS|YX|||20261119090000||ORU^R01|L{order}|P|2.4\rPID|1||{number}^^^YX^MR||周国强\r"
        f"PV1|1|I|||||||||||||||||{visit}^^^YX\rOBR|1||{order}|E^电解质|||20261119080000\r{lines}"
    )


def receive(raw: str | bytes, *, channel: str = "mllp", at: datetime = AT) -> Receipt:
    """Store one message."""
    content = raw if isinstance(raw, bytes) else raw.encode()
    incoming = Incoming(take_in(content, site=Site()), channel, "test")
    return receive_messages(incoming=[incoming], at=at, by=SYSTEM)[0]
