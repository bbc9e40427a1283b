"""What is to be weighed by now is found by an index, built without holding up anybody who writes.

Tasks from before have not said until when their weight stays: each is weighed once, a portion at a time, when its window is open.
"""

from django.db import migrations, models
from django.db.models.functions import Coalesce

from careloop.kernel.indexes import make_all

KINDS = ("follow-up", "revisit", "education", "reminder", "contact-check")
MADE = {
    "task_weigh_again": f"tasks_task ((COALESCE(weigh_again_at, available_at))) WHERE status = 'requested' AND kind IN {KINDS}"
}


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("tasks", "0010_weigh_again")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=make_all(MADE),
            state_operations=[
                migrations.AddIndex(
                    model_name="task",
                    index=models.Index(
                        Coalesce("weigh_again_at", "available_at"),
                        name="task_weigh_again",
                        condition=models.Q(status="requested", kind__in=KINDS),
                    ),
                )
            ],
        )
    ]
