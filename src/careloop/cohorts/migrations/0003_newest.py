"""The newest result and the newest answer of every patient, kept by triggers in the transaction that writes them.

Asking "the last systolic pressure of everybody" reads every result there ever was; here it reads one row a patient.

How they stay right when two people write at once:
- New results only ever win by being newer, in one upsert that waits for the other writer's row.
- A change, a correction or a move to another patient first locks the pair's row, then asks the results again with what
  is committed by then. The row is never deleted, so there is always something to lock; without a result it stands at
  -infinity, and nothing is as old as that.
- Two transactions often write several results of one patient, in two orders. So each first takes the patient, once, and
  nobody waits for anybody in a circle. A bulk load of many patients in one statement goes by the order of its rows.
"""

from django.db import migrations, models

RESULT_COUNTS = "o.concept <> '' AND o.status <> 'entered-in-error'"

TABLES = """
CREATE TABLE cohorts_newestresult (
    patient_id uuid NOT NULL, concept varchar(20) NOT NULL, observation_id uuid NOT NULL,
    effective_at timestamptz NOT NULL, value_number numeric(20, 6), PRIMARY KEY (patient_id, concept)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02);
CREATE TABLE cohorts_newestanswer (
    questionnaire_url varchar(400) NOT NULL, link_id varchar(255) NOT NULL, patient_id uuid NOT NULL,
    place integer NOT NULL, answered_at timestamptz NOT NULL, code varchar(255) NOT NULL, number numeric(14, 4),
    PRIMARY KEY (questionnaire_url, link_id, patient_id, place)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02);
"""

NOBODY = "'00000000-0000-0000-0000-000000000000'::uuid"

MANY = 50  # patients in one statement; each lock needs a place in the server's shared memory
ONE_AT_A_TIME = f"""
CREATE FUNCTION cohorts_take_patients(patients uuid[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE one uuid; taken uuid[];
BEGIN
    SELECT array_agg(p ORDER BY p) INTO taken FROM (SELECT DISTINCT unnest(patients) AS p) each;
    IF cardinality(taken) <= {MANY} THEN
        FOREACH one IN ARRAY taken LOOP PERFORM pg_advisory_xact_lock(17231, hashtext(one::text)); END LOOP;
    END IF;
END $$;
"""

RESULTS = f"""
CREATE FUNCTION cohorts_result_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM cohorts_take_patients(array_agg(o.patient_id)) FROM added o WHERE o.concept <> '';
    INSERT INTO cohorts_newestresult AS n (patient_id, concept, observation_id, effective_at, value_number)
    SELECT DISTINCT ON (o.patient_id, o.concept) o.patient_id, o.concept, o.id, o.effective_at, o.value_number
    FROM added o WHERE {RESULT_COUNTS}
    ORDER BY o.patient_id, o.concept, o.effective_at DESC, o.id DESC
    ON CONFLICT (patient_id, concept) DO UPDATE
        SET observation_id = excluded.observation_id, effective_at = excluded.effective_at,
            value_number = excluded.value_number
        WHERE (n.effective_at, n.observation_id) < (excluded.effective_at, excluded.observation_id);
    RETURN NULL;
END $$;

CREATE FUNCTION cohorts_results_again(patients uuid[], concepts text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM cohorts_take_patients(patients);
    INSERT INTO cohorts_newestresult (patient_id, concept, observation_id, effective_at)
    SELECT DISTINCT p, c, {NOBODY}, '-infinity'::timestamptz FROM unnest(patients, concepts) AS pair(p, c) ORDER BY p, c
    ON CONFLICT DO NOTHING;
    PERFORM 1 FROM cohorts_newestresult n JOIN (SELECT DISTINCT p, c FROM unnest(patients, concepts) AS u(p, c)) pair
        ON n.patient_id = pair.p AND n.concept = pair.c ORDER BY n.patient_id, n.concept FOR UPDATE OF n;
    UPDATE cohorts_newestresult n
    SET observation_id = coalesce(o.id, {NOBODY}), effective_at = coalesce(o.effective_at, '-infinity'),
        value_number = o.value_number
    FROM (SELECT DISTINCT p, c FROM unnest(patients, concepts) AS u(p, c)) pair LEFT JOIN LATERAL (
        SELECT o.id, o.effective_at, o.value_number FROM patients_observation o
        WHERE o.patient_id = pair.p AND o.concept = pair.c AND {RESULT_COUNTS}
        ORDER BY o.effective_at DESC, o.id DESC LIMIT 1
    ) o ON true
    WHERE n.patient_id = pair.p AND n.concept = pair.c
        AND (n.observation_id, n.effective_at, n.value_number) IS DISTINCT FROM
            (coalesce(o.id, {NOBODY}), coalesce(o.effective_at, '-infinity'), o.value_number);
END $$;

CREATE FUNCTION cohorts_result_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE patients uuid[]; concepts text[];
BEGIN
    SELECT array_agg(x.patient_id), array_agg(x.concept) INTO patients, concepts FROM (
        SELECT side.patient_id, side.concept FROM was JOIN became USING (id)
        CROSS JOIN LATERAL (VALUES (was.patient_id, was.concept), (became.patient_id, became.concept))
            AS side(patient_id, concept)
        WHERE (was.patient_id, was.concept, was.status, was.effective_at, was.value_number) IS DISTINCT FROM
            (became.patient_id, became.concept, became.status, became.effective_at, became.value_number)
    ) x WHERE x.concept <> '';
    IF patients IS NOT NULL THEN PERFORM cohorts_results_again(patients, concepts); END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION cohorts_result_gone() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE patients uuid[]; concepts text[];
BEGIN
    SELECT array_agg(was.patient_id), array_agg(was.concept) INTO patients, concepts FROM was WHERE was.concept <> '';
    IF patients IS NOT NULL THEN PERFORM cohorts_results_again(patients, concepts); END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER cohorts_result_added AFTER INSERT ON patients_observation REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION cohorts_result_added();
CREATE TRIGGER cohorts_result_changed AFTER UPDATE ON patients_observation
    REFERENCING OLD TABLE AS was NEW TABLE AS became FOR EACH STATEMENT EXECUTE FUNCTION cohorts_result_changed();
CREATE TRIGGER cohorts_result_gone AFTER DELETE ON patients_observation REFERENCING OLD TABLE AS was
    FOR EACH STATEMENT EXECUTE FUNCTION cohorts_result_gone();
"""

