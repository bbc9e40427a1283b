"""Indexes that another one already answers go; the one by patient keeps each patient once.

Built and dropped without holding up anybody who writes.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from careloop.kernel.indexes import drop_all, replace_all

DROPPED = {
    "tasks_contactattempt_by_practitioner_id_74ea5813": "tasks_contactattempt (by_practitioner_id)",
    "tasks_contactattempt_patient_id_7bba4bac": "tasks_contactattempt (patient_id)",
    "tasks_contactattempt_task_id_1027f625": "tasks_contactattempt (task_id)",
    "tasks_task_key_34e66bd7_like": "tasks_task (key varchar_pattern_ops)",
}
REPLACED = {  # name → (now, before)
    "task_of_patient": ("tasks_task (patient_id)", "tasks_task (patient_id, due_at DESC)"),
}


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("accounts", "0001_initial"),
        ("patients", "0003_fewer_indexes"),
        ("tasks", "0003_titles_in_english"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                *replace_all(REPLACED),
                *drop_all(DROPPED),
            ],
            state_operations=[
                migrations.RemoveIndex(
                    model_name="task",
                    name="task_of_patient",
                ),
                migrations.AlterField(
                    model_name="contactattempt",
                    name="by_practitioner",
                    field=models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                migrations.AlterField(
                    model_name="contactattempt",
                    name="patient",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="contact_attempts",
                        to="patients.patient",
                    ),
                ),
                migrations.AlterField(
                    model_name="contactattempt",
                    name="task",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="contact_attempts",
                        to="tasks.task",
                    ),
                ),
                migrations.AddIndex(
                    model_name="task",
                    index=models.Index(fields=["patient"], name="task_of_patient"),
                ),
            ],
        ),
    ]
