"""A published version does not become a draft again, and a completed response is neither reopened nor deleted."""

from django.db import migrations

FORWARD = """
CREATE OR REPLACE FUNCTION questionnaire_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status = 'draft' THEN
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
  END IF;
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'questionnaire %|% was published and cannot be deleted', OLD.url, OLD.version USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF (NEW.url, NEW.version, NEW.name, NEW.content_hash, NEW.title, NEW.title_en, NEW.content, NEW.source)
     IS DISTINCT FROM (OLD.url, OLD.version, OLD.name, OLD.content_hash, OLD.title, OLD.title_en, OLD.content, OLD.source) THEN
    RAISE EXCEPTION 'questionnaire %|% was published and cannot change', OLD.url, OLD.version USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NEW.status <> OLD.status AND NOT (OLD.status = 'active' AND NEW.status = 'retired') THEN
    RAISE EXCEPTION 'questionnaire %|% cannot go from % to %', OLD.url, OLD.version, OLD.status, NEW.status USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION response_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status = 'in-progress' THEN
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    IF (NEW.canonical, NEW.questionnaire_id) IS DISTINCT FROM (OLD.canonical, OLD.questionnaire_id) THEN
      RAISE EXCEPTION 'a response keeps the version it was begun with' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
  END IF;
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'a completed response is never deleted' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF (NEW.answers, NEW.dropped, NEW.canonical, NEW.questionnaire_id, NEW.authored_at, NEW.findings, NEW.scores, NEW.classification)
     IS DISTINCT FROM (OLD.answers, OLD.dropped, OLD.canonical, OLD.questionnaire_id, OLD.authored_at, OLD.findings, OLD.scores, OLD.classification) THEN
    RAISE EXCEPTION 'a completed response is amended, never changed' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NEW.status <> OLD.status AND NOT (OLD.status = 'completed' AND NEW.status IN ('amended', 'entered-in-error'))
     AND NOT (OLD.status = 'amended' AND NEW.status = 'entered-in-error') THEN
    RAISE EXCEPTION 'a response cannot go from % to %', OLD.status, NEW.status USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
DROP TRIGGER response_immutable ON questionnaires_questionnaireresponse;
CREATE TRIGGER response_immutable BEFORE UPDATE OR DELETE ON questionnaires_questionnaireresponse
  FOR EACH ROW EXECUTE FUNCTION response_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("questionnaires", "0002_immutable"),
    ]
    operations = [migrations.RunSQL(FORWARD, migrations.RunSQL.noop)]
