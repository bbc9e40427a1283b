"""Indexes that another one already answers go: a foreign key that leads a longer index, and prefixes of exact keys.

Built and dropped without holding up anybody who writes.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from careloop.kernel.indexes import drop_all

DROPPED = {
    "patients_accessgrant_practitioner_id_0b03fac2": "patients_accessgrant (practitioner_id)",
    "patients_accesslink_patient_id_e9958924": "patients_accesslink (patient_id)",
    "patients_allergyintolerance_patient_id_40249bc3": "patients_allergyintolerance (patient_id)",
    "patients_carerelationship_department_id_a4b9a058": "patients_carerelationship (department_id)",
    "patients_carerelationship_patient_id_a6ccdef6": "patients_carerelationship (patient_id)",
    "patients_carerelationship_practitioner_id_ad7a240c": "patients_carerelationship (practitioner_id)",
    "patients_condition_encounter_id_920f04e0": "patients_condition (encounter_id)",
    "patients_condition_patient_id_d2f89a41": "patients_condition (patient_id)",
    "patients_consent_patient_id_e5f0badc": "patients_consent (patient_id)",
    "patients_contactpoint_patient_id_d0e12028": "patients_contactpoint (patient_id)",
    "patients_documentreference_patient_id_4069cba2": "patients_documentreference (patient_id)",
    "patients_duplicatecandidate_patient_id_78e72487": "patients_duplicatecandidate (patient_id)",
    "patients_encounter_patient_id_c3bd73fe": "patients_encounter (patient_id)",
    "patients_medicationstatement_patient_id_45069047": "patients_medicationstatement (patient_id)",
    "patients_observation_patient_id_cdb0252e": "patients_observation (patient_id)",
    "patients_patientidentifier_patient_id_25c95a72": "patients_patientidentifier (patient_id)",
    "patients_procedure_encounter_id_a849a3e4": "patients_procedure (encounter_id)",
    "patients_procedure_patient_id_940c1a98": "patients_procedure (patient_id)",
    "patients_observation_key_bf260071_like": "patients_observation (key varchar_pattern_ops)",
    "patients_medicationstatement_key_abae1cba_like": "patients_medicationstatement (key varchar_pattern_ops)",
    "patients_documentreference_key_34d9248a_like": "patients_documentreference (key varchar_pattern_ops)",
    "patients_accesslink_token_hash_7bd7bbb7_like": "patients_accesslink (token_hash varchar_pattern_ops)",
}


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("accounts", "0001_initial"),
        ("patients", "0002_unreviewed"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                *drop_all(DROPPED),
            ],
            state_operations=[
                migrations.AlterField(
                    model_name="accessgrant",
                    name="practitioner",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                migrations.AlterField(
                    model_name="accesslink",
                    name="patient",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="access_links",
                        to="patients.patient",
                    ),
                ),
                migrations.AlterField(
                    model_name="allergyintolerance",
                    name="patient",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="allergies",
                        to="patients.patient",
                    ),
                ),
                migrations.AlterField(
                    model_name="carerelationship",
                    name="department",
                    field=models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="accounts.organization"
                    ),
                ),
                migrations.AlterField(
                    model_name="carerelationship",
                    name="patient",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="care_relationships",
                        to="patients.patient",
                    ),
                ),
                migrations.AlterField(
                    model_name="carerelationship",
                    name="practitioner",
                    field=models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                migrations.AlterField(
                    model_name="condition",
                    name="encounter",
                    field=models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="conditions",
                        to="patients.encounter",
                    ),
                ),
                migrations.AlterField(
                    model_name="condition",
                    name="patient",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="conditions",
                        to="patients.patient",
                    ),
                ),
                migrations.AlterField(
                    model_name="consent",
                    name="patient",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="consents",
                        to="patients.patient",
                    ),
                ),
                migrations.AlterField(
                    model_name="contactpoint",
                    name="patient",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="contact_points",
                        to="patients.patient",
                    ),
                ),
                migrations.AlterField(
                    model_name="documentreference",
                    name="patient",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="documents",
                        to="patients.patient",
                    ),
                ),
                migrations.AlterField(
                    model_name="duplicatecandidate",
                    name="patient",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="duplicate_candidates",
                        to="patients.patient",
                    ),
                ),
                migrations.AlterField(
                    model_name="encounter",
                    name="patient",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="encounters",
                        to="patients.patient",
                    ),
                ),
                migrations.AlterField(
                    model_name="medicationstatement",
                    name="patient",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="medications",
                        to="patients.patient",
                    ),
                ),
                migrations.AlterField(
                    model_name="observation",
                    name="patient",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="observations",
                        to="patients.patient",
                    ),
                ),
                migrations.AlterField(
                    model_name="patientidentifier",
                    name="patient",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="identifiers",
                        to="patients.patient",
                    ),
                ),
                migrations.AlterField(
                    model_name="procedure",
                    name="encounter",
                    field=models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="procedures",
                        to="patients.encounter",
                    ),
                ),
                migrations.AlterField(
                    model_name="procedure",
                    name="patient",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="procedures",
                        to="patients.patient",
                    ),
                ),
            ],
        ),
    ]
