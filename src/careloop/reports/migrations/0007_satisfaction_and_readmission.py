"""Satisfaction and readmission within thirty days in the roll-up, and a recount that adds up each source for itself.

A response counts as an answer to a satisfaction questionnaire when its form gave it the score `satisfaction`; it counts
as satisfied when the band of that score says `satisfied`. Which forms count, and from which answer on, therefore stands in
the forms.

A stay counts as followed by a readmission when the same patient came to a bed again within thirty days. What is found stands in
`reports_readmission`, one row for each such stay; a trigger on the stays (and on the diagnoses that tell planned treatment) finds
the rows of the touched patients again, a trigger on the rows carries the difference into the roll-up. By day of the month
(`stays`, `readmits`) both stand beside what waits for the clock, because thirty days must be over before a stay counts.
"""

from importlib import import_module

from django.db import migrations, models

months = import_module("careloop.reports.migrations.0002_rollup_triggers")
tasks = import_module("careloop.reports.migrations.0003_lost_and_in_person")
many = import_module("careloop.reports.migrations.0004_many_rows_at_once")
programmes = import_module("careloop.reports.migrations.0005_programmes")
clock = import_module("careloop.reports.migrations.0006_clock_rollup")

ZERO, month, local = months.ZERO, months.month, clock.local
DAYS = 30

FUNCTIONS = """
CREATE FUNCTION reports_planned_treatment(code text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT code LIKE ANY (ARRAY['Z49%', 'Z51.0%', 'Z51.1%', 'Z51.2%']) $$;
CREATE FUNCTION reports_no_way_back(code text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT code IN ('died', 'cancelled', 'transferred') $$;
"""

# --- stays ---------------------------------------------------------------------------------------------------------

STAYED = "e.status = 'finished' AND e.class_code = 'IMP' AND NOT reports_no_way_back(e.disposition)"
DISCHARGE = (*months.DISCHARGE, "stays")
CONTACTED = "AS contacted_14d"
assert CONTACTED in months.DISCHARGE_SQL
DISCHARGE_SQL = months.DISCHARGE_SQL.replace(
    CONTACTED, f"{CONTACTED},\n        (e.class_code = 'IMP' AND NOT reports_no_way_back(e.disposition))::int AS stays"
)

READMISSION = ("readmitted",)
# Found for each stay: the first time its patient came to a bed again, unless that stay was for treatment planned before.
AGAIN = f"""
    SELECT e.id AS encounter_id, e.patient_id, {month('e.discharged_at')} AS month,
        coalesce(e.department_id, {ZERO}) AS department_id, coalesce(e.attending_id, {ZERO}) AS practitioner_id,
        {local('e.discharged_at')}::date AS day, min(b.admitted_at) AS readmitted_at
    FROM patients_encounter e JOIN patients_encounter b ON b.patient_id = e.patient_id
        AND b.admitted_at > e.discharged_at AND {local('b.admitted_at')}::date <= {local('e.discharged_at')}::date + {DAYS}
    WHERE {STAYED} AND b.id <> e.id AND b.class_code = 'IMP' AND b.status IN ('in-progress', 'finished')
        AND NOT EXISTS (
            SELECT 1 FROM patients_condition c WHERE c.patient_id = b.patient_id AND c.encounter_id = b.id
                AND c.active AND c.rank = 1 AND reports_planned_treatment(c.code_key)
        )
    GROUP BY e.id, e.patient_id, e.discharged_at, e.department_id, e.attending_id
"""
KEPT = ("month", "department_id", "practitioner_id", "day", "readmitted_at")
LISTED = ", ".join(("encounter_id", *KEPT))
READMIT = f"""
CREATE FUNCTION reports_readmit(ids uuid[]) RETURNS void LANGUAGE plpgsql
{programmes.BY_INDEX} SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    IF ids IS NULL OR cardinality(ids) = 0 THEN RETURN; END IF;
    {programmes.LOCKS["diagnosed"]}
    WITH found AS MATERIALIZED (SELECT {LISTED} FROM reports_readmissionsource WHERE patient_id = ANY(ids)),
    gone AS (
        DELETE FROM reports_readmission f WHERE f.encounter_id IN (SELECT id FROM patients_encounter WHERE patient_id = ANY(ids))
            AND NOT EXISTS (SELECT 1 FROM found n WHERE n.encounter_id = f.encounter_id)
    )
    INSERT INTO reports_readmission ({LISTED}) SELECT {LISTED} FROM found ORDER BY encounter_id
        ON CONFLICT (encounter_id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in KEPT)}
        WHERE ({", ".join(f"reports_readmission.{name}" for name in KEPT)}) IS DISTINCT FROM ({", ".join(f"excluded.{name}" for name in KEPT)});
END $$;
"""
READMISSION_SQL = "SELECT month, department_id, practitioner_id, 1 AS readmitted FROM {source}"

