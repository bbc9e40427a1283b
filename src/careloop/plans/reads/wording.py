"""Rules, reasons and states of plans in the words of the screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from careloop.kernel.display import Words
from careloop.plans.rules.adoption import Stands
from careloop.plans.rules.content import Anchor, EndRule, EnrolmentRule, PlanContent, Step
from careloop.plans.rules.ending import end_facts
from careloop.plans.rules.faults import Fault
from careloop.plans.rules.intervals import Intervals, Leg, Offset


def category_words(code: str) -> str:
    """The kind of plan in words; the code itself when it is none of ours."""
    return {
        "routine": _("Routine"),
        "specialty": _("Specialty"),
        "single-disease": _("Single disease"),
    }.get(code, code)


def outcome_words(code: str) -> str:
    """What was decided about a discharge."""
    return {
        "enrolled": _("In a plan"),
        "no-plan": _("No plan fits"),
        "died": _("Died"),
        "against-advice": _("Left against advice"),
        "transferred": _("Went to another hospital"),
        "encounter-cancelled": _("Stay was cancelled"),
        "refused": _("Refused contact"),
        "too-late": _("Discharge too long ago"),
        "declined": _("No follow-up decided"),
    }.get(code, code)


def end_words(code: str) -> str:
    """Why a plan ended; free words of a person stay as they are."""
    return _ENDED(code)


_ENDED = Words(
    {
        "steps-done": gettext_lazy("All steps done"),
        "date-reached": gettext_lazy("Last day reached"),
        "count-reached": gettext_lazy("Number of contacts reached"),
        "death": gettext_lazy("Patient died"),
        "refusal": gettext_lazy("Patient refused contact"),
        "transfer": gettext_lazy("Care went elsewhere"),
        "moved": gettext_lazy("Patient moved away"),
        "not-needed": gettext_lazy("No longer needed"),
        "discharge-cancelled": gettext_lazy("Discharge was cancelled"),
        "encounter-cancelled": gettext_lazy("Stay was cancelled"),
        "replaced": gettext_lazy("A more specific plan took over"),
        "new-cycle": gettext_lazy("A plan after a newer stay took over"),
        "no-longer-fits": gettext_lazy("Corrected codes no longer fit"),
        "duplicate": gettext_lazy("Double after records were merged"),
        "patient-request": gettext_lazy("Patient asked for it"),
        "other-hospital": gettext_lazy("Followed up elsewhere"),
        "recovered": gettext_lazy("Recovered"),
        "entered-in-error": gettext_lazy("Started by mistake"),
        "no-follow-up": gettext_lazy("No follow-up decided at discharge"),
        "chosen-otherwise": gettext_lazy("Another choice at discharge"),
        "against-advice": gettext_lazy("Left against advice"),
        "transferred": gettext_lazy("Went to another hospital"),
        "died": gettext_lazy("Patient died"),
        "refused": gettext_lazy("Patient refused contact"),
        "message-sent": gettext_lazy("Its message was sent"),
        "message-failed": gettext_lazy("Its message could not be delivered"),
        "window-passed": gettext_lazy("Its time passed"),
        "readmitted": gettext_lazy("Patient is in hospital again"),
        "version-adopted": gettext_lazy("A newer version of the plan took over"),
        "plan-over": gettext_lazy("The plan ended"),
        "visited": gettext_lazy("Patient came to the hospital"),
        "lost-to-follow-up": gettext_lazy("Lost after the last step"),
        "change-undone": gettext_lazy("A change was undone"),
        "owner-changed": gettext_lazy("Given to another owner"),
        "ticked-off": gettext_lazy("Left out for this patient"),
    }
)


def replay_failure_words(code: str) -> str:
    """Why a replay failed, and what to do."""
    return {
        "died": _(
            "The process that played it was lost three times. Try fewer months, and tell whoever runs the server."
        ),
        "broken": _("A fault in the program stopped it. Whoever runs the server finds it in the log."),
        "never-begun": _("No worker took it up within a day. Tell whoever runs the server, then start it again."),
    }.get(code, code)


# Lazy, because the refusals of the actions carry the same words.
ADOPTION_STANDS = {
    Stands.UNDONE: gettext_lazy("This was taken back already."),
    Stands.PLAN_OVER: gettext_lazy("This plan is over."),
    Stands.OTHER_VERSION: gettext_lazy("The plan went on to another version since. Take that back first."),
    Stands.PAUSED: gettext_lazy("The plan was paused or went on since, so its contacts were planned anew."),
    Stands.ACTED_ON: gettext_lazy(
        "Somebody acted on a contact that the new version planned. Change this patient's plan instead."
    ),
    Stands.TOO_LATE: gettext_lazy(
        "More than 24 hours have passed. Publish and take over the version you want instead."
    ),
}


def adoption_words(why: Stands) -> str:
    """Why an adoption is not taken back, and what to do instead."""
    return str(ADOPTION_STANDS[why])


def span_words(span: str) -> str:
    """`18-` and `0-17` as people write them; `60-79` as it is."""
    youngest, _dash, oldest = span.partition("-")
    if not oldest:
        return f"≥ {youngest}"
    return f"≤ {oldest}" if youngest == "0" else f"{youngest}–{oldest}"


def status_words(code: str) -> str:
    """How a patient's plan stands, in words."""
    return _STATUS(code)


