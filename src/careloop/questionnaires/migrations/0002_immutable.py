"""A published version and a completed response never change: the database refuses."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION questionnaire_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.status <> 'draft' THEN
      RAISE EXCEPTION 'questionnaire %|% was published and cannot be deleted', OLD.url, OLD.version USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN OLD;
  END IF;
  IF OLD.status <> 'draft' AND (NEW.url, NEW.version, NEW.content_hash, NEW.title, NEW.content)
     IS DISTINCT FROM (OLD.url, OLD.version, OLD.content_hash, OLD.title, OLD.content) THEN
    RAISE EXCEPTION 'questionnaire %|% was published and cannot change', OLD.url, OLD.version USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER questionnaire_immutable BEFORE UPDATE OR DELETE ON questionnaires_questionnaire
  FOR EACH ROW EXECUTE FUNCTION questionnaire_refuse_change();

CREATE FUNCTION response_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status IN ('completed', 'amended') AND (NEW.answers, NEW.canonical, NEW.questionnaire_id, NEW.authored_at, NEW.findings, NEW.scores)
     IS DISTINCT FROM (OLD.answers, OLD.canonical, OLD.questionnaire_id, OLD.authored_at, OLD.findings, OLD.scores) THEN
    RAISE EXCEPTION 'a completed response is amended, never changed' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER response_immutable BEFORE UPDATE ON questionnaires_questionnaireresponse
  FOR EACH ROW EXECUTE FUNCTION response_refuse_change();
"""
BACKWARD = """
DROP TRIGGER response_immutable ON questionnaires_questionnaireresponse; DROP FUNCTION response_refuse_change();
DROP TRIGGER questionnaire_immutable ON questionnaires_questionnaire; DROP FUNCTION questionnaire_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("questionnaires", "0001_initial"),
    ]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
