"""Forms in force, and one form with its answers ready to be shown in any mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Case, F, QuerySet, When
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from careloop.accounts.models import Organization
from careloop.kernel.jobs import read_once
from careloop.kernel.prepared import prepared
from careloop.kernel.viewer import NOBODY, Viewer
from careloop.patients.models import PatientIdentifier
from careloop.questionnaires import rules
from careloop.questionnaires.models import Attachment, Questionnaire, QuestionnaireResponse
from careloop.questionnaires.reads.sliding import Slider, slider_of
from careloop.questionnaires.reads.wording import asked_when, both, role_label, said
from careloop.questionnaires.rules import Finding, Form, Item
from careloop.questionnaires.rules.validation import check_value


def current(url: str) -> Questionnaire:
    """The version in force. Raises Questionnaire.DoesNotExist."""
    found: list[Questionnaire] = _in_force(viewer=NOBODY, url=url)
    if not found:
        raise Questionnaire.DoesNotExist
    return found[0]


@prepared
def _in_force(viewer: Viewer, url: str) -> QuerySet[Questionnaire]:
    """Without its content, which is parsed once per version and process."""
    return Questionnaire.objects.filter(url=url, status="active").defer("content")


def form_of(questionnaire: Questionnaire) -> Form:
    """The parsed form; parsed once per version and process, since a published version never changes."""
    if questionnaire.status == Questionnaire.Status.DRAFT:
        return questionnaire.form()
    return _parsed(questionnaire.pk, questionnaire.content_hash)


def asked_form(response: QuestionnaireResponse) -> Form:
    """The form as this response asks it: every repeating group as often as it was filled in."""
    return form_as(response.questionnaire, response)


def form_as(questionnaire: Questionnaire, response: QuestionnaireResponse | None) -> Form:
    """The same before there is a response: every repeating group once."""
    form = form_of(questionnaire)
    answers, asked_for = (response.answers, response.instances) if response else ({}, {})
    return rules.expand(form, rules.counted(form, answers, asked_for))


@lru_cache(maxsize=256)
def _parsed(pk: UUID, content_hash: str) -> Form:
    return Questionnaire.objects.get(pk=pk).form()


@read_once
def completed(response_id: UUID) -> QuestionnaireResponse | None:
    """Answers that were completed, for the jobs that follow: what was answered and found does not change any more. What
    became of them since (corrected, entered in error) is asked by whoever writes.
    """
    found: list[QuestionnaireResponse] = _completed(viewer=NOBODY, response_id=response_id)
    return found[0] if found else None


@prepared
def _completed(viewer: Viewer, response_id: UUID) -> QuerySet[QuestionnaireResponse]:
    every = QuestionnaireResponse.objects.unscoped("jobs follow every patient's answers").filter(pk=response_id)
    return every.exclude(status="in-progress").select_related("questionnaire").defer("questionnaire__content")


def previous_values(patient_id: UUID, *, url: str, before: datetime) -> tuple[dict[str, Any], datetime | None]:
    """The newest completed answers of this patient to the same form (any version), and when they were given."""
    found: list[QuestionnaireResponse] = _newest_before(viewer=NOBODY, patient_id=patient_id, url=url, before=before)
    return (found[0].values, found[0].authored_at) if found else ({}, None)


def compared_with(form: Form, patient_id: UUID, *, before: datetime) -> tuple[dict[str, Any], datetime | None]:
    """The same for judging; nothing is asked where no rule of the form compares with last time."""
    if not form.looks_back:
        return {}, None
    return previous_values(patient_id, url=form.url, before=before)


@prepared
def _newest_before(viewer: Viewer, patient_id: UUID, url: str, before: datetime) -> QuerySet[QuestionnaireResponse]:
    same = QuestionnaireResponse.objects.unscoped("judgement compares with earlier answers of the same patient")
    given = same.filter(patient_id=patient_id, questionnaire__url=url, status="completed", authored_at__lt=before)
    return given.order_by("-authored_at", "pk")[:1]


def judge_values(response: QuestionnaireResponse, values: Mapping[str, Any], *, at: datetime) -> tuple[Finding, ...]:
    """What the rules of this version say to these answers now."""
    form = asked_form(response)
    previous, previous_at = compared_with(form, response.patient_id, before=at)
    return rules.judge(form, values, previous=previous, previous_at=previous_at, at=at)


@dataclass(frozen=True, slots=True)
class OptionView:
    """One option as shown."""

    code: str
    text: str
    digit: str
    chosen: bool
    bad: bool


@dataclass(frozen=True, slots=True)
class AlertView:
    """What an answer sets off: shown at the moment of entry."""

    rule_code: str
    severity: str
    sentence: str
    owner_role: str
    owner_label: str
    minutes: int
    advice: str


@dataclass(frozen=True, slots=True)
class QuestionView:
    """One question, ready for any template."""

    link_id: str
    item: Item
    number: str
    type: str
    text: str
    script: str
    patient_text: str
    value: Any
    display: str
    source: str
    source_label: str
    answered_at: datetime | None
    enabled: bool
    required: bool
    options: tuple[OptionView, ...]
    patient_options: tuple[OptionView, ...]
    unit: str
    least: str
    most: str
    jump: int
    fault: str
    alerts: tuple[AlertView, ...]
    reason: str = ""  # why there is no answer
    files: tuple[FileView, ...] = ()

    @property
    def slider(self) -> Slider | None:
        """The ends and marks, when it is drawn between two ends."""
        return slider_of(self.item) if self.item.is_slider else None

    @property
    def reasons(self) -> dict[str, str]:
        """What "no answer" may mean, the usual meaning first."""
        words = absent_words()
        usual = rules.usual_reason(self.item)
        return {usual: words[usual], **words}


@dataclass(frozen=True, slots=True)
class FileView:
    """A picture or document given as an answer: its address needs permission and is recorded."""

    pk: UUID
    content_type: str
    size: int

    words: str = ""  # typed in place of a recording

    @property
    def is_picture(self) -> bool:
        return self.content_type.startswith("image/")

    @property
    def is_voice(self) -> bool:
        return self.content_type.startswith("audio/")

    @property
    def kilobytes(self) -> int:
        return max(1, round(self.size / 1024))


@dataclass(frozen=True, slots=True)
class MatrixView:
    """The table a row stands in: heading, options, and all rows (number, question, when it is asked) for paper."""

    link_id: str
    title: str
    options: tuple[str, ...]
    rows: tuple[tuple[int, str, str], ...]
    opens: bool  # this row is the first one
    shown: bool  # at least one row is asked

    @property
    def width(self) -> int:
        """Pixels of one column on the screen."""
        return max(44, min(96, 560 // max(1, len(self.options))))


@dataclass(frozen=True, slots=True)
class ScreenView:
    """What stands together: one question, or the numbers of one measurement."""

    number: int
    title: str
    script: str
    questions: tuple[QuestionView, ...]
    enabled: bool
    group: str = ""  # the repeating group it stands in
    group_title: str = ""
    instance: int = 1
    opens: bool = False  # first screen of its instance
    may_add: bool = False  # last screen of the last instance
    may_remove: bool = False
    matrix: MatrixView | None = None

    @property
    def answered(self) -> bool:
        return all(question.value is not None for question in self.questions)


@dataclass(frozen=True, slots=True)
class FormView:
    """A form with its answers."""

    response: QuestionnaireResponse | None
    title: str
    version: str
    opening: str
    screens: tuple[ScreenView, ...]
    findings: tuple[AlertView, ...]
    answered: int
    total: int

    def question(self, link_id: str) -> QuestionView:
        return next(q for screen in self.screens for q in screen.questions if q.link_id == link_id)


def form_view(
    questionnaire: Questionnaire,
    *,
    response: QuestionnaireResponse | None,
    at: datetime,
    findings: Sequence[Finding] | None = None,
    nurse: str = "",
) -> FormView:
    """The form with the answers of a response (or empty), in the language of the request. `nurse` speaks the opening."""
    form = form_as(questionnaire, response)
    answers = response.answers if response else {}
    values = {name: answer["value"] for name, answer in answers.items()}
    if findings is None:
        findings = judge_values(response, values, at=at) if response else ()
    enabled = {item.link_id for item in rules.enabled_items(form, values)}
    by_last = _alerts_by_question(form, findings, values)
    screens: list[ScreenView] = []
    for items in form.screens:
        shown = any(item.link_id in enabled for item in items)
        number = len([s for s in screens if s.enabled]) + 1
        questions = tuple(_question(form, item, answers, enabled, by_last, str(number)) for item in items)
        screens.append(ScreenView(number, _group_title(form, items), _group_script(form, items), questions, shown))
    screens = _with_matrices(form, _with_instances(form, screens))
    if any(screen.questions[0].type == "attachment" for screen in screens):
        screens = _with_files(screens, response)
    live = [screen for screen in screens if screen.enabled]
    return FormView(
        response=response,
        title=said(form.title),
        version=form.version,
        opening=opening_words(form, nurse=nurse),
        screens=tuple(screens),
        findings=tuple(_alert(finding) for finding in findings),
        answered=sum(screen.answered for screen in live),
        total=len(live),
    )


def _with_instances(form: Form, screens: list[ScreenView]) -> list[ScreenView]:
    """Where an instance begins and ends, so that it can be taken away and another one added."""
    found = []
    for place, screen in enumerate(screens):
        item = screen.questions[0].item
        if not item.group:
            found.append(screen)
            continue
        before, after = screens[place - 1] if place else None, screens[place + 1] if place + 1 < len(screens) else None
        same = [one for one in (before, after) if one is not None and one.questions[0].item.group == item.group]
        count = form.counts.get(item.group, 1)
        opens = before not in same or before.questions[0].item.instance != item.instance
        found.append(
            replace(
                screen,
                group=item.group,
                group_title=said(rules.titled(form.item(item.group).staff, item.instance)),
                instance=item.instance,
                opens=opens,
                may_add=after not in same and count < rules.MOST_INSTANCES,
                may_remove=opens and count > 1,
            )
        )
    return found


def _with_matrices(form: Form, screens: list[ScreenView]) -> list[ScreenView]:
    """Rows of one table know each other."""
    rows: dict[str, list[ScreenView]] = {}
    for screen in screens:
        parent = screen.questions[0].item.parent
        if parent and form.item(parent).is_matrix:
            rows.setdefault(parent, []).append(screen)
    if not rows:
        return screens
    return [replace(one, matrix=_matrix(form, one, rows)) for one in screens]


def _matrix(form: Form, screen: ScreenView, rows: Mapping[str, list[ScreenView]]) -> MatrixView | None:
    parent = screen.questions[0].item.parent
    mine = rows.get(parent)
    if mine is None:
        return None
    return MatrixView(
        link_id=parent, title=said(form.item(parent).staff), options=tuple(one.text for one in mine[0].questions[0].options),
        rows=tuple((one.number, one.questions[0].text, "") for one in mine), opens=mine[0] is screen,
        shown=any(one.enabled for one in mine),
    )  # fmt: skip


def _with_files(screens: list[ScreenView], response: QuestionnaireResponse | None) -> list[ScreenView]:
    files = attachments_of(response)
    return [
        replace(
            screen, questions=tuple(replace(one, files=tuple(files.get(one.link_id, ()))) for one in screen.questions)
        )
        for screen in screens
    ]


def attachments_of(response: QuestionnaireResponse | None) -> dict[str, list[FileView]]:
    """The files of a response that the viewer may see, by question; those that were taken back are not there."""
    found: dict[str, list[FileView]] = {}
    if response is None:
        return found
    kept = Attachment.objects.unscoped("files of a response that was found by who is looking")
    rows = kept.filter(response_id=response.pk, removed_at=None).order_by("added_at", "pk")
    wanted = {str(pk): name for name, value in response.values.items() for pk in _as_list(value)}
    typed = Case(When(content_type="text/plain", then=F("data")), default=None)
    for pk, content_type, size, words in rows.values_list("pk", "content_type", "size", typed):
        if str(pk) in wanted:
            text = bytes(words).decode() if words is not None else ""
            found.setdefault(wanted[str(pk)], []).append(FileView(pk, content_type, size, text))
    return found


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def opening_words(form: Form, *, nurse: str) -> str:
    """What is said before the first question, with the names of the hospital and of the person who calls."""
    words = said(form.opening)
    if "{hospital}" in words:
        words = words.replace("{hospital}", _hospital())
    return words.replace("{nurse}", f" {nurse}" if nurse and get_language() == "en" else nurse)


def _hospital() -> str:
    if settings.ENV.hospital_name:
        return str(settings.ENV.hospital_name)
    root = Organization.objects.filter(parent=None, kind="hospital").order_by("pk").first()
    return root.name if root else ""


def _question(
    form: Form,
    item: Item,
    answers: Mapping[str, Any],
    enabled: set[str],
    alerts: Mapping[str, list[AlertView]],
    number: str,
) -> QuestionView:
    given = answers.get(item.link_id, {})
    value = given.get("value")
    fault = check_value(item, value) if value not in (None, "", []) else None
    found = tuple(alerts.get(item.link_id, ()))
    return QuestionView(
        link_id=item.link_id,
        item=item,
        number=number,
        type=item.type,
        text=_text(form, item),
        script=said(item.script),
        patient_text=said(item.patient),
        value=value,
        display=display_value(item, value, given.get("reason", "")),
        reason=given.get("reason", ""),
        source=given.get("source", ""),
        source_label=_source_label(given.get("source", "")),
        answered_at=datetime.fromisoformat(given["at"]) if given.get("at") else None,
        enabled=item.link_id in enabled,
        required=item.required,
        options=_options(item, value, bad=bool(found), patient=False),
        patient_options=_options(item, value, bad=False, patient=True),
        unit=item.unit_display,
        least="" if item.minimum is None else f"{item.minimum.normalize():f}",
        most="" if item.maximum is None else f"{item.maximum.normalize():f}",
        jump=_jump(item),
        fault=fault_text(fault) if fault else "",
        alerts=found,
    )


def _text(form: Form, item: Item) -> str:
    """The question; from the second instance on with the name and number of its group before it."""
    if item.instance == 1 or not item.group:
        return said(item.staff)
    return f"{said(rules.titled(form.item(item.group).staff, item.instance))} · {said(item.staff)}"


def _options(item: Item, value: Any, *, bad: bool, patient: bool) -> tuple[OptionView, ...]:
    chosen = {str(v) for v in value} if isinstance(value, list) else {str(value)} if value is not None else set()
    if item.type == "boolean":
        pairs = [("true", _("Yes")), ("false", _("No"))]
        chosen = {c.lower() for c in chosen}
    elif item.control == "scale-0-10":
        pairs = [(str(n), str(n)) for n in range(11)]
    else:
        pairs = [(o.code, said(o.patient if patient else o.staff)) for o in item.options]
    return tuple(
        OptionView(code, text, str(index) if index <= 9 else "", code in chosen, bad and code in chosen)
        for index, (code, text) in enumerate(pairs, start=1)
    )


def _jump(item: Item) -> int:
    """After how many digits a number field passes the focus on: the length of its largest value; 0 = never."""
    if item.type != "integer" or item.maximum is None:
        return 0
    return len(str(int(item.maximum)))


@dataclass(frozen=True, slots=True)
class PreviewScreen:
    """One screen of an unanswered form, with the sentence that says when it is asked."""

    screen: ScreenView
    asked_when: str


def preview(questionnaire: Questionnaire, *, at: datetime) -> list[PreviewScreen]:
    """Every screen of a version, those too that depend on an answer."""
    form = form_of(questionnaire)
    view = form_view(questionnaire, response=None, at=at)
    found = []
    for number, screen in enumerate(view.screens, start=1):
        table = screen.matrix
        if table is not None:
            first = next(
                n for n, one in enumerate(view.screens, start=1) if one.matrix and one.matrix.link_id == table.link_id
            )
            asked = [asked_when(form, row) for row in form.item(table.link_id).items]
            rows = tuple((first + place, text, asked[place]) for place, (_number, text, _when) in enumerate(table.rows))
            table = replace(table, rows=rows, shown=True)
        shown = replace(screen, number=number, enabled=True, matrix=table)
        found.append(PreviewScreen(shown, asked_when(form, shown.questions[0].item)))
    return found


def absent_words() -> dict[str, str]:
    """Why there is no answer, code by code (data-absent-reason)."""
    return {
        "not-performed": _("Not measured"),
        "asked-unknown": _("Not known"),
        "asked-declined": _("Did not want to say"),
        "temp-unknown": _("Will be told later"),
        "not-applicable": _("Does not apply"),
        "unknown": _("No answer, reason not known"),
    }


def display_value(item: Item, value: Any, reason: str = "") -> str:
    """The answer in words."""
    if value in (None, "", []):
        return ""
    if value == rules.NOT_MEASURED:
        return absent_words().get(reason) or _("Not measured")
    if item.type == "attachment":
        count = len(_as_list(value))
        return ngettext("%(num)d file", "%(num)d files", count) % {"num": count}
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    values = value if isinstance(value, list) else [value]
    words = [said(option.staff) if (option := item.option(str(v))) else str(v) for v in values]
    text = "、".join(words) if get_language() != "en" else ", ".join(words)
    return (
        f"{text} {item.unit_display}" if item.unit_display and item.type in {"integer", "decimal", "quantity"} else text
    )


def fault_text(fault: rules.Fault) -> str:
    """A fault in words: what, and how to mend it."""
    if fault.code == "check":
        return said(fault.words)
    params = dict(fault.params)
    texts = {
        "required": _("Please choose or enter an answer."),
        "type": _("This is not a valid value here."),
        "too-low": _("The lowest possible value is %(least)s %(unit)s. Check with the patient."),
        "too-high": _("The highest possible value is %(most)s %(unit)s. Check with the patient."),
        "too-early": _("The earliest possible date is %(least)s."),
        "too-late": _("The latest possible date is %(most)s."),
        "unknown-option": _("Choose one of the options."),
        "exclusive": _("“None of these” and a sign cannot both stand. Choose again."),
        "pattern": _("This is not written as expected here. %(example)s"),
        "too-long": _("At most %(most)s characters."),
        "too-many-decimals": _("At most %(most)s decimals."),
    }
    return texts[fault.code] % {"least": "", "most": "", "unit": "", "example": "", **params}


def _alerts_by_question(
    form: Form, findings: Sequence[Finding], values: Mapping[str, Any]
) -> dict[str, list[AlertView]]:
    """An alert stands under the last answered question of its evidence."""
    found: dict[str, list[AlertView]] = {}
    for finding in findings:
        answered = [name for name in finding.evidence if values.get(name) is not None]
        if answered:
            found.setdefault(answered[-1], []).append(_alert(finding))
    return found


def _alert(finding: Finding) -> AlertView:
    return AlertView(
        rule_code=finding.rule_code,
        severity=finding.severity,
        sentence=said(finding.sentence),
        owner_role=finding.owner_role,
        owner_label=role_label(finding.owner_role),
        minutes=finding.respond_within_minutes,
        advice=said(finding.advice),
    )


def _source_label(source: str) -> str:
    return {
        "portal": _("Self-report"),
        "relative": _("A relative's report"),
        "previous": _("From last time"),
        "phone": "",
        "paper": _("Paper"),
        "visit": _("Home or clinic visit"),
        "device": _("Device"),
        "his": _("Hospital system"),
        "form": _("Set by the form"),
        "amended": _("Corrected"),
    }.get(source, "")


def _group_title(form: Form, items: Sequence[Item]) -> str:
    return said(form.item(items[0].parent).staff) if len(items) > 1 and items[0].parent else ""


def _group_script(form: Form, items: Sequence[Item]) -> str:
    return said(form.item(items[0].parent).script) if len(items) > 1 and items[0].parent else ""


def responses_of(patient_id: UUID, *, viewer: Viewer) -> list[QuestionnaireResponse]:
    """The patient's responses, newest first, without drafts nobody answered."""
    found = QuestionnaireResponse.objects.visible_to(viewer).select_related("questionnaire", "author")
    return list(
        found.filter(patient_id=patient_id)
        .exclude(status="in-progress", answers={})
        .order_by("-started_at", "-pk")[:50]
    )


