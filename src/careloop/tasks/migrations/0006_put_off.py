"""Open tasks that were put off are found at once; built without holding up anybody who writes."""

from django.db import migrations, models
from django.db.models import Q

from careloop.kernel.indexes import make_all

PUT_OFF = "WHERE status = 'requested' AND (snoozed_until IS NOT NULL OR promised_at IS NOT NULL)"


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("tasks", "0005_listed")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=make_all({"task_put_off": f"tasks_task (department_id) {PUT_OFF}"}),
            state_operations=[
                migrations.AddIndex(
                    model_name="task",
                    index=models.Index(
                        fields=["department"],
                        name="task_put_off",
                        condition=Q(status="requested")
                        & (Q(snoozed_until__isnull=False) | Q(promised_at__isnull=False)),
                    ),
                ),
            ],
        )
    ]
