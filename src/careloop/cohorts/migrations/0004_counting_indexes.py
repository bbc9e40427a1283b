"""Indexes follow what is counted now: the risk stands beside the patient's own values, a plan's state beside its patient.

The two that read every result and every answer of a question are not needed any more (0003).
"""

from django.db import migrations

from careloop.kernel.indexes import drop_all, make_all

NEW = {
    "cohort_patient_own": (
        "patients_patient (birth_date, sex, id) INCLUDE (risk, active, deceased, do_not_contact, sensitivity)"
    ),
    "cohort_plan": "plans_careplan (status, definition_url, patient_id)",
}
OLD = {
    "cohort_patient": "patients_patient (birth_date, sex, id) INCLUDE (active, deceased, do_not_contact, sensitivity)",
    "cohort_latest_result": (
        "patients_observation (concept, patient_id, effective_at DESC, id DESC) INCLUDE (value_number)"
        " WHERE concept <> '' AND status <> 'entered-in-error'"
    ),
    "cohort_answer": (
        "questionnaires_answerfact (questionnaire_url, link_id, patient_id, answered_at DESC) INCLUDE (code, number)"
    ),
}


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("cohorts", "0003_newest"), ("plans", "0001_initial")]

    operations = [
        *make_all(NEW),
        *drop_all(OLD),
    ]
