"""What the demo gateway remembers: messages, phones, and the faults it was told to make. No network, no clock."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, field, fields
from typing import Any

FAULTS = frozenset(
    {
        "500",
        "503",
        "429",
        "reject",
        "garbage",
        "timeout",
        "delay",
        "500-after-accept",
        "timeout-after-accept",
        "close-after-accept",
        "duplicate",
        "receipt-first",
        "no-receipt",
        "duplicate-receipt",
        "failed-receipt",
        "contradicting-receipts",
    }
)
"""What a fault may do. `…-after-accept`: the phone has the message, the sender never hears of it."""

NUMBER_KINDS = {
    "bad": "bad-number",  # refused at once
    "empty": "empty-number",  # accepted, then a receipt says that nobody has this number
    "off": "expired-at-carrier",  # accepted, then a receipt says that the phone was off too long
    "blocked": "blocked-by-carrier",  # accepted, then a receipt says that the carrier holds it back
}


@dataclass(slots=True)
class Message:
    """One text on one phone. `incoming`: written by the patient."""

    key: str
    to: str
    text: str
    at: float
    ref: str
    status: str = "sent"  # sent, delivered or failed, as a query answers it
    code: str = ""
    incoming: bool = False
    copies: int = 1  # how often the phone really showed it


@dataclass(slots=True)
class Fault:
    """Do this to the next `times` messages that match, after letting `skip` of them pass."""

    do: str
    times: int = 1
    skip: int = 0
    to: str = ""
    key: str = ""
    seconds: float = 1.0

    def __post_init__(self) -> None:
        if self.do not in FAULTS:
            raise ValueError(f"no such fault: {self.do}")

    def matches(self, message_key: str, to: str) -> bool:
        return message_key.startswith(self.key) and (not self.to or self.to == to)


@dataclass(slots=True)
class Phones:
    """The whole state. `knows_key`: the same key twice reaches the phone once."""

    knows_key: bool = True
    messages: list[Message] = field(default_factory=list)
    by_key: dict[str, Message] = field(default_factory=dict)
    by_phone: dict[str, list[Message]] = field(default_factory=lambda: defaultdict(list))
    numbers: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    requests: int = 0

    def next_fault(self, key: str, to: str) -> Fault | None:
        """The first fault in the script for this message; used up by asking."""
        for fault in self.faults:
            if fault.matches(key, to):
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
                return fault
        return None

    def accept(self, *, key: str, to: str, text: str, at: float, copies: int = 1) -> tuple[Message, bool]:
        """The message under this key, and whether it is new."""
        known = self.by_key.get(key)
        if known is not None and self.knows_key:
            return known, False
        if known is not None:
            known.copies += 1
            return known, True
        message = Message(key=key, to=to, text=text, at=at, ref=f"g{len(self.messages) + 1:08d}", copies=copies)
        self.keep(message)
        return message, True

    def answer(self, *, number: str, text: str, at: float) -> Message:
        """The patient writes back."""
        ref = f"r{len(self.messages) + 1:08d}"
        message = Message(key=ref, to=number, text=text, at=at, ref=ref, status="delivered", incoming=True)
        self.keep(message)
        return message

    def keep(self, message: Message) -> None:
        """Put a message on its phone."""
        self.messages.append(message)
        self.by_key[message.key] = message
        self.by_phone[message.to].append(message)

    def final_status(self, message: Message) -> tuple[str, str]:
        """What the carrier will say in the end: delivered, or failed with a code."""
        kind = self.numbers.get(message.to, "")
        return ("failed", NUMBER_KINDS[kind]) if kind else ("delivered", "")

    def refused_at_once(self, to: str) -> str:
        """The code when this number is not even taken."""
        digits = to.removeprefix("+86")
        malformed = not (digits.isascii() and digits.isdigit() and 7 <= len(digits) <= 15)
        return "bad-number" if malformed or self.numbers.get(to) == "bad" else ""

    def stats(self) -> dict[str, int]:
        """Counts for tests and the bench."""
        sent = [m for m in self.messages if not m.incoming]
        return {
            "requests": self.requests,
            "messages": len(sent),
            "reached": sum(m.copies for m in sent),
            "doubled": sum(m.copies > 1 for m in sent),
            "phones": len(self.by_phone),
            "answers": len(self.messages) - len(sent),
        }

    def clear(self) -> None:
        """Forget everything but the mode."""
        for store in (self.messages, self.by_key, self.by_phone, self.numbers, self.faults):
            store.clear()
        self.requests = 0


def to_row(message: Message) -> dict[str, Any]:
    """For JSON and for the file."""
    return asdict(message)


def from_row(row: dict[str, Any]) -> Message:
    """Back from JSON; unknown keys of newer versions are left out."""
    names = {f.name for f in fields(Message)}
    return Message(**{name: value for name, value in row.items() if name in names})
