"""What the counts above the list of a programme are read from, without the table."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("publichealth", "0003_opinion_drafts")]

    operations = [
        AddIndexConcurrently(
            model_name="episodeofcare",
            index=models.Index(
                fields=["programme", "status"],
                include=["patient", "next_due_on", "control", "is_urgent"],
                name="episode_counts",
            ),
        ),
    ]
