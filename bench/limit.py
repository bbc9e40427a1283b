"""The limit: the same work as hand-written SQL through psycopg, on the same database, in the same run.

Nothing here asks who is asking: no parsing, no permission, no scope, no page. It is what the database itself can do.
Each client has one connection; statements are prepared (psycopg prepares what it sees often). What the product pays for its
tables (indexes, keys, triggers of the roll-ups) the limit pays too: it writes the same tables.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import aiohttp
import orjson
import psycopg

from bench import world as w

Client = Callable[[int], bool]
AUDIT = "INSERT INTO audit_auditevent (at, actor, name, patient_id, outcome, ip, request_id, payload) VALUES (now(), 'bench', %s, %s, 'success', '', '', '{}')"


def connect(url: str) -> psycopg.Connection[tuple[object, ...]]:
    """One client's connection, prepared statements from the second use on."""
    connection = psycopg.connect(url, autocommit=True)
    connection.prepare_threshold = 1
    return connection


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one table of the product: the named columns by value, each other required column by its plain default."""

    table: str
    columns: tuple[str, ...]
    plain: dict[str, str]

    def insert(self, count: int = 1) -> str:
        """One statement that writes this many rows; its values stand one row after the other."""
        row = ", ".join(["%s"] * len(self.columns) + [f"'{value}'" for value in self.plain.values()])
        names = ", ".join([*self.columns, *self.plain])
        return f"INSERT INTO {self.table} ({names}) VALUES " + ", ".join([f"({row})"] * count)

    def copy_in(self, cursor: psycopg.Cursor[Any], rows: Iterable[Sequence[object]]) -> None:
        """The rows by COPY."""
        with cursor.copy(f"COPY {self.table} ({', '.join([*self.columns, *self.plain])}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row([*row, *self.plain.values()])


def rows_of(model: str, columns: str) -> Rows:
    """Rows of a model with these columns, written with spaces between."""
    from bench.seeding import constants

    known = tuple(columns.split())
    table, plain = constants(model, known)
    return Rows(table, known, plain)


# --- W1: discharges with their plans and eight tasks each

OF_A_DISCHARGE = {
    "patients.Patient": "id name name_pinyin name_initials sex",
    "patients.PatientIdentifier": "id patient_id system type value source",
    "patients.Encounter": "id patient_id system visit_number class_code status department_id discharged_at source",
    "patients.Condition": "id patient_id encounter_id system code code_key text use",
    "patients.CareRelationship": "id patient_id department_id since",
    "plans.CarePlan": (
        "id patient_id encounter_id definition_id definition_url department_id status started_at enrolled_on discharged_on"
    ),
    "tasks.Task": (
        "id patient_id department_id key kind status encounter_id care_plan_id step_code available_at due_at"
    ),
}
IN_A_BATCH = 100


def _discharge(place: str, definition: tuple[object, ...], at: datetime) -> list[list[tuple[object, ...]]]:
    """The rows of one discharge, table by table in the order of OF_A_DISCHARGE."""
    patient, stay, plan = uuid4(), uuid4(), uuid4()
    tasks: list[tuple[object, ...]] = [
        (uuid4(), patient, place, f"limit:{plan}:{k}", "follow-up", "requested", stay, plan, f"s{k}", at, at + timedelta(days=days))
        for k, days in enumerate(w.OFFSETS)
    ]  # fmt: skip
    return [
        [(patient, "极限", "ji xian", "jx", "F")],
        [(uuid4(), patient, "urn:limit", "MR", str(patient), "limit")],
        [(stay, patient, "urn:limit", str(stay), "IMP", "finished", place, at, "limit")],
        [(uuid4(), patient, stay, "ICD-10", "I21.0", "I21.0", "心肌梗死", "discharge")],
        [(uuid4(), patient, place, at)],
        [(plan, patient, stay, *definition, place, "active", at, at.date(), at.date())],
        tasks,
    ]


def _definition(database: psycopg.Connection[Any]) -> tuple[object, ...]:
    found = database.execute("SELECT id, url FROM plans_plandefinition WHERE status = 'active' LIMIT 1").fetchone()
    assert found is not None
    return tuple(found)


def discharges(url: str) -> Client:
    """One discharge: patient, number, stay, diagnosis, care relationship, plan, eight tasks, audit. One transaction, all
    statements under way at once, the eight tasks as one statement.
    """
    database, places = connect(url), w.departments()
    definition = _definition(database)
    sql = [
        rows_of(model, columns).insert(len(w.OFFSETS) if model == "tasks.Task" else 1)
        for model, columns in OF_A_DISCHARGE.items()
    ]

    def one(number: int) -> bool:
        written = _discharge(places[number % len(places)], definition, datetime.now(UTC))
        with database.pipeline(), database.transaction():
            for statement, rows in zip(sql, written, strict=True):
                database.execute(statement, [value for row in rows for value in row])
            database.execute(AUDIT, ("limit.Discharge", written[0][0][0]))
        return True

    return one


def discharges_in_bulk(url: str) -> Client:
    """A hundred discharges in one transaction, each table by COPY. A unit is the whole batch."""
    database, places = connect(url), w.departments()
    definition = _definition(database)
    tables = [rows_of(model, columns) for model, columns in OF_A_DISCHARGE.items()]

    def one(number: int) -> bool:
        batch = [
            _discharge(places[(number + n) % len(places)], definition, datetime.now(UTC)) for n in range(IN_A_BATCH)
        ]
        with database.transaction(), database.cursor() as cursor:
            for table, rows in zip(tables, zip(*batch, strict=True), strict=True):
                table.copy_in(cursor, (row for each in rows for row in each))
            with cursor.copy(
                "COPY audit_auditevent (at, actor, name, patient_id, outcome, ip, request_id, payload) FROM STDIN"
            ) as audit:
                for each in batch:
                    audit.write_row(
                        (datetime.now(UTC), "bench", "limit.Discharge", each[0][0][0], "success", "", "", "{}")
                    )
        return True

    return one


# --- W2: the due list of a department


DUE = """
WITH waiting AS (
    SELECT id, patient_id, priority, due_at FROM tasks_task
    WHERE department_id = %(place)s AND status = 'requested' AND available_at <= now()
        AND kind IN ('follow-up', 'revisit', 'education', 'reminder', 'contact-check')
), page AS (SELECT * FROM waiting ORDER BY priority DESC, due_at, id LIMIT 50)
SELECT t.id, t.due_at, t.step_title, t.plan_title, t.priority, p.name, p.sex, p.birth_date, left(c.value, 6) || '****' || c.last4,
    (SELECT count(*) FROM waiting)
