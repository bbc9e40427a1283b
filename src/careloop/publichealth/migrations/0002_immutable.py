"""A published pack or table never changes, nor does a suggestion: the database refuses."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION rulepack_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'rule pack % was published and cannot be deleted', OLD.version USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF (NEW.version, NEW.content, NEW.content_hash, NEW.valid_from, NEW.title) IS DISTINCT FROM (OLD.version, OLD.content, OLD.content_hash, OLD.valid_from, OLD.title) THEN
    RAISE EXCEPTION 'rule pack % was published and cannot change', OLD.version USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER rulepack_immutable BEFORE UPDATE OR DELETE ON publichealth_rulepack
  FOR EACH ROW EXECUTE FUNCTION rulepack_refuse_change();

CREATE FUNCTION opinion_table_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'opinion table % was published and cannot be deleted', OLD.id USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF (NEW.questionnaire_url, NEW.department_id, NEW.version, NEW.content, NEW.content_hash, NEW.title)
     IS DISTINCT FROM (OLD.questionnaire_url, OLD.department_id, OLD.version, OLD.content, OLD.content_hash, OLD.title) THEN
    RAISE EXCEPTION 'opinion table % was published and cannot change', OLD.id USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF OLD.status = 'retired' AND NEW.status <> 'retired' THEN
    RAISE EXCEPTION 'opinion table % was replaced and does not come back', OLD.id USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER opinion_table_immutable BEFORE UPDATE OR DELETE ON publichealth_opiniontable
  FOR EACH ROW EXECUTE FUNCTION opinion_table_refuse_change();

CREATE FUNCTION opinion_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.suggested, NEW.reason, NEW.evidence, NEW.missing, NEW.rule_version, NEW.row, NEW.table_id, NEW.suggested_at)
     IS DISTINCT FROM (OLD.suggested, OLD.reason, OLD.evidence, OLD.missing, OLD.rule_version, OLD.row, OLD.table_id, OLD.suggested_at) THEN
    RAISE EXCEPTION 'a suggestion stays as it was made' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER opinion_immutable BEFORE UPDATE ON publichealth_opinion
  FOR EACH ROW EXECUTE FUNCTION opinion_refuse_change();

CREATE FUNCTION opinion_choice_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'a decision is not deleted' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF (NEW.code, NEW.note, NEW.chosen_by_id, NEW.chosen_at, NEW.opinion_id, NEW.agrees)
     IS DISTINCT FROM (OLD.code, OLD.note, OLD.chosen_by_id, OLD.chosen_at, OLD.opinion_id, OLD.agrees) THEN
    RAISE EXCEPTION 'a decision is followed by another, never changed' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER opinion_choice_immutable BEFORE UPDATE OR DELETE ON publichealth_opinionchoice
  FOR EACH ROW EXECUTE FUNCTION opinion_choice_refuse_change();
"""
BACKWARD = """
DROP TRIGGER opinion_choice_immutable ON publichealth_opinionchoice; DROP FUNCTION opinion_choice_refuse_change();
DROP TRIGGER opinion_immutable ON publichealth_opinion; DROP FUNCTION opinion_refuse_change();
DROP TRIGGER opinion_table_immutable ON publichealth_opiniontable; DROP FUNCTION opinion_table_refuse_change();
DROP TRIGGER rulepack_immutable ON publichealth_rulepack; DROP FUNCTION rulepack_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("publichealth", "0001_initial"),
    ]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
