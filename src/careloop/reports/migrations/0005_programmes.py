"""Public health and opinions in the roll-up: what each patient, clock and opinion counts for, kept by statement triggers.

A fact is one row of what counts (`reports_programmefact`), found again by one view from the source tables. A trigger on a
source finds the facts of the touched patients again; a trigger on the facts adds the difference to the roll-up. So the
roll-up is the sum of the facts, the facts are what the view says, and the nightly recount compares with the view.

What depends on the day does not need a clock: a fact counts from `since` to `until`. A patient stops being managed as
required on the day on which one more visit would have been due; that day is known when the fact is written.
"""

from __future__ import annotations

import django.contrib.postgres.fields
from django.db import migrations, models


ZERO = "'00000000-0000-0000-0000-000000000000'::uuid"
EVER = "'9999-12-31'::date"
MEASURES = (
    "managed", "standard", "in_target", "assessed", "notified", "visited", "first_in_time", "closed", "regular",
    "clocks_due", "clocks_kept", "undocumented", "suggested", "decided", "agreed", "underivable",
)  # fmt: skip
KEY = ("programme", "year", "department_id", "since", "until")
NOT_COUNTED = "('wrong-diagnosis', 'merged')"
NOBODYS_FAULT = (
    "('death', 'moved', 'transferred', 'merged', 'course-closed', 'visit-replaced', 'visit-error', 'wrong-diagnosis')"
)
QUARTER = 91


def day(instant):
    return f"({instant} AT TIME ZONE 'Asia/Shanghai')::date"


def fact(kind, source, programme, year, department, since, until, **counts):
    """One branch of the view; measures that are not named count nothing."""
    columns = ", ".join(f"coalesce({counts.get(name, '0')}, 0)::int AS {name}" for name in MEASURES)
    return (
        f"SELECT '{kind}'::text AS kind, {source} AS source_id, {programme} AS programme, {year}::int AS year, "
        f"{department} AS department_id, {since} AS since, {until} AS until, {columns}"
    )


NOTICED = f"({day('e.noticed_at')} BETWEEN make_date(y.year, 1, 1) AND make_date(y.year, 12, 31))::int"
YEARS = """
    JOIN reports_programmerule r ON r.programme = e.programme
    JOIN reports_programmeyear y ON y.year >= extract(year FROM e.started_on)
        AND y.year <= coalesce(extract(year FROM e.ended_at AT TIME ZONE 'Asia/Shanghai'), 9999)
"""
VISITS = """
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE v.visited_on BETWEEN make_date(y.year, 1, 1) AND make_date(y.year, 12, 31)) AS in_year,
            count(*) FILTER (WHERE v.is_face_to_face
                AND v.visited_on BETWEEN make_date(y.year, 1, 1) AND make_date(y.year, 12, 31)) AS seen,
            count(*) AS ever,
            min(v.visited_at) FILTER (WHERE v.role = 'first-visit') AS first_at,
            count(*) FILTER (WHERE v.role = 'closing' AND v.class_code <> 'mdr'
                AND v.visited_on BETWEEN make_date(y.year, 1, 1) AND make_date(y.year, 12, 31)) AS closings,
            (array_agg(v.in_target ORDER BY v.visited_at DESC, v.id DESC) FILTER (WHERE v.in_target IS NOT NULL
                AND v.visited_on BETWEEN make_date(y.year, 1, 1) AND make_date(y.year, 12, 31)))[1] AS last_in_target,
            (array_agg(v.in_target ORDER BY v.visited_at DESC, v.id DESC) FILTER (WHERE v.in_target IS NOT NULL
                AND v.role = 'closing' AND v.class_code <> 'mdr'
                AND v.visited_on BETWEEN make_date(y.year, 1, 1) AND make_date(y.year, 12, 31)))[1] AS closing_in_target
        FROM publichealth_programmevisit v WHERE v.episode_id = e.id AND v.status = 'current'
    ) v
"""
SINCE = "greatest(e.started_on, make_date(y.year, 1, 1))"
# The first day on which more visits would have been required than there were; never after the end of the management.
SHARE = f"greatest(1, {QUARTER * 4} / r.visits_per_year)"
MISSED_ON = f"({SINCE} + ((v.seen + 1) * {SHARE})::int - 1)"
STANDARD_UNTIL = f"""CASE
    WHEN v.seen >= r.visits_per_year THEN {EVER}
    WHEN e.ended_at IS NOT NULL AND {day('e.ended_at')} < {MISSED_ON} THEN {EVER}
    ELSE {MISSED_ON} - 1 END"""

