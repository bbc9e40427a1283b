"""What a change means for the first contact and for programmes is planned once a session, and written only if it differs.

A statement that is given a list of ids looked cheaper for the list at hand, so the server planned it anew for every
follow-up that ended: longer than the look itself. And three triggers ran for a first contact that stayed as it was, which
is the common case: each further contact of a stay.
"""

from importlib import import_module

from django.db import migrations

before = import_module("careloop.reports.migrations.0002_rollup_triggers")

PLANNED_ONCE = "SET plan_cache_mode = force_generic_plan"
REFACT = ("reports_refact_episodes", "reports_refact_clocks", "reports_refact_patients", "reports_refact_opinions")

RECONTACT = f"""
CREATE OR REPLACE FUNCTION reports_recontact(ids uuid[]) RETURNS void LANGUAGE plpgsql
{before.BY_INDEX} {PLANNED_ONCE} AS $$
DECLARE stays uuid[]; instants timestamptz[];
BEGIN
    IF cardinality(ids) = 0 THEN RETURN; END IF;
    SELECT array_agg(w.id ORDER BY w.id), array_agg(now_first.at ORDER BY w.id) INTO stays, instants
    FROM unnest(ids) AS w(id)
    LEFT JOIN LATERAL (
        SELECT least(
            (SELECT min(a.started_at) FROM tasks_task t JOIN tasks_contactattempt a ON a.task_id = t.id
                WHERE t.patient_id = e.patient_id AND t.encounter_id = e.id AND a.undone_at IS NULL
                AND a.started_at >= e.discharged_at AND reports_reached(a.outcome)),
            (SELECT min(t.ended_at) FROM tasks_task t
                WHERE t.patient_id = e.patient_id AND t.encounter_id = e.id AND t.status = 'completed'
                AND t.kind = 'follow-up' AND t.ended_at >= e.discharged_at)
        ) AS at FROM patients_encounter e WHERE e.id = w.id OFFSET 0
    ) now_first ON true
    LEFT JOIN reports_firstcontact f ON f.encounter_id = w.id
    WHERE now_first.at IS DISTINCT FROM f.contacted_at;
    IF stays IS NULL THEN RETURN; END IF;
    IF array_position(instants, NULL) IS NOT NULL THEN
        DELETE FROM reports_firstcontact f USING unnest(stays, instants) AS found(id, at)
            WHERE f.encounter_id = found.id AND found.at IS NULL;
    END IF;
    INSERT INTO reports_firstcontact (encounter_id, contacted_at)
        SELECT found.id, found.at FROM unnest(stays, instants) AS found(id, at) WHERE found.at IS NOT NULL ORDER BY found.id
        ON CONFLICT (encounter_id) DO UPDATE SET contacted_at = excluded.contacted_at
        WHERE reports_firstcontact.contacted_at <> excluded.contacted_at;
END $$;
DROP FUNCTION IF EXISTS reports_first_contact(uuid[]);
"""
GENERIC = "".join(f"ALTER FUNCTION {name}(uuid[]) {PLANNED_ONCE};" for name in REFACT)

AS_BEFORE = (
    before.RECONTACT.replace("CREATE FUNCTION reports_recontact", "CREATE OR REPLACE FUNCTION reports_recontact")
    + "".join(f"ALTER FUNCTION {name}(uuid[]) RESET plan_cache_mode;" for name in REFACT)
)


class Migration(migrations.Migration):
    dependencies = [("reports", "0007_satisfaction_and_readmission")]

    operations = [migrations.RunSQL(RECONTACT + GENERIC, AS_BEFORE)]
