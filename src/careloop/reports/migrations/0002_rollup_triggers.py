"""Views that say what each source row counts for, and statement triggers that keep the roll-up equal to their sum.

The same expressions make the view (recount) and the trigger (change), so they cannot drift apart. The code lists stand
in functions; a test compares them with reports/content/indicators.json.
"""

from django.db import migrations

ZERO = "'00000000-0000-0000-0000-000000000000'::uuid"


def month(column):
    # Months are the hospital's: China has one time zone.
    return f"date_trunc('month', {column} AT TIME ZONE 'Asia/Shanghai')::date"


def codes(name, values):
    listed = ", ".join(f"'{value}'" for value in values)
    return f"""
    CREATE FUNCTION {name}(code text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT code IN ({listed}) $$;
    """


FUNCTIONS = (
    codes(
        "reports_excluded_reason",
        (
            "died", "death", "patient-died", "against-advice", "discharge-cancelled", "admission-cancelled",
            "encounter-cancelled", "entered-in-error", "merged", "duplicate", "refused", "refused-for-ever", "refusal",
            "transferred", "transfer", "other-hospital", "readmitted", "readmission", "version-adopted",
            "change-undone", "ticked-off", "moved", "owner-changed", "plan-over", "date-reached", "count-reached",
            "steps-done", "not-needed",
        ),
    )
    + codes("reports_excluded_disposition", ("died", "against-advice", "cancelled", "transferred"))
    + codes("reports_contact_made", ("readmitted", "not-needed", "language-barrier", "moved"))
    + codes("reports_invalid_number", ("empty-number", "wrong-person"))
    + codes(
        "reports_reached",
        (
            "reached-patient", "reached-informed-relative", "call-later", "refused", "refused-for-ever",
            "language-barrier", "not-needed", "moved", "transferred", "readmitted", "died",
        ),
    )
    + codes("reports_effective", ("reached-patient", "reached-informed-relative", "answered-online"))
)  # fmt: skip

TASK = ("planned", "open", "done", "closed", "excluded", "attempted", "followed", "effective", "online")
TASK_SQL = f"""
    SELECT t.id AS source_id, {month('t.due_at')} AS month, t.department_id,
        coalesce(t.ended_by_id, t.owner_id, {ZERO}) AS practitioner_id,
        1 AS planned,
        (t.status = 'requested')::int AS open,
        (t.status = 'completed')::int AS done,
        (t.status = 'cancelled')::int AS closed,
        (t.status = 'cancelled' AND reports_excluded_reason(t.closed_reason)
            AND NOT reports_contact_made(t.outcome))::int AS excluded,
        (t.status = 'completed' OR t.attempts > 0 AND NOT (t.status = 'cancelled'
            AND reports_excluded_reason(t.closed_reason) AND NOT reports_contact_made(t.outcome)))::int AS attempted,
        (t.status = 'completed' OR t.status = 'cancelled' AND reports_contact_made(t.outcome))::int AS followed,
        (t.status = 'completed' AND reports_effective(t.outcome))::int AS effective,
        (t.status = 'completed' AND t.outcome = 'answered-online')::int AS online
    FROM {{source}} t
    WHERE t.kind = 'follow-up'
"""

ATTEMPT = ("calls", "calls_reached", "calls_invalid")
ATTEMPT_SQL = f"""
    SELECT a.id AS source_id, {month('a.started_at')} AS month, t.department_id,
        coalesce(a.by_practitioner_id, {ZERO}) AS practitioner_id,
        1 AS calls,
        reports_reached(a.outcome)::int AS calls_reached,
        reports_invalid_number(a.outcome)::int AS calls_invalid
    FROM {{source}} a JOIN {{tasks}} t ON t.id = a.task_id
    WHERE a.channel = 'phone' AND a.undone_at IS NULL
"""

