"""What one finished in other departments is found without reading everybody's work of the day."""

from django.db import migrations, models

from careloop.kernel.indexes import replace_all

ENDED = "WHERE NOT status = 'requested'"
REPLACED = {  # name → (now, before)
    "task_ended": (f"tasks_task (department_id, ended_at, owner_id) {ENDED}", f"tasks_task (department_id, ended_at) {ENDED}"),
}  # fmt: skip


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("tasks", "0007_list_alone")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=replace_all(REPLACED),
            state_operations=[
                migrations.RemoveIndex(model_name="task", name="task_ended"),
                migrations.AddIndex(
                    model_name="task",
                    index=models.Index(
                        fields=["department", "ended_at", "owner"],
                        name="task_ended",
                        condition=models.Q(status="requested", _negated=True),
                    ),
                ),
            ],
        )
    ]
