"""What an answered form adds is written once: answers to questions that nobody answered before, and newer ones.

Before, every new answer went the way of a correction: a row of nothing, its lock, all answers of the patient to that
question read again, the row written again. That way is left to forms of which an answer is not newer than what stands:
whether it stands beside it is asked of the answers themselves. Who waits for whom stays as it was (0003): the patient
once, then the row of each question in their order.
"""

from importlib import import_module

from django.db import migrations

before = import_module("careloop.cohorts.migrations.0003_newest")

# A row that was there comes back with the lock taken on it (xmax), a new one without. Several ticks at one moment stand
# in places 0, 1, 2 …; the newest takes the places of the one before.
ADDED = """
CREATE OR REPLACE FUNCTION cohorts_answer_added() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE urls text[]; links text[]; patients uuid[]; asked int; gained int; replaced boolean;
BEGIN
    SELECT array_agg(f.questionnaire_url), array_agg(f.link_id), array_agg(f.patient_id)
        INTO urls, links, patients FROM added f;
    IF urls IS NULL THEN RETURN NULL; END IF;
    PERFORM cohorts_take_patients(patients);
    WITH newest AS MATERIALIZED (
        SELECT DISTINCT ON (f.questionnaire_url, f.link_id, f.patient_id)
            f.questionnaire_url, f.link_id, f.patient_id, f.answered_at, f.code, f.number
        FROM added f ORDER BY f.questionnaire_url, f.link_id, f.patient_id, f.answered_at DESC, f.id
    ), written AS (
        INSERT INTO cohorts_newestanswer AS n (questionnaire_url, link_id, patient_id, place, answered_at, code, number)
        SELECT questionnaire_url, link_id, patient_id, 0, answered_at, code, number FROM newest
        ON CONFLICT (questionnaire_url, link_id, patient_id, place) DO UPDATE
            SET answered_at = excluded.answered_at, code = excluded.code, number = excluded.number
            WHERE n.answered_at < excluded.answered_at
        RETURNING n.xmax <> 0 AS was_there
    )
    SELECT (SELECT count(*) FROM newest), count(*), coalesce(bool_or(was_there), false)
        INTO asked, gained, replaced FROM written;
    IF gained < asked THEN
        PERFORM cohorts_answers_again(urls, links, patients);
        RETURN NULL;
    END IF;
    IF replaced THEN
        DELETE FROM cohorts_newestanswer n USING unnest(urls, links, patients) AS told(u, l, p)
            WHERE n.questionnaire_url = told.u AND n.link_id = told.l AND n.patient_id = told.p AND n.place > 0;
    END IF;
    IF cardinality(urls) > asked THEN
        INSERT INTO cohorts_newestanswer (questionnaire_url, link_id, patient_id, place, answered_at, code, number)
        SELECT r.questionnaire_url, r.link_id, r.patient_id, r.place, r.answered_at, r.code, r.number FROM (
            SELECT f.*, rank() OVER (PARTITION BY f.questionnaire_url, f.link_id, f.patient_id ORDER BY f.answered_at DESC) AS age,
                row_number() OVER (PARTITION BY f.questionnaire_url, f.link_id, f.patient_id
                    ORDER BY f.answered_at DESC, f.id) - 1 AS place
            FROM added f
        ) r WHERE r.age = 1 AND r.place > 0;
    END IF;
    RETURN NULL;
END $$;
"""
AS_BEFORE = before.ANSWERS[
    before.ANSWERS.index("CREATE FUNCTION cohorts_answer_added") : before.ANSWERS.index("CREATE FUNCTION cohorts_answer_changed")
].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


class Migration(migrations.Migration):
    dependencies = [("cohorts", "0005_discharges")]

    operations = [migrations.RunSQL(ADDED, AS_BEFORE)]
