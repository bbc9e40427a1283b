"""What is open now is found by the time from which a list shows it; built without holding up anybody who writes."""

from django.db import migrations, models

OPEN = "WHERE status = 'requested'"


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("tasks", "0004_fewer_indexes")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    f"CREATE INDEX CONCURRENTLY IF NOT EXISTS task_listed ON tasks_task (department_id, available_at) {OPEN}",
                    "DROP INDEX CONCURRENTLY IF EXISTS task_listed",
                ),
                migrations.RunSQL(
                    f"CREATE INDEX CONCURRENTLY IF NOT EXISTS task_open_owner_new ON tasks_task (owner_id, available_at) {OPEN}",
                    "ALTER INDEX IF EXISTS task_open_owner_new RENAME TO task_open_owner",
                ),
                migrations.RunSQL(
                    "DROP INDEX CONCURRENTLY IF EXISTS task_open_owner",
                    "DROP INDEX CONCURRENTLY IF EXISTS task_open_owner",
                ),
                migrations.RunSQL(
                    "ALTER INDEX IF EXISTS task_open_owner_new RENAME TO task_open_owner",
                    f"CREATE INDEX CONCURRENTLY IF NOT EXISTS task_open_owner_new ON tasks_task (owner_id, due_at, id) {OPEN}",
                ),
            ],
            state_operations=[
                migrations.RemoveIndex(model_name="task", name="task_open_owner"),
                migrations.AddIndex(
                    model_name="task",
                    index=models.Index(
                        fields=["department", "available_at"], name="task_listed", condition=models.Q(status="requested")
                    ),
                ),
                migrations.AddIndex(
                    model_name="task",
                    index=models.Index(
                        fields=["owner", "available_at"], name="task_open_owner", condition=models.Q(status="requested")
                    ),
                ),
            ],
        )
    ]
