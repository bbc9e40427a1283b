"""One patient's way through a form: which questions are asked, what was answered, what would be dangerous."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, partial
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from careloop.alerts.models import Alert
from careloop.kernel.prepared import prepared, together
from careloop.kernel.viewer import Viewer
from careloop.portal import rules
from careloop.questionnaires import reads as questionnaires
from careloop.questionnaires.models import Questionnaire, QuestionnaireResponse
from careloop.questionnaires.rules import Finding, Form, Item, enabled_items, judge
from careloop.questionnaires.rules.conditions import items_of, scores_of
from careloop.tasks.models import Task

NUMBERS = frozenset({"integer", "decimal", "quantity"})
NOT_ON_A_TELEPHONE = frozenset({"url", "reference"})
MOST_TRIED = 400
"""So many values of a number question are judged one by one, to ship the dangerous ranges with the page."""

Page = tuple[Item, ...]
LastTime = tuple[Mapping[str, Any], datetime | None]


@dataclass(frozen=True, slots=True)
class Sitting:
    """A task's form as this patient stands in it."""

    task: Task
    questionnaire: Questionnaire
    form: Form
    response: QuestionnaireResponse | None
    answers: Mapping[str, Any]
    last_time: Callable[[], LastTime]
    """Asked only when a rule is about to look at it: most pages have no dangerous answer."""

    @property
    def previous(self) -> LastTime:
        """What the patient answered to this form before, and when."""
        return self.last_time()

    def findings(self, *, at: datetime) -> tuple[Finding, ...]:
        """What the rules say about the answers so far, worst first."""
        return judge(self.form, self.answers, previous=self.previous[0], previous_at=self.previous[1], at=at)

    def reason(self, link_id: str) -> str:
        """Why a question has no answer, when that was said."""
        return str((self.response.answers.get(link_id) or {}).get("reason", "")) if self.response else ""

    @property
    def is_done(self) -> bool:
        return self.response is not None and self.response.status in {"completed", "amended"}

    @property
    def is_closed(self) -> bool:
        """Nothing can be answered any more: done by telephone, withdrawn, or already sent."""
        return self.is_done or self.task.status != Task.Status.REQUESTED

    @property
    def pages(self) -> list[Page]:
        """The pages that apply now, in the order of the form."""
        asked = {item.link_id for item in enabled_items(self.form, self.answers)}
        return [page for page in _pages(self.form) if all(item.link_id in asked for item in page)]

    @property
    def keys(self) -> list[str]:
        return [page[0].link_id for page in self.pages]

    @property
    def answered_keys(self) -> list[str]:
        """Pages that need no visit any more: answered, or seen and left open on purpose."""
        return [page[0].link_id for page in self.pages if any(item.link_id in self.answers for item in page)]

    @property
    def every_page(self) -> list[Page]:
        """All pages that could ever be asked; a telephone without network chooses among them by itself."""
        return list(_pages(self.form))

    def page(self, key: str) -> Page | None:
        return next((page for page in self.pages if page[0].link_id == key), None)

    def next_open(self) -> str | None:
        """Where somebody who comes back goes on."""
        return rules.first_open(self.keys, self.answered_keys)

    def next_required(self) -> str | None:
        """What must still be answered before the form can be sent."""
        keys = [page[0].link_id for page in self.pages if any(item.required for item in page)]
        return rules.first_open(keys, self.answered_keys)


def sitting(task_id: UUID, *, at: datetime, viewer: Viewer) -> Sitting | None:
    """The form of this task with the answers so far, whoever gave them. None when the task is not this patient's, or has
    no form."""
    tasks, responses = together(
        _task_with_form.asked(viewer=viewer, task_id=task_id), _response_of.asked(viewer=viewer, task_id=task_id)
    )
    if not tasks:
        return None
    task: Task = tasks[0]
    response: QuestionnaireResponse | None = responses[0] if responses else None
    try:
        questionnaire = response.questionnaire if response else questionnaires.current(task.questionnaire_url)
    except Questionnaire.DoesNotExist:
        return None
    answers = response.values if response else {}
    before = response.started_at if response else at
    form = questionnaires.form_as(questionnaire, response)
    last_time = cache(partial(questionnaires.compared_with, form, task.patient_id, before=before))
    return Sitting(task, questionnaire, form, response, answers, last_time)


