"""The few sensitive records have an index of their own: scopes leave them out by it; built without holding up anybody."""

from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("patients", "0004_corrected_particulars")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "CREATE INDEX CONCURRENTLY IF NOT EXISTS patient_sensitive ON patients_patient (id)"
                    " WHERE NOT sensitivity = 'normal'",
                    "DROP INDEX CONCURRENTLY IF EXISTS patient_sensitive",
                ),
            ],
            state_operations=[
                migrations.AddIndex(
                    model_name="patient",
                    index=models.Index(
                        fields=["id"],
                        name="patient_sensitive",
                        condition=models.Q(sensitivity="normal", _negated=True),
                    ),
                ),
            ],
        )
    ]