# --- satisfaction --------------------------------------------------------------------------------------------------

SURVEY = ("surveyed", "satisfied")
ANSWERED = "r.status = 'completed' AND r.scores ? 'satisfaction' AND r.scores -> 'satisfaction' ->> 'value' IS NOT NULL"
SURVEY_SQL = f"""
    SELECT r.id AS source_id, {month('r.authored_at')} AS month, coalesce(t.department_id, {ZERO}) AS department_id,
        coalesce(r.author_id, {ZERO}) AS practitioner_id,
        1 AS surveyed,
        (r.scores -> 'satisfaction' ->> 'band' = 'satisfied')::int AS satisfied
    FROM {{source}} r LEFT JOIN {{tasks}} t ON t.id = r.task_id
    WHERE {ANSWERED}
"""
assert "%" not in SURVEY_SQL

# --- views ---------------------------------------------------------------------------------------------------------

SOURCES = (
    *tasks.SOURCES[:3],
    (
        "reports_discharge_counts",
        DISCHARGE,
        DISCHARGE_SQL.format(source="patients_encounter", contacts="reports_firstcontact"),
    ),
    ("reports_readmission_counts", READMISSION, f"SELECT encounter_id AS source_id, {', '.join(KEPT[:3])}, 1 AS readmitted FROM reports_readmissionsource"),
    ("reports_survey_counts", SURVEY, SURVEY_SQL.format(source="questionnaires_questionnaireresponse", tasks="tasks_task")),
)
NEW = ("stays", *READMISSION, *SURVEY)


def recount_view():
    """Each source added up for itself: nothing is summed that the source does not count."""
    every = [name for _, measures, _ in SOURCES for name in measures]
    key = "month, department_id, practitioner_id"
    branches = []
    for view, measures, _ in SOURCES:
        own = ", ".join(f"sum({name})::bigint AS {name}" for name in measures)
        columns = ", ".join(name if name in measures else f"0::bigint AS {name}" for name in every)
        branches.append(f"SELECT {key}, {columns} FROM (SELECT {key}, {own} FROM {view} GROUP BY {key}) {view}")
    sums = ", ".join(f"sum({name})::bigint AS {name}" for name in every)
    return f"""
    CREATE VIEW reports_recount AS
    SELECT {key}, {sums} FROM ({" UNION ALL ".join(branches)}) everything GROUP BY {key};
    """


def by_day(measure, department, rows, day="day"):
    """The days of a month stand where a day has its half hours: what counts from the next day on needs no more."""
    return f"""
    SELECT '{measure}'::varchar AS measure, date_trunc('month', {day})::date AS month, {department} AS department_id,
        date_trunc('month', {day})::date AS day, (extract(day FROM {day}) - 1)::smallint AS slot FROM {rows}"""


STAYS = by_day(
    "stays", f"coalesce(e.department_id, {ZERO})", "{source} e WHERE " + STAYED, f"{local('e.discharged_at')}::date"
)
READMITS = by_day("readmits", "department_id", "{source} r", "r.day")
WAITING_AND_STAYS = f"{clock.WAITING} UNION ALL {STAYS}"

