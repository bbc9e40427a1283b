"""Whether the words of a letter may be saved. Asked while somebody types, and again by the action that saves."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from careloop.kernel.errors import Refused
from careloop.letters.rules.wording import LetterFault, Place, check_letter
from careloop.messaging.reads.policy import banned_words

PART_WORDS = {"subject": _("subject"), "body": _("text"), "zh": _("Chinese"), "en": _("English")}
FAULTS = {
    "empty": _("It is empty."),
    "bad-brace": _(
        "A brace stands alone at “%(detail)s”. Braces may only stand around an allowed name, such as {salutation}."
    ),
    "unknown-field": _("The name “%(detail)s” may not be used. Choose one from the list."),
    "hidden-character": _("There is an invisible character (%(detail)s). Delete it and type the place again."),
    "too-long": _("It is too long: at most %(detail)s characters, so that it stays on one sheet."),
    "telling-subject": _("The subject must not say “%(detail)s”: it is read by whoever opens the letter."),
    "identity-number": _("An identity number must not stand in a letter."),
    "language-missing": _("The Chinese text is missing."),
}


class LetterRefused(Refused):
    """The words may not be saved; `fault` is the rule's code, `part` and `place` say where."""

    code = "letter-refused"
    status = 422
    message = _("The words of this letter may not be saved.")

    def __init__(
        self, fault: str, *, language: str = "zh", part: str = "body", place: Place | None = None, detail: str = ""
    ) -> None:
        where = place or Place(1, 1)
        words = str(FAULTS[fault])
        super().__init__(
            _("%(language)s %(part)s, line %(line)d, character %(column)d: %(fault)s")
            % {
                "language": PART_WORDS.get(language, language), "part": PART_WORDS.get(part, part),
                "line": where.line, "column": where.column,
                "fault": words % {"detail": detail} if "%(detail)s" in words else words,
            }
        )  # fmt: skip
        self.fault, self.language, self.part, self.place = fault, language, part, where


def check_texts(texts: Mapping[str, Mapping[str, str]]) -> None:
    """Raises LetterRefused with the first fault; writes nothing. Chinese is needed, English may be added."""
    if "zh" not in texts:
        raise LetterRefused("language-missing")
    for language, words in texts.items():
        subject, body = words.get("subject", ""), words.get("body", "")
        try:
            check_letter(subject=subject, body=body, banned=banned_words())
        except LetterFault as fault:
            part = _part_of(fault, subject)
            raise LetterRefused(
                fault.code, language=language, part=part, place=fault.place, detail=fault.detail
            ) from None


def _part_of(fault: LetterFault, subject: str) -> str:
    """Which of the two texts the fault stands in: the subject is looked at first."""
    try:
        check_letter(subject=subject, body="·", banned=banned_words())
    except LetterFault as same:
        return "subject" if (same.code, same.place) == (fault.code, fault.place) else "body"
    return "body"
