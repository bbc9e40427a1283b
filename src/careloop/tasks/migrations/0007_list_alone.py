"""The due list is counted and sorted by an index alone; what changed is tidied up early, so that the index may be trusted.

Built and replaced without holding up anybody who writes.
"""

from django.db import migrations, models

from careloop.kernel.indexes import replace_all

KINDS = ("follow-up", "revisit", "education", "reminder", "contact-check")
QUEUE = f"status = 'requested' AND kind IN {KINDS}"
COLUMNS = (
    "claimed_by", "due_at", "priority", "promised_at", "snoozed_until", "risk", "last_outcome", "self_report",
    "message_state", "plan_title",
)  # fmt: skip
REST = ", ".join("claimed_by_id" if column == "claimed_by" else column for column in COLUMNS)
REPLACED = {  # name → (now, before)
    "task_listed": (
        f"tasks_task (department_id, available_at) INCLUDE (id, patient_id, owner_id, {REST}) WHERE {QUEUE}",
        "tasks_task (department_id, available_at) WHERE status = 'requested'",
    ),
    "task_open_owner": (
        f"tasks_task (owner_id, available_at) INCLUDE (id, patient_id, department_id, {REST}) WHERE {QUEUE}",
        "tasks_task (owner_id, available_at) WHERE status = 'requested'",
    ),
}
# At ten million tasks PostgreSQL would wait for two million changed rows before it marks pages as seen by everybody again,
# and an index answers alone only for pages so marked.
TIDY = "autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_insert_scale_factor = 0.01"
PLAIN = "autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor"


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("patients", "0005_sensitive"), ("tasks", "0006_put_off")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                *replace_all(REPLACED),
                migrations.RunSQL(f"ALTER TABLE tasks_task SET ({TIDY})", f"ALTER TABLE tasks_task RESET ({PLAIN})"),
            ],
            state_operations=[
                migrations.RemoveIndex(model_name="task", name="task_listed"),
                migrations.RemoveIndex(model_name="task", name="task_open_owner"),
                migrations.AddIndex(
                    model_name="task",
                    index=models.Index(
                        fields=["department", "available_at"],
                        include=["id", "patient", "owner", *COLUMNS],
                        name="task_listed",
                        condition=models.Q(status="requested", kind__in=KINDS),
                    ),
                ),
                migrations.AddIndex(
                    model_name="task",
                    index=models.Index(
                        fields=["owner", "available_at"],
                        include=["id", "patient", "department", *COLUMNS],
                        name="task_open_owner",
                        condition=models.Q(status="requested", kind__in=KINDS),
                    ),
                ),
            ],
        )
    ]
