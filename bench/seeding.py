"""Fills the product's real tables by COPY. Columns a room adds later get the model's own default, so this stays true."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from bench import world as w

BLOCK = 4000
"""Rows joined into one piece of COPY text."""
FORM = "https://careloop.org/Questionnaire/general-discharge"
SURVEY = "https://careloop.org/Questionnaire/inpatient-satisfaction"
OF_A_DISCHARGE = (
    "patients_patient", "patients_patientidentifier", "patients_contactpoint", "patients_carerelationship", "patients_encounter",
    "patients_condition", "plans_careplan", "plans_enrolmentdecision", "tasks_task", "audit_auditevent",
)  # fmt: skip
"""What performance.md counts: one discharge with eight tasks, its audit included; no answers, messages and calls."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table to fill: which columns the rows bring; all others get the same constant."""

    model: str
    columns: tuple[str, ...]
    rows: Callable[[Sequence[w.Stay]], Iterator[tuple[object, ...]]]


@dataclass(frozen=True, slots=True)
class Answered:
    """A completed form as the product stores it."""

    url: str
    form: str
    canonical: str
    answers: str
    scores: str
    facts: tuple[tuple[str, str, object], ...]


@dataclass(frozen=True, slots=True)
class Given:
    """What the product brought itself: ids of the shipped plan, forms as the product stores them, the satisfaction survey
    with each answer on the whole stay.
    """

    now: datetime
    day_ends: datetime  # what is open was weighed today
    plan: str
    plan_url: str
    plan_title: str
    plan_title_en: str
    explanation: str
    fitting: str
    form: Answered
    surveys: tuple[Answered, ...]
    template: str

    def of(self, stay: w.Stay, k: int) -> Answered:
        """What is answered to this follow-up of a stay."""
        return self.surveys[w.satisfied(stay) - 1] if k == w.SURVEYED else self.form

    @property
    def most_facts(self) -> int:
        return max(len(self.form.facts), *(len(one.facts) for one in self.surveys))


def fill(url: str, size: w.Size, *, seed: int, now: datetime, say: Callable[[str], None]) -> dict[str, int]:
    """Every table, triggers and key checks off (the rows are right by construction), statistics gathered at the end.

    Returns rows per table. The monthly roll-up is then counted once from the rows by the product's own recount.
    """
    _hospital(now)
    told = given(now)
    everything = list(w.stays(size, seed=seed, now=now))
    tables = _Rows(told, size).tables()
    started = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        try:
            counts = dict(
                zip([t.model for t in tables], pool.map(lambda t: _copy(url, t, everything, now), tables), strict=True)
            )
        except BaseException:
            _cut_off(url)  # who waits for the pool would wait for two large tables
            raise
    say(f"  {sum(counts.values()):,} rows by COPY in {time.perf_counter() - started:.0f} s")
    started = time.perf_counter()
    with psycopg.connect(url, autocommit=True) as database:
        database.execute("VACUUM (ANALYZE)")  # so that nothing is tidied up while we measure
        database.execute("CHECKPOINT")
    _recount()
    say(f"  statistics and monthly roll-up in {time.perf_counter() - started:.0f} s")
    return counts


def _cut_off(url: str) -> None:
    """End what this role is writing here."""
    with psycopg.connect(url, autocommit=True) as database:
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
        )