ALERT = ("alerts", "alerts_accepted", "alerts_closed", "alerts_closed_in_time", "alert_close_seconds")
ALERT_SQL = f"""
    SELECT a.id AS source_id, {month('a.raised_at')} AS month, a.department_id,
        coalesce(a.owner_id, {ZERO}) AS practitioner_id,
        1 AS alerts,
        (a.accepted_at IS NOT NULL)::int AS alerts_accepted,
        (a.closed_at IS NOT NULL)::int AS alerts_closed,
        (a.closed_at IS NOT NULL AND a.closed_at <= a.close_by)::int AS alerts_closed_in_time,
        coalesce(extract(epoch FROM a.closed_at - a.raised_at), 0)::bigint AS alert_close_seconds
    FROM {{source}} a
"""

DISCHARGE = ("discharges", "discharges_excluded", "contacted_72h", "contacted_14d")
DISCHARGE_SQL = f"""
    SELECT e.id AS source_id, {month('e.discharged_at')} AS month, coalesce(e.department_id, {ZERO}) AS department_id,
        coalesce(e.attending_id, {ZERO}) AS practitioner_id,
        1 AS discharges,
        reports_excluded_disposition(e.disposition)::int AS discharges_excluded,
        (NOT reports_excluded_disposition(e.disposition)
            AND coalesce(f.contacted_at <= e.discharged_at + interval '72 hours', false))::int AS contacted_72h,
        (NOT reports_excluded_disposition(e.disposition)
            AND coalesce(f.contacted_at <= e.discharged_at + interval '14 days', false))::int AS contacted_14d
    FROM {{source}} e LEFT JOIN {{contacts}} f ON f.encounter_id = e.id
    WHERE e.status = 'finished' AND e.class_code IN ('IMP', 'SS')
"""

ALL = (*TASK, *ATTEMPT, *ALERT, *DISCHARGE)
SOURCES = (
    ("reports_task_counts", TASK, TASK_SQL.format(source="tasks_task")),
    ("reports_attempt_counts", ATTEMPT, ATTEMPT_SQL.format(source="tasks_contactattempt", tasks="tasks_task")),
    ("reports_alert_counts", ALERT, ALERT_SQL.format(source="alerts_alert")),
    (
        "reports_discharge_counts",
        DISCHARGE,
        DISCHARGE_SQL.format(source="patients_encounter", contacts="reports_firstcontact"),
    ),
)


def recount_view():
    branches = []
    for view, measures, _ in SOURCES:
        columns = ", ".join(f"{name}::bigint" if name in measures else f"0::bigint AS {name}" for name in ALL)
        branches.append(f"SELECT month, department_id, practitioner_id, {columns} FROM {view}")
    sums = ", ".join(f"sum({name})::bigint AS {name}" for name in ALL)
    return f"""
    CREATE VIEW reports_recount AS
    SELECT month, department_id, practitioner_id, {sums} FROM ({' UNION ALL '.join(branches)}) everything
    GROUP BY month, department_id, practitioner_id;
    """


VIEWS = (
    "".join(f"CREATE VIEW {name} AS {sql};" for name, _, sql in SOURCES)
    + recount_view()
)


def change(measures, sql):
    """Add what the new rows count for and take away what the old ones did; rows that change no count add nothing."""
    names = ", ".join(measures)
    plus = ", ".join(measures)
    minus = ", ".join(f"-{name}" for name in measures)
    sums = ", ".join(f"sum({name}) AS {name}" for name in measures)
    any_change = " OR ".join(f"sum({name}) <> 0" for name in measures)
    branches = []
    if "new" in sql:
        branches.append(f"SELECT month, department_id, practitioner_id, {plus} FROM ({sql['new']}) n")
    if "old" in sql:
        branches.append(f"SELECT month, department_id, practitioner_id, {minus} FROM ({sql['old']}) o")
    return f"""
        INSERT INTO reports_rollup (month, department_id, practitioner_id, {names})
        SELECT month, department_id, practitioner_id, {sums} FROM ({' UNION ALL '.join(branches)}) moved
            (month, department_id, practitioner_id, {names})
        GROUP BY month, department_id, practitioner_id HAVING {any_change};
    """


