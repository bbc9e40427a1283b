"""今日出院: who left the hospital, what the rules suggest and why, and everything the drawer shows about one discharge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from careloop.accounts.models import Organization
from careloop.kernel.viewer import Viewer
from careloop.messaging.models import Communication
from careloop.patients.models import Condition, Encounter, Procedure, RelatedPerson
from careloop.plans.models import CarePlan, EnrolmentDecision
from careloop.plans.reads import wording
from careloop.plans.reads.pages import VISIT, Node, PlanCard, patient_cards, title_of
from careloop.plans.reads.suggesting import Suggestion, suggestions
from careloop.plans.rules.content import PlanContent, Step
from careloop.plans.rules.enrolment import Outcome
from careloop.workbench.models import DischargeReview
from careloop.workbench.reads import p360
from careloop.workbench.reads.goals import goals_of, kinds
from careloop.workbench.reads.people import age

DAYS: Final = (1, 3, 7)
STATES: Final = ("", "open", "decided", "none")
PAGE: Final = 50
STAYS: Final = (Encounter.Class.INPATIENT, Encounter.Class.DAY)
# Nobody has to decide about these: the rules left them out for good reason.
SETTLED: Final = tuple(
    outcome.value
    for outcome in (
        Outcome.DIED, Outcome.AGAINST_ADVICE, Outcome.TRANSFERRED, Outcome.REFUSED, Outcome.ENCOUNTER_CANCELLED,
        Outcome.TOO_LATE,
    )
)  # fmt: skip
NUMBER_CHECK: Final = "number-check"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """What the list is narrowed to. `days` 1 is today; `state` open, decided, none (nothing to decide) or all."""

    days: int = 1
    department_id: UUID | None = None
    state: str = ""
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One discharge. `state`: open, confirmed, no-follow-up, or the outcome code that leaves nothing to decide."""

    encounter: Encounter
    sex: str
    age: int | None
    diagnosis: str
    operation: str
    plans: list[str]
    why: str
    state: str
    state_words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A page of the list with its counts. The counts ignore the state filter: they are what its chips show."""

    lines: list[Line]
    counts: dict[str, int]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLine:
    """One step of the plan for this patient."""

    code: str
    title: str
    when: str
    how: str
    day: date | None
    is_on: bool
    is_done: bool
    may_move: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPart:
    """One running plan of this discharge with its steps and added visits."""

    card: PlanCard
    steps: list[StepLine]
    visits: list[Node]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawer:
    """Everything about one discharge."""

    encounter: Encounter
    review: DischargeReview | None
    state: str
    banner: dict[str, Any]
    diagnosis: str
    operation: str
    parts: list[PlanPart]
    choices: list[Suggestion]
    outcome: str
    outcome_words: str
    decline_words: str = ""
    goals: list[dict[str, str]] = field(default_factory=list)
    owner: str = ""
    relatives: list[RelatedPerson] = field(default_factory=list)
    numbers: list[dict[str, Any]] = field(default_factory=list)
    told: str = ""

    @property
    def main(self) -> PlanPart | None:
        """The plan that goals, visits and the owner belong to: the first one."""
        return self.parts[0] if self.parts else None


def language() -> str:
    """The language of the screen, for content that has both."""
    return get_language() or "zh-hans"


def discharges(query: ListQuery, *, viewer: Viewer, at: datetime) -> Found:
    """Discharges of the last days, undecided ones first, then the newest. The number of statements is fixed."""
    rows = _rows(query, viewer=viewer, at=at)
    wanted = {"open": Q(is_open=True), "decided": Q(is_decided=True), "none": Q(is_open=False, is_decided=False)}
    page = rows.filter(wanted.get(query.state, Q())).select_related("patient", "department", "attending")
    found = list(page.order_by("-is_open", "-discharged_at", "pk")[query.offset : query.offset + PAGE + 1])
    return Found(lines=_lines(found[:PAGE], viewer=viewer, at=at), counts=_counts(rows), more=len(found) > PAGE)


def departments(*, viewer: Viewer, at: datetime) -> list[tuple[UUID, str]]:
    """Departments that discharged somebody in the last week, for the filter."""
    rows = _rows(ListQuery(days=DAYS[-1]), viewer=viewer, at=at).order_by().values("department_id")
    return list(Organization.objects.filter(pk__in=rows).order_by("name", "pk").values_list("pk", "name"))


def _rows(query: ListQuery, *, viewer: Viewer, at: datetime) -> Any:
    rows = Encounter.objects.visible_to(viewer).filter(
        status=Encounter.Status.FINISHED,
        class_code__in=STAYS,
        discharged_at__gte=_midnight(at) - timedelta(days=query.days - 1),
        discharged_at__lte=at,
    )
    if query.department_id:
        rows = rows.filter(department_id=query.department_id)
    why = "of the stays this viewer sees"
    reviews = DischargeReview.objects.unscoped(why).filter(
        encounter_id=OuterRef("pk"), undone_at=None, cycle=OuterRef("discharge_cycle")
    )
    settled = EnrolmentDecision.objects.unscoped(why).filter(
        encounter_id=OuterRef("pk"), cycle=OuterRef("discharge_cycle"), outcome__in=SETTLED
    )
    left = Q(Exists(reviews)) | Q(Exists(settled)) | Q(patient__deceased=True) | Q(patient__do_not_contact=True)
    return rows.annotate(is_decided=Exists(reviews)).annotate(is_open=~left)


def _counts(rows: Any) -> dict[str, int]:
    counted: dict[str, int] = rows.order_by().aggregate(
        all=Count("pk"),
        open=Count("pk", filter=Q(is_open=True)),
        decided=Count("pk", filter=Q(is_decided=True)),
    )
    counted["none"] = counted["all"] - counted["open"] - counted["decided"]
    return counted


def _lines(found: Sequence[Encounter], *, viewer: Viewer, at: datetime) -> list[Line]:
    ids = [encounter.pk for encounter in found]
    conditions = _first(Condition.objects.visible_to(viewer).filter(encounter_id__in=ids, active=True))
    procedures = _first(Procedure.objects.visible_to(viewer).filter(encounter_id__in=ids, active=True))
    plans = _plans(ids, viewer=viewer)
    reviews = {
        row.encounter_id: row
        for row in DischargeReview.objects.visible_to(viewer).filter(encounter_id__in=ids, undone_at=None)
    }
    decisions = {
        (row.encounter_id, row.cycle): row.outcome
        for row in EnrolmentDecision.objects.visible_to(viewer).filter(encounter_id__in=ids)
    }
    return [
        _line(
            encounter, conditions, procedures, plans[encounter.pk], _standing(encounter, reviews.get(encounter.pk)),
            decisions.get((encounter.pk, _cycle(encounter)), ""), at,
        )
        for encounter in found
    ]  # fmt: skip


def _line(
    encounter: Encounter,
    conditions: dict[UUID, Condition],
    procedures: dict[UUID, Procedure],
    plans: Sequence[CarePlan],
    review: DischargeReview | None,
    outcome: str,
    at: datetime,
) -> Line:
    patient = encounter.patient
    state = _state(encounter, review, outcome)
    return Line(
        encounter=encounter,
        sex=str(patient.get_sex_display()),
        age=age(patient.birth_date, on=timezone.localdate(at)),
        diagnosis=_words(conditions.get(encounter.pk)),
        operation=_words(procedures.get(encounter.pk)),
        plans=[title_of(plan.definition, language()) for plan in plans],
        why=_why(plans[0]) if plans else _outcome_words(outcome),
        state=state,
        state_words=state_words(state, review),
    )


def _standing(encounter: Encounter, review: DischargeReview | None) -> DischargeReview | None:
    return review if review is not None and review.cycle == _cycle(encounter) else None


def _state(encounter: Encounter, review: DischargeReview | None, outcome: str) -> str:
    if review is not None:
        return review.decision
    if encounter.patient.deceased:
        return Outcome.DIED.value
    if encounter.patient.do_not_contact:
        return Outcome.REFUSED.value
    return outcome if outcome in SETTLED else "open"


def state_words(state: str, review: DischargeReview | None) -> str:
    """The state of a discharge in words, with the reason of a refusal."""
    if review is None:
        return _("to be confirmed") if state == "open" else wording.outcome_words(state)
    if review.decision == DischargeReview.Decision.NO_FOLLOW_UP:
        return f"{review.get_decision_display()}: {wording.end_words(review.reason)}"
    return str(review.get_decision_display())


def _why(plan: CarePlan) -> str:
    """The first reason of a plan, short enough for a row."""
    lines = [wording.reason_words(one["code"], one.get("values", {}), {}) for one in plan.reasons[:2]]
    return _("; ").join(lines)


def _outcome_words(outcome: str) -> str:
    return wording.outcome_words(outcome) if outcome else _("Not judged yet: codes are still on their way.")


def _plans(ids: Sequence[UUID], *, viewer: Viewer) -> dict[UUID, list[CarePlan]]:
    grouped: dict[UUID, list[CarePlan]] = defaultdict(list)
    rows = CarePlan.objects.visible_to(viewer).running().filter(encounter_id__in=ids).select_related("definition")
    for plan in rows.defer("definition__content").order_by("started_at", "pk"):
        grouped[plan.encounter_id].append(plan)
    return grouped


def _first(rows: Any) -> dict[UUID, Any]:
    return {row.encounter_id: row for row in rows.order_by("encounter_id", "rank", "pk").distinct("encounter_id")}


def _words(row: Condition | Procedure | None) -> str:
    return (row.text or row.code) if row is not None else ""


def _cycle(encounter: Encounter) -> int:
    return max(encounter.discharge_cycle, 1)


def _midnight(at: datetime) -> datetime:
    return datetime.combine(timezone.localdate(at), time.min, timezone.get_current_timezone())


def drawer(encounter: Encounter, *, viewer: Viewer, at: datetime) -> Drawer:
    """One discharge with its plans, and what may be changed."""
    patient = encounter.patient
    cards = patient_cards(patient, viewer, at=at, language=language())
    running = [card for card in cards if card.plan.encounter_id == encounter.pk and card.plan.ended_at is None]
    decision = EnrolmentDecision.objects.visible_to(viewer).filter(encounter=encounter, cycle=_cycle(encounter)).first()
    reviews = DischargeReview.objects.visible_to(viewer).filter(encounter=encounter, undone_at=None)
    review = _standing(encounter, reviews.select_related("decided_by").first())
    outcome = decision.outcome if decision else ""
    conditions = Condition.objects.visible_to(viewer).filter(encounter=encounter, active=True)
    procedures = Procedure.objects.visible_to(viewer).filter(encounter=encounter, active=True)
    parts = [_part(card) for card in running]
    related = RelatedPerson.objects.visible_to(viewer).filter(patient=patient, active=True)
    return Drawer(
        encounter=encounter,
        review=review,
        state=_state(encounter, review, outcome),
        banner={"sex": patient.get_sex_display(), "age": age(patient.birth_date, on=timezone.localdate(at))},
        diagnosis=_joined(conditions.order_by("rank", "pk")[:3]),
        operation=_joined(procedures.order_by("rank", "pk")[:2]),
        parts=parts,
        choices=suggestions(encounter, at=at, language=language()),
        outcome=outcome,
        outcome_words=_outcome_words(outcome),
        decline_words=wording.end_words(review.reason) if review else "",
        goals=_goals(running),
        owner=owner_of(running[0].plan) if running else "",
        relatives=list(related.order_by("created_at", "pk")),
        numbers=numbers(patient.pk, viewer=viewer, at=at),
        told=_told(parts),
    )


def _joined(rows: Iterable[Condition | Procedure]) -> str:
    return " · ".join(f"{row.text or row.code}" + (f" {row.code}" if row.text and row.code else "") for row in rows)


def _part(card: PlanCard) -> PlanPart:
    content = card.plan.definition.plan()
    return PlanPart(
        card=card,
        steps=[_step_line(card, content, step) for step in content.steps],
        visits=[node for node in card.nodes if node.change_id],
    )


def _step_line(card: PlanCard, content: PlanContent, step: Step) -> StepLine:
    mine = [node for node in card.nodes if node.step == step.code]
    ahead = [node for node in mine if node.state not in ("done", "closed")]
    return StepLine(
        code=step.code,
        title=step.title.in_language(language()),
        when=wording.schedule_words(step),
        how=wording.ladder_words(step),
        day=ahead[0].day if ahead else None,
        is_on=step.code not in card.plan.personal().ticked_off,
        is_done=bool(mine) and not ahead,
        may_move=bool(ahead) and ahead[0].is_open,
    )


def _goals(running: Sequence[PlanCard]) -> list[dict[str, str]]:
    """All kinds of goals; those of the plan filled in."""
    set_now = goals_of(card.plan for card in running)
    mine = running[0].plan.personal().targets if running else {}
    return [
        {
            "code": kind.code,
            "label": wording.target_words(kind.code),
            "unit": kind.unit,
            "value": set_now.get(kind.code, "").removesuffix(f" {kind.unit}"),
            "is_personal": "yes" if kind.code in mine else "",
        }
        for kind in kinds().values()
    ]


def owner_of(plan: CarePlan) -> str:
    """Who does the contacts: a rule's code, or "myself" for a person by name."""
    personal = plan.personal().owner
    if plan.owner_id:
        return "myself"
    return personal or plan.definition.plan().steps[0].owner.value


