"""Is what stands beside results and answers (NewestResult, NewestAnswer) what asking all of them again gives?"""

from __future__ import annotations

from django.db import connection

# Rows of pairs whose results are gone stand at -infinity and count as not there.
_DIFFERENCES = """
WITH results AS (
    SELECT DISTINCT ON (patient_id, concept) patient_id, concept, id, effective_at, value_number FROM patients_observation
    WHERE concept <> '' AND status <> 'entered-in-error' ORDER BY patient_id, concept, effective_at DESC, id DESC
), answers AS (
    SELECT questionnaire_url, link_id, patient_id, answered_at, code, number, count(*) AS many FROM (
        SELECT a.*, rank() OVER (PARTITION BY questionnaire_url, link_id, patient_id ORDER BY answered_at DESC) AS newest
        FROM questionnaires_answerfact a) ranked
    WHERE newest = 1 GROUP BY 1, 2, 3, 4, 5, 6
), kept AS (
    SELECT questionnaire_url, link_id, patient_id, answered_at, code, number, count(*) AS many FROM cohorts_newestanswer
    WHERE answered_at > '-infinity' GROUP BY 1, 2, 3, 4, 5, 6
)
SELECT
    (SELECT count(*) FROM results r FULL JOIN (SELECT * FROM cohorts_newestresult WHERE effective_at > '-infinity') n
        ON n.patient_id = r.patient_id AND n.concept = r.concept
        WHERE (r.id, r.effective_at, r.value_number) IS DISTINCT FROM (n.observation_id, n.effective_at, n.value_number))
    + (SELECT count(DISTINCT (questionnaire_url, link_id, patient_id)) FROM (
        (TABLE answers EXCEPT TABLE kept) UNION ALL (TABLE kept EXCEPT TABLE answers)) differing)
"""


def differences() -> int:
    """How many pairs of patient and concept, or patient and question, stand wrong. Nought unless a hand was in the tables."""
    with connection.cursor() as cursor:
        cursor.execute(_DIFFERENCES)
        return int(cursor.fetchone()[0])