EPISODE = fact(
    "episode", "e.id", "e.programme", "y.year", "e.department_id", SINCE, EVER, managed="1",
    assessed="(v.in_year > 0)::int", in_target="v.last_in_target::int", notified=NOTICED,
    visited=f"{NOTICED} * (v.ever > 0)::int",
    first_in_time=f"{NOTICED} * (v.first_at <= e.noticed_at + make_interval(hours => coalesce(r.first_visit_hours, 0)))::int",
    closed="(v.closings > 0)::int", regular="(v.closings > 0 AND v.closing_in_target)::int",
) + f" FROM publichealth_episodeofcare e {YEARS} {VISITS} WHERE e.end_reason NOT IN {NOT_COUNTED}"  # fmt: skip
STANDARD = fact(
    "standard", "e.id", "e.programme", "y.year", "e.department_id", SINCE, STANDARD_UNTIL, standard="1"
) + f""" FROM publichealth_episodeofcare e {YEARS} {VISITS} WHERE e.end_reason NOT IN {NOT_COUNTED}
    AND (r.visits_per_year > 1 OR v.seen >= r.visits_per_year)"""  # fmt: skip
CLOCK = fact(
    "clock", "c.id", "e.programme", "extract(year FROM c.due_on)", "e.department_id", "c.due_on", EVER, clocks_due="1",
    clocks_kept=f"(c.status = 'done' AND {day('c.ended_at')} <= c.due_on)::int",
) + f""" FROM publichealth_programmeclock c JOIN publichealth_episodeofcare e ON e.id = c.episode_id
    WHERE c.kind IN ('recheck', 'referral-check')
    AND NOT (c.status = 'stopped' AND c.end_reason IN {NOBODYS_FAULT})"""  # fmt: skip
FOUND = f"""
    SELECT DISTINCT ON (c.patient_id, r.programme) c.patient_id, r.programme,
        coalesce(s.department_id, {ZERO}) AS department_id,
        (min(c.created_at) OVER (PARTITION BY c.patient_id, r.programme) AT TIME ZONE 'Asia/Shanghai')::date AS since
    FROM patients_condition c JOIN patients_patient p ON p.id = c.patient_id
    JOIN reports_programmerule r ON reports_matches(c.code_key, r.diagnoses)
    LEFT JOIN patients_encounter s ON s.id = c.encounter_id
    WHERE c.active AND p.active AND NOT p.deceased AND NOT EXISTS (
        SELECT 1 FROM publichealth_episodeofcare e
        WHERE e.patient_id = c.patient_id AND e.programme = r.programme AND e.end_reason <> 'merged'
    ) ORDER BY c.patient_id, r.programme, c.created_at DESC, c.id DESC
"""
DIAGNOSED = fact(
    "diagnosed", "d.patient_id", "d.programme", "y.year", "d.department_id", "greatest(d.since, make_date(y.year, 1, 1))",
    EVER, undocumented="1",
) + f" FROM ({FOUND}) d JOIN reports_programmeyear y ON y.year >= extract(year FROM d.since)"  # fmt: skip
OPINION = fact(
    "opinion", "o.id", "'opinion'::varchar", "0", f"coalesce(o.department_id, {ZERO})", "'2000-01-01'::date", EVER,
    suggested="(o.suggested <> '')::int", decided="(o.suggested <> '' AND o.chosen_at IS NOT NULL)::int",
    agreed="(o.suggested <> '' AND o.chosen_at IS NOT NULL AND o.chosen = o.suggested)::int",
    underivable="(o.suggested = '')::int",
) + """ FROM publichealth_opinion o JOIN questionnaires_questionnaireresponse q ON q.id = o.response_id
    WHERE q.status = 'completed'"""  # fmt: skip