_STATUS = Words(
    {
        "active": gettext_lazy("Running"),
        "on-hold": gettext_lazy("Paused: in hospital again"),
        "completed": gettext_lazy("Completed"),
        "revoked": gettext_lazy("Ended early"),
    }
)


def reason_words(code: str, values: Mapping[str, str], titles: Mapping[str, str]) -> str:
    """One reason of the enrolment rules; `titles` are plan titles by URL. Without values it is said in general."""
    if not values and code in _GENERAL:
        return str(_GENERAL[code])
    filled = {**_BLANK, **values, "plan": titles.get(values.get("url", ""), values.get("url", ""))}
    if code.startswith("age-"):
        filled["wanted"] = span_words(filled["wanted"])
    return _REASONS(code) % filled


_REASONS = Words(
    {
        "fits-everybody": gettext_lazy("No condition: fits every discharge"),
        "diagnosis-fits": gettext_lazy("Diagnosis %(code)s is within %(pattern)s"),
        "diagnosis-differs": gettext_lazy("Diagnoses %(codes)s are not within %(patterns)s"),
        "diagnosis-unknown": gettext_lazy("No coded diagnosis yet; wanted %(patterns)s"),
        "diagnosis-excluded": gettext_lazy("Diagnosis %(code)s is excluded (%(pattern)s)"),
        "procedure-fits": gettext_lazy("Operation %(code)s is within %(pattern)s"),
        "procedure-differs": gettext_lazy("Operations %(codes)s are not within %(patterns)s"),
        "procedure-unknown": gettext_lazy("No coded operation; wanted %(patterns)s"),
        "procedure-excluded": gettext_lazy("Operation %(code)s is excluded (%(pattern)s)"),
        "department-fits": gettext_lazy("Department %(given)s fits"),
        "department-differs": gettext_lazy("Department is not %(wanted)s"),
        "department-excluded": gettext_lazy("Department %(given)s is excluded"),
        "disposition-fits": gettext_lazy("Way of discharge fits"),
        "disposition-differs": gettext_lazy("Way of discharge does not fit"),
        "disposition-excluded": gettext_lazy("Way of discharge is excluded"),
        "class-fits": gettext_lazy("Kind of visit fits"),
        "class-differs": gettext_lazy("Kind of visit does not fit"),
        "sex-fits": gettext_lazy("Sex fits"),
        "sex-differs": gettext_lazy("Sex does not fit"),
        "age-fits": gettext_lazy("Age %(age)s is within %(wanted)s"),
        "age-differs": gettext_lazy("Age %(age)s is not within %(wanted)s"),
        "age-unknown": gettext_lazy("Age unknown; wanted %(wanted)s"),
        "not-in-force": gettext_lazy("The plan was not in force on %(day)s"),
        "more-specific-plan": gettext_lazy("“%(plan)s” is more specific"),
        "covered-by-plan": gettext_lazy("“%(plan)s” already brings the first contact"),
        "started-by-hand": gettext_lazy("Started by hand"),
    }
)


