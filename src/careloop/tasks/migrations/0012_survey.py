"""A survey is a kind of task of its own. Only the model learns it; the database has no list of kinds."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tasks", "0011_weigh_by_index")]

    operations = [
        migrations.AlterField(
            model_name="task",
            name="kind",
            field=models.CharField(
                choices=[
                    ("follow-up", "Follow-up"),
                    ("alert", "Alert"),
                    ("revisit", "Return visit"),
                    ("education", "Education"),
                    ("reminder", "Reminder"),
                    ("contact-check", "Check contact data"),
                    ("message", "Message from patient"),
                    ("work-order", "Work order"),
                    ("re-check", "Re-check call"),
                    ("survey", "Satisfaction survey"),
                ],
                max_length=14,
            ),
        ),
    ]
