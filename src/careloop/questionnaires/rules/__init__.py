"""The pure part of forms: parsing, which questions are asked, checks, scores, judgement."""

from careloop.questionnaires.rules.conditions import BadCondition
from careloop.questionnaires.rules.definition import BadQuestionnaire, Form, Item, Option, Words, content_hash, parse
from careloop.questionnaires.rules.judging import Classification, Finding, classify, finding_from, judge
from careloop.questionnaires.rules.logic import Answers, enabled_items, is_enabled
from careloop.questionnaires.rules.scoring import Score, overlapping_bands, score
from careloop.questionnaires.rules.validation import NOT_MEASURED, Fault, clean_value, faults

__all__ = [
    "NOT_MEASURED", "Answers", "BadCondition", "BadQuestionnaire", "Classification", "Fault", "Finding", "Form", "Item",
    "Option", "Score", "Words", "classify", "clean_value", "content_hash", "enabled_items", "faults", "finding_from", "is_enabled", "judge", "overlapping_bands", "parse",
    "score",
]  # fmt: skip
