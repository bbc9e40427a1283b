"""The work of the benchmark in GNU Health's words, and the rows it is done on.

| ours | theirs |
|---|---|
| patient with a telephone | `party.party` + `gnuhealth.patient` |
| stay, diagnosis | `gnuhealth.patient.evaluation`, `gnuhealth.patient.disease` |
| follow-up task | `gnuhealth.appointment` of the kind "followup": it has no tasks |
| department | `gnuhealth.specialty` |
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import psycopg
from psycopg import sql

from bench import world as w
from bench.gnuhealth import Json, Rpc, day, instant

Client = Callable[[int], Awaitable[bool]]
ROWS = 50
LISTED = ("name", "appointment_date", "state", "urgency", "visit_type", "patient", "patient.rec_name", "patient.puid",
          "patient.party.phone", "healthprof.rec_name", "speciality.rec_name")  # fmt: skip
"""What a due list shows of an appointment and its patient."""
RECORD = ("rec_name", "puid", "dob", "age", "gender", "blood_type", "rh", "critical_summary", "critical_info", "general_info",
          "deceased", "party.phone", "party.rec_name", "primary_care_doctor.rec_name", "current_insurance.rec_name", "active")  # fmt: skip
CONDITIONS = ("pathology.rec_name", "pathology.code", "diagnosed_date", "healed_date", "is_active", "status", "disease_severity",
              "healthprof.rec_name")  # fmt: skip
EVALUATIONS = ("code", "evaluation_start", "evaluation_endtime", "state", "diagnosis.rec_name", "healthprof.rec_name",
               "institution.rec_name", "chief_complaint")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hospital:
    """Ids that the units need."""

    company: int
    healthprof: int
    departments: tuple[int, ...]
    diagnoses: tuple[int, ...]


async def hospital(rpc: Rpc) -> Hospital:
    """An institution, its company, the person who signs in, forty specialties as departments, the diagnoses."""
    (currency,) = await rpc.call("currency.currency", "create", [{"name": "Renminbi", "symbol": "¥", "code": "CNY"}])
    plain = {"is_person": False, "fed_country": None, "create_target": False}
    (party,) = await rpc.call("party.party", "create", [{**plain, "name": "Bench Hospital", "is_institution": True}])
    (company,) = await rpc.call("company.company", "create", [{"party": party, "currency": currency}])
    await rpc.call("gnuhealth.institution", "create", [
        {"party": party, "code": "BENCH", "institution_type": "hospital", "public_level": "public"}])  # fmt: skip
    user = (await rpc.call("res.user", "search", [["login", "=", "admin"]], 0, 1, None))[0]
    await rpc.call("res.user", "write", [user], {"companies": [["add", [company]]], "company": company})
    rpc.context["company"] = company
    (person,) = await rpc.call("party.party", "create", [
        {**plain, "name": "B", "lastname": "Bench", "is_person": True, "is_healthprof": True, "internal_user": user,
         "gender": "f"}])  # fmt: skip
    (healthprof,) = await rpc.call("gnuhealth.healthprofessional", "create", [{"party": person}])
    departments = await rpc.call("gnuhealth.specialty", "create", [
        {"name": f"Department B{n}", "code": f"B{n}"} for n in range(1, w.DEPARTMENTS + 1)])  # fmt: skip
    diagnoses = await rpc.call("gnuhealth.pathology", "create", [
        {"name": name, "code": code} for code, name in w.DIAGNOSES])  # fmt: skip
    return Hospital(company, healthprof, tuple(departments), tuple(diagnoses))


# --- units


def person(number: int) -> Json:
    """One invented person with a telephone, as the form of a new patient sends it."""
    name = w.name_of(number)[0]
    return {
        "is_person": True, "is_patient": True, "create_target": False, "fed_country": None, "name": name[1:], "lastname": name[0],
        "gender": "f", "dob": day(date(1956, 4, 12)), "contact_mechanisms": [["create", [{"type": "phone", "value": w.phone_of(number)}]]],
    }  # fmt: skip


def follow_ups(of: Hospital, patient: int, number: int, left_at: datetime) -> list[Json]:
    """Eight appointments on the days of the benchmark's plan."""
    return [
        {
            "patient": patient, "state": "confirmed", "healthprof": of.healthprof, "visit_type": "followup", "urgency": "a",
            "appointment_type": "outpatient", "speciality": of.departments[number % len(of.departments)],
            "appointment_date": instant(left_at + timedelta(days=days)),
        }
        for days in w.OFFSETS
    ]  # fmt: skip