BY_INDEX = "SET enable_hashjoin = off SET enable_mergejoin = off"
FUNCTIONS = f"""
CREATE FUNCTION reports_matches(code text, prefixes text[]) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT EXISTS (SELECT 1 FROM unnest(prefixes) one WHERE starts_with(code, one)) $$;
"""
VIEW = "CREATE VIEW reports_programmesource AS " + " UNION ALL ".join((EPISODE, STANDARD, CLOCK, DIAGNOSED, OPINION)) + ";"

COLUMNS = ("kind", "source_id", *KEY, *MEASURES)
LISTED = ", ".join(COLUMNS)
VALUES = ("department_id", "since", "until", *MEASURES)
SET = ", ".join(f"{name} = excluded.{name}" for name in VALUES)
OLD = ", ".join(f"reports_programmefact.{name}" for name in VALUES)
NEW = ", ".join(f"excluded.{name}" for name in VALUES)
IS_THE_SAME = " AND ".join(f"n.{name} = f.{name}" for name in ("kind", "source_id", "programme", "year"))
# Each statement sees what was committed before it, so whoever waits for the row counts with what the other one wrote.
LOCKS = {
    "episode": "PERFORM 1 FROM publichealth_episodeofcare WHERE id = ANY(ids) ORDER BY id FOR NO KEY UPDATE;",
    "diagnosed": "PERFORM 1 FROM patients_patient WHERE id = ANY(ids) ORDER BY id FOR NO KEY UPDATE;",
}


def refact(name, kinds, lock=""):
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    return f"""
CREATE FUNCTION {name}(ids uuid[]) RETURNS void LANGUAGE plpgsql {BY_INDEX} AS $$
BEGIN
    IF ids IS NULL OR cardinality(ids) = 0 THEN RETURN; END IF;
    {lock}
    WITH found AS MATERIALIZED (
        SELECT {LISTED} FROM reports_programmesource WHERE kind IN ({listed}) AND source_id = ANY(ids)
    ), gone AS (
        DELETE FROM reports_programmefact f WHERE f.kind IN ({listed}) AND f.source_id = ANY(ids)
            AND NOT EXISTS (SELECT 1 FROM found n WHERE {IS_THE_SAME})
    )
    INSERT INTO reports_programmefact ({LISTED}) SELECT {LISTED} FROM found
        ORDER BY kind, source_id, programme, year
        ON CONFLICT (kind, source_id, programme, year) DO UPDATE SET {SET}
        WHERE ({OLD}) IS DISTINCT FROM ({NEW});
END $$;
"""


REFACT = (
    refact("reports_refact_episodes", ("episode", "standard"), LOCKS["episode"])
    + refact("reports_refact_clocks", ("clock",))
    + refact("reports_refact_patients", ("diagnosed",), LOCKS["diagnosed"])
    + refact("reports_refact_opinions", ("opinion",))
)


def ids(sql):
    return f"ARRAY(SELECT DISTINCT x.id FROM ({sql}) x WHERE x.id IS NOT NULL)"


def function(name, insert="", update="", delete=""):
    return f"""
CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql {BY_INDEX} AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN {insert or 'NULL;'}
    ELSIF TG_OP = 'UPDATE' THEN {update or 'NULL;'}
    ELSE {delete or 'NULL;'}
    END IF;
    RETURN NULL;
END $$;
"""


def triggers(table, name, events="iud"):
    told = {
        "i": ("INSERT", "NEW TABLE AS new_rows"),
        "u": ("UPDATE", "OLD TABLE AS old_rows NEW TABLE AS new_rows"),
        "d": ("DELETE", "OLD TABLE AS old_rows"),
    }
    return "".join(
        f"CREATE TRIGGER {name}_{one} AFTER {told[one][0]} ON {table} REFERENCING {told[one][1]} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {name}();"
        for one in events
    )


