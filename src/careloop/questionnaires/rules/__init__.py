"""The pure part of forms: parsing, which questions are asked, checks, scores, judgement."""

from careloop.questionnaires.rules.conditions import BadCondition
from careloop.questionnaires.rules.definition import BadQuestionnaire, Form, Item, Option, Words, content_hash, parse
from careloop.questionnaires.rules.judging import (
    Classification,
    Finding,
    classify,
    finding_from,
    judge,
    missing_for_class,
)
from careloop.questionnaires.rules.logic import NOT_MEASURED, Answers, enabled_items, is_enabled
from careloop.questionnaires.rules.mistakes import Mistake
from careloop.questionnaires.rules.proofreading import OWNER_ROLES, condition_mistakes, proofread
from careloop.questionnaires.rules.repeating import (
    MOST_INSTANCES,
    counted,
    expand,
    groups,
    moved_up,
    numbered,
    parted,
    titled,
)
from careloop.questionnaires.rules.scoring import Score, overlapping_bands, score
from careloop.questionnaires.rules.typed import whole_number
from careloop.questionnaires.rules.validation import (
    ABSENT_REASONS,
    LONGEST,
    Fault,
    clean_value,
    faults,
    settle_absent,
    settle_exclusive,
    usual_reason,
)

__all__ = [
    "ABSENT_REASONS", "LONGEST", "MOST_INSTANCES", "NOT_MEASURED", "OWNER_ROLES", "Answers", "BadCondition", "BadQuestionnaire", "Classification", "Fault",
    "Finding", "Form", "Item", "Mistake", "Option", "Score", "Words", "classify", "clean_value", "condition_mistakes", "content_hash", "enabled_items",
    "faults", "finding_from", "is_enabled", "judge", "missing_for_class", "overlapping_bands", "parse", "proofread", "score",
    "settle_absent", "settle_exclusive", "usual_reason", "expand", "counted", "parted", "numbered", "groups", "moved_up", "titled",
    "whole_number",
]  # fmt: skip