_GENERAL = {
    "diagnosis-differs": gettext_lazy("Diagnosis does not fit"),
    "diagnosis-unknown": gettext_lazy("No coded diagnosis yet"),
    "diagnosis-excluded": gettext_lazy("Diagnosis is excluded"),
    "procedure-differs": gettext_lazy("Operation does not fit"),
    "procedure-unknown": gettext_lazy("No coded operation"),
    "procedure-excluded": gettext_lazy("Operation is excluded"),
    "department-differs": gettext_lazy("Department does not fit"),
    "age-differs": gettext_lazy("Age does not fit"),
    "age-unknown": gettext_lazy("Age unknown"),
}
# Every place that any of the reasons may fill.
_BLANK = dict.fromkeys(("code", "codes", "pattern", "patterns", "given", "wanted", "age", "day"), "")


def rule_words(rule: EnrolmentRule) -> list[str]:
    """The enrolment rule, one condition a line."""
    main = _("Main diagnosis %(codes)s") if rule.diagnoses.main_only else _("Diagnosis %(codes)s")
    lists = (
        (main, [pattern.text for pattern in rule.diagnoses.wanted]),
        (_("No diagnosis %(codes)s"), [pattern.text for pattern in rule.diagnoses.unwanted]),
        (_("Operation %(codes)s"), [pattern.text for pattern in rule.procedures.wanted]),
        (_("No operation %(codes)s"), [pattern.text for pattern in rule.procedures.unwanted]),
        (_("Department %(codes)s"), sorted(rule.departments.wanted)),
        (_("Not department %(codes)s"), sorted(rule.departments.unwanted)),
        ("%(codes)s", [_class_words(code) for code in sorted(rule.encounter_classes)]),
    )
    lines = [words % {"codes": _joined(codes)} for words, codes in lists if codes]
    if rule.either_code:
        lines.append(_("Diagnosis or operation is enough"))
    if rule.youngest is not None or rule.oldest is not None:
        lines.append(_age_words(rule))
    if rule.sex:
        lines.append(_("Men only") if rule.sex == "male" else _("Women only"))
    return lines or [_("Every discharge")]


def _age_words(rule: EnrolmentRule) -> str:
    if rule.oldest is None:
        return _("From %(years)s years of age") % {"years": rule.youngest}
    if rule.youngest is None:
        return _("Up to %(years)s years of age") % {"years": rule.oldest}
    return _("%(low)s to %(high)s years of age") % {"low": rule.youngest, "high": rule.oldest}


def _class_words(code: str) -> str:
    return {
        "IMP": _("Inpatients"),
        "AMB": _("Outpatients"),
        "EMER": _("Emergency patients"),
        "SS": _("Day cases"),
    }.get(code, code)


def exclusion_words() -> list[str]:
    """Who enters no plan at all (B08)."""
    return [
        _("Died"),
        _("Left against advice"),
        _("Went to another hospital"),
        _("Stay was cancelled"),
        _("Refused contact"),
    ]


def schedule_words(step: Step) -> str:
    """When a step falls due, in words: "3 days after discharge", "every 3 months until month 24"."""
    text = _joined(_leg_words(leg) for leg in step.schedule.legs)
    anchor = anchor_words(step.first_from if step.anchor is Anchor.PREVIOUS_COMPLETION else step.anchor)
    words = _("%(intervals)s after %(anchor)s") % {"intervals": text, "anchor": anchor}
    if step.anchor is Anchor.PREVIOUS_COMPLETION and step.of_step is None and step.schedule.repeats:
        words = _("%(intervals)s, each counted from the one before being done") % {"intervals": text}
    return words


