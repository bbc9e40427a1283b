"""What staff corrected on a record is remembered beside the sender's word, so that repeating it brings nothing back."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("patients", "0003_fewer_indexes")]

    operations = [
        migrations.AddField(model_name="patient", name="corrected", field=models.JSONField(null=True)),
    ]
