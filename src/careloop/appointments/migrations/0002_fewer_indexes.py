"""Indexes that another one already answers go.

Built and dropped without holding up anybody who writes.
"""

import django.db.models.deletion
from django.db import migrations, models

DROPPED = {
    "appointments_appointment_patient_id_631d13da": "appointments_appointment (patient_id)",
}


def made(name, where):
    return f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {where}"


def dropped(name):
    return f"DROP INDEX CONCURRENTLY IF EXISTS {name}"


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("appointments", "0001_initial"),
        ("patients", "0001_initial"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                *(migrations.RunSQL(dropped(name), made(name, where)) for name, where in DROPPED.items()),
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