FROM page
JOIN tasks_task t ON t.id = page.id
JOIN patients_patient p ON p.id = t.patient_id
LEFT JOIN LATERAL (SELECT value, last4 FROM patients_contactpoint WHERE patient_id = p.id AND active ORDER BY rank LIMIT 1) c ON true
ORDER BY page.priority DESC, page.due_at, page.id
"""
"""Counted and sorted by the index `task_listed` alone; what is shown is read for fifty rows."""


def due_lists(url: str) -> Client:
    """Fifty rows with patient and masked telephone, exact count, as JSON text."""
    database, places = connect(url), w.departments()

    def one(number: int) -> bool:
        rows = database.execute(DUE, {"place": places[number % len(places)]}).fetchall()
        return len(json.dumps(rows, default=str)) > 2

    return one


# --- W3: twenty answers judged


def answers(url: str, tasks: list[tuple[str, str, str]], given: tuple[str, str, str], facts: int) -> Client:
    """One response, its facts as one statement, the task closed, audit: one transaction, all under way at once.

    `tasks`: (task, patient, department).
    """
    database = connect(url)
    form, canonical, content = given
    response = rows_of(
        "questionnaires.QuestionnaireResponse",
        "id patient_id questionnaire_id canonical task_id status mode answers started_at authored_at",
    ).insert()
    fact = rows_of(
        "questionnaires.AnswerFact", "id patient_id response_id questionnaire_url link_id code number answered_at"
    ).insert(facts)
    end = (
        "UPDATE tasks_task SET status = 'completed', outcome = 'answered-online', ended_at = %s, updated_at = %s"
        " WHERE id = %s AND status = 'requested'"
    )

    def one(number: int) -> bool:
        task, patient, _place = tasks[number]
        at, key = datetime.now(UTC), uuid4()
        judged = json.loads(content)  # reading, scoring and three rules cost something here too
        score = sum(len(str(answer)) % 3 for answer in judged.values())
        known = [(uuid4(), patient, key, canonical, f"q{n}", "a", score, at) for n in range(facts)]
        with database.pipeline(), database.transaction():
            database.execute(response, (key, patient, form, canonical, task, "completed", "portal", content, at, at))
            database.execute(fact, [value for row in known for value in row])
            closed = database.execute(end, (at, at, task))
            database.execute(AUDIT, ("limit.Answers", patient))
        return closed.rowcount == 1

    return one


# --- W4: everything about one patient


ABOUT = (
    "SELECT * FROM patients_patient WHERE id = %s",
    "SELECT * FROM patients_encounter WHERE patient_id = %s ORDER BY admitted_at DESC LIMIT 20",
    "SELECT * FROM patients_condition WHERE patient_id = %s AND active ORDER BY recorded_at DESC LIMIT 20",
    "SELECT * FROM patients_contactpoint WHERE patient_id = %s ORDER BY rank LIMIT 20",
    "SELECT * FROM plans_careplan WHERE patient_id = %s ORDER BY started_at DESC LIMIT 20",
    "SELECT * FROM tasks_task WHERE patient_id = %s ORDER BY due_at DESC LIMIT 50",
    "SELECT id, canonical, authored_at, scores FROM questionnaires_questionnaireresponse WHERE patient_id = %s ORDER BY started_at DESC LIMIT 20",
    "SELECT * FROM messaging_communication WHERE patient_id = %s ORDER BY requested_at DESC LIMIT 20",
)


def patients(url: str, ids: list[str]) -> Client:
    """Eight statements in one round trip, the read audited."""
    database, dice = connect(url), random.Random(7)

    def one(number: int) -> bool:
        patient = ids[(number * 7919 + dice.randrange(1000)) % len(ids)]
        with database.pipeline():
            cursors = [database.execute(sql, (patient,)) for sql in ABOUT]
            database.execute(AUDIT, ("limit.Seen", patient))
            found = [cursor.fetchall() for cursor in cursors]
        return len(found[0]) == 1

    return one


# --- W5: one month of the hospital


MONTH = """
SELECT department_id, sum(planned), sum(done), sum(closed), sum(followed), sum(effective) FROM (
    SELECT department_id, planned, done, closed, followed, effective FROM reports_monthrollup
    WHERE month = date_trunc('month', now())::date AND department_id IS NOT NULL
    UNION ALL
    SELECT department_id, planned, done, closed, followed, effective FROM reports_rollup
    WHERE NOT folded AND month = date_trunc('month', now())::date
) counted GROUP BY department_id
"""


def months(url: str) -> Client:
    """The month of every department from the roll-up."""
    database = connect(url)
    return lambda _number: len(database.execute(MONTH).fetchall()) > 0


# --- W6: due reminders: claim, send, write back

CLAIM = """
UPDATE messaging_communication SET state = 'sending', claimed_at = now(), attempts = attempts + 1,
    token = gen_random_uuid(), lease_until = now() + interval '60 s'
