"""The months without people, and what depends on the clock asked by a plan that is kept.

A trend adds up a year of all departments and people though it tells neither apart: the fold keeps the sums of each month
beside the rows it folds, by department and as a whole. A row that was not folded yet is told by `folded`, so what counts
is always the sums and the rows that are not folded. Writers do what they did: each row stands in one of two partial indexes.

What depends on the clock was planned anew for every page (the server guesses more rows of the running half hour than there
are, so a plan for all values seemed dear to it). It is a function now, whose plan is made once a session and goes by index.
What is shown within the half hour is found by when it is shown, whatever its due month: without OFFSET 0 a plan for all values
reads everything that is due in the month instead.
"""

from django.db import migrations, models

HERE = "(p_all OR department_id = ANY(p_departments))"
# On the source tables always by the list, also for the whole hospital: their indexes begin with the department.
LISTED_HERE = """department_id = ANY(ARRAY(
    SELECT id FROM accounts_organization WHERE p_all OR id = ANY(p_departments)))"""
# Whole days and half hours from the roll-up, the half hour that is running from the rows.
# Columns: the measures BY_CLOCK, then of the shown month's open ones: all, those not shown yet, those put off.
LATER = """(CASE WHEN day > p_{0}_day THEN number WHEN day < p_{0}_day THEN 0
    WHEN slot IS NULL THEN coalesce(slots[p_{0}_slot + 2], 0) WHEN slot > p_{0}_slot THEN number ELSE 0 END)"""
NOW, HOURS, WEEKS = (LATER.format(name) for name in ("now", "hours", "weeks"))
MONTH = "date_trunc('month', {} AT TIME ZONE 'Asia/Shanghai')::date"
OPEN = f"status = 'requested' AND kind = 'follow-up' AND {LISTED_HERE}"
# Stays whose thirty days still run: the days of a month stand where a day has its half hours.
RUNNING = """(CASE WHEN month > p_window_month THEN number WHEN slot IS NULL THEN slots[p_window_slot + 1]
    WHEN slot >= p_window_slot THEN number ELSE 0 END)"""

# A reader names its values; their order here is the order of `reads._CLOCK_VALUES`.
TAKES = """
    p_all boolean,
    p_departments uuid[],
    p_nobody uuid,
    p_last date,
    p_begin timestamptz,
    p_end timestamptz,
    p_now timestamptz,
    p_now_day date,
    p_now_slot integer,
    p_now_end timestamptz,
    p_hours timestamptz,
    p_hours_day date,
    p_hours_slot integer,
    p_hours_end timestamptz,
    p_weeks timestamptz,
    p_weeks_day date,
    p_weeks_slot integer,
    p_weeks_end timestamptz,
    p_open_months date[],
    p_waiting_months date[],
    p_window_month date,
    p_window_slot integer,
    p_window_months date[]"""
GIVES = """
    of_month date, of_department uuid, n_due integer, n_alerts integer, n_hours integer, n_weeks integer, n_stays integer,
    n_readmits integer, n_open integer, n_opens integer, n_put_off integer"""
