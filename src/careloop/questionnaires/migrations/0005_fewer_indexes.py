"""Answers are counted by the newest of each patient (cohorts), so no index walks all answers to a question any more.

Built and dropped without holding up anybody who writes.
"""

import django.db.models.deletion
from django.db import migrations, models

from careloop.kernel.indexes import drop_all, replace_all

DROPPED = {
    "fact_of_question": "questionnaires_answerfact (questionnaire_url, link_id, answered_at)",
    "questionnaires_answerfact_patient_id_23710fba": "questionnaires_answerfact (patient_id)",
    "questionnaires_attachment_response_id_0d669ca1": "questionnaires_attachment (response_id)",
    "questionnaires_questionnaireresponse_patient_id_1e7971ba": "questionnaires_questionnaireresponse (patient_id)",
}
REPLACED = {  # name → (now, before)
    "fact_of_patient": (
        "questionnaires_answerfact (patient_id, link_id)",
        "questionnaires_answerfact (patient_id, link_id, answered_at DESC)",
    ),
}


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("patients", "0003_fewer_indexes"),
        ("questionnaires", "0004_finished_responses"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                *replace_all(REPLACED),
                *drop_all(DROPPED),
            ],
            state_operations=[
                migrations.RemoveIndex(
                    model_name="answerfact",
                    name="fact_of_question",
                ),
                migrations.RemoveIndex(
                    model_name="answerfact",
                    name="fact_of_patient",
                ),
                migrations.AlterField(
                    model_name="answerfact",
                    name="patient",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="answer_facts",
                        to="patients.patient",
                    ),
                ),
                migrations.AlterField(
                    model_name="attachment",
                    name="response",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="attachments",
                        to="questionnaires.questionnaireresponse",
                    ),
                ),
                migrations.AlterField(
                    model_name="questionnaireresponse",
                    name="patient",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="responses",
                        to="patients.patient",
                    ),
                ),
                migrations.AddIndex(
                    model_name="answerfact",
                    index=models.Index(fields=["patient", "link_id"], name="fact_of_patient"),
                ),
            ],
        ),
    ]