def numbers(patient_id: UUID, *, viewer: Viewer, at: datetime) -> list[dict[str, Any]]:
    """The patient's numbers with the test message that is on its way, if one is."""
    tests = (
        Communication.objects.visible_to(viewer)
        .filter(patient_id=patient_id, template_code=NUMBER_CHECK, requested_at__gt=at - timedelta(minutes=10))
        .order_by("requested_at", "pk")
    )
    running = {test.contact_point_id: test for test in tests}
    return [
        {"point": point, "test": running.get(point.id)} for point in p360.contacts(patient_id, viewer=viewer, at=at)
    ]


def _told(parts: Sequence[PlanPart]) -> str:
    """What the patient is going to notice first, in words: the doctor reads it out."""
    ahead = [line for part in parts for line in part.steps if line.is_on and line.day]
    if not ahead:
        return ""
    first = min(ahead, key=lambda line: line.day or date.max)
    return _("%(day)s: %(what)s (%(how)s)") % {
        "day": f"{first.day:%m-%d}" if first.day else "", "what": first.title, "how": first.how,
    }  # fmt: skip


def print_view(encounter: Encounter, *, viewer: Viewer, at: datetime) -> dict[str, Any]:
    """The patient's own plan on paper: dates in order, goals, medicines to take (G08, J25)."""
    shown = drawer(encounter, viewer=viewer, at=at)
    nodes = sorted(
        (node for part in shown.parts for node in part.card.nodes if node.state not in ("done", "closed", "off")),
        key=lambda node: (node.day, node.title),
    )
    how = {line.code: line.how for part in shown.parts for line in part.steps}
    for part in shown.parts:
        added = part.card.plan.personal().added
        how |= {f"{VISIT}{visit.id}": wording.channel_words(visit.channel) for visit in added}
    return {
        "shown": shown,
        "dates": [(node.day, node.title, how.get(node.step, _("Phone"))) for node in nodes],
        "goals": [goal for goal in shown.goals if goal["value"]],
    }
