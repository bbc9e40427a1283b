"""The few sensitive records have an index of their own: scopes leave them out by it; built without holding up anybody."""

from django.db import migrations, models

from careloop.kernel.indexes import make_all


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("patients", "0004_corrected_particulars")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=make_all(
                {"patient_sensitive": "patients_patient (id) WHERE NOT sensitivity = 'normal'"}
            ),
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
