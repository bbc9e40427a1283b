"""The words of a message: a mini-language with `{name}` only, its length in segments, and what it must never say.

How names are found and filled in stands in kernel/fields.py; here are the names, the limits and the words of messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from careloop.kernel import fields
from careloop.kernel.fields import Hole as MissingValue
from careloop.kernel.fields import Placeholder, clean

__all__ = [
    "PLACEHOLDERS", "SECRETS", "MissingValue", "Placeholder", "SmsSize", "TemplateFault", "WordFinding", "check_template",
    "clean", "forbidden_words", "longest", "masked_phone", "pieces", "placeholders", "preview", "render", "salutation",
    "sms_size",
]  # fmt: skip

PLACEHOLDERS: Mapping[str, Placeholder] = {
    p.name: p
    for p in (
        Placeholder("hospital", 20, "云溪市第一人民医院", "Yunxi First People's Hospital"),
        Placeholder("salutation", 12, "周先生", "Mr Zhou"),
        Placeholder("phone", 20, "0571-88880000", "0571-88880000"),
        Placeholder("discharge_date", 6, "11月13日", "13 Nov"),
        Placeholder("due_date", 6, "11月20日", "20 Nov"),
        Placeholder("due_time", 5, "09:30", "09:30"),
        Placeholder("place", 20, "门诊楼 3 楼", "Clinic block, floor 3"),
        Placeholder("minutes", 3, "3", "3"),
        Placeholder("count", 3, "9", "9"),
        Placeholder("relative", 12, "周敏", "Zhou Min"),
        Placeholder("link", 60, "https://sf.example.cn/q/•••", "https://sf.example.cn/q/•••", secret=True),
        Placeholder("code", 6, "••••••", "••••••", secret=True),
    )
}
"""The whole allow-list. No diagnosis, department, plan title, identity number or full name is on it, on purpose."""

SECRETS = frozenset(p.name for p in PLACEHOLDERS.values() if p.secret)
_ALLOWED = frozenset(PLACEHOLDERS)


class TemplateFault(ValueError):
    """A template text that may not be saved. `code` says why, `detail` names the place."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


def pieces(text: str) -> tuple[tuple[str, str], ...]:
    """`((literal, name), …)`, the last name empty. Refuses every brace that is not exactly an allowed `{name}`."""
    try:
        return fields.pieces(text, _ALLOWED)
    except fields.BadField as fault:
        code = "unknown-placeholder" if fault.code == "unknown-field" else fault.code
        raise TemplateFault(code, fault.detail[:40]) from None


def placeholders(text: str) -> frozenset[str]:
    """The names a text uses."""
    return frozenset(name for _, name in pieces(text) if name)


def render(text: str, values: Mapping[str, str]) -> str:
    """Fill in once; what a value contains is never looked at again, so a value cannot bring its own placeholder."""
    pieces(text)
    return fields.fill(text, values, PLACEHOLDERS, _ALLOWED)


def preview(text: str, language: str) -> str:
    """The text with sample values; secrets as dots."""
    return render(text, {p.name: p.sample if language == "zh" else p.sample_en for p in PLACEHOLDERS.values()})


# ---- length ---------------------------------------------------------------------------------------------------

SINGLE_SEGMENT = 70  # UCS-2 characters in one short message
JOINED_SEGMENT = 67  # in each part of a long one: 3 go to the header that joins the parts
MAX_SEGMENTS = 4


@dataclass(frozen=True, slots=True)
class SmsSize:
    """Length in UTF-16 units (an emoji counts as two) and the segments that the carrier bills."""

    length: int
    segments: int


def sms_size(text: str) -> SmsSize:
    """Chinese carriers count every message as UCS-2: 70 characters alone, 67 in each joined part."""
    length = len(text.encode("utf-16-le", "surrogatepass")) // 2
    if length <= SINGLE_SEGMENT:
        return SmsSize(length, 1 if length else 0)
    return SmsSize(length, -(-length // JOINED_SEGMENT))


def longest(text: str) -> SmsSize:
    """The worst case: every placeholder as long as it may become."""
    return sms_size(
        "".join(literal + ("长" * PLACEHOLDERS[name].longest if name else "") for literal, name in pieces(text))
    )


# ---- what a message must not say ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WordFinding:
    """`kind` is disease, department, treatment or identity; an identity number is not repeated in `word`."""

    kind: str
    word: str


_IDENTITY = re.compile(r"(?<!\d)\d{17}[\dXx](?!\d)|(?<!\d)\d{15}(?!\d)")
_BETWEEN = re.compile(r"[\s·•.,，。、_\-*]+")


def forbidden_words(text: str, banned: Mapping[str, Iterable[str]]) -> tuple[WordFinding, ...]:
    """What in this text would tell a stranger who reads the phone something medical, or who the patient is.

    Spaces and dots between the characters of a word do not hide it. Link addresses are not read.
    """
    plain = re.sub(r"https?://\S+", " ", text)
    squeezed = _BETWEEN.sub("", plain).casefold()
    words = [
        WordFinding(kind, word)
        for kind, some in banned.items()
        for word in some
        if (word.casefold() in squeezed if not word.isascii() else _ascii_word(word, plain))
    ]
    if _IDENTITY.search(plain):
        words.append(WordFinding("identity", "identity-number"))
    return tuple(words)


def _ascii_word(word: str, text: str) -> bool:
    # "HIV" must not fire inside "archive", so Latin words match whole words only.
    return re.search(rf"(?<![a-z0-9]){re.escape(word.casefold())}(?![a-z0-9])", text.casefold()) is not None


def check_template(text: str, banned: Mapping[str, Iterable[str]], *, sms: bool) -> None:
    """What must hold before a text is saved; raises TemplateFault with the first fault."""
    if not text.strip():
        raise TemplateFault("empty")
    pieces(text)
    found = forbidden_words(preview(text, "zh"), banned)
    if found:
        raise TemplateFault("forbidden-word", found[0].word)
    if sms and longest(text).segments > MAX_SEGMENTS:
        raise TemplateFault("too-long", str(longest(text).segments))


# ---- how a person is addressed --------------------------------------------------------------------------------

_DOUBLE_SURNAMES = frozenset(
    re.findall(
        "..",
        "欧阳司马上官诸葛夏侯皇甫尉迟公孙慕容令狐宇文长孙司徒东方独孤南宫西门端木百里轩辕闻人呼延澹台公冶宗政太史淳于单于"
        "申屠仲孙钟离鲜于闾丘赫连",
    )
)


def salutation(name: str, gender: str, language: str) -> str:
    """周先生 / 周女士; without a known sex 周先生/女士; without a usable name 您好. Never the full name."""
    name = re.sub(r"\s", "", name) if language == "zh" else name.strip()
    if language != "zh":
        surname = name.split()[0] if name else ""
        return f"{surname}".strip() or "Sir or Madam"
    if not name or not ("\u3400" <= name[0] <= "\u9fff"):
        return "您好"
    surname = name[:2] if name[:2] in _DOUBLE_SURNAMES and len(name) > 2 else name[:1]
    return surname + {"male": "先生", "female": "女士"}.get(gender, "先生/女士")


def masked_phone(number: str) -> str:
    """13800006721 → 138****6721; short numbers keep their last two digits only."""
    digits = number.removeprefix("+86").strip()
    if len(digits) >= 11:
        return f"{digits[:3]}****{digits[-4:]}"
    return "*" * max(len(digits) - 2, 0) + digits[-2:]
