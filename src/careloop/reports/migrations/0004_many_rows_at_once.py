"""Counting a statement that changes many rows costs time in proportion to the rows.

The triggers looked for what differs by joining the rows before with the rows after. Those two sets have no index, and
the functions allow look-ups by index only, so a hundred thousand changed rows were compared ten thousand million times.
Now what differs is found by subtracting one set from the other, and what belongs to a row is fetched from the row.
"""

from importlib import import_module

from django.db import migrations

before = import_module("careloop.reports.migrations.0002_rollup_triggers")
tasks = import_module("careloop.reports.migrations.0003_lost_and_in_person")


def only_in(side, other, columns):
    """The rows of one side that the other does not hold with these columns."""
    return f"(SELECT {columns} FROM {side} EXCEPT SELECT {columns} FROM {other})"


def differing(columns, what):
    """What is different, as it was and as it is."""
    new, old = only_in("new_rows", "old_rows", columns), only_in("old_rows", "new_rows", columns)
    return f"SELECT {what} FROM ({new} UNION ALL {old}) differing"


FROM_TASK = "FROM {source} a JOIN {tasks} t ON t.id = a.task_id"
assert FROM_TASK in before.ATTEMPT_SQL


def moved_attempts():
    """When a task changes its department, its attempts move with it."""

    def sql(side, other):
        moved = only_in(side, other, "id, department_id")
        attempts = "(SELECT c.* FROM tasks_contactattempt c WHERE c.task_id = t.id OFFSET 0)"
        return before.ATTEMPT_SQL.replace(FROM_TASK, f"FROM {moved} t CROSS JOIN LATERAL {attempts} a")

    return before.change(before.ATTEMPT, {"new": sql("new_rows", "old_rows"), "old": sql("old_rows", "new_rows")})


def task_function():
    insert, update, delete = before.both(tasks.TASK, tasks.TASK_SQL)
    columns = (
        "id, patient_id, encounter_id, status = 'completed' AS is_done,"
        " CASE WHEN status = 'completed' THEN ended_at END AS done_at"
    )
    changed = before.CONTACTED.format(differing(columns, "encounter_id"))
    return before.trigger_function(
        "reports_task_changed",
        insert + before.CONTACTED.format(before.ENDED.format("new_rows")),
        update + f"IF EXISTS ({differing('id, department_id', 'id')}) THEN {moved_attempts()} END IF;" + changed,
        delete + before.CONTACTED.format(before.ENDED.format("old_rows")),
    )


def encounter_function():
    insert, update, delete = before.both(
        before.DISCHARGE, before.DISCHARGE_SQL, contacts="reports_firstcontact"
    )
    moved = before.CONTACTED.format(differing("id, patient_id, discharged_at", "id AS encounter_id"))
    return before.trigger_function("reports_encounter_changed", insert, update + moved, delete)


JOINED = "LEFT JOIN {contacts} f ON f.encounter_id = e.id"
assert JOINED in before.DISCHARGE_SQL


def first_contact_function():
    def sql(contacts, instant):
        carried = before.DISCHARGE_SQL.replace(JOINED, "CROSS JOIN LATERAL (SELECT e.first_at AS contacted_at) f")
        of = f"(SELECT e.*, {instant} AS first_at FROM {contacts} c JOIN patients_encounter e ON e.id = c.encounter_id)"
        return carried.format(source=of)

    at, never = "c.contacted_at", "NULL::timestamptz"
    change = before.change
    return before.trigger_function(
        "reports_contact_changed",
        change(before.DISCHARGE, {"new": sql("new_rows", at), "old": sql("new_rows", never)}),
        change(before.DISCHARGE, {"new": sql("new_rows", at), "old": sql("old_rows", at)}),
        change(before.DISCHARGE, {"new": sql("old_rows", never), "old": sql("old_rows", at)}),
    )


FUNCTIONS = "".join(
    function.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    for function in (task_function(), encounter_function(), first_contact_function())
)


class Migration(migrations.Migration):
    dependencies = [("reports", "0003_lost_and_in_person")]

    operations = [migrations.RunSQL(FUNCTIONS)]
