"""Equal keys are stored once, so indexes hold what is equal: what one person ended in a day is one key, and what falls due
together in a department. What nobody owns is in no index of owners.

Built beside the old indexes and put in their place without holding up anybody who writes.
"""

from django.db import migrations, models
from django.db.models import F, Q

from careloop.kernel.indexes import replace_all
from careloop.tasks.models import EndedDay

COLUMNS = (
    "claimed_by", "due_at", "priority", "promised_at", "snoozed_until", "risk", "last_outcome", "self_report",
    "message_state", "plan_title",
)  # fmt: skip
KINDS = ("follow-up", "revisit", "education", "reminder", "contact-check")
REST = ", ".join("claimed_by_id" if column == "claimed_by" else column for column in COLUMNS)
OWNED = (
    f"tasks_task (owner_id, available_at) INCLUDE (id, patient_id, department_id, {REST})"
    f" WHERE status = 'requested' AND kind IN {KINDS}"
)
ENDED = "WHERE NOT status = 'requested'"
REPLACED = {  # name → (now, before)
    "task_ended": (
        f"tasks_task (department_id, ((ended_at AT TIME ZONE 'Asia/Shanghai')::date), owner_id) {ENDED}",
        f"tasks_task (department_id, ended_at, owner_id) {ENDED}",
    ),
    "task_open_department": (
        "tasks_task (department_id, due_at) WHERE status = 'requested'",
        "tasks_task (department_id, due_at, id) WHERE status = 'requested'",
    ),
    "task_open_owner": (f"{OWNED} AND owner_id IS NOT NULL", OWNED),
}


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("tasks", "0008_ended_by_owner")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                *replace_all(REPLACED),
                migrations.RunSQL("ANALYZE tasks_task", migrations.RunSQL.noop),  # how the days are spread
            ],
            state_operations=[
                migrations.RemoveIndex(model_name="task", name="task_ended"),
                migrations.RemoveIndex(model_name="task", name="task_open_department"),
                migrations.RemoveIndex(model_name="task", name="task_open_owner"),
                migrations.AddIndex(
                    model_name="task",
                    index=models.Index(
                        fields=["department", "due_at"], name="task_open_department", condition=Q(status="requested")
                    ),
                ),
                migrations.AddIndex(
                    model_name="task",
                    index=models.Index(
                        fields=["owner", "available_at"],
                        include=["id", "patient", "department", *COLUMNS],
                        name="task_open_owner",
                        condition=Q(status="requested", kind__in=KINDS, owner__isnull=False),
                    ),
                ),
                migrations.AddIndex(
                    model_name="task",
                    index=models.Index(
                        F("department"),
                        EndedDay("ended_at"),
                        F("owner"),
                        name="task_ended",
                        condition=Q(status="requested", _negated=True),
                    ),  # fmt: skip
                ),
            ],
        )
    ]