def _hospital(now: datetime) -> None:
    """Departments and staff, all with one known password, through the product's own actions; then their ids are set to those that rows name."""
    from django.contrib.auth.hashers import make_password
    from django.db import connection

    from bench.product import PASSWORD
    from careloop.accounts import actions as accounts
    from careloop.accounts.models import Organization, Role
    from careloop.kernel.viewer import Viewer

    by = Viewer.system("bench")
    root = accounts.create_organization(
        code="B0", name="基准医院", name_en="Bench hospital", kind="hospital", parent=None, by=by
    )
    role = Role.objects.get(code="follow-up-nurse")
    for department, department_id in enumerate(w.departments()):
        code = f"B{department + 1}"
        unit = accounts.create_organization(
            code=code, name=f"{code}科", name_en=code, kind=Organization.Kind.DEPARTMENT, parent=root, by=by
        )
        _rename("accounts_organization", str(unit.pk), department_id)
        unit = Organization.objects.get(pk=department_id)
        for number, person_id in enumerate(w.nurses_of(department)):
            person = accounts.create_practitioner(
                name=f"护士{department}-{number}", username=f"b{department}n{number}", staff_number=f"B{department}N{number}",
                title="护师", organization=unit, daily_capacity=60, by=by,
            )  # fmt: skip
            _rename("accounts_practitioner", str(person.pk), person_id)
            person.pk = person_id
            accounts.grant_role(practitioner=person, role=role, organization=unit, valid_from=now - timedelta(days=w.DAYS), by=by,
                                reason="bench")  # fmt: skip
    inspector = accounts.create_practitioner(
        name="质控",
        username="binspector",
        staff_number="BINSPECTOR",
        title="",
        organization=root,
        daily_capacity=1,
        by=by,
    )
    accounts.grant_role(
        practitioner=inspector,
        role=Role.objects.get(code="hospital-inspector"),
        organization=root,
        valid_from=now,
        by=by,
        reason="bench",
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE accounts_practitioner SET password = %s, must_change_password = false, password_changed_at = %s",
            [make_password(PASSWORD), now],
        )