async def discharge(rpc: Rpc, of: Hospital, number: int, at: datetime) -> tuple[int, int, int, int, list[int]]:
    """W1a: person, patient, encounter, diagnosis and eight follow-ups; five calls, each a transaction of its own, since
    it has no call that does more. The ids of (person, patient, encounter, diagnosis, follow-ups).
    """
    (party,) = await rpc.call("party.party", "create", [person(number)])
    (patient,) = await rpc.call("gnuhealth.patient", "create", [{"party": party}])
    diagnosis = of.diagnoses[number % len(of.diagnoses)]
    (encounter,) = await rpc.call("gnuhealth.patient.evaluation", "create", [{
        "patient": patient, "healthprof": of.healthprof, "evaluation_start": instant(at - timedelta(days=6)),
        "evaluation_endtime": instant(at), "evaluation_type": "inpatient", "diagnosis": diagnosis, "discharge_reason": "home",
    }])  # fmt: skip
    (condition,) = await rpc.call("gnuhealth.patient.disease", "create", [{
        "patient": patient, "pathology": diagnosis, "healthprof": of.healthprof, "diagnosed_date": day(at.date()),
    }])  # fmt: skip
    tasks = await rpc.call("gnuhealth.appointment", "create", follow_ups(of, patient, number, at))
    return party, patient, encounter, condition, tasks


def discharges(rpc: Rpc, of: Hospital, at: datetime) -> Client:
    """W1a, one a turn."""

    async def one(number: int) -> bool:
        return len((await discharge(rpc, of, 10_000_000 + number, at))[4]) == len(w.OFFSETS)

    return one


def due(department: int, until: datetime) -> list[Json]:
    """Due today and overdue, of one department."""
    return [["speciality", "=", department], ["state", "=", "confirmed"], ["appointment_date", "<", instant(until)]]


def due_list(rpc: Rpc, department: int, until: datetime, expected: tuple[int, tuple[int, ...]]) -> Client:
    """W2: fifty rows with their patients, and the exact count: two calls, as its own list asks them. Compared with what
    SQL of our own found.
    """
    domain, order = due(department, until), [["appointment_date", "ASC"], ["id", "ASC"]]

    async def one(_number: int) -> bool:
        rows = await rpc.call("gnuhealth.appointment", "search_read", domain, 0, ROWS, order, LISTED)
        count = await rpc.call("gnuhealth.appointment", "search_count", domain, 0, None)
        return (count, tuple(row["id"] for row in rows)) == expected and all(
            row["patient."]["rec_name"] and row["patient."]["party."]["phone"] for row in rows
        )

    return one


def patient_record(rpc: Rpc, patients: Mapping[int, int]) -> Client:
    """W4: the person, diagnoses, encounters and follow-ups of one patient: four calls."""
    ids = list(patients)

    async def one(number: int) -> bool:
        patient = ids[number % len(ids)]
        mine = [["patient", "=", patient]]
        (record,) = await rpc.call("gnuhealth.patient", "read", [patient], RECORD)
        conditions = await rpc.call("gnuhealth.patient.disease", "search_read", mine, 0, None, None, CONDITIONS)
        encounters = await rpc.call("gnuhealth.patient.evaluation", "search_read", mine, 0, None, None, EVALUATIONS)
        tasks = await rpc.call("gnuhealth.appointment", "search_read", mine, 0, None, None, LISTED)
        return bool(record["rec_name"] and conditions and encounters) and len(tasks) == patients[patient]

    return one


# --- rows


