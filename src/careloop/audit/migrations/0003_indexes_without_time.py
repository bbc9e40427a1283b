"""The indexes of the trail keep each actor, name and patient once for many rows: the time beside it made every entry its own.

Built and dropped without holding up anybody who writes.
"""

from django.db import migrations, models

from careloop.kernel.indexes import drop_all, make_all

MADE = {
    "audit_of_patient": "audit_auditevent (patient_id) WHERE patient_id IS NOT NULL",
    "audit_of_actor": "audit_auditevent (actor)",
    "audit_of_name": "audit_auditevent (name varchar_pattern_ops)",
}
DROPPED = {
    "audit_by_patient": "audit_auditevent (patient_id, at)",
    "audit_by_actor": "audit_auditevent (actor, at)",
    "audit_by_name": "audit_auditevent (name, at)",
}


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("audit", "0002_append_only"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                *make_all(MADE),
                *drop_all(DROPPED),
            ],
            state_operations=[
                migrations.RemoveIndex(
                    model_name="auditevent",
                    name="audit_by_patient",
                ),
                migrations.RemoveIndex(
                    model_name="auditevent",
                    name="audit_by_actor",
                ),
                migrations.RemoveIndex(
                    model_name="auditevent",
                    name="audit_by_name",
                ),
                migrations.AddIndex(
                    model_name="auditevent",
                    index=models.Index(
                        condition=models.Q(("patient_id__isnull", False)),
                        fields=["patient_id"],
                        name="audit_of_patient",
                    ),
                ),
                migrations.AddIndex(
                    model_name="auditevent",
                    index=models.Index(fields=["actor"], name="audit_of_actor"),
                ),
                migrations.AddIndex(
                    model_name="auditevent",
                    index=models.Index(fields=["name"], name="audit_of_name", opclasses=["varchar_pattern_ops"]),
                ),
            ],
        ),
    ]
