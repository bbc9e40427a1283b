"""The roll-up also counts follow-ups that ended as lost, and those done at home or in the clinic.

The view of the tasks, the recount and the trigger on tasks are made anew from the same expressions; what stood before is
counted once and added.
"""

from importlib import import_module

from django.db import migrations, models

before = import_module("careloop.reports.migrations.0002_rollup_triggers")

NEW = ("lost", "visited", "in_clinic")
TASK = (*before.TASK, *NEW)
TASK_SQL = before.TASK_SQL.replace(
    "(t.status = 'completed' AND t.outcome = 'answered-online')::int AS online",
    """(t.status = 'completed' AND t.outcome = 'answered-online')::int AS online,
        (t.status = 'cancelled' AND reports_lost(t.outcome))::int AS lost,
        (t.status = 'completed' AND reports_effective(t.outcome) AND t.channel = 'visit')::int AS visited,
        (t.status = 'completed' AND reports_effective(t.outcome) AND t.channel = 'clinic')::int AS in_clinic""",
)
assert TASK_SQL != before.TASK_SQL
SOURCES = (("reports_task_counts", TASK, TASK_SQL.format(source="tasks_task")), *before.SOURCES[1:])

# The reason stands behind "lost-". Other open work of the plan that ends with it has the reason of the plan, not this.
LOST = """
CREATE FUNCTION reports_lost(code text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT code LIKE 'lost-%' $$;
"""


def recount_view():
    every = (*TASK, *before.ATTEMPT, *before.ALERT, *before.DISCHARGE)
    branches = []
    for view, measures, _ in SOURCES:
        columns = ", ".join(f"{name}::bigint" if name in measures else f"0::bigint AS {name}" for name in every)
        branches.append(f"SELECT month, department_id, practitioner_id, {columns} FROM {view}")
    sums = ", ".join(f"sum({name})::bigint AS {name}" for name in every)
    return f"""
    CREATE VIEW reports_recount AS
    SELECT month, department_id, practitioner_id, {sums} FROM ({" UNION ALL ".join(branches)}) everything
    GROUP BY month, department_id, practitioner_id;
    """


def task_function():
    was = (before.TASK, before.TASK_SQL)
    before.TASK, before.TASK_SQL = TASK, TASK_SQL
    try:
        return before.task_function().replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    finally:
        before.TASK, before.TASK_SQL = was


VIEWS = f"""
DROP VIEW reports_recount;
DROP VIEW reports_task_counts;
CREATE VIEW reports_task_counts AS {SOURCES[0][2]};
{recount_view()}
"""
ADD_WHAT_WAS = f"""
INSERT INTO reports_rollup (month, department_id, practitioner_id, {", ".join(NEW)})
SELECT month, department_id, practitioner_id, {", ".join(f"sum({name})" for name in NEW)} FROM reports_task_counts
GROUP BY month, department_id, practitioner_id HAVING {" OR ".join(f"sum({name}) > 0" for name in NEW)};
"""


class Migration(migrations.Migration):
    dependencies = [("reports", "0002_rollup_triggers"), ("tasks", "0002_channel")]

    operations = [
        *(migrations.AddField("rollup", name, models.IntegerField(db_default=0)) for name in NEW),
        migrations.RunSQL(LOST),
        migrations.RunSQL(VIEWS),
        migrations.RunSQL(task_function()),
        migrations.RunSQL(ADD_WHAT_WAS),
    ]