def patient_number(patient_id: UUID) -> str:
    """The number of the record (admission or medical record number) for paper; empty when there is none."""
    known = PatientIdentifier.objects.unscoped("printed with a response the viewer may see")
    found = known.filter(patient_id=patient_id, type="MR").order_by("pk").first()
    return found.value if found else ""


def amendment_of(response: QuestionnaireResponse, *, viewer: Viewer) -> QuestionnaireResponse | None:
    """The corrected answers that took the place of these, if there are any."""
    return QuestionnaireResponse.objects.visible_to(viewer).filter(replaces=response).first()


def safety_text(finding: Finding) -> dict[str, Any]:
    """The safety page of a finding in the language of the request: title, text, signs."""
    language = "en" if get_language() == "en" and "en" in finding.safety else "zh"
    return dict(finding.safety.get(language, {}))


def score_lines(response: QuestionnaireResponse) -> list[tuple[str, str, str]]:
    """(title, value, band) of each score as stored; a missing value says how many answers are missing."""
    form = form_of(response.questionnaire)
    lines = []
    for rule in form.scores:
        stored = response.scores.get(rule["code"])
        if stored is None:
            continue
        band = next((b for b in rule.get("bands", ()) if b["code"] == stored["band"]), None)
        value = "–" if stored["value"] is None else str(stored["value"])
        lines.append((both(rule["title"]), value, both(band["title"]) if band else ""))
    return lines


def classification_line(response: QuestionnaireResponse) -> tuple[str, str] | None:
    """(class, reason) as stored, e.g. ("控制不满意", "收缩压 152 ≥ 140")."""
    stored = response.classification
    if not stored:
        return None
    return both(stored["title"]), both(stored["reason"])