# A session plans these statements once. If its first one touched thousands of rows, a hash join over a whole table would
# be kept for all the single rows that follow; so only look-ups by index are offered.
BY_INDEX = "SET enable_hashjoin = off SET enable_mergejoin = off"


def trigger_function(name, on_insert, on_update, on_delete):
    return f"""
    CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql {BY_INDEX} AS $$
    BEGIN
        IF TG_OP = 'INSERT' THEN {on_insert}
        ELSIF TG_OP = 'UPDATE' THEN {on_update}
        ELSE {on_delete}
        END IF;
        RETURN NULL;
    END $$;
    """


def triggers(table, function):
    return f"""
    CREATE TRIGGER {function}_i AFTER INSERT ON {table} REFERENCING NEW TABLE AS new_rows
        FOR EACH STATEMENT EXECUTE FUNCTION {function}();
    CREATE TRIGGER {function}_u AFTER UPDATE ON {table} REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
        FOR EACH STATEMENT EXECUTE FUNCTION {function}();
    CREATE TRIGGER {function}_d AFTER DELETE ON {table} REFERENCING OLD TABLE AS old_rows
        FOR EACH STATEMENT EXECUTE FUNCTION {function}();
    """


def both(measures, sql, **others):
    new = sql.format(source="new_rows", **others)
    old = sql.format(source="old_rows", **others)
    return change(measures, {"new": new}), change(measures, {"new": new, "old": old}), change(measures, {"old": old})


def moved_attempts():
    """When a task changes its department, its attempts move with it."""
    of = "(SELECT a.* FROM tasks_contactattempt a JOIN old_rows o ON o.id = a.task_id JOIN new_rows n ON n.id = o.id"
    of += " WHERE n.department_id <> o.department_id)"
    new = ATTEMPT_SQL.format(source=of, tasks="new_rows")
    old = ATTEMPT_SQL.format(source=of, tasks="old_rows")
    return change(ATTEMPT, {"new": new, "old": old})


CONTACTED = "PERFORM reports_recontact(ARRAY(SELECT DISTINCT encounter_id FROM ({}) x WHERE encounter_id IS NOT NULL));"
ENDED = "SELECT encounter_id FROM {} WHERE status = 'completed'"
RECONTACT = f"""
CREATE FUNCTION reports_first_contact(wanted uuid[]) RETURNS TABLE (encounter_id uuid, contacted_at timestamptz)
LANGUAGE sql STABLE {BY_INDEX} AS $$
    SELECT e.id, first.at FROM patients_encounter e CROSS JOIN LATERAL (
        SELECT least(
            (SELECT min(a.started_at) FROM tasks_task t JOIN tasks_contactattempt a ON a.task_id = t.id
                WHERE t.patient_id = e.patient_id AND t.encounter_id = e.id AND a.undone_at IS NULL
                AND a.started_at >= e.discharged_at AND reports_reached(a.outcome)),
            (SELECT min(t.ended_at) FROM tasks_task t
                WHERE t.patient_id = e.patient_id AND t.encounter_id = e.id AND t.status = 'completed'
                AND t.kind = 'follow-up' AND t.ended_at >= e.discharged_at)
        ) AS at
    ) first
    WHERE e.id = ANY(wanted) AND first.at IS NOT NULL
$$;
CREATE FUNCTION reports_recontact(ids uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(ids) = 0 THEN RETURN; END IF;
    WITH found AS MATERIALIZED (SELECT * FROM reports_first_contact(ids)), gone AS (
        DELETE FROM reports_firstcontact f WHERE f.encounter_id = ANY(ids)
            AND NOT EXISTS (SELECT 1 FROM found n WHERE n.encounter_id = f.encounter_id)
    )
    INSERT INTO reports_firstcontact (encounter_id, contacted_at)
        SELECT n.encounter_id, n.contacted_at FROM found n ORDER BY n.encounter_id
        ON CONFLICT (encounter_id) DO UPDATE SET contacted_at = excluded.contacted_at
        WHERE reports_firstcontact.contacted_at <> excluded.contacted_at;
END $$;
"""


