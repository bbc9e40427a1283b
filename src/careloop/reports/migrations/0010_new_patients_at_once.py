"""A discharge of somebody nobody knew: what cannot follow from it is not looked for.

- A stay is a readmission, or followed by one, only if its patient has another stay. The search ran for each patient who came to
  a bed; now one look into the index of stays goes before it.
- Where a patient has no fact yet, none can be gone or different: the facts found are written straight away, without the
  deletion, the comparison and the three triggers of an upsert.
- Whether a code begins like one of a programme's was asked by a function the planner could not take apart, sixteen calls a
  discharge. The same test is an operator.
"""

from importlib import import_module

from django.db import migrations

programmes = import_module("careloop.reports.migrations.0005_programmes")
readmissions = import_module("careloop.reports.migrations.0007_satisfaction_and_readmission")
planned = import_module("careloop.reports.migrations.0008_planned_once")


def again(function):
    return function.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


def put(text, old, new):
    """`text` with this part of it exchanged; a part that is not there once stops the migration."""
    assert text.count(old) == 1, old
    return text.replace(old, new)


MATCHES = """
CREATE OR REPLACE FUNCTION reports_matches(code text, prefixes text[]) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT coalesce(code ^@ ANY (prefixes), false) $$;
"""

TO_BED = readmissions.readmit(readmissions.to_bed("new_rows"))
# Look-up by look-up, by the index: the planner may not turn it round and compare all stays with all that came.
NOT_FOR_THE_FIRST_TIME = readmissions.readmit(
    "SELECT n.patient_id AS id FROM new_rows n CROSS JOIN LATERAL (SELECT FROM patients_encounter e"
    " WHERE e.patient_id = n.patient_id AND e.id <> n.id LIMIT 1) other WHERE n.class_code = 'IMP'"
)
STAYS_BEFORE = again(readmissions.encounter_function())
# Planned while there were no stays yet, it would walk all stays for each of those that come (0009).
BY_INDEX = "ALTER FUNCTION reports_encounter_changed() SET enable_seqscan = off;"
STAYS = put(STAYS_BEFORE, TO_BED, NOT_FOR_THE_FIRST_TIME) + BY_INDEX

REFACT_BEFORE = again(programmes.refact("reports_refact_patients", ("diagnosed",), programmes.LOCKS["diagnosed"]))
WHOLE = "    WITH found AS MATERIALIZED ("
ALL_NEW = f"""    IF NOT EXISTS (SELECT 1 FROM reports_programmefact f WHERE f.kind = 'diagnosed' AND f.source_id = ANY(ids)) THEN
        INSERT INTO reports_programmefact ({programmes.LISTED}) SELECT {programmes.LISTED} FROM reports_programmesource
            WHERE kind = 'diagnosed' AND source_id = ANY(ids)
            ORDER BY kind, source_id, programme, year ON CONFLICT DO NOTHING;
        RETURN;
    END IF;
"""
REFACT = put(REFACT_BEFORE, WHOLE, ALL_NEW + WHOLE)
PLANNED_ONCE = f"ALTER FUNCTION reports_refact_patients(uuid[]) {planned.PLANNED_ONCE};"  # replacing a function forgets it


class Migration(migrations.Migration):
    dependencies = [("reports", "0009_readmissions_by_index")]

    operations = [
        migrations.RunSQL(MATCHES, again(programmes.FUNCTIONS)),
        migrations.RunSQL(STAYS, STAYS_BEFORE),
        migrations.RunSQL(REFACT + PLANNED_ONCE, REFACT_BEFORE + PLANNED_ONCE),
    ]