@prepared
def _response_of(viewer: Viewer, task_id: UUID) -> QuerySet[QuestionnaireResponse]:
    """The content of the form stays in the database: it is parsed once per version and process."""
    found = QuestionnaireResponse.objects.visible_to(viewer).filter(task_id=task_id).exclude(status="entered-in-error")
    return found.select_related("questionnaire").defer("questionnaire__content").order_by("-id")[:1]


@prepared
def _task_with_form(viewer: Viewer, task_id: UUID) -> QuerySet[Task]:
    return Task.objects.visible_to(viewer).exclude(questionnaire_url="").filter(pk=task_id)


def answered(found: Sitting, response: QuestionnaireResponse) -> Sitting:
    """The same sitting after an answer was saved: what the action gave back, without asking again."""
    form = questionnaires.form_as(found.questionnaire, response)
    return replace(found, response=response, answers=response.values, form=form)


def _pages(form: Form) -> Iterator[Page]:
    """One question a page; numbers that belong together (a blood pressure) stay together."""
    for screen in form.screens:
        shown = tuple(item for item in screen if not (item.hidden or item.read_only or item.type in NOT_ON_A_TELEPHONE))
        together = len(shown) > 1 and all(item.type in NUMBERS and item.parent == shown[0].parent for item in shown)
        if together:
            yield shown
        else:
            yield from ((item,) for item in shown)


def group_title(form: Form, page: Page) -> str:
    """The heading of numbers that are asked together; empty for a single question."""
    if len(page) < 2 or not page[0].parent:
        return ""
    return form.item(page[0].parent).patient.say("en" if (get_language() or "").startswith("en") else "zh")


def findings(found: Sitting, *, at: datetime) -> tuple[Finding, ...]:
    """What the rules say about the answers so far, worst first; watch-level ones do not worry a patient."""
    return tuple(one for one in found.findings(at=at) if one.severity in {"critical", "high"})


def critical_finding(found: Sitting, page: Page, *, at: datetime) -> Finding | None:
    """The critical rule that an answer on this page trips, given the others."""
    here = {item.link_id for item in page}
    fired = [one for one in found.findings(at=at) if one.severity == "critical"]
    return next((one for one in fired if here & set(one.evidence)), None)


@dataclass(frozen=True, slots=True)
class Promise:
    """Who calls until when, because of a dangerous answer."""

    name: str
    until: datetime


def promised_call(found: Sitting, finding: Finding) -> Promise | None:
    """What the alert of this finding promises; None while it is not raised or nobody owns it."""
    if found.response is None:
        return None
    alert = (
        Alert.objects.unscoped("the patient is told who calls, nothing else of the alert")
        .select_related("owner")
        .filter(response_id=found.response.pk, rule_code=finding.rule_code)
        .order_by("id")
        .first()
    )
    return Promise(alert.owner.name, alert.respond_by) if alert and alert.owner else None


# ---- danger: known before the answer is sent ----


@dataclass(frozen=True, slots=True)
class Danger:
    """An answer (a code, or a range of numbers) that makes the safety page of `rule` appear at once."""

    rule: str
    field: str
    answer: str | None = None
    low: float | None = None
    high: float | None = None

    def as_json(self) -> dict[str, Any]:
        return {"id": self.rule, "field": self.field, "answer": self.answer, "low": self.low, "high": self.high}


def dangers_of(found: Sitting, page: Page, *, at: datetime) -> tuple[list[Danger], list[dict[str, Any]]]:
    """Which answers on this page are critical, and the safety pages that ship with it."""
    dangers: list[Danger] = []
    findings: dict[str, Finding] = {}
    for item in page:
        for danger, finding in _dangerous_answers(found, item, at):
            dangers.append(danger)
            findings.setdefault(finding.rule_code, finding)
    return dangers, [safety_of(finding) for finding in findings.values()]


def safety_of(finding: Finding) -> dict[str, Any]:
    """The words of a safety page. A rule without words of its own still tells the patient to rest and call."""
    said = questionnaires.safety_text(finding)
    return {
        "id": finding.rule_code,
        "title": said.get("title") or _("Please stop and rest now"),
        "text": said.get("text") or _("Your answer may mean that you have to see a doctor at once."),
        "signs": list(said.get("signs") or ()),
    }