def both(column, columns, where=""):
    """Ids of the rows before and after an update, where one of these columns differs.

    What differs is found by subtracting one set from the other: the two sets have no index, and a join of a hundred
    thousand rows with as many would never end.
    """
    new = f"SELECT id, {columns} FROM new_rows EXCEPT SELECT id, {columns} FROM old_rows"
    old = f"SELECT id, {columns} FROM old_rows EXCEPT SELECT id, {columns} FROM new_rows"
    return f"SELECT d.{column} AS id FROM (({new}) UNION ALL ({old})) d {where}"


HELD = "SELECT {} AS id FROM {}"
CLOCKS_OF = "SELECT c.id FROM ({}) e CROSS JOIN LATERAL (SELECT k.id FROM publichealth_programmeclock k WHERE k.episode_id = e.id OFFSET 0) c"
OPINIONS_OF = "SELECT c.id FROM ({}) r CROSS JOIN LATERAL (SELECT o.id FROM publichealth_opinion o WHERE o.response_id = r.id OFFSET 0) c"
MATCHING = "EXISTS (SELECT 1 FROM reports_programmerule r WHERE reports_matches({}.code_key, r.diagnoses))"
COUNTED = "programme, department_id, started_on, ended_at, end_reason, noticed_at"


def rollup(sign, rows):
    sums = ", ".join(f"{sign}{name}" for name in MEASURES)
    return f"SELECT {', '.join(KEY)}, {sums} FROM {rows}"


def moved(*parts):
    sums = ", ".join(f"sum({name})" for name in MEASURES)
    changed = " OR ".join(f"sum({name}) <> 0" for name in MEASURES)
    return f"""INSERT INTO reports_programmerollup ({', '.join((*KEY, *MEASURES))})
        SELECT {', '.join(KEY)}, {sums} FROM ({' UNION ALL '.join(parts)}) m ({', '.join((*KEY, *MEASURES))})
        GROUP BY {', '.join(KEY)} HAVING {changed};"""


