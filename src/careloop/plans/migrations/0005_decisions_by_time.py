"""The list of all decisions, newest first, steps along an index instead of sorting every decision of the departments."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("plans", "0004_tasks_get_their_english_titles")]

    operations = [
        migrations.AddIndex(
            model_name="enrolmentdecision",
            index=models.Index(fields=["-decided_at", "id"], name="decision_by_time"),
        ),
    ]
