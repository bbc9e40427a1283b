"""The pure part of forms: parsing, which questions are asked, checks, scores, judgement."""

from careloop.questionnaires.rules.conditions import BadCondition
from careloop.questionnaires.rules.definition import BadQuestionnaire, Form, Item, Option, Words, parse
from careloop.questionnaires.rules.judging import Classification, Finding, classify, judge
from careloop.questionnaires.rules.logic import Answers, enabled_items, is_enabled
from careloop.questionnaires.rules.scoring import Score, score
from careloop.questionnaires.rules.validation import NOT_MEASURED, Fault, clean_value, faults

__all__ = [
    "NOT_MEASURED", "Answers", "BadCondition", "BadQuestionnaire", "Classification", "Fault", "Finding", "Form", "Item",
    "Option", "Score", "Words", "classify", "clean_value", "enabled_items", "faults", "is_enabled", "judge", "parse",
    "score",
]  # fmt: skip
