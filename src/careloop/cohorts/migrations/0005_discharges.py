"""The plan designer counts last year's discharges while somebody types: from these indexes alone.

A stay stands with what enrolment asks of it, a diagnosis with its stay (plans/reads/matching.py). The wider index of stays
takes the place of the one that cohorts had.
"""

from django.db import migrations

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


def made(name, where):
    return f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {where}"


def dropped(name):
    return f"DROP INDEX CONCURRENTLY IF EXISTS {name}"


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("cohorts", "0004_counting_indexes")]

    operations = [
        *(migrations.RunSQL(made(name, where), dropped(name)) for name, where in NEW.items()),
        *(migrations.RunSQL(dropped(name), made(name, where)) for name, where in OLD.items()),
    ]