WHERE id IN (SELECT id FROM messaging_communication WHERE state = 'queued' AND not_before <= now()
             ORDER BY urgent DESC, not_before, id LIMIT 1000 FOR UPDATE SKIP LOCKED)
RETURNING id, key, address, params
"""
WRITE_BACK = """
UPDATE messaging_communication c SET state = 'sent', sent_at = now(), gateway_ref = v.ref, token = NULL, lease_until = NULL
FROM unnest(%s::uuid[], %s::text[]) v (id, ref) WHERE c.id = v.id
"""


def reminders(url: str, gateway: str, *, at_once: int) -> float:
    """Send all that is due with two batches under way, so that the database and the gateway work at the same time.

    The keys differ from the product's, so the gateway takes each as new. Seconds from first claim to last row written.
    """
    return asyncio.run(_drain(url, gateway, at_once))


async def _drain(url: str, gateway: str, at_once: int) -> float:
    started = time.perf_counter()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once)) as session:
        await asyncio.gather(*(_one_sender(url, f"{gateway}/messages", session, at_once // 2) for _ in range(2)))
    return time.perf_counter() - started


async def _one_sender(url: str, to: str, session: aiohttp.ClientSession, at_once: int) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as database:
        while rows := await (await database.execute(CLAIM)).fetchall():
            waiting = iter(rows)
            sent: list[tuple[object, str]] = []

            async def send(waiting: Iterator[Any] = waiting, sent: list[tuple[object, str]] = sent) -> None:
                for row, key, address, params in waiting:
                    text = "{hospital}: {salutation}, {phone}, {minutes}".format(**params)
                    body = orjson.dumps({"key": f"limit-{key}", "to": address, "text": text})
                    async with session.post(to, data=body, headers={"Content-Type": "application/json"}) as answer:
                        sent.append((row, orjson.loads(await answer.read())["ref"]))

            await asyncio.gather(*(send() for _ in range(at_once)))
            async with database.transaction():
                await database.execute(WRITE_BACK, [[row for row, _ in sent], [ref for _, ref in sent]])
                await database.execute(AUDIT, ["messaging.CommunicationsSent", None])
