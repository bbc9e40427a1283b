"""What is open now is found by the time from which a list shows it; built without holding up anybody who writes."""

from django.db import migrations, models

from careloop.kernel.indexes import make_all, replace_all

OPEN = "WHERE status = 'requested'"
MADE = {"task_listed": f"tasks_task (department_id, available_at) {OPEN}"}
REPLACED = {  # name → (now, before)
    "task_open_owner": (f"tasks_task (owner_id, available_at) {OPEN}", f"tasks_task (owner_id, due_at, id) {OPEN}"),
}


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("tasks", "0004_fewer_indexes")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[*make_all(MADE), *replace_all(REPLACED)],
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
