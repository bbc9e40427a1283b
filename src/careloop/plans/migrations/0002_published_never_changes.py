"""A published plan version is immutable in the database itself: content, address, version and hash; nor is it deleted."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION plans_published_never_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.status <> 'draft' THEN
            RAISE EXCEPTION 'plan version % of % is published and cannot be deleted', OLD.version, OLD.url;
        END IF;
        RETURN OLD;
    END IF;
    IF OLD.status <> 'draft' AND (
        NEW.url, NEW.version, NEW.content, NEW.content_hash, NEW.title, NEW.title_en, NEW.category, NEW."group",
        NEW.published_at
    ) IS DISTINCT FROM (
        OLD.url, OLD.version, OLD.content, OLD.content_hash, OLD.title, OLD.title_en, OLD.category, OLD."group",
        OLD.published_at
    ) THEN
        RAISE EXCEPTION 'plan version % of % is published and cannot be changed', OLD.version, OLD.url;
    END IF;
    IF OLD.status <> 'draft' AND NEW.status = 'draft' THEN
        RAISE EXCEPTION 'plan version % of % is published and cannot become a draft', OLD.version, OLD.url;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER plans_published_never_changes BEFORE UPDATE OR DELETE ON plans_plandefinition
    FOR EACH ROW EXECUTE FUNCTION plans_published_never_changes();
"""
BACKWARD = """
DROP TRIGGER plans_published_never_changes ON plans_plandefinition;
DROP FUNCTION plans_published_never_changes();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("plans", "0001_initial"),
    ]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