@dataclass(frozen=True, slots=True)
class Copied:
    """A table whose rows repeat the one that its own server wrote, but for these columns (SQL over `n` and `k`)."""

    name: str
    model_row: int
    each: str
    columns: Mapping[str, str]


def tables(at: Mapping[str, int], model: tuple[int, int, int, int, int], of: Hospital, size: w.Size) -> list[Copied]:
    """What follows one discharge, in the order of the keys. `at` is the last id of each table, `model` the ids of one unit
    (person, patient, encounter, diagnosis, follow-up). The dates, states and proportions are those of `world`.
    """
    people, stays = size.patients, size.discharges
    per_person, per_stay = f"generate_series(1, {people}) AS n", f"generate_series(1, {stays}) AS n"
    whose = f"(CASE WHEN n <= {people} THEN n ELSE n * 7919::bigint % {people} + 1 END)"
    left = f"(now() AT TIME ZONE 'UTC' - interval '{w.DAYS} days' * (1 - n::float / {stays}))"
    offset = f"(ARRAY[{', '.join(map(str, w.OFFSETS))}])[k]"
    when = f"({left} + interval '1 day' * {offset})"
    lot = "((n * 7919::bigint + k * 104729) % 1000 / 1000.0)"
    state = (
        f"CASE WHEN {when} > now() AT TIME ZONE 'UTC' OR {lot} >= {w.DONE + w.ENDED} THEN 'confirmed'"
        f" WHEN {lot} < {w.DONE} THEN 'done' ELSE 'no_show' END"
    )
    surname, given = (f"substr('{letters}', (n % {len(letters)})::int + 1, 1)" for letters in (w.SURNAMES, w.GIVEN))
    party, patient = at["party_party"], at["gnuhealth_patient"]
    diagnosis = f"(ARRAY[{', '.join(map(str, of.diagnoses))}])[n % {len(of.diagnoses)} + 1]"
    department = f"(ARRAY[{', '.join(map(str, of.departments))}])[n % {len(of.departments)} + 1]"
    who, whom = f"{party} + {whose}", f"{patient} + {whose}"
    person_row, patient_row, encounter, condition, task = model
    return [
        Copied("party_party", person_row, per_person, {
            "id": f"{party} + n", "name": given, "lastname": surname, "ref": "'BP' || n", "code": "'B-' || n",
            "federation_account": "'XXXBP' || n",
        }),
        Copied("gnuhealth_person_name", at["gnuhealth_person_name"], per_person, {
            "id": f"{at['gnuhealth_person_name']} + n", "party": f"{party} + n", "given": given, "family": surname}),
        Copied("party_contact_mechanism", at["party_contact_mechanism"], per_person, {
            "id": f"{at['party_contact_mechanism']} + n", "party": f"{party} + n",
            "value": "'+86170' || lpad(n::text, 8, '0')", "value_compact": "'+86170' || lpad(n::text, 8, '0')"}),
        Copied("gnuhealth_patient", patient_row, per_person, {"id": f"{patient} + n", "party": f"{party} + n"}),
        Copied("gnuhealth_patient_evaluation", encounter, per_stay, {
            "id": f"{at['gnuhealth_patient_evaluation']} + n", "patient": whom, "code": "'BE' || n", "diagnosis": diagnosis,
            "evaluation_start": f"{left} - interval '6 days'", "evaluation_endtime": left}),
        Copied("gnuhealth_patient_disease", condition, per_stay, {
            "id": f"{at['gnuhealth_patient_disease']} + n", "patient": whom, "pathology": diagnosis, "diagnosed_date": f"{left}::date"}),
        Copied("gnuhealth_pol", at["gnuhealth_pol"], per_stay, {
            "id": f"{at['gnuhealth_pol']} + n", "person": who, "page": "gen_random_uuid()::text", "page_date": left}),
        Copied("gnuhealth_appointment", task, f"{per_stay}, generate_series(1, {len(w.OFFSETS)}) AS k", {
            "id": f"{at['gnuhealth_appointment']} + (n - 1) * {len(w.OFFSETS)} + k", "patient": whom, "name": "'BA' || n || '-' || k",
            "appointment_date": when, "state": state, "speciality": department}),
    ]  # fmt: skip


