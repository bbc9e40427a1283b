"""A whole form sent from a telephone is known again when it is sent twice."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("questionnaires", "0005_fewer_indexes")]

    operations = [
        migrations.AddField(
            model_name="questionnaireresponse", name="sent_key", field=models.UUIDField(null=True)
        ),
    ]
