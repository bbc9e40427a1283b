"""Indexes that another one already answers go.

Built and dropped without holding up anybody who writes.
"""

import django.db.models.deletion
from django.db import migrations, models

from careloop.kernel.indexes import drop_all

DROPPED = {
    "alerts_alert_patient_id_c81ddaf7": "alerts_alert (patient_id)",
    "alerts_alertaction_alert_id_e188c8ec": "alerts_alertaction (alert_id)",
    "alerts_notice_alert_id_c3b3c21b": "alerts_notice (alert_id)",
    "alerts_alert_key_60112516_like": "alerts_alert (key varchar_pattern_ops)",
}


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("alerts", "0002_live_trigger"),
        ("patients", "0001_initial"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                *drop_all(DROPPED),
            ],
            state_operations=[
                migrations.AlterField(
                    model_name="alert",
                    name="patient",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="alerts",
                        to="patients.patient",
                    ),
                ),
                migrations.AlterField(
                    model_name="alertaction",
                    name="alert",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="actions",
                        to="alerts.alert",
                    ),
                ),
                migrations.AlterField(
                    model_name="notice",
                    name="alert",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notices",
                        to="alerts.alert",
                    ),
                ),
            ],
        ),
    ]