def _dangerous_answers(found: Sitting, item: Item, at: datetime) -> Iterator[tuple[Danger, Finding]]:
    if item.link_id not in watched(found.form):
        return
    before = _critical(found, {}, item, at)
    if item.type in NUMBERS:
        yield from _dangerous_ranges(found, item, before, at)
        return
    values: Sequence[Any] = [option.code for option in item.options] or (
        [True, False] if item.type == "boolean" else []
    )
    for value in values:
        given = [value] if item.repeats else value
        for finding in _new(found, item, given, before, at):
            answer = str(value).lower() if isinstance(value, bool) else str(value)
            yield Danger(finding.rule_code, item.link_id, answer=answer), finding


def watched(form: Form) -> set[str]:
    """Questions that a critical rule looks at, directly or through a score; the others need no trying."""
    conditions = [rule["when"] for rule in form.rules if rule["severity"] == "critical"]
    totals = {code for condition in conditions for code in scores_of(condition)}
    summed = {name for total in form.scores if total["code"] in totals for name in total["items"]}
    return summed | {name for condition in conditions for name in items_of(condition)}


def _dangerous_ranges(
    found: Sitting, item: Item, before: Mapping[str, Finding], at: datetime
) -> Iterator[tuple[Danger, Finding]]:
    """Tries the values of the question from low to high and joins neighbours with the same rule to ranges."""
    open_ranges: dict[str, tuple[Finding, float, float]] = {}
    for value in _values(item):
        fired = {finding.rule_code: finding for finding in _new(found, item, value, before, at)}
        for code in [code for code in open_ranges if code not in fired]:
            finding, low, high = open_ranges.pop(code)
            yield Danger(code, item.link_id, low=low, high=high), finding
        for code, finding in fired.items():
            low = open_ranges[code][1] if code in open_ranges else value
            open_ranges[code] = (finding, low, value)
    for code, (finding, low, high) in open_ranges.items():
        yield Danger(code, item.link_id, low=low, high=high), finding


def _values(item: Item) -> list[float]:
    if item.minimum is None or item.maximum is None:
        return []
    low, high = float(item.minimum), float(item.maximum)
    step = 1.0 if item.type == "integer" else 0.1
    while (high - low) / step > MOST_TRIED:
        step *= 10 if step < 1 else 5
    count = round((high - low) / step)
    return [round(low + index * step, 1) for index in range(count + 1)]


def _new(found: Sitting, item: Item, value: Any, before: Mapping[str, Finding], at: datetime) -> list[Finding]:
    fired = _critical(found, {item.link_id: value}, item, at)
    return [finding for code, finding in fired.items() if code not in before]


def _critical(found: Sitting, change: Mapping[str, Any], item: Item, at: datetime) -> dict[str, Finding]:
    """Critical rules that fire when only this answer is replaced (without a change: when it is missing)."""
    answers = {name: value for name, value in found.answers.items() if name != item.link_id} | dict(change)
    fired = judge(found.form, answers, previous=found.previous[0], previous_at=found.previous[1], at=at)
    return {finding.rule_code: finding for finding in fired if finding.severity == "critical"}


def sitting_with(found: Sitting, answers: Mapping[str, Any]) -> Sitting:
    """The same sitting if these answers were given too."""
    return replace(found, answers={**found.answers, **answers})


def as_if_asked(found: Sitting, page: Page) -> Sitting:
    """The sitting with the answers that bring this page up, where it is not asked yet: what would be dangerous then.

    A copy of the form that a telephone keeps must know it before the answers are given.
    """
    needed: dict[str, Any] = {}
    for item in page:
        _bring_up(found.form, item, needed)
    return sitting_with(found, {name: value for name, value in needed.items() if found.answers.get(name) != value})


def _bring_up(form: Form, item: Item, needed: dict[str, Any]) -> None:
    if item.parent:
        _bring_up(form, form.item(item.parent), needed)
    for line in item.when[:1] if item.when_any else item.when:
        if line.question in needed:
            continue
        asked = form.item(line.question)
        if line.operator == "=":
            needed[line.question] = [line.answer] if asked.repeats else line.answer
        _bring_up(form, asked, needed)