BY_CLOCK = f"""
CREATE FUNCTION reports_by_clock({TAKES}) RETURNS TABLE ({GIVES}) LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
RETURN QUERY
SELECT month, department_id, sum(due)::int, sum(alerts)::int, sum(hours)::int, sum(weeks)::int, sum(stays)::int,
    sum(readmits)::int, sum(open)::int, sum(opens)::int, sum(put_off)::int
FROM (
SELECT month, department_id, {NOW} AS due, 0 AS alerts, 0 AS hours, 0 AS weeks, 0 AS stays, 0 AS readmits, number AS open,
    0 AS opens, 0 AS put_off
FROM reports_clockrollup WHERE measure = 'due' AND month = ANY(p_open_months) AND {HERE}
UNION ALL
SELECT month, department_id, 0, 0, 0, 0, 0, 0, 0, {NOW}, 0
FROM reports_clockrollup WHERE measure = 'opens' AND month = p_last AND day >= p_now_day AND {HERE}
UNION ALL
SELECT month, department_id, 0, 0, {HOURS} - {NOW}, {WEEKS} - {NOW}, 0, 0, 0, 0, 0
FROM reports_clockrollup WHERE measure = 'waiting' AND month = ANY(p_waiting_months) AND day >= p_weeks_day
    AND {HERE}
UNION ALL
SELECT month, department_id, 0, 0, 0, 0, {RUNNING}, 0, 0, 0, 0
FROM reports_clockrollup WHERE measure = 'stays' AND month = ANY(p_window_months) AND {HERE}
UNION ALL
SELECT month, department_id, 0, 0, 0, 0, 0, {RUNNING}, 0, 0, 0
FROM reports_clockrollup WHERE measure = 'readmits' AND month = ANY(p_window_months) AND {HERE}
UNION ALL
SELECT {MONTH.format("due_at")}, department_id, 1, 0, 0, 0, 0, 0, 0, 0, 0 FROM tasks_task
WHERE due_at > p_now AND due_at < p_now_end AND {OPEN}
UNION ALL
SELECT p_last, department_id, 0, 0, 0, 0, 0, 0, 0, 1, 0 FROM (
    SELECT department_id, due_at FROM tasks_task
    WHERE available_at > p_now AND available_at < p_now_end AND {OPEN} OFFSET 0
) shown_soon WHERE due_at >= p_begin AND due_at < p_end
UNION ALL
SELECT p_last, department_id, 0, 0, 0, 0, 0, 0, 0, 0, 1 FROM tasks_task
WHERE (snoozed_until IS NOT NULL OR promised_at IS NOT NULL) AND greatest(snoozed_until, promised_at) > p_now
    AND available_at <= p_now AND due_at >= p_begin AND due_at < p_end AND {OPEN}
UNION ALL
SELECT {MONTH.format("raised_at")}, department_id, 0, 1, 0, 0, 0, 0, 0, 0, 0 FROM alerts_alert
WHERE status <> 'closed' AND close_by > p_now AND {LISTED_HERE}
UNION ALL
SELECT {MONTH.format("e.discharged_at")}, coalesce(e.department_id, p_nobody), 0, 0, w.hours, w.weeks, 0, 0, 0, 0, 0
FROM (VALUES (p_now, p_now_end, -1, -1), (p_hours, p_hours_end, 1, 0),
    (p_weeks, p_weeks_end, 0, 1)) w (since, until, hours, weeks)
CROSS JOIN LATERAL (
    SELECT id, discharged_at, department_id, class_code, disposition FROM patients_encounter
    WHERE status = 'finished' AND discharged_at > w.since AND discharged_at < w.until OFFSET 0
) e
WHERE e.class_code IN ('IMP', 'SS') AND NOT reports_excluded_disposition(e.disposition) AND {HERE}
    AND (SELECT true FROM reports_firstcontact f WHERE f.encounter_id = e.id) IS NULL
) counted GROUP BY month, department_id;
END $$;
"""
AWAY = "DROP FUNCTION reports_by_clock"

COUNTED = (
    "planned", "open", "done", "closed", "excluded", "attempted", "followed", "effective", "online",
    "lost", "visited", "in_clinic", "calls", "calls_reached", "calls_invalid", "alerts", "alerts_accepted", "alerts_closed",
    "alerts_closed_in_time", "discharges", "discharges_excluded", "contacted_72h", "contacted_14d", "stays", "readmitted", "surveyed", "satisfied",
)  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("reports", "0010_new_patients_at_once")]

    operations = [
        migrations.CreateModel(
            name="MonthRollup",
            fields=[
                *((name, models.IntegerField(db_default=0)) for name in COUNTED),
                ("alert_close_seconds", models.BigIntegerField(db_default=0)),
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("month", models.DateField()),
                ("department_id", models.UUIDField(null=True)),
            ],
        ),
        migrations.AddConstraint(
            model_name="monthrollup",
            constraint=models.UniqueConstraint(
                fields=("month", "department_id"), name="month_rollup_once", nulls_distinct=False
            ),
        ),
        migrations.RemoveIndex(model_name="rollup", name="rollup_month"),
        migrations.AddField(model_name="rollup", name="folded", field=models.BooleanField(db_default=False)),
        migrations.AddIndex(
            model_name="rollup",
            index=models.Index(fields=["month", "department_id"], name="rollup_month", condition=models.Q(folded=True)),
        ),
        migrations.AddIndex(
            model_name="rollup",
            index=models.Index(fields=["month", "department_id"], name="rollup_fresh", condition=models.Q(folded=False)),
        ),
        migrations.RunSQL(BY_CLOCK, AWAY),
    ]
