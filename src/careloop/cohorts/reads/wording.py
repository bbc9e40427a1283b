"""Conditions as sentences, and every code of this room in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _

from careloop.accounts.models import Organization
from careloop.batches.reads import reason_words
from careloop.cohorts.rules import definition as rules
from careloop.cohorts.rules.definition import Definition
from careloop.patients.models import Encounter, Risk, Sex
from careloop.plans.models import CarePlan, PlanDefinition
from careloop.questionnaires.models import Questionnaire
from careloop.questionnaires.reads import form_of

KIND_WORDS: Mapping[str, str | Promise] = {
    "diagnosis": gettext_lazy("Diagnosis"),
    "operation": gettext_lazy("Operation"),
    "stay": gettext_lazy("Department and discharge"),
    "age": gettext_lazy("Age"),
    "sex": gettext_lazy("Sex"),
    "result": gettext_lazy("Result value"),
    "answer": gettext_lazy("Last answer"),
    "plan": gettext_lazy("Plan state"),
    "tag": gettext_lazy("Tag"),
    "risk": gettext_lazy("Risk"),
}
CONCEPT_WORDS: Mapping[str, str | Promise] = {
    "systolic": gettext_lazy("Systolic pressure (mmHg)"),
    "diastolic": gettext_lazy("Diastolic pressure (mmHg)"),
    "heart-rate": gettext_lazy("Heart rate (/min)"),
    "weight": gettext_lazy("Weight (kg)"),
    "height": gettext_lazy("Height (cm)"),
    "temperature": gettext_lazy("Temperature (°C)"),
    "spo2": gettext_lazy("Oxygen saturation (%)"),
    "glucose": gettext_lazy("Glucose (mmol/L)"),
    "hba1c": gettext_lazy("HbA1c (%)"),
    "ldl-c": gettext_lazy("LDL cholesterol (mmol/L)"),
    "ejection-fraction": gettext_lazy("Ejection fraction (%)"),
    "nt-probnp": gettext_lazy("NT-proBNP (ng/L)"),
    "creatinine": gettext_lazy("Creatinine (µmol/L)"),
    "egfr": gettext_lazy("eGFR (mL/min/1.73 m²)"),
    "haemoglobin": gettext_lazy("Haemoglobin (g/L)"),
    "inr": "INR",
    "respiratory-rate": gettext_lazy("Respiration (/min)"),
    "albumin-creatinine": gettext_lazy("Albumin to creatinine in urine"),
}
SIGNS = {">=": "≥", "<=": "≤", ">": ">", "<": "<", "=": "="}
FAULT_WORDS: Mapping[str, str | Promise] = {
    "missing": gettext_lazy("Something is missing here."),
    "unknown": gettext_lazy("This is not one of the choices."),
    "empty": gettext_lazy("Fill this in, or take the condition away."),
    "reversed": gettext_lazy("The end comes before the beginning."),
    "unreadable": gettext_lazy("This cannot be read. Use digits, or a date such as 2026-11-20."),
    "too-many": gettext_lazy("These are too many. Split them up."),
    "too-deep": gettext_lazy("Blocks may stand inside each other three deep. Take this one apart."),
    "one-only": gettext_lazy("Give either an answer or a number, not both."),
    "code-equals-only": gettext_lazy("An answer can only be compared with =."),
}
EXCLUSION_WORDS: Mapping[str, str | Promise] = {
    "died": gettext_lazy("Died"),
    "refused": gettext_lazy("Refuses contact"),
    "in-hospital": gettext_lazy("In hospital at the moment"),
    "transferred": gettext_lazy("Transferred to another institution"),
    "already-in-plan": gettext_lazy("Already in this plan"),
    "already-in-topic": gettext_lazy("Still to be asked the same form for another topic"),
    "no-stay": gettext_lazy("No finished stay to count from"),
    "no-number": gettext_lazy("No usable telephone number"),
    "no-consent": gettext_lazy("Does not want messages this way"),
    "channel-unavailable": gettext_lazy("This site cannot send this way"),
    "no-form": gettext_lazy("Nothing to answer: no open follow-up with a form"),
    "told-today": gettext_lazy("Gets another message today"),
    "forbidden-word": gettext_lazy("The text would tell something medical"),
    "plan-over": gettext_lazy("Every date of the plan has passed"),
    "no-longer-visible": gettext_lazy("No longer yours to see"),
    "not-visible": gettext_lazy("Not yours to see"),
    "not-open": gettext_lazy("Already done or closed"),
    "same-owner": gettext_lazy("Has this person already"),
    "tagged": gettext_lazy("Has this tag already"),
    "not-tagged": gettext_lazy("Has no such tag any more"),
}
STATE_WORDS: Mapping[str, str | Promise] = {
    "waiting": gettext_lazy("Being enrolled"),
    "open": gettext_lazy("To be followed up"),
    "done": gettext_lazy("Followed up"),
    "refused": gettext_lazy("Refused follow-up"),
    "unreachable": gettext_lazy("Cannot be reached"),
    "ended": gettext_lazy("Ended for another reason"),
    "excluded": gettext_lazy("Left out"),
}
CLOSE_WORDS: Mapping[str, str | Promise] = {
    "not-needed": gettext_lazy("Not needed any more"),
    "duplicate-work": gettext_lazy("Done twice"),
    "transferred": gettext_lazy("Transferred to another institution"),
    "moved": gettext_lazy("Moved away"),
    "out-of-scope": gettext_lazy("Not ours to follow up"),
    "unreachable": gettext_lazy("Cannot be reached"),
}
VERB_WORDS: Mapping[str, str | Promise] = {
    "assign": gettext_lazy("Assign tasks"),
    "close": gettext_lazy("Close tasks"),
    "send": gettext_lazy("Send a message"),
    "letter": gettext_lazy("Write letters"),
    "enrol": gettext_lazy("Start a plan"),
    "tag": gettext_lazy("Put a tag on"),
}
COLUMN_WORDS: Mapping[str, str | Promise] = {
    "case": gettext_lazy("No."),
    "name": gettext_lazy("Name"),
    "record-number": gettext_lazy("Record number"),
    "telephone": gettext_lazy("Telephone"),
    "address": gettext_lazy("Address"),
    "sex": gettext_lazy("Sex"),
    "age": gettext_lazy("Age"),
    "birth-date": gettext_lazy("Birth date"),
    "department": gettext_lazy("Department"),
    "discharged": gettext_lazy("Discharged"),
    "diagnosis": gettext_lazy("Diagnosis"),
    "operation": gettext_lazy("Operation"),
    "risk": gettext_lazy("Risk"),
    "plan": gettext_lazy("Plan"),
    "next-due": gettext_lazy("Next follow-up"),
    "last-contact": gettext_lazy("Last contact"),
    "tags": gettext_lazy("Tags"),
}


def column_words(code: str) -> str:
    return str(COLUMN_WORDS[code])


def exclusion_words(code: str) -> str:
    """Why somebody is left out; a reason of another room in the words of its refusal."""
    known = EXCLUSION_WORDS.get(code.removeprefix("excluded-"))
    return str(known) if known is not None else reason_words(code)


def fault_words(code: str) -> str:
    return str(FAULT_WORDS.get(code, code))


def sex_words(code: str) -> str:
    return str(dict(Sex.choices).get(code, code))


def risk_words(code: str) -> str:
    return str(dict(Risk.choices).get(code, code))


@dataclass(frozen=True, slots=True)
class Names:
    """Titles of what conditions refer to, fetched once a page."""

    departments: Mapping[str, str] = field(default_factory=dict)
    plans: Mapping[str, str] = field(default_factory=dict)
    questions: Mapping[tuple[str, str], str] = field(default_factory=dict)
    answers: Mapping[tuple[str, str, str], str] = field(default_factory=dict)


def names_for(definition: Definition) -> Names:
    """Only what this definition mentions."""
    conditions = definition.conditions
    places = {one for c in conditions if isinstance(c, rules.Stay) for one in c.departments}
    plans = {c.url for c in conditions if isinstance(c, rules.Plan) and c.url}
    forms = {c.questionnaire for c in conditions if isinstance(c, rules.Answer)}
    questions, answers = _questions(forms) if forms else ({}, {})
    return Names(
        {str(o.pk): o.name for o in Organization.objects.filter(pk__in=[p for p in places if _is_uuid(p)])} if places else {},
        {d.url: plan_title(d) for d in PlanDefinition.objects.filter(url__in=plans).order_by("published_at")} if plans else {},
        questions, answers,
    )  # fmt: skip


def plan_title(definition: PlanDefinition) -> str:
    return definition.title_en if is_english() and definition.title_en else definition.title


def is_english() -> bool:
    return (get_language() or "").startswith("en")


def _is_uuid(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False


def _questions(urls: set[str]) -> tuple[dict[tuple[str, str], str], dict[tuple[str, str, str], str]]:
    questions, answers = {}, {}
    language = "en" if is_english() else "zh"
    for row in Questionnaire.objects.filter(url__in=urls).order_by("pk"):
        for item in form_of(row).questions:
            questions[row.url, item.link_id] = item.staff.say(language)
            for option in item.options:
                answers[row.url, item.link_id, option.code] = option.staff.say(language)
    return questions, answers


def sentences(definition: Definition) -> list[str]:
    """One sentence a group; together they are read with "and"."""
    names = names_for(definition)
    return [_group_words(group, names) for group in definition.groups if rules.leaves(group)]


def summary(definition: Definition) -> str:
    """All of it in one line."""
    found = sentences(definition)
    return _("; and ").join(found) if found else _("Every patient")


def _group_words(group: rules.Group, names: Names) -> str:
    parts = [_part_words(part, names) for part in group.conditions if rules.leaves(part)]
    if group.mode == "any":
        return parts[0] if len(parts) == 1 else _("at least one of: %(parts)s") % {"parts": _(" or ").join(parts)}
    if group.mode == "none":
        return _("none of: %(parts)s") % {"parts": _(" or ").join(parts)}
    return _(" and ").join(parts)


def _part_words(part: rules.Part, names: Names) -> str:
    """A block inside stands in brackets, so that nobody has to guess what belongs together."""
    if not isinstance(part, rules.Group):
        return condition_words(part, names)
    said = _group_words(part, names)
    alone = len([one for one in part.conditions if rules.leaves(one)]) == 1 and part.mode != "none"
    return said if alone else _("(%(parts)s)") % {"parts": said}


def condition_words(condition: rules.Condition, names: Names) -> str:
    """One condition as part of a sentence."""
    return _WORDS[condition.kind](condition, names)


def _codes(condition: Any) -> str:
    return _(", ").join(code.text for code in condition.codes)


def _diagnosis(condition: rules.Diagnosis, names: Names) -> str:
    text = _("main diagnosis %(codes)s") if condition.main_only else _("diagnosis %(codes)s")
    return text % {"codes": _codes(condition)}


def _operation(condition: rules.Operation, names: Names) -> str:
    return _("operation %(codes)s") % {"codes": _codes(condition)}


def _stay(condition: rules.Stay, names: Names) -> str:
    parts = []
    if condition.departments:
        found = [names.departments.get(one, _("unknown department")) for one in condition.departments]
        parts.append(_("from %(departments)s") % {"departments": _(", ").join(found)})
    if condition.classes:
        words = dict(Encounter.Class.choices)
        parts.append("(" + _(", ").join(str(words[one]) for one in condition.classes) + ")")
    if condition.discharged_from:
        parts.append(_("on or after %(day)s") % {"day": condition.discharged_from.isoformat()})
    if condition.discharged_to:
        parts.append(_("up to %(day)s") % {"day": condition.discharged_to.isoformat()})
    if condition.days:
        parts.append(_days_words(condition.days))
    return _("discharged %(how)s") % {"how": " ".join(parts)}


def _days_words(days: int) -> str:
    return ngettext("in the last %(count)d day", "in the last %(count)d days", days) % {"count": days}


def _age(condition: rules.Age, names: Names) -> str:
    if condition.high is None:
        return _("aged %(low)s or older") % {"low": condition.low}
    if condition.low is None:
        return _("aged %(high)s or younger") % {"high": condition.high}
    return _("aged %(low)s to %(high)s") % {"low": condition.low, "high": condition.high}


def _sex(condition: rules.Sex, names: Names) -> str:
    return _("sex %(values)s") % {"values": _(", ").join(sex_words(one) for one in condition.sexes)}


def _risk(condition: rules.Risk, names: Names) -> str:
    return _("risk %(values)s") % {"values": _(", ").join(risk_words(one) for one in condition.levels)}


def _result(condition: rules.Result, names: Names) -> str:
    text = _("last %(what)s %(sign)s %(value)s") if condition.latest else _("ever %(what)s %(sign)s %(value)s")
    said = text % {
        "what": CONCEPT_WORDS.get(condition.concept, condition.concept), "sign": SIGNS[condition.comparison],
        "value": condition.value,
    }  # fmt: skip
    return f"{said} {_days_words(condition.days)}" if condition.days else said


def _answer(condition: rules.Answer, names: Names) -> str:
    question = (condition.questionnaire, condition.link_id)
    value = names.answers.get((*question, condition.code), condition.code) or condition.number
    said = _("last answer to “%(question)s” %(sign)s %(value)s") % {
        "question": names.questions.get(question, condition.link_id), "sign": SIGNS[condition.comparison], "value": value,
    }  # fmt: skip
    return f"{said} {_days_words(condition.days)}" if condition.days else said


def _tag(condition: rules.Tag, names: Names) -> str:
    return _("tag %(values)s") % {"values": _(", ").join(condition.tags)}


def _plan(condition: rules.Plan, names: Names) -> str:
    words = dict(CarePlan.Status.choices)
    states = _(", ").join(str(words[one]) for one in condition.states)
    if condition.url:
        return _("plan “%(plan)s” %(states)s") % {
            "plan": names.plans.get(condition.url, condition.url.rsplit("/", 1)[-1]), "states": states,
        }  # fmt: skip
    return _("any plan %(states)s") % {"states": states}


_WORDS: Mapping[str, Callable[[Any, Names], str]] = {
    "diagnosis": _diagnosis, "operation": _operation, "stay": _stay, "age": _age, "sex": _sex, "risk": _risk,
    "result": _result, "answer": _answer, "tag": _tag, "plan": _plan,
}  # fmt: skip