VIEWS = f"""
DROP VIEW reports_recount;
DROP VIEW reports_clockrecount;
DROP VIEW reports_clocksource;
CREATE VIEW reports_readmissionsource AS {AGAIN};
CREATE OR REPLACE VIEW reports_discharge_counts AS {SOURCES[3][2]};
CREATE VIEW {SOURCES[4][0]} AS {SOURCES[4][2]};
CREATE VIEW {SOURCES[5][0]} AS {SOURCES[5][2]};
{recount_view()}
CREATE VIEW reports_clocksource AS {clock.TASK.format(source="tasks_task")}
    UNION ALL {WAITING_AND_STAYS.format(source="patients_encounter", contacts="reports_firstcontact")}
    UNION ALL {READMITS.format(source="reports_readmissionsource")};
CREATE VIEW reports_clockrecount AS
    SELECT {clock.KEY}, count(*)::int AS number FROM reports_clocksource GROUP BY {clock.KEY};
"""

# --- triggers ------------------------------------------------------------------------------------------------------

ids, held = programmes.ids, programmes.HELD
CAME_AND_WENT = "patient_id, class_code, status, admitted_at, discharged_at, department_id, attending_id, disposition"
PLANNED = "WHERE d.rank = 1 AND reports_planned_treatment(d.code_key)"


def readmit(patients):
    return f"PERFORM reports_readmit({ids(patients)});"


def to_bed(side):
    return held.format("patient_id", side) + " WHERE class_code = 'IMP'"


def encounter_function():
    """The counts of the stays themselves, then whose readmissions they may have changed."""
    was = (months.DISCHARGE, months.DISCHARGE_SQL)
    months.DISCHARGE, months.DISCHARGE_SQL = DISCHARGE, DISCHARGE_SQL
    try:
        counted = many.encounter_function()
    finally:
        months.DISCHARGE, months.DISCHARGE_SQL = was
    insert, update, delete = clock.changes(WAITING_AND_STAYS, contacts="reports_firstcontact")
    gone = "DELETE FROM reports_readmission WHERE encounter_id IN (SELECT id FROM old_rows);"
    return clock.also(
        counted,
        insert + readmit(to_bed("new_rows")),
        update + readmit(programmes.both("patient_id", CAME_AND_WENT)),
        delete + gone + readmit(to_bed("old_rows")),
    )


def readmission_function():
    """A readmission that is found, moves or is gone, in both roll-ups."""
    new, old = (READMISSION_SQL.format(source=side) for side in ("new_rows", "old_rows"))
    change = months.change
    days = clock.changes(READMITS)
    return programmes.function(
        "reports_readmission_changed",
        change(READMISSION, {"new": new}) + days[0],
        change(READMISSION, {"new": new, "old": old}) + days[1],
        change(READMISSION, {"old": old}) + days[2],
    )


def planned_function():
    """A main diagnosis that tells planned treatment makes a readmission one that does not count, and back."""
    columns = "patient_id, encounter_id, code_key, rank, active"
    return programmes.function(
        "reports_planned_changed",
        readmit(f"SELECT d.patient_id AS id FROM new_rows d {PLANNED}"),
        readmit(programmes.both("patient_id", columns, PLANNED)),
        readmit(f"SELECT d.patient_id AS id FROM old_rows d {PLANNED}"),
    )


def survey_function():
    """The function that counts opinions of a response counts its satisfaction too."""
    insert, update, delete = months.both(SURVEY, SURVEY_SQL, tasks="tasks_task")
    opinions = f"PERFORM reports_refact_opinions({ids(programmes.OPINIONS_OF.format(programmes.both('id', 'status')))});"
    return programmes.function("reports_response_changed", insert, opinions + update, delete).replace(
        "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"
    )