NAMES = ("party_party", "gnuhealth_person_name", "party_contact_mechanism", "gnuhealth_patient", "gnuhealth_patient_evaluation",
         "gnuhealth_patient_disease", "gnuhealth_pol", "gnuhealth_appointment")  # fmt: skip


def fill(url: str, model: tuple[int, int, int, int, int], of: Hospital, size: w.Size) -> int:
    """All rows in one transaction, key checks off (they are right by construction), statistics gathered. Rows written."""
    with psycopg.connect(url) as database:
        at = {name: _one(database, "SELECT max(id) FROM {}", name) for name in NAMES}
        database.execute("SET LOCAL session_replication_role = replica")
        written = sum(_copy(database, table) for table in tables(at, model, of, size))
        for name in NAMES:
            _one(database, "SELECT setval(pg_get_serial_sequence({name}, 'id'), (SELECT max(id) FROM {}))", name)
    with psycopg.connect(url, autocommit=True) as database:
        database.execute("VACUUM (ANALYZE)")
        database.execute("CHECKPOINT")
    return written


def _one(database: psycopg.Connection, text: str, table: str) -> int:
    found = database.execute(
        sql.SQL(text).format(sql.Identifier(table), name=sql.Literal(table))
    ).fetchone()  # every text stands in this file
    return int(found[0]) if found else 0


def _copy(database: psycopg.Connection, table: Copied) -> int:
    found = database.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = %s"
        " AND is_generated = 'NEVER'", [table.name]).fetchall()  # fmt: skip
    columns = [str(row[0]) for row in found]
    missing = set(table.columns) - set(columns)
    if missing:
        raise LookupError(f"{table.name} has no column {', '.join(sorted(missing))}")
    taken = [table.columns.get(name) or f'model."{name}"' for name in columns]
    names = ", ".join(f'"{name}"' for name in columns)
    statement = (
        f'INSERT INTO "{table.name}" ({names}) SELECT {", ".join(taken)}'
        f' FROM "{table.name}" AS model, {table.each} WHERE model.id = {table.model_row}'
    )
    return database.execute(statement).rowcount  # names of its own catalogue and texts of this file


def today_ends() -> datetime:
    """Midnight after today (UTC, as it stores)."""
    return datetime.now(UTC).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def expected_due(url: str, department: int, until: datetime) -> tuple[int, tuple[int, ...]]:
    """The exact count and the first fifty, by SQL of our own."""
    with psycopg.connect(url) as database:
        found = database.execute(
            "SELECT id FROM gnuhealth_appointment WHERE speciality = %s AND state = 'confirmed' AND appointment_date < %s"
            " ORDER BY appointment_date, id", [department, until]).fetchall()  # fmt: skip
    ids = tuple(int(row[0]) for row in found)
    return len(ids), ids[:ROWS]


def patients(url: str, department: int) -> dict[int, int]:
    """Some patients of a department, each with the number of appointments."""
    with psycopg.connect(url) as database:
        found = database.execute(
            "SELECT patient, count(*) FROM gnuhealth_appointment WHERE patient IN (SELECT DISTINCT patient FROM gnuhealth_appointment"
            " WHERE speciality = %s LIMIT 300) GROUP BY 1 ORDER BY 1", [department]).fetchall()  # fmt: skip
    return {int(row[0]): int(row[1]) for row in found}


def sizes(url: str, size: w.Size) -> dict[str, float]:
    """Bytes of what it holds, and of one discharge."""
    with psycopg.connect(url) as database:
        found = database.execute(
            "SELECT sum(pg_total_relation_size(to_regclass(name))) FROM unnest(%s::text[]) AS name", [list(NAMES)]
        ).fetchone()
    whole = float(found[0]) if found and found[0] else 0.0
    return {"bytes": whole, "per_discharge": whole / max(1, size.discharges)}
