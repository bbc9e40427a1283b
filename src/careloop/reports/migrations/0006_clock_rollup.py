"""What still lies ahead of the clock, counted by day: a roll-up beside the one by month.

A page asks how many follow-ups are due after this moment, how many are not shown yet, how many discharges wait for their
first contact. Each is "how many later than an instant", so it is kept by day with the half hours of the day beside it:
whole days are added up, of the day itself the half hours, and only the half hour that is running is counted from rows.

The same expressions make the view (recount) and the triggers (change). Triggers add one row for each key and half hour
in the transaction of the change; a job folds the rows of a day into one with 48 numbers: so many in this half hour or a
later one.
"""

from importlib import import_module

import django.contrib.postgres.fields
from django.db import migrations, models

months = import_module("careloop.reports.migrations.0002_rollup_triggers")
tasks = import_module("careloop.reports.migrations.0003_lost_and_in_person")
many = import_module("careloop.reports.migrations.0004_many_rows_at_once")

ZERO, month = months.ZERO, months.month
KEY = "measure, month, department_id, day, slot"


def local(column):
    return f"({column} AT TIME ZONE 'Asia/Shanghai')"


def slot(column):
    """The half hour of the day, 0 to 47. Work begins at 8:00 and ends at 17:30, so a day's tasks stand in few of them."""
    return f"(extract(hour FROM {local(column)}) * 2 + floor(extract(minute FROM {local(column)}) / 30))::smallint"


def counted(measure, belongs_to, instant, department, rows):
    return f"""
    SELECT '{measure}'::varchar AS measure, {month(belongs_to)} AS month, {department} AS department_id,
        {local(instant)}::date AS day, {slot(instant)} AS slot FROM {rows}"""


OPEN = "{source} t WHERE t.status = 'requested' AND t.kind = 'follow-up'"
DUE = counted("due", "t.due_at", "t.due_at", "t.department_id", OPEN)
OPENS = counted("opens", "t.due_at", "t.available_at", "t.department_id", OPEN)
TASK = f"{DUE} UNION ALL {OPENS}"
UNCONTACTED = (
    "{source} e LEFT JOIN {contacts} f ON f.encounter_id = e.id WHERE f.encounter_id IS NULL"
    " AND e.status = 'finished' AND e.class_code IN ('IMP', 'SS') AND NOT reports_excluded_disposition(e.disposition)"
)
WAITING = counted("waiting", "e.discharged_at", "e.discharged_at", f"coalesce(e.department_id, {ZERO})", UNCONTACTED)
# As if nobody had been contacted: what a first contact takes away, and gives back when it is undone.
NOBODY = "(SELECT NULL::uuid AS encounter_id WHERE false)"
OF_CONTACTS = "(SELECT e.* FROM {} c JOIN patients_encounter e ON e.id = c.encounter_id)"

VIEWS = f"""
CREATE VIEW reports_clocksource AS {TASK.format(source="tasks_task")}
    UNION ALL {WAITING.format(source="patients_encounter", contacts="reports_firstcontact")};
CREATE VIEW reports_clockrecount AS
    SELECT {KEY}, count(*)::int AS number FROM reports_clocksource GROUP BY {KEY};
CREATE VIEW reports_clockslots AS
    SELECT c.measure, c.month, c.department_id, c.day, coalesce(c.slot, (s.place - 1)::smallint) AS slot,
        CASE WHEN c.slot IS NULL THEN s.number - coalesce(c.slots[s.place + 1], 0) ELSE c.number END AS number
    FROM reports_clockrollup c LEFT JOIN LATERAL unnest(c.slots) WITH ORDINALITY s (number, place) ON true;
"""


# The numbers of half hours as "so many in this one or a later one".
LATER = """
CREATE FUNCTION reports_later(given smallint[], numbers int[]) RETURNS int[] LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE later int[] := array_fill(0, ARRAY[48]);
BEGIN
    FOR n IN 1 .. cardinality(given) LOOP later[given[n] + 1] := later[given[n] + 1] + numbers[n]; END LOOP;
    FOR n IN REVERSE 47 .. 1 LOOP later[n] := later[n] + later[n + 1]; END LOOP;
    RETURN later;
END $$;
"""
# What is read of a folded row as a whole and in parts cannot differ.
WHOLE = """
ALTER TABLE reports_clockrollup ADD CONSTRAINT clock_rollup_whole CHECK (
    (slot IS NULL) = (slots IS NOT NULL) AND (slots IS NULL OR cardinality(slots) = 48 AND slots[1] = number));
"""


def moved(plus="", minus=""):
    parts = [f"SELECT {KEY}, {sign}1 AS number FROM ({rows}) r" for sign, rows in (("", plus), ("-", minus)) if rows]
    return f"""
        INSERT INTO reports_clockrollup ({KEY}, number)
        SELECT {KEY}, sum(number) FROM ({" UNION ALL ".join(parts)}) moved GROUP BY {KEY} HAVING sum(number) <> 0;
    """


def also(function, on_insert, on_update, on_delete):
    """The function as it stands, counting this first: with the first contacts as they are before it looks for them."""
    branches = ("IF TG_OP = 'INSERT' THEN", "ELSIF TG_OP = 'UPDATE' THEN", "\n        ELSE")
    function = function.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    for branch, counts in zip(branches, (on_insert, on_update, on_delete), strict=True):
        assert function.count(branch) == 1
        function = function.replace(branch, f"{branch} {counts}")
    return function


def changes(sql, **others):
    new, old = sql.format(source="new_rows", **others), sql.format(source="old_rows", **others)
    return moved(new), moved(new, old), moved(minus=old)


FIRST_CONTACT = {
    side: WAITING.format(source=OF_CONTACTS.format(side), contacts=NOBODY) for side in ("new_rows", "old_rows")
}
TRIGGERS = (
    also(many.task_function(), *changes(TASK))
    + also(many.encounter_function(), *changes(WAITING, contacts="reports_firstcontact"))
    + also(
        many.first_contact_function(),
        moved(minus=FIRST_CONTACT["new_rows"]),
        "",  # a first contact that moves is still one
        moved(FIRST_CONTACT["old_rows"]),
    )
)
DAY = "measure, month, department_id, day"
BEGIN = f"""
INSERT INTO reports_clockrollup ({DAY}, number, slots) SELECT {DAY}, slots[1], slots FROM (
    SELECT {DAY}, reports_later(array_agg(slot), array_agg(number)) AS slots FROM reports_clockrecount
    GROUP BY {DAY} ORDER BY {DAY}
) days;
"""


class Migration(migrations.Migration):
    dependencies = [("reports", "0005_programmes")]

    operations = [
        migrations.CreateModel(
            name="ClockRollup",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("measure", models.CharField(max_length=10)),
                ("month", models.DateField()),
                ("department_id", models.UUIDField()),
                ("day", models.DateField()),
                ("slot", models.SmallIntegerField(null=True)),
                ("number", models.IntegerField()),
                ("slots", django.contrib.postgres.fields.ArrayField(models.IntegerField(), null=True)),
            ],
            options={
                "indexes": [models.Index(fields=["measure", "month", "day"], name="clock_rollup_month")],
            },
        ),
        migrations.RunSQL(VIEWS),
        migrations.RunSQL(LATER),
        migrations.RunSQL(WHOLE),
        migrations.RunSQL(TRIGGERS),
        migrations.RunSQL(BEGIN),
    ]