def _leg_words(leg: Leg) -> str:
    every = offset_words(leg.every)
    if leg.until is not None:
        return _("every %(interval)s until %(end)s") % {"interval": every, "end": offset_words(leg.until)}
    if leg.times is None:
        return _("every %(interval)s") % {"interval": every}
    if leg.times > 1:
        return _("every %(interval)s, %(times)s times") % {"interval": every, "times": leg.times}
    return every if leg.from_anchor else _("%(interval)s later") % {"interval": every}


def offset_words(offset: Offset) -> str:
    """An offset as people say it, largest unit first: “1 month 2 weeks”."""
    parts = []
    if offset.months:
        parts.append(ngettext("%(count)d month", "%(count)d months", offset.months) % {"count": offset.months})
    if offset.days or not parts:
        parts.append(ngettext("%(count)d day", "%(count)d days", offset.days) % {"count": offset.days})
    return " ".join(parts)


def anchor_words(anchor: Anchor) -> str:
    """From what a step counts, in words."""
    return {
        Anchor.DISCHARGE: _("discharge"),
        Anchor.OPERATION: _("operation"),
        Anchor.DIAGNOSIS: _("diagnosis"),
        Anchor.ENROLMENT: _("enrolment"),
        Anchor.PREVIOUS_COMPLETION: _("the one before"),
    }[anchor]


def window_words(step: Step) -> str:
    """How many days before and after its due date a step is on time."""
    if not step.opens_before and not step.closes_after:
        return _("on the day")
    return _("%(before)s days before to %(after)s days after") % {
        "before": step.opens_before,
        "after": step.closes_after,
    }


def shift_words(step: Step) -> str:
    """Where a step goes that falls on a rest day; empty when it stays."""
    return {
        "keep": "",
        "next-workday": _("next working day"),
        "previous-workday": _("working day before"),
        "nearest-workday": _("nearest working day"),
    }[step.shift.value]


def ladder_words(step: Step) -> str:
    """WeChat 24 h → SMS 24 h → phone."""
    parts = []
    for rung in step.ladder:
        name = channel_words(rung.channel.value)
        parts.append(
            _("%(channel)s %(hours)s h") % {"channel": name, "hours": rung.wait_hours} if rung.wait_hours else name
        )
    return " → ".join(parts)


def channel_words(code: str) -> str:
    """How a patient is reached, in words; the code itself when it is none of ours."""
    return {
        "wechat": _("WeChat"),
        "sms": _("SMS"),
        "phone": _("Phone"),
        "visit": _("Home visit"),
        "clinic": _("Clinic"),
    }.get(code, code)


def owner_words(code: str) -> str:
    """Who does a step, in words; the code itself when it is none of ours."""
    return _OWNERS(code)


_OWNERS = Words(
    {
        "follow-up-centre": gettext_lazy("Follow-up centre"),
        "ward-nurse": gettext_lazy("Ward nurse"),
        "attending-doctor": gettext_lazy("Attending doctor"),
        "same-nurse": gettext_lazy("The nurse who called before"),
    }
)


def activity_words(step: Step) -> str:
    """What a step does, in words."""
    return {
        "questionnaire": _("Questionnaire"),
        "education": _("Education"),
        "reminder": _("Reminder"),
        "revisit": _("Return visit"),
    }[step.activity.value]


def purpose_words(step: Step) -> str:
    return _("Tracking") if step.purpose.value == "tracking" else _("Caring")


def ends_words(rule: EndRule) -> list[str]:
    """ "Ends when" text: every condition of the plan."""
    words = {
        "death": _("the patient dies"),
        "refusal": _("the patient refuses contact for ever"),
        "transfer": _("care goes elsewhere"),
        "moved": _("the patient moves away"),
        "not-needed": _("it is no longer needed"),
    }
    lines = []
    for code, value in end_facts(rule):
        if code == "after" and rule.after is not None:
            lines.append(_("%(interval)s after discharge") % {"interval": offset_words(rule.after)})
        elif code == "on":
            lines.append(_("on %(day)s") % {"day": value})
        elif code == "after-completed":
            lines.append(_("after %(count)s completed contacts") % {"count": value})
        else:
            lines.append(words[code])
    return lines