ANSWERS = """
CREATE FUNCTION cohorts_answers_again(urls text[], links text[], patients uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM cohorts_take_patients(patients);
    INSERT INTO cohorts_newestanswer (questionnaire_url, link_id, patient_id, place, answered_at, code)
    SELECT DISTINCT u, l, p, 0, '-infinity'::timestamptz, '' FROM unnest(urls, links, patients) AS asked(u, l, p)
    ORDER BY u, l, p ON CONFLICT DO NOTHING;
    PERFORM 1 FROM cohorts_newestanswer n
        JOIN (SELECT DISTINCT u, l, p FROM unnest(urls, links, patients) AS asked(u, l, p)) asked
        ON n.questionnaire_url = asked.u AND n.link_id = asked.l AND n.patient_id = asked.p AND n.place = 0
        ORDER BY n.questionnaire_url, n.link_id, n.patient_id FOR UPDATE OF n;
    DELETE FROM cohorts_newestanswer n USING unnest(urls, links, patients) AS asked(u, l, p)
        WHERE n.questionnaire_url = asked.u AND n.link_id = asked.l AND n.patient_id = asked.p AND n.place > 0;
    INSERT INTO cohorts_newestanswer AS n (questionnaire_url, link_id, patient_id, place, answered_at, code, number)
    SELECT asked.u, asked.l, asked.p, coalesce(f.place, 0), coalesce(f.answered_at, '-infinity'), coalesce(f.code, ''), f.number
    FROM (SELECT DISTINCT u, l, p FROM unnest(urls, links, patients) AS asked(u, l, p)) asked LEFT JOIN LATERAL (
        SELECT row_number() OVER (ORDER BY ranked.id) - 1 AS place, ranked.answered_at, ranked.code, ranked.number FROM (
            SELECT a.id, a.answered_at, a.code, a.number, rank() OVER (ORDER BY a.answered_at DESC) AS newest
            FROM questionnaires_answerfact a
            WHERE a.questionnaire_url = asked.u AND a.link_id = asked.l AND a.patient_id = asked.p
        ) ranked WHERE ranked.newest = 1
    ) f ON true
    ON CONFLICT (questionnaire_url, link_id, patient_id, place) DO UPDATE
        SET answered_at = excluded.answered_at, code = excluded.code, number = excluded.number
        WHERE (n.answered_at, n.code, n.number) IS DISTINCT FROM (excluded.answered_at, excluded.code, excluded.number);
END $$;

CREATE FUNCTION cohorts_answer_added() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE urls text[]; links text[]; patients uuid[];
BEGIN
    SELECT array_agg(f.questionnaire_url), array_agg(f.link_id), array_agg(f.patient_id)
        INTO urls, links, patients FROM added f;
    IF urls IS NOT NULL THEN PERFORM cohorts_answers_again(urls, links, patients); END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION cohorts_answer_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE urls text[]; links text[]; patients uuid[];
BEGIN
    SELECT array_agg(x.url), array_agg(x.link), array_agg(x.patient) INTO urls, links, patients FROM (
        SELECT side.* FROM was JOIN became USING (id) CROSS JOIN LATERAL (VALUES
            (was.questionnaire_url, was.link_id, was.patient_id),
            (became.questionnaire_url, became.link_id, became.patient_id)) AS side(url, link, patient)
        WHERE (was.questionnaire_url, was.link_id, was.patient_id, was.answered_at, was.code, was.number) IS DISTINCT FROM
            (became.questionnaire_url, became.link_id, became.patient_id, became.answered_at, became.code, became.number)
    ) x;
    IF urls IS NOT NULL THEN PERFORM cohorts_answers_again(urls, links, patients); END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION cohorts_answer_gone() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE urls text[]; links text[]; patients uuid[];
BEGIN
    SELECT array_agg(f.questionnaire_url), array_agg(f.link_id), array_agg(f.patient_id)
        INTO urls, links, patients FROM was f;
    IF urls IS NOT NULL THEN PERFORM cohorts_answers_again(urls, links, patients); END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER cohorts_answer_added AFTER INSERT ON questionnaires_answerfact REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION cohorts_answer_added();
CREATE TRIGGER cohorts_answer_changed AFTER UPDATE ON questionnaires_answerfact
    REFERENCING OLD TABLE AS was NEW TABLE AS became FOR EACH STATEMENT EXECUTE FUNCTION cohorts_answer_changed();
CREATE TRIGGER cohorts_answer_gone AFTER DELETE ON questionnaires_answerfact REFERENCING OLD TABLE AS was
    FOR EACH STATEMENT EXECUTE FUNCTION cohorts_answer_gone();
"""