def _rename(table: str, old: str, new: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET id = %s WHERE id = %s", [new, old])


def given(now: datetime) -> Given:
    """One plan, two forms; the answers are those the product itself makes of a filled form (see `bench.answers`)."""
    from django.utils import timezone

    from careloop.messaging.models import MessageTemplate
    from careloop.plans.models import PlanDefinition

    plan = PlanDefinition.objects.filter(status="active").order_by("url").first()
    surveys = tuple(_answered(SURVEY, now, {"overall": str(level)}) for level in range(1, 6))
    template = MessageTemplate.objects.filter(code="follow-up-link", channel="sms", state="approved").get()
    explanation, fitting = _verdict(plan.url)
    day_ends = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return Given(
        now, day_ends, str(plan.pk), plan.url, plan.title, plan.title_en, explanation, fitting, _answered(FORM, now, {}), surveys,
        str(template.pk),
    )  # fmt: skip


def _answered(url: str, now: datetime, said: Mapping[str, str]) -> Answered:
    from bench.answers import filled
    from careloop.questionnaires.reads import current

    form = current(url)
    found = filled(form, at=now, said=said)
    return Answered(
        url,
        str(form.pk),
        f"{form.url}|{form.version}",
        json.dumps(found.answers),
        json.dumps(found.scores),
        found.facts,
    )


def _verdict(taken: str) -> tuple[str, str]:
    """Why a discharge is in this plan and in no other, as the product stores it with the decision and with the plan."""
    from careloop.plans.models import PlanDefinition
    from careloop.plans.rules.packing import pack

    fitting = [
        {"code": "diagnosis-fits", "values": {"code": "I21.0", "pattern": "I20-I25"}},
        {"code": "age-fits", "values": {"age": "71", "wanted": "18-"}},
        {"code": "class-fits", "values": {}},
    ]
    explained = [
        {"url": url, "fits": url == taken, "reasons": fitting if url == taken else [{"code": "diagnosis-differs"}]}
        for url in PlanDefinition.objects.filter(status="active").order_by("url").values_list("url", flat=True)
    ]
    return json.dumps(pack(explained)), json.dumps(fitting)


class _Rows:
    """The rows of every table. Each method gives one table's, in the order of its columns."""

    def __init__(self, given: Given, size: w.Size) -> None:
        self.given, self.size = given, size

    def patients(self, stays: Sequence[w.Stay]) -> Iterator[tuple[object, ...]]:
        for n in range(self.size.patients):
            name, pinyin, letters = w.name_of(n)
            yield (
                w.uid(w.PATIENT, n),
                name,
                pinyin,
                letters,
                "FM"[n % 2],
                f"{1930 + n % 70}-{n % 12 + 1:02d}-{n % 28 + 1:02d}",
                w.RISKS[n % 6],
            )

    def identifiers(self, stays: Sequence[w.Stay]) -> Iterator[tuple[object, ...]]:
        for n in range(self.size.patients):
            yield (
                w.uid(w.IDENTIFIER, n),
                w.uid(w.PATIENT, n),
                "urn:careloop:mr:HIS",
                "MR",
                f"B{n:010d}",
                f"{n % 10000:04d}",
                "bench",
            )

    def numbers(self, stays: Sequence[w.Stay]) -> Iterator[tuple[object, ...]]:
        for n in range(self.size.patients):
            value = w.phone_of(n)
            yield (
                w.uid(w.NUMBER, n),
                w.uid(w.PATIENT, n),
                "phone",
                value,
                value[3:],
                value[-4:],
                "t",
                "t",
                "mobile",
                1,
                "bench",
            )

    def care(self, stays: Sequence[w.Stay]) -> Iterator[tuple[object, ...]]:
        seen: set[tuple[int, int]] = set()
        for s in stays:
            if (s.patient, s.department) not in seen:
                seen.add((s.patient, s.department))
                yield (
                    w.uid(w.CARE, s.number),
                    w.uid(w.PATIENT, s.patient),
                    w.departments()[s.department],
                    r"\N",
                    w.instant(s.left_at),
                )

    def encounters(self, stays: Sequence[w.Stay]) -> Iterator[tuple[object, ...]]:
        for s in stays:
            came = w.instant(s.left_at - timedelta(days=6))
            yield (
                w.uid(w.STAY, s.number), w.uid(w.PATIENT, s.patient), "urn:careloop:visit:HIS", f"V{s.number:010d}", "IMP",
                "finished", w.departments()[s.department], f"ZY{s.number:09d}", s.nurse, came, w.instant(s.left_at), "home", 1, "bench",
            )  # fmt: skip

    def conditions(self, stays: Sequence[w.Stay]) -> Iterator[tuple[object, ...]]:
        for s in stays:
            for rank in (1, 2)[: 1 + s.number % 2]:
                code, text = w.DIAGNOSES[(s.diagnosis + rank - 1) % len(w.DIAGNOSES)]
                yield (
                    w.uid(w.DIAGNOSIS, s.number * 2 + rank), w.uid(w.PATIENT, s.patient), w.uid(w.STAY, s.number),
                    "ICD-10", code, code, text, "discharge", rank, w.instant(s.left_at), "t",
                )  # fmt: skip

    def plans(self, stays: Sequence[w.Stay]) -> Iterator[tuple[object, ...]]:
        for s in stays:
            over = s.left_at + timedelta(days=w.OFFSETS[-1] + 14) < self.given.now
            day = w.instant(s.left_at)[:10]
            yield (
                w.uid(w.PLAN, s.number), w.uid(w.PATIENT, s.patient), w.uid(w.STAY, s.number), self.given.plan, self.given.plan_url, 1,
                w.departments()[s.department], "completed" if over else "active", w.instant(s.left_at),
                w.instant(s.left_at + timedelta(days=165)) if over else r"\N", "date" if over else "", day, day, self.given.fitting,
            )  # fmt: skip

    def decisions(self, stays: Sequence[w.Stay]) -> Iterator[tuple[object, ...]]:
        for s in stays:
            yield (
                w.uid(w.DECISION, s.number), w.uid(w.PATIENT, s.patient), w.uid(w.STAY, s.number), 1,
                w.departments()[s.department], "enrolled", w.instant(s.left_at)[:10], w.instant(s.left_at), 1, 1,
                self.given.explanation,
            )  # fmt: skip

    def tasks(self, stays: Sequence[w.Stay]) -> Iterator[tuple[object, ...]]:
        for s, k, task in _each_task(stays, self.given.now):
            late = max(0, (self.given.now - task.due).days) if task.status == "requested" else 0
            priority, reasons = w.reasons(late, w.RISKS[s.patient % 6])
            yield (
                w.uid(w.TASK, s.number * 8 + k), w.uid(w.PATIENT, s.patient), w.departments()[s.department], f"b:{s.number:016d}:{k}",  # as long as the product's
                "follow-up", task.status, s.nurse, w.uid(w.STAY, s.number), w.uid(w.PLAN, s.number), f"step-{k}", SURVEY if k == w.SURVEYED else FORM, self.given.plan_title,
                f"第{w.OFFSETS[k]}天随访", self.given.plan_title_en, f"Day {w.OFFSETS[k]} call", "follow-up-centre", w.DIAGNOSES[s.diagnosis][1], w.RISKS[s.patient % 6], w.instant(s.left_at), priority,
                reasons, w.instant(task.due - timedelta(days=1)), w.instant(task.due), w.instant(task.due + timedelta(days=7)),
                task.outcome, task.reason, w.instant(task.ended) if task.ended else r"\N", s.nurse if task.ended else r"\N",
                int(task.called), task.outcome if task.called else "", "sent" if task.messaged else "",
                w.instant(self.given.day_ends) if task.status == "requested" and task.due - timedelta(days=1) <= self.given.now else r"\N",
            )  # fmt: skip

    def calls(self, stays: Sequence[w.Stay]) -> Iterator[tuple[object, ...]]:
        for s, k, task in _each_task(stays, self.given.now):
            if task.called:
                yield (
                    w.uid(w.CALL, s.number * 8 + k), w.uid(w.PATIENT, s.patient), w.uid(w.TASK, s.number * 8 + k),
                    w.uid(w.NUMBER, s.patient), task.outcome or "no-answer", s.nurse, w.instant(task.ended or task.due),
                )  # fmt: skip

    def responses(self, stays: Sequence[w.Stay]) -> Iterator[tuple[object, ...]]:
        for s, k, task in _each_task(stays, self.given.now):
            if task.answered:
                ended, told = w.instant(task.ended), self.given.of(s, k)
                yield (
                    w.uid(w.ANSWERS, s.number * 8 + k), w.uid(w.PATIENT, s.patient), told.form, told.canonical,
                    w.uid(w.TASK, s.number * 8 + k), "completed", "phone", told.answers, told.scores, ended, ended, s.nurse,
                )  # fmt: skip

    def facts(self, stays: Sequence[w.Stay]) -> Iterator[tuple[object, ...]]:
        per = self.given.most_facts
        for s, k, task in _each_task(stays, self.given.now):
            if task.answered:
                told = self.given.of(s, k)
                for n, (link, code, number) in enumerate(told.facts):
                    yield (
                        w.uid(w.FACT, (s.number * 8 + k) * per + n), w.uid(w.PATIENT, s.patient), w.uid(w.ANSWERS, s.number * 8 + k),
                        told.url, link, code, r"\N" if number is None else number, w.instant(task.ended),
                    )  # fmt: skip

    def messages(self, stays: Sequence[w.Stay]) -> Iterator[tuple[object, ...]]:
        for s, k, task in _each_task(stays, self.given.now):
            if task.messaged:
                sent = w.instant(task.due)
                yield (
                    w.uid(w.MESSAGE, s.number * 8 + k), w.uid(w.PATIENT, s.patient), f"b:{s.number}:{k}:sms", "sms", self.given.template,
                    "follow-up-link", "care", w.uid(w.NUMBER, s.patient), w.phone_of(s.patient), w.uid(w.TASK, s.number * 8 + k),
                    "delivered", sent, sent, 1, sent, sent, sent, "system:plans",
                )  # fmt: skip

    def audit(self, stays: Sequence[w.Stay]) -> Iterator[tuple[object, ...]]:
        for s in stays:
            for n in range(w.AUDITED_PER_DISCHARGE):
                at = w.instant(s.left_at + timedelta(hours=n))
                done = f'{{"outcome": "reached-patient", "task_id": "{w.uid(w.TASK, s.number * 8 + n % 8)}"}}'
                yield (
                    at,
                    f"staff:{s.nurse}",
                    "tasks.TaskCompleted" if n % 2 else "audit.RecordSeen",
                    w.uid(w.PATIENT, s.patient),
                    "success",
                    "10.0.0.7",
                    f"{s.number * 10 + n:032x}",
                    done if n % 2 else '{"what": "workbench:patient"}',
                )

    def tables(self) -> list[Table]:
        """What is filled, parents before children."""
        return [
            Table(
                "patients.Patient",
                ("id", "name", "name_pinyin", "name_initials", "sex", "birth_date", "risk"),
                self.patients,
            ),
            Table(
                "patients.PatientIdentifier",
                ("id", "patient_id", "system", "type", "value", "last4", "source"),
                self.identifiers,
            ),
            Table(
                "patients.ContactPoint",
                (
                    "id",
                    "patient_id",
                    "system",
                    "value",
                    "raw",
                    "last4",
                    "is_mobile",
                    "is_valid",
                    "use",
                    "rank",
                    "source",
                ),
                self.numbers,
            ),
            Table(
                "patients.CareRelationship",
                ("id", "patient_id", "department_id", "practitioner_id", "since"),
                self.care,
            ),
            Table(
                "patients.Encounter",
                (
                    "id",
                    "patient_id",
                    "system",
                    "visit_number",
                    "class_code",
                    "status",
                    "department_id",
                    "admission_number",
                    "nurse_id",
                    "admitted_at",
                    "discharged_at",
                    "disposition",
                    "discharge_cycle",
                    "source",
                ),
                self.encounters,
            ),
            Table(
                "patients.Condition",
                (
                    "id",
                    "patient_id",
                    "encounter_id",
                    "system",
                    "code",
                    "code_key",
                    "text",
                    "use",
                    "rank",
                    "recorded_at",
                    "active",
                ),
                self.conditions,
            ),
            Table(
                "plans.CarePlan",
                (
                    "id",
                    "patient_id",
                    "encounter_id",
                    "definition_id",
                    "definition_url",
                    "cycle",
                    "department_id",
                    "status",
                    "started_at",
                    "ended_at",
                    "end_reason",
                    "enrolled_on",
                    "discharged_on",
                    "reasons",
                ),
                self.plans,
            ),
            Table(
                "plans.EnrolmentDecision",
                (
                    "id",
                    "patient_id",
                    "encounter_id",
                    "cycle",
                    "department_id",
                    "outcome",
                    "discharged_on",
                    "decided_at",
                    "times_decided",
                    "plans",
                    "explanation",
                ),
                self.decisions,
            ),
            Table(
                "tasks.Task",
                (
                    "id",
                    "patient_id",
                    "department_id",
                    "key",
                    "kind",
                    "status",
                    "owner_id",
                    "encounter_id",
                    "care_plan_id",
                    "step_code",
                    "questionnaire_url",
                    "plan_title",
                    "step_title",
                    "plan_title_en",
                    "step_title_en",
                    "owner_role",
                    "diagnosis_text",
                    "risk",
                    "discharged_at",
                    "priority",
                    "priority_reasons",
                    "available_at",
                    "due_at",
                    "window_ends_at",
                    "outcome",
                    "closed_reason",
                    "ended_at",
                    "ended_by_id",
                    "attempts",
                    "last_outcome",
                    "message_state",
                    "weigh_again_at",
                ),
                self.tasks,
            ),
            Table(
                "tasks.ContactAttempt",
                ("id", "patient_id", "task_id", "contact_point_id", "outcome", "by_practitioner_id", "started_at"),
                self.calls,
            ),
            Table(
                "questionnaires.QuestionnaireResponse",
                (
                    "id",
                    "patient_id",
                    "questionnaire_id",
                    "canonical",
                    "task_id",
                    "status",
                    "mode",
                    "answers",
                    "scores",
                    "started_at",
                    "authored_at",
                    "author_id",
                ),
                self.responses,
            ),
            Table(
                "questionnaires.AnswerFact",
                ("id", "patient_id", "response_id", "questionnaire_url", "link_id", "code", "number", "answered_at"),
                self.facts,
            ),
            Table(
                "messaging.Communication",
                (
                    "id",
                    "patient_id",
                    "key",
                    "channel",
                    "template_id",
                    "template_code",
                    "category",
                    "contact_point_id",
                    "address",
                    "task_id",
                    "state",
                    "requested_at",
                    "not_before",
                    "attempts",
                    "sent_at",
                    "delivered_at",
                    "ended_at",
                    "requested_by",
                ),
                self.messages,
            ),
            Table(
                "audit.AuditEvent",
                ("at", "actor", "name", "patient_id", "outcome", "ip", "request_id", "payload"),
                self.audit,
            ),
        ]


@dataclass(frozen=True, slots=True)
class _Task:
    status: str
    due: datetime
    ended: datetime | None
    outcome: str
    reason: str
    answered: bool
    messaged: bool
    called: bool


def _each_task(stays: Iterable[w.Stay], now: datetime) -> Iterator[tuple[w.Stay, int, _Task]]:
    """What became of each follow-up follows from its number alone, so that every table tells the same story."""
    for s in stays:
        for k, offset in enumerate(w.OFFSETS):
            due = s.left_at + timedelta(days=offset)
            lot = (s.number * 2654435761 + k * 40503) % 1000 / 1000
            second = (s.number * 40503 + k * 2654435761) % 1000 / 1000
            if due > now or lot >= w.DONE + w.ENDED:
                yield s, k, _Task("requested", due, None, "", "", False, due <= now and second < w.MESSAGED, False)
            elif lot < w.DONE:
                ended = min(due + timedelta(hours=5), now)
                called = second < w.CALLED
                yield s, k, _Task(
                    "completed", due, ended, "reached-patient" if called else "answered-online", "", lot < w.DONE * w.ANSWERED,
                    second < w.MESSAGED, called,
                )  # fmt: skip
            else:
                yield (
                    s,
                    k,
                    _Task(
                        "cancelled",
                        due,
                        min(due + timedelta(days=7), now),
                        "",
                        "window-passed",
                        False,
                        second < w.MESSAGED,
                        False,
                    ),
                )


def _copy(url: str, table: Table, stays: Sequence[w.Stay], now: datetime) -> int:
    """One table by COPY text. The constant columns stand in a format string, so a row costs one `%`."""
    name, columns, shape = _shape(table, now)
    count = 0
    with psycopg.connect(url) as database:
        database.execute("SET session_replication_role = replica")  # no triggers, no key checks
        indexes = _drop_indexes(database, name)
        with database.cursor().copy(f"COPY {name} ({', '.join(columns)}) FROM STDIN") as copy:
            block: list[str] = []
            for row in table.rows(stays):
                block.append(shape % row)
                count += 1
                if len(block) == BLOCK:
                    copy.write("".join(block))
                    block.clear()
            copy.write("".join(block))
        for statement in indexes:
            database.execute(statement)
    return count


def _drop_indexes(database: psycopg.Connection[Any], table: str) -> list[str]:
    """The statements that make the indexes again: built at once from all rows, not row by row. Keys of constraints stay."""
    database.execute("SET LOCAL maintenance_work_mem = '512MB'")
    found = database.execute(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = %s::regclass"
        " AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)",
        [table],
    ).fetchall()
    for name, _ in found:
        database.execute(f"DROP INDEX {name}")
    return [str(statement) for _, statement in found]


def constants(model_name: str, known: Sequence[str], now: datetime | None = None) -> tuple[str, dict[str, str]]:
    """The table of a model, and for each column that is not `known` the model's own default as COPY text. A null is
    left out, because that is what the database puts there by itself.
    """
    from django.apps import apps

    model = apps.get_model(model_name)
    at = now or datetime.now(UTC)
    rest = [f for f in model._meta.concrete_fields if f.column not in known and f.get_internal_type() != "BigAutoField"]
    texts = {f.column: _text(f, at) for f in rest}
    return model._meta.db_table, {column: text for column, text in texts.items() if text is not None}


def _shape(table: Table, now: datetime) -> tuple[str, list[str], str]:
    """Table name, its columns (the rows' own first), and the line of text with a %s for each of those."""
    name, rest = constants(table.model, table.columns, now)
    line = "\t".join(["%s"] * len(table.columns) + [text.replace("%", "%%") for text in rest.values()]) + "\n"
    return name, [*table.columns, *rest], line


def _text(field: Any, now: datetime) -> str | None:
    """The default of one column as COPY text."""
    if field.get_internal_type() == "DateTimeField" and not field.null:
        return w.instant(now)
    value = field.get_default()
    if value is None:
        return None
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, dict | list):
        return "{}" if field.get_internal_type() == "ArrayField" else json.dumps(value)
    return str(value)


def sizes(url: str, size: w.Size) -> dict[str, Any]:
    """Bytes of the largest tables with their indexes, and per follow-up and discharge."""
    sql = "SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 2 DESC"
    with psycopg.connect(url) as database:
        tables = {str(name): int(str(held)) for name, held in database.execute(sql).fetchall()}
    held, discharge = sum(tables.values()), sum(tables[name] for name in OF_A_DISCHARGE)
    return {
        "bytes": held, "per_task": held / size.tasks, "per_discharge": held / max(1, size.discharges),
        "bare_discharge": discharge / max(1, size.discharges),
        "tables": dict(list(tables.items())[:14]),
    }  # fmt: skip


def _recount() -> None:
    from django.utils import timezone

    from careloop.kernel.viewer import Viewer
    from careloop.reports import actions as reports

    by = Viewer.system("bench")
    reports.check_rollup(at=timezone.now(), by=by)
    reports.fold_rollup(by=by)  # what the worker does every five minutes
