"""The plan designer counts last year's discharges while somebody types: from these indexes alone.

A stay stands with what enrolment asks of it, a diagnosis with its stay (plans/reads/matching.py). The wider index of stays
takes the place of the one that cohorts had.
"""

from django.db import migrations

from careloop.kernel.indexes import drop_all, make_all

NEW = {
    "cohort_discharge": (
        "patients_encounter (discharged_at, department_id, patient_id) INCLUDE (class_code, disposition, id)"
        " WHERE status = 'finished'"
    ),
    "cohort_stay_condition": (
        "patients_condition (code_key COLLATE \"C\", encounter_id) INCLUDE (rank) WHERE active AND code <> ''"
    ),
}
OLD = {
    "cohort_stay": (
        "patients_encounter (discharged_at, department_id, patient_id) INCLUDE (class_code) WHERE status = 'finished'"
    ),
}


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("cohorts", "0004_counting_indexes")]

    operations = [
        *make_all(NEW),
        *drop_all(OLD),
    ]