def moved_surveys():
    """When a task changes its department, what was answered to it moves along."""

    def sql(side, other):
        moved = many.only_in(side, other, "id, department_id")
        rows = "(SELECT q.* FROM questionnaires_questionnaireresponse q WHERE q.task_id = t.id AND q.status = 'completed' OFFSET 0)"
        return SURVEY_SQL.replace(
            "FROM {source} r LEFT JOIN {tasks} t ON t.id = r.task_id", f"FROM {moved} t CROSS JOIN LATERAL {rows} r"
        )

    return months.change(SURVEY, {"new": sql("new_rows", "old_rows"), "old": sql("old_rows", "new_rows")})


def task_function():
    text = clock.also(many.task_function(), *clock.changes(clock.TASK))
    attempts = many.moved_attempts()
    assert text.count(attempts) == 1
    return text.replace(attempts, attempts + moved_surveys())


TRIGGERS = (
    READMIT
    + encounter_function()
    + task_function()
    + survey_function()
    + readmission_function()
    + planned_function()
    + programmes.triggers("reports_readmission", "reports_readmission_changed")
    + programmes.triggers("patients_condition", "reports_planned_changed")
    + programmes.triggers("questionnaires_questionnaireresponse", "reports_response_changed", "id")
)
# The recount looks for these few among all responses.
INDEX = f"""
CREATE INDEX reports_survey_answers ON questionnaires_questionnaireresponse (authored_at)
    WHERE status = 'completed' AND scores ? 'satisfaction';
"""
# How many sums a recount makes: some thousand of ten million rows, not ten million. So it adds up in several processes and
# in memory. Gathered by ANALYZE like any other statistics.
STATISTICS = f"""
CREATE STATISTICS reports_task_groups (ndistinct)
    ON ({month("due_at")}), department_id, (coalesce(ended_by_id, owner_id, {ZERO})) FROM tasks_task;
CREATE STATISTICS reports_stay_groups (ndistinct)
    ON ({month("discharged_at")}), (coalesce(department_id, {ZERO})), (coalesce(attending_id, {ZERO})) FROM patients_encounter;
"""

KEY = "month, department_id, practitioner_id"
BEGIN = f"""
INSERT INTO reports_readmission ({LISTED}) SELECT {LISTED} FROM reports_readmissionsource;
INSERT INTO reports_rollup ({KEY}, stays) SELECT {KEY}, sum(stays) FROM reports_discharge_counts GROUP BY {KEY} HAVING sum(stays) > 0;
INSERT INTO reports_rollup ({KEY}, surveyed, satisfied)
    SELECT {KEY}, sum(surveyed), sum(satisfied) FROM reports_survey_counts GROUP BY {KEY};
INSERT INTO reports_clockrollup ({clock.DAY}, number, slots) SELECT {clock.DAY}, slots[1], slots FROM (
    SELECT {clock.DAY}, reports_later(array_agg(slot), array_agg(number)) AS slots FROM (
        SELECT {clock.KEY}, count(*)::int AS number FROM ({STAYS.format(source="patients_encounter")}) s GROUP BY {clock.KEY}
    ) stays GROUP BY {clock.DAY} ORDER BY {clock.DAY}
) days;
"""


class Migration(migrations.Migration):
    dependencies = [("reports", "0006_clock_rollup")]

    operations = [
        *(migrations.AddField("rollup", name, models.IntegerField(db_default=0)) for name in NEW),
        migrations.CreateModel(
            name="Readmission",
            fields=[
                ("encounter_id", models.UUIDField(primary_key=True, serialize=False)),
                ("month", models.DateField()),
                ("department_id", models.UUIDField()),
                ("practitioner_id", models.UUIDField()),
                ("day", models.DateField()),
                ("readmitted_at", models.DateTimeField()),
            ],
        ),
        migrations.RunSQL(FUNCTIONS),
        migrations.RunSQL(INDEX),
        migrations.RunSQL(STATISTICS),
        migrations.RunSQL(VIEWS),
        migrations.RunSQL(TRIGGERS),
        migrations.RunSQL(BEGIN),
    ]
