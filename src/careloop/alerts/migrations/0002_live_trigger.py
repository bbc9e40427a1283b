"""Every new row of an alert's history is told to live listeners: ids and codes only, never names or answers."""

from django.db import migrations

FUNCTIONS = """
CREATE FUNCTION alerts_live_payload(action_id uuid) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'id', action.id,
        'topic', 'alert',
        'departments', json_build_array(alert.department_id),
        'people', json_build_array(alert.owner_id, alert.stand_in_id, alert.copied_to_id, action.to_practitioner_id),
        'data', json_build_object('id', alert.id, 'kind', action.kind, 'severity', alert.severity)
    )::text
    FROM alerts_alertaction action JOIN alerts_alert alert ON alert.id = action.alert_id
    WHERE action.id = action_id
$$;
CREATE FUNCTION alerts_tell_live() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('careloop_live', alerts_live_payload(NEW.id));
    RETURN NULL;
END $$;
CREATE TRIGGER alerts_action_live AFTER INSERT ON alerts_alertaction
    FOR EACH ROW EXECUTE FUNCTION alerts_tell_live();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("alerts", "0001_initial"),
    ]

    operations = [migrations.RunSQL(FUNCTIONS)]