def change_words(kind: str, *, step: str, day: str, title: str, value: str) -> str:
    """One personal change."""
    return _CHANGED(kind) % {"step": step, "day": day, "title": title, "value": value}


_CHANGED = Words(
    {
        "tick-off": gettext_lazy("Left out: %(step)s"),
        "move": gettext_lazy("%(step)s moved to %(day)s"),
        "add-visit": gettext_lazy("Added: %(title)s on %(day)s"),
        "owner": gettext_lazy("Done by: %(value)s"),
        "target": gettext_lazy("Target: %(value)s"),
    }
)


def target_words(name: str) -> str:
    """The name of a target."""
    return _TARGETS(name)


_TARGETS = Words(
    {
        "blood-pressure": gettext_lazy("Blood pressure"),
        "ldl-c": "LDL-C",
        "fasting-glucose": gettext_lazy("Fasting glucose"),
        "weight": gettext_lazy("Weight"),
    }
)


def source_words(plan: PlanContent) -> str:
    return _("Sources checked") if plan.is_verified else _("A source is not checked: adapt before use")


def has_text(intervals: Intervals) -> bool:
    """Whether the written form says more than the words do."""
    return len(intervals.legs) > 1


def _joined(parts: Iterable[str]) -> str:
    return _(", ").join(parts)


def fault_words(fault: Fault) -> str:
    """One mistake in the words of the screen: where, what is wrong and how to mend it."""
    values = {name: str(value)[:120] for name, value in fault.values.items()}
    sentence = _(fault.text) % values
    where = place_words(fault)
    return _("%(place)s: %(sentence)s") % {"place": where, "sentence": sentence} if where else sentence


def place_words(fault: Fault) -> str:
    """The place of a mistake: the step by its number, then the field; a path nobody has words for stays a path."""
    field = field_words(fault.key.partition("[")[0])
    if fault.step is not None:
        step = _("Step %(number)s") % {"number": fault.step + 1}
        return f"{step} · {field}"
    return field if fault.path else ""


def field_words(key: str) -> str:
    """The name of a field of the designer."""
    return {
        "schedule": _("When"), "window": _("Window"), "until": _("Until"), "times": _("How often at most"),
        "anchor": _("Counted from"), "first_from": _("First counted from"), "of_step": _("After which step"),
        "title": _("Plan title"), "description": _("Description"), "purpose": _("Purpose"), "activity": _("Content"),
        "questionnaire": _("Questionnaire"), "education": _("Education material"), "text": _("Message to the patient"),
        "ladder": _("Channels"), "wait_hours": _("Hours to wait"), "channel": _("Channel"), "owner": _("Done by"),
        "shift": _("On a rest day"), "lapses": _("Lapses"), "code": _("Code"), "steps": _("Steps"), "plan": _("Plan"),
        "enrolment": _("Who enters"), "diagnoses": _("Diagnoses"), "procedures": _("Operations"),
        "departments": _("Departments"), "dispositions": _("Way of discharge"), "encounter_classes": _("Kind of visit"),
        "sex": _("Sex"), "age": _("Age"), "from": _("Age from"), "to": _("Age to"), "any": _("Codes wanted"),
        "none": _("Codes not wanted"), "main_only": _("Main diagnosis only"),
        "either_code": _("Diagnosis or operation is enough"), "ends": _("Ends when"), "after": _("End after"),
        "on": _("Last day of the plan"), "after_completed": _("Number of contacts"), "causes": _("Causes"),
        "sources": _("Sources"), "valid_from": _("Valid from"), "valid_to": _("Valid to"), "version": _("Version"),
        "category": _("Kind"), "group": _("Group"), "specialty": _("Specialty"), "targets": _("Targets"),
        "url": "URL", "covers_first_contact": _("Brings the first contact"),
    }.get(key, key)  # fmt: skip


def path_words(path: str, titles: Mapping[str, str]) -> str:
    """A part of a plan that somebody changed: a step by its title, anything else by the name of its field."""
    step = path.removeprefix("steps.")
    if step != path:
        return titles.get(step) or step
    return field_words(path)
