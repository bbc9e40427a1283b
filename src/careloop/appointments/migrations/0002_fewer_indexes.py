"""Indexes that another one already answers go.

Built and dropped without holding up anybody who writes.
"""

import django.db.models.deletion
from django.db import migrations, models

from careloop.kernel.indexes import drop_all

DROPPED = {
    "appointments_appointment_patient_id_631d13da": "appointments_appointment (patient_id)",
}


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("appointments", "0001_initial"),
        ("patients", "0001_initial"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                *drop_all(DROPPED),
            ],
            state_operations=[
                migrations.AlterField(
                    model_name="appointment",
                    name="patient",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="appointments",
                        to="patients.patient",
                    ),
                ),
            ],
        ),
    ]
