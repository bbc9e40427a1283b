"""The limit: the same work as hand-written SQL through psycopg, on the same database, in the same run.

Nothing here asks who is asking: no parsing, no permission, no scope, no page. It is what the database itself can do.
Each client has one connection; statements are prepared (psycopg prepares what it sees often).
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Iterator
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


def bare_insert(table: str, known: tuple[str, ...]) -> str:
    """INSERT for a table of the product: the named columns by value, each other required column by its plain default."""
    from bench.seeding import constants

    name, rest = constants(table, known)
    columns = ", ".join([*known, *rest])
    values = ", ".join(["%s"] * len(known) + [f"'{value}'" for value in rest.values()])
    return f"INSERT INTO {name} ({columns}) VALUES ({values})"


# --- W1: one discharge with its plan and eight tasks


def discharges(url: str) -> Client:
    """Patient, number, stay, diagnosis, care relationship, plan and eight tasks in one transaction."""
    database = connect(url)
    sql = {
        "patient": bare_insert("patients.Patient", ("id", "name", "name_pinyin", "name_initials", "sex")),
        "number": bare_insert("patients.PatientIdentifier", ("id", "patient_id", "system", "type", "value", "source")),
        "stay": bare_insert(
            "patients.Encounter",
            (
                "id",
                "patient_id",
                "system",
                "visit_number",
                "class_code",
                "status",
                "department_id",
                "discharged_at",
                "source",
            ),
        ),
        "diagnosis": bare_insert(
            "patients.Condition", ("id", "patient_id", "encounter_id", "system", "code", "code_key", "text", "use")
        ),
        "care": bare_insert("patients.CareRelationship", ("id", "patient_id", "department_id", "since")),
        "plan": bare_insert(
            "plans.CarePlan",
            (
                "id",
                "patient_id",
                "encounter_id",
                "definition_id",
                "definition_url",
                "department_id",
                "status",
                "started_at",
                "enrolled_on",
                "discharged_on",
            ),
        ),  # fmt: skip
        "task": bare_insert(
            "tasks.Task",
            (
                "id",
                "patient_id",
                "department_id",
                "key",
                "kind",
                "status",
                "encounter_id",
                "care_plan_id",
                "step_code",
                "available_at",
                "due_at",
            ),
        ),  # fmt: skip
    }
    definition = database.execute("SELECT id, url FROM plans_plandefinition WHERE status = 'active' LIMIT 1").fetchone()
    assert definition is not None
    places = w.departments()

    def one(number: int) -> bool:
        at, place = datetime.now(UTC), places[number % len(places)]
        patient, stay, plan = uuid4(), uuid4(), uuid4()
        with database.transaction(), database.cursor() as cursor:
            cursor.execute(sql["patient"], (patient, "极限", "ji xian", "jx", "F"))
            cursor.execute(sql["number"], (uuid4(), patient, "urn:limit", "MR", str(patient), "limit"))
            cursor.execute(sql["stay"], (stay, patient, "urn:limit", str(stay), "IMP", "finished", place, at, "limit"))
            cursor.execute(
                sql["diagnosis"], (uuid4(), patient, stay, "ICD-10", "I21.0", "I21.0", "心肌梗死", "discharge")
            )
            cursor.execute(sql["care"], (uuid4(), patient, place, at))
            cursor.execute(sql["plan"], (plan, patient, stay, *definition, place, "active", at, at.date(), at.date()))
            cursor.executemany(
                sql["task"],
                [
                    (uuid4(), patient, place, f"limit:{plan}:{k}", "follow-up", "requested", stay, plan, f"s{k}", at,
                     at + timedelta(days=days))
                    for k, days in enumerate(w.OFFSETS)
                ],
            )  # fmt: skip
            cursor.execute(AUDIT, ("limit.Discharge", patient))
        return True

    return one


# --- W2: the due list of a department


DUE = """
SELECT t.id, t.due_at, t.step_title, t.plan_title, t.priority, p.name, p.sex, p.birth_date, left(c.value, 6) || '****' || c.last4,
       t.total
FROM (
    SELECT *, count(*) OVER () AS total FROM tasks_task
    WHERE department_id = %s AND status = 'requested' AND available_at <= now() ORDER BY priority DESC, due_at, id LIMIT 50
) t
JOIN patients_patient p ON p.id = t.patient_id
LEFT JOIN LATERAL (SELECT value, last4 FROM patients_contactpoint WHERE patient_id = p.id AND active ORDER BY rank LIMIT 1) c ON true
ORDER BY t.priority DESC, t.due_at, t.id
"""


def due_lists(url: str) -> Client:
    """Fifty rows with patient and masked telephone, exact count, as JSON text."""
    database, places = connect(url), w.departments()

    def one(number: int) -> bool:
        rows = database.execute(DUE, (places[number % len(places)],)).fetchall()
        return len(json.dumps(rows, default=str)) > 2

    return one


# --- W3: twenty answers judged


def answers(url: str, tasks: list[tuple[str, str, str]], given: tuple[str, str, str], facts: int) -> Client:
    """One response with its facts, the task closed, all in one transaction. `tasks`: (task, patient, department)."""
    database = connect(url)
    form, canonical, content = given
    response = bare_insert(
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
            "started_at",
            "authored_at",
        ),
    )
    fact = bare_insert(
        "questionnaires.AnswerFact",
        ("id", "patient_id", "response_id", "questionnaire_url", "link_id", "code", "number", "answered_at"),
    )
    end = (
        "UPDATE tasks_task SET status = 'completed', outcome = 'answered-online', ended_at = %s, updated_at = %s"
        " WHERE id = %s AND status = 'requested'"
    )

    def one(number: int) -> bool:
        task, patient, _place = tasks[number]
        at, key = datetime.now(UTC), uuid4()
        judged = json.loads(content)  # reading, scoring and three rules cost something here too
        score = sum(len(str(answer)) % 3 for answer in judged.values())
        with database.transaction(), database.cursor() as cursor:
            cursor.execute(response, (key, patient, form, canonical, task, "completed", "portal", content, at, at))
            cursor.executemany(
                fact, [(uuid4(), patient, key, canonical, f"q{n}", "a", score, at) for n in range(facts)]
            )
            cursor.execute(end, (at, at, task))
            closed = cursor.rowcount
            cursor.execute(AUDIT, ("limit.Answers", patient))
        return closed == 1

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
SELECT department_id, sum(planned), sum(done), sum(closed), sum(followed), sum(effective) FROM reports_rollup
WHERE month = date_trunc('month', now())::date GROUP BY department_id
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
