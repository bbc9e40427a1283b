"""What cohorts are counted by. The tables are other rooms'; the indexes are here, because only cohorts ask like this.

Each holds the patient beside what is asked for, so that the set of patients is read from the index alone.
"""

from django.db import migrations

from careloop.kernel.indexes import make_all

INDEXES = {
    "cohort_condition": "patients_condition (code_key COLLATE \"C\", patient_id, rank) WHERE active",
    "cohort_procedure": "patients_procedure (code_key COLLATE \"C\", patient_id) WHERE active",
    "cohort_stay": "patients_encounter (discharged_at, department_id, patient_id) INCLUDE (class_code) WHERE status = 'finished'",
    "cohort_result": (
        "patients_observation (concept, value_number, patient_id, effective_at)"
        " WHERE concept <> '' AND status <> 'entered-in-error'"
    ),
    "cohort_latest_result": (
        "patients_observation (concept, patient_id, effective_at DESC, id DESC) INCLUDE (value_number)"
        " WHERE concept <> '' AND status <> 'entered-in-error'"
    ),
    "cohort_answer": "questionnaires_answerfact (questionnaire_url, link_id, patient_id, answered_at DESC) INCLUDE (code, number)",
    "cohort_patient": (
        "patients_patient (birth_date, sex, id)"
        " INCLUDE (active, deceased, do_not_contact, sensitivity)"
    ),
}


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("cohorts", "0001_initial"),
        ("patients", "0001_initial"),
        ("questionnaires", "0001_initial"),
    ]

    operations = make_all(INDEXES)
