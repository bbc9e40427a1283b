"""Telephone fields as hospitals write them: several in one field, owners in brackets, fakes, extensions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from careloop.patients.rules.codes import Relation, clean, relation_code

Kind = Literal["mobile", "landline", "service", "foreign", "unknown"]
Problem = Literal["", "fake", "not-a-number", "too-short", "needs-area-code"]

SEPARATORS: Final = re.compile(r"[/;、,|\n]")
BRACKETS: Final = re.compile(r"[(\[【<〈{]([^()\[\]【】<>〈〉{}]*)[)\]】>〉}]")
EXTENSION: Final = re.compile(r"(?:转|分机|ext\.?|x|#)\s*([0-9]{1,6})\s*$", re.IGNORECASE)
NO_NUMBER: Final = frozenset({"", "无", "没有", "不详", "未知", "-", "--", "/", "none", "null", "n/a"})
TWO_DIGIT_AREAS: Final = re.compile(r"0(10|2[0-9])")
FAKES: Final = frozenset({
    "12345678901", "12345678910", "12345678912", "13800138000", "13812345678", "13800000000", "13900000000", "12345678",
    "1234567", "87654321", "13888888888", "13333333333", "18888888888", "13000000000", "13900139000",
})  # fmt: skip
"""Numbers people type to get past a field. 13800138000 is the carrier's own service number, no patient's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """One number out of a field. `number` is E.164 (`+8613812346721`), empty if it cannot be formed; raw is kept."""

    raw: str
    number: str = ""
    kind: Kind = "unknown"
    extension: str = ""
    relation: Relation | Literal[""] = ""
    owner_note: str = ""
    problem: Problem = ""

    @property
    def is_usable(self) -> bool:
        return bool(self.number) and not self.problem

    @property
    def takes_sms(self) -> bool:
        return self.is_usable and self.kind == "mobile"


def read_phones(text: str, *, area_code: str = "") -> tuple[Phone, ...]:
    """All numbers of one field, mobiles first. `area_code` is the hospital's (`0571`), for bare local numbers."""
    found = [_read_piece(piece, area_code=area_code) for piece in _pieces(text)]
    unique = {phone.number or phone.raw: phone for phone in reversed(found) if phone is not None}
    return tuple(sorted(reversed(unique.values()), key=lambda phone: (not phone.takes_sms, not phone.is_usable)))


def _pieces(text: str) -> list[str]:
    """Cut a field where a new number begins."""
    whole = clean(re.sub(r"\s{2,}", " / ", text))
    whole = BRACKETS.sub(_keep_apart_if_number, whole)
    pieces = [piece.strip() for piece in SEPARATORS.split(whole)]
    return [part for piece in pieces if piece.lower() not in NO_NUMBER for part in _split_run(piece)]


def _keep_apart_if_number(match: re.Match[str]) -> str:
    """`(0571)8888…` is one number, `138…(139…)` are two, `138…(女儿)` is one with its owner."""
    inside = match.group(1).strip()
    digits = re.sub(r"\D", "", inside)
    if inside and re.fullmatch(r"\+?[0-9]{2,4}", inside):
        return inside
    return f"/{inside}" if len(digits) >= 7 else f"({inside})"


def _split_run(piece: str) -> list[str]:
    """Two mobiles with one space or nothing between them."""
    mobiles = re.findall(r"(?<![0-9])1[3-9][0-9]{9}", re.sub(r"(?<=[0-9]) (?=1[3-9][0-9]{9})", ";", piece))
    if len(mobiles) >= 2:
        return re.split(r" (?=1[3-9][0-9]{9})", piece)
    if re.fullmatch(r"(1[3-9][0-9]{9}){2,}", piece):
        return re.findall(r"1[3-9][0-9]{9}", piece)
    return [piece]


def _read_piece(piece: str, *, area_code: str) -> Phone | None:
    extension = EXTENSION.search(piece)
    core = piece[: extension.start()] if extension else piece
    note = re.sub(r"[^\w·]+", " ", re.sub(r"[0-9+\-.]", " ", core)).strip(" _")
    note = re.sub(r"^(电话|手机|联系电话|tel|mobile)\s*", "", note, flags=re.IGNORECASE)
    dialled = re.sub(r"[^0-9+]", "", core)
    if not dialled:
        return None if note else Phone(raw=piece, problem="not-a-number")
    number, kind, problem = _form_number(dialled, area_code=area_code)
    relation = relation_code(note) if note else ""
    return Phone(
        raw=piece,
        number=number,
        kind=kind,
        extension=extension.group(1) if extension else "",
        relation=relation,
        owner_note=note,
        problem=problem,
    )


def _form_number(dialled: str, *, area_code: str) -> tuple[str, Kind, Problem]:
    if dialled.startswith("+") and not dialled.startswith("+86"):
        return dialled, "foreign", "" if len(dialled) >= 8 else "too-short"
    if re.match(r"00(?!86)[1-9]", dialled):
        return f"+{dialled[2:]}", "foreign", "" if len(dialled) >= 9 else "too-short"
    return _form_mainland(re.sub(r"^(\+86|0086)", "", dialled), area_code=area_code)


def _form_mainland(digits: str, *, area_code: str) -> tuple[str, Kind, Problem]:
    if len(digits) == 13 and digits.startswith("861"):
        digits = digits[2:]
    if re.fullmatch(r"01[3-9][0-9]{9}", digits):  # long-distance prefix before a mobile
        digits = digits[1:]
    if is_fake(digits):
        return "", "unknown", "fake"
    if re.fullmatch(r"1[3-9][0-9]{9}", digits):
        return f"+86{digits}", "mobile", ""
    if re.fullmatch(r"(400|800)[0-9]{7}", digits):
        return f"+86{digits}", "service", ""
    if digits.startswith("0"):
        return _form_landline(digits)
    if re.fullmatch(r"[2-9][0-9]{6,7}", digits):
        return (
            (f"+86{area_code.lstrip('0')}{digits}", "landline", "")
            if area_code
            else ("", "landline", "needs-area-code")
        )
    return "", "unknown", "too-short" if len(digits) < 7 else "not-a-number"


def _form_landline(digits: str) -> tuple[str, Kind, Problem]:
    local = digits[3:] if TWO_DIGIT_AREAS.match(digits) else digits[4:]
    if re.fullmatch(r"[2-9][0-9]{6,7}", local):
        return f"+86{digits[1:]}", "landline", ""
    return "", "landline", "too-short" if len(local) < 7 else "not-a-number"


def is_fake(digits: str) -> bool:
    """Numbers nobody owns: one digit repeated, a run of counting, the well-known fillers."""
    tail = digits[1:] if len(digits) == 11 else digits
    return len(digits) >= 7 and (digits in FAKES or len(set(digits)) == 1 or len(set(tail)) == 1)


def plain_number(number: str) -> str:
    """How people here dial it: `+8613812346721` → `13812346721`, `+8657188888888` → `057188888888`."""
    if not number.startswith("+86"):
        return number
    national = number[3:]
    return national if re.fullmatch(r"1[3-9][0-9]{9}|[48]00[0-9]{7}", national) else f"0{national}"