TRIGGERS = (
    function(
        "reports_fact_changed",
        moved(rollup("", "new_rows")),
        moved(rollup("", "new_rows"), rollup("-", "old_rows")),
        moved(rollup("-", "old_rows")),
    )
    + triggers("reports_programmefact", "reports_fact_changed")
    + function(
        "reports_episode_changed",
        f"PERFORM reports_refact_episodes({ids(HELD.format('id', 'new_rows'))}); PERFORM reports_refact_patients({ids(HELD.format('patient_id', 'new_rows'))});",
        f"PERFORM reports_refact_episodes({ids(both('id', COUNTED))}); PERFORM reports_refact_clocks({ids(CLOCKS_OF.format(both('id', 'department_id, programme')))});"
        f"PERFORM reports_refact_patients({ids(both('patient_id', 'patient_id, programme, end_reason'))});",
        f"PERFORM reports_refact_episodes({ids(HELD.format('id', 'old_rows'))}); PERFORM reports_refact_patients({ids(HELD.format('patient_id', 'old_rows'))});",
    )
    + triggers("publichealth_episodeofcare", "reports_episode_changed")
    + function(
        "reports_visit_changed",
        f"PERFORM reports_refact_episodes({ids(HELD.format('episode_id', 'new_rows'))});",
        f"PERFORM reports_refact_episodes({ids(both('episode_id', 'episode_id, status, role, visited_at, visited_on, is_face_to_face, class_code, in_target'))});",
        f"PERFORM reports_refact_episodes({ids(HELD.format('episode_id', 'old_rows'))});",
    )
    + triggers("publichealth_programmevisit", "reports_visit_changed")
    + function(
        "reports_clock_changed",
        f"PERFORM reports_refact_clocks({ids(HELD.format('id', 'new_rows'))});",
        f"PERFORM reports_refact_clocks({ids(both('id', 'episode_id, kind, status, due_on, ended_at, end_reason'))});",
        f"PERFORM reports_refact_clocks({ids(HELD.format('id', 'old_rows'))});",
    )
    + triggers("publichealth_programmeclock", "reports_clock_changed")
    + function(
        "reports_condition_changed",
        f"PERFORM reports_refact_patients({ids('SELECT n.patient_id AS id FROM new_rows n WHERE ' + MATCHING.format('n'))});",
        f"PERFORM reports_refact_patients({ids(both('patient_id', 'patient_id, code_key, active, encounter_id', 'WHERE ' + MATCHING.format('d')))});",
        f"PERFORM reports_refact_patients({ids('SELECT o.patient_id AS id FROM old_rows o WHERE ' + MATCHING.format('o'))});",
    )
    + triggers("patients_condition", "reports_condition_changed")
    + function("reports_patient_changed", update=f"PERFORM reports_refact_patients({ids(both('id', 'active, deceased'))});")
    + triggers("patients_patient", "reports_patient_changed", "u")
    + function("reports_stay_moved", update=f"PERFORM reports_refact_patients({ids(both('patient_id', 'patient_id, department_id'))});")
    + triggers("patients_encounter", "reports_stay_moved", "u")
    + function(
        "reports_opinion_changed",
        f"PERFORM reports_refact_opinions({ids(HELD.format('id', 'new_rows'))});",
        f"PERFORM reports_refact_opinions({ids(both('id', 'response_id, department_id, suggested, chosen, chosen_at'))});",
        f"PERFORM reports_refact_opinions({ids(HELD.format('id', 'old_rows'))});",
    )
    + triggers("publichealth_opinion", "reports_opinion_changed")
    + function(
        "reports_response_changed",
        update=f"PERFORM reports_refact_opinions({ids(OPINIONS_OF.format(both('id', 'status')))});",
    )
    + triggers("questionnaires_questionnaireresponse", "reports_response_changed", "u")
)


def counts():
    return [(name, models.IntegerField(db_default=0)) for name in MEASURES]


class Migration(migrations.Migration):
    dependencies = [
        ("reports", "0004_many_rows_at_once"),
        ("publichealth", "0003_opinion_drafts"),
        ("questionnaires", "0003_no_way_back"),
    ]

    operations = [
        migrations.CreateModel(
            name="ProgrammeRule",
            fields=[
                ("programme", models.CharField(max_length=30, primary_key=True, serialize=False)),
                ("visits_per_year", models.PositiveSmallIntegerField()),
                ("first_visit_hours", models.PositiveSmallIntegerField(null=True)),
                ("diagnoses", django.contrib.postgres.fields.ArrayField(models.CharField(max_length=20), default=list)),
            ],
        ),
        migrations.CreateModel(
            name="ProgrammeYear",
            fields=[("year", models.PositiveSmallIntegerField(primary_key=True, serialize=False))],
        ),
        migrations.CreateModel(
            name="ProgrammeFact",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("kind", models.CharField(max_length=10)),
                ("source_id", models.UUIDField()),
                ("programme", models.CharField(max_length=30)),
                ("year", models.PositiveSmallIntegerField()),
                ("department_id", models.UUIDField()),
                ("since", models.DateField()),
                ("until", models.DateField()),
                *counts(),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=["kind", "source_id", "programme", "year"], name="programme_fact_once"
                    )
                ]
            },
        ),
        migrations.CreateModel(
            name="ProgrammeRollup",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("programme", models.CharField(max_length=30)),
                ("year", models.PositiveSmallIntegerField()),
                ("department_id", models.UUIDField()),
                ("since", models.DateField()),
                ("until", models.DateField()),
                *counts(),
            ],
            options={"indexes": [models.Index(fields=["year", "department_id"], name="programme_rollup_year")]},
        ),
        migrations.RunSQL(FUNCTIONS),
        migrations.RunSQL(VIEW),
        migrations.RunSQL(REFACT),
        migrations.RunSQL(TRIGGERS),
    ]