# From nothing, with writers kept away while it runs: once when this is installed, and as `careloop recount-newest`.
RECOUNT = f"""
CREATE FUNCTION cohorts_recount_newest() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE patients_observation, questionnaires_answerfact IN SHARE MODE;
    DELETE FROM cohorts_newestresult;
    DELETE FROM cohorts_newestanswer;
    INSERT INTO cohorts_newestresult (patient_id, concept, observation_id, effective_at, value_number)
    SELECT DISTINCT ON (o.patient_id, o.concept) o.patient_id, o.concept, o.id, o.effective_at, o.value_number
    FROM patients_observation o WHERE {RESULT_COUNTS}
    ORDER BY o.patient_id, o.concept, o.effective_at DESC, o.id DESC;
    INSERT INTO cohorts_newestanswer (questionnaire_url, link_id, patient_id, place, answered_at, code, number)
    SELECT r.questionnaire_url, r.link_id, r.patient_id,
        row_number() OVER (PARTITION BY r.questionnaire_url, r.link_id, r.patient_id ORDER BY r.id) - 1,
        r.answered_at, r.code, r.number
    FROM (SELECT a.*, rank() OVER (PARTITION BY a.questionnaire_url, a.link_id, a.patient_id ORDER BY a.answered_at DESC) AS newest
        FROM questionnaires_answerfact a) r WHERE r.newest = 1;
END $$;
SELECT cohorts_recount_newest();
"""

# Counted by; each holds the patient beside what is asked for. Built after the rows: faster, and dense.
INDEXES = """
CREATE INDEX cohort_newest_result ON cohorts_newestresult (concept, value_number, patient_id) INCLUDE (effective_at);
CREATE INDEX cohort_newest_answer ON cohorts_newestanswer (questionnaire_url, link_id, code, patient_id)
    INCLUDE (number, answered_at);
ANALYZE cohorts_newestresult;
ANALYZE cohorts_newestanswer;
"""

BACK = """
DROP TRIGGER cohorts_result_added ON patients_observation;
DROP TRIGGER cohorts_result_changed ON patients_observation;
DROP TRIGGER cohorts_result_gone ON patients_observation;
DROP TRIGGER cohorts_answer_added ON questionnaires_answerfact;
DROP TRIGGER cohorts_answer_changed ON questionnaires_answerfact;
DROP TRIGGER cohorts_answer_gone ON questionnaires_answerfact;
DROP FUNCTION cohorts_result_added, cohorts_result_changed, cohorts_result_gone, cohorts_results_again,
    cohorts_answer_added, cohorts_answer_changed, cohorts_answer_gone, cohorts_answers_again, cohorts_recount_newest,
    cohorts_take_patients;
DROP TABLE cohorts_newestresult, cohorts_newestanswer;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("cohorts", "0002_indexes"),
        ("patients", "0001_initial"),
        ("questionnaires", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="NewestAnswer",
            fields=[
                ("pk", models.CompositePrimaryKey("questionnaire_url", "link_id", "patient_id", "place", blank=True, editable=False, primary_key=True, serialize=False)),
                ("questionnaire_url", models.CharField(max_length=400)),
                ("link_id", models.CharField(max_length=255)),
                ("place", models.IntegerField()),
                ("answered_at", models.DateTimeField()),
                ("code", models.CharField(max_length=255)),
                ("number", models.DecimalField(decimal_places=4, max_digits=14, null=True)),
            ],
            options={"db_table": "cohorts_newestanswer", "managed": False},
        ),
        migrations.CreateModel(
            name="NewestResult",
            fields=[
                ("pk", models.CompositePrimaryKey("patient_id", "concept", blank=True, editable=False, primary_key=True, serialize=False)),
                ("concept", models.CharField(max_length=20)),
                ("observation_id", models.UUIDField()),
                ("effective_at", models.DateTimeField()),
                ("value_number", models.DecimalField(decimal_places=6, max_digits=20, null=True)),
            ],
            options={"db_table": "cohorts_newestresult", "managed": False},
        ),
        migrations.RunSQL(TABLES + ONE_AT_A_TIME + RESULTS + ANSWERS + RECOUNT + INDEXES, BACK),
    ]
