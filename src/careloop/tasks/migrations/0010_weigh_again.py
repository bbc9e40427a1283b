"""A task says until when its weight stays by the clock alone; what else changes a weight takes that back, whoever writes it.

The weight of a task depends on its own row, on the calls to its patient, on the hour at which one of the patient's numbers
answers, and on the end of the stay where the task does not know it. These tables are written in many places, some of them
in rooms that know nothing of tasks, so the database itself puts `weigh_again_at` back to nothing: weigh it as soon as may be.
Each trigger is by row and asks first whether anything that counts is different: a comparison, no function, where nothing is.

The rows of tasks are held before they are looked at: whoever weighs one at this moment has not seen the change, and what he
writes is seen by the second statement and not by the first. They are held in one order, behind whoever holds them already.
"""

from django.db import migrations, models

KINDS = ("follow-up", "revisit", "education", "reminder", "contact-check")
OPEN = f"status = 'requested' AND kind IN {KINDS}"
OF_ITSELF = (
    "status", "kind", "patient_id", "encounter_id", "available_at", "due_at", "promised_at", "window_ends_at", "risk",
    "self_report", "message_state", "discharged_at", "attempts",
)  # fmt: skip


def differs(columns):
    old, new = (", ".join(f"{row}.{column}" for column in columns) for row in ("OLD", "NEW"))
    return f"(ROW({old}) IS DISTINCT FROM ROW({new}))"


def trigger(table, event, when, function):
    name = f"tasks_weigh_{event.lower()}"
    return f"""
CREATE TRIGGER {name} {"BEFORE" if table == "tasks_task" else "AFTER"} {event} ON {table} FOR EACH ROW
WHEN ({when}) EXECUTE FUNCTION {function}();
"""


def anew(which):
    return f"""
    PERFORM FROM tasks_task WHERE {which} AND {OPEN} ORDER BY id FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM tasks_task WHERE {which} AND {OPEN} AND weigh_again_at IS NOT NULL) THEN
        UPDATE tasks_task SET weigh_again_at = NULL WHERE {which} AND {OPEN} AND weigh_again_at IS NOT NULL;
    END IF;"""


def function(name, body, answer="NULL"):
    return f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN {answer}; END $$;\n"


HEARD = "{row}.best_hour IS NOT NULL"
FORWARDS = "".join([
    function("tasks_weigh_this", "NEW.weigh_again_at := NULL;", "NEW"),
    # Of a row that comes there is nothing old, of one that goes nothing new; one that moves concerns two patients.
    function("tasks_weigh_patients", anew("patient_id IN (OLD.patient_id, NEW.patient_id)")),
    function("tasks_weigh_stays", anew("patient_id = NEW.patient_id AND encounter_id = NEW.id AND discharged_at IS NULL")),
    trigger("tasks_task", "UPDATE", f"NEW.weigh_again_at IS NOT NULL AND {differs(OF_ITSELF)}", "tasks_weigh_this"),
    trigger("patients_encounter", "UPDATE", differs(["discharged_at"]), "tasks_weigh_stays"),
    trigger("tasks_contactattempt", "INSERT", "true", "tasks_weigh_patients"),
    trigger(
        "tasks_contactattempt", "UPDATE", differs(["patient_id", "task_id", "undone_at", "outcome", "started_at"]),
        "tasks_weigh_patients",
    ),
    trigger("tasks_contactattempt", "DELETE", "true", "tasks_weigh_patients"),
    trigger("patients_contactpoint", "INSERT", HEARD.format(row="NEW"), "tasks_weigh_patients"),
    trigger(
        "patients_contactpoint", "UPDATE",
        f"({HEARD.format(row='OLD')} OR {HEARD.format(row='NEW')})"
        f" AND {differs(['patient_id', 'active', 'best_hour', 'last_result_at'])}", "tasks_weigh_patients",
    ),
    trigger("patients_contactpoint", "DELETE", HEARD.format(row="OLD"), "tasks_weigh_patients"),
])  # fmt: skip
BACKWARDS = """
DROP FUNCTION tasks_weigh_this CASCADE;
DROP FUNCTION tasks_weigh_patients CASCADE;
DROP FUNCTION tasks_weigh_stays CASCADE;
"""


class Migration(migrations.Migration):
    dependencies = [("patients", "0006_keys_that_few_have"), ("tasks", "0009_equal_keys_once")]

    operations = [
        migrations.AddField(model_name="task", name="weigh_again_at", field=models.DateTimeField(null=True)),
        migrations.RunSQL(FORWARDS, BACKWARDS),
    ]
