"""Tasks keep the titles of their plan and step in English, too: the words of the version they were made with."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tasks", "0002_channel")]

    operations = [
        migrations.AddField(
            model_name="task", name="plan_title_en",
            field=models.CharField(blank=True, db_default="", default="", max_length=120),
        ),
        migrations.AddField(
            model_name="task", name="step_title_en",
            field=models.CharField(blank=True, db_default="", default="", max_length=120),
        ),
    ]
