"""A foreign key that few rows have is indexed where it is: an entry for each row without it finds nothing.

Built and dropped without holding up anybody who writes.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

from careloop.kernel.indexes import drop_all, make_all, replace_all

MADE = {
    "patient_family_doctor": "patients_patient (family_doctor_id) WHERE family_doctor_id IS NOT NULL",
    "patient_merged_into": "patients_patient (merged_into_id) WHERE merged_into_id IS NOT NULL",
    "contact_of_relative": "patients_contactpoint (related_person_id) WHERE related_person_id IS NOT NULL",
    "contact_verified_by": "patients_contactpoint (verified_by_id) WHERE verified_by_id IS NOT NULL",
}
DROPPED = {
    "patients_patient_family_doctor_id_d3401264": "patients_patient (family_doctor_id)",
    "patients_patient_merged_into_id_d17b7cc3": "patients_patient (merged_into_id)",
    "patients_contactpoint_related_person_id_4874125e": "patients_contactpoint (related_person_id)",
    "patients_contactpoint_verified_by_id_009d8b38": "patients_contactpoint (verified_by_id)",
}
REPLACED = {  # name → (now, before)
    "care_by_practitioner": (
        "patients_carerelationship (practitioner_id, patient_id) WHERE practitioner_id IS NOT NULL",
        "patients_carerelationship (practitioner_id, patient_id)",
    ),
}


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("accounts", "0001_initial"),
        ("patients", "0005_sensitive"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[*make_all(MADE), *drop_all(DROPPED), *replace_all(REPLACED)],
            state_operations=[
                migrations.AlterField(
                    model_name="patient",
                    name="family_doctor",
                    field=models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="family_patients",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                migrations.AlterField(
                    model_name="patient",
                    name="merged_into",
                    field=models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="tombstones",
                        to="patients.patient",
                    ),
                ),
                migrations.AlterField(
                    model_name="contactpoint",
                    name="related_person",
                    field=models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="contact_points",
                        to="patients.relatedperson",
                    ),
                ),
                migrations.AlterField(
                    model_name="contactpoint",
                    name="verified_by",
                    field=models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                migrations.RemoveIndex(model_name="carerelationship", name="care_by_practitioner"),
                migrations.AddIndex(
                    model_name="carerelationship",
                    index=models.Index(
                        fields=["practitioner", "patient"],
                        name="care_by_practitioner",
                        condition=Q(practitioner__isnull=False),
                    ),
                ),
                migrations.AddIndex(
                    model_name="patient",
                    index=models.Index(
                        fields=["family_doctor"], name="patient_family_doctor", condition=Q(family_doctor__isnull=False)
                    ),
                ),
                migrations.AddIndex(
                    model_name="patient",
                    index=models.Index(
                        fields=["merged_into"], name="patient_merged_into", condition=Q(merged_into__isnull=False)
                    ),
                ),
                migrations.AddIndex(
                    model_name="contactpoint",
                    index=models.Index(
                        fields=["related_person"], name="contact_of_relative", condition=Q(related_person__isnull=False)
                    ),
                ),
                migrations.AddIndex(
                    model_name="contactpoint",
                    index=models.Index(
                        fields=["verified_by"], name="contact_verified_by", condition=Q(verified_by__isnull=False)
                    ),
                ),
            ],
        ),
    ]