def task_function():
    insert, update, delete = both(TASK, TASK_SQL)
    changed = (
        "SELECT coalesce(n.encounter_id, o.encounter_id) AS encounter_id FROM new_rows n JOIN old_rows o ON o.id = n.id"
        " WHERE (n.status = 'completed') <> (o.status = 'completed') OR n.ended_at <> o.ended_at"
        " OR n.patient_id <> o.patient_id OR n.encounter_id IS DISTINCT FROM o.encounter_id"
        " UNION SELECT o.encounter_id FROM new_rows n JOIN old_rows o ON o.id = n.id"
        " WHERE n.encounter_id IS DISTINCT FROM o.encounter_id"
    )
    moved = "EXISTS (SELECT 1 FROM new_rows n JOIN old_rows o ON o.id = n.id WHERE n.department_id <> o.department_id)"
    return trigger_function(
        "reports_task_changed",
        insert + CONTACTED.format(ENDED.format("new_rows")),
        update + f"IF {moved} THEN {moved_attempts()} END IF;" + CONTACTED.format(changed),
        delete + CONTACTED.format(ENDED.format("old_rows")),
    )


def attempt_function():
    insert, update, delete = both(ATTEMPT, ATTEMPT_SQL, tasks="tasks_task")
    of = "SELECT t.encounter_id FROM {} a JOIN tasks_task t ON t.id = a.task_id"
    return trigger_function(
        "reports_attempt_changed",
        insert + CONTACTED.format(of.format("new_rows")),
        update + CONTACTED.format(of.format("new_rows")),
        delete + CONTACTED.format(of.format("old_rows")),
    )


def encounter_function():
    insert, update, delete = both(DISCHARGE, DISCHARGE_SQL, contacts="reports_firstcontact")
    moved = (
        "SELECT n.id AS encounter_id FROM new_rows n JOIN old_rows o ON o.id = n.id"
        " WHERE n.discharged_at IS DISTINCT FROM o.discharged_at OR n.patient_id <> o.patient_id"
    )
    # The counts first, with the contacts as they stand; what the new instant of discharge means for the first contact
    # then changes the counts once more through the trigger on that table.
    return trigger_function("reports_encounter_changed", insert, update + CONTACTED.format(moved), delete)


def first_contact_function():
    def sql(contacts):
        return DISCHARGE_SQL.format(
            source=f"(SELECT e.* FROM patients_encounter e JOIN {contacts} c ON c.encounter_id = e.id)",
            contacts=contacts,
        )

    nothing = DISCHARGE_SQL.format(
        source="(SELECT e.* FROM patients_encounter e JOIN {} c ON c.encounter_id = e.id)",
        contacts="(SELECT NULL::uuid AS encounter_id, NULL::timestamptz AS contacted_at)",
    )
    return trigger_function(
        "reports_contact_changed",
        change(DISCHARGE, {"new": sql("new_rows"), "old": nothing.format("new_rows")}),
        change(DISCHARGE, {"new": sql("new_rows"), "old": sql("old_rows")}),
        change(DISCHARGE, {"new": nothing.format("old_rows"), "old": sql("old_rows")}),
    )


TRIGGERS = (
    RECONTACT
    + task_function()
    + attempt_function()
    + trigger_function("reports_alert_changed", *both(ALERT, ALERT_SQL))
    + encounter_function()
    + first_contact_function()
    + triggers("tasks_task", "reports_task_changed")
    + triggers("tasks_contactattempt", "reports_attempt_changed")
    + triggers("alerts_alert", "reports_alert_changed")
    + triggers("patients_encounter", "reports_encounter_changed")
    + triggers("reports_firstcontact", "reports_contact_changed")
)


class Migration(migrations.Migration):
    dependencies = [
        ("reports", "0001_initial"),
        ("alerts", "0001_initial"),
        ("patients", "0001_initial"),
        ("tasks", "0001_initial"),
    ]

    operations = [migrations.RunSQL(FUNCTIONS), migrations.RunSQL(VIEWS), migrations.RunSQL(TRIGGERS)]
