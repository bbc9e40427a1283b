"""Open tasks that were planned before tasks kept English titles get them from the versions of their plans.

What is done keeps its own words and is looked up on the page (reads.titles): ten million rows are not rewritten for it.
"""

from django.db import migrations

FILL = """
UPDATE tasks_task t SET plan_title_en = w.plan_en, step_title_en = w.step_en
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS w (plan, step, plan_en, step_en)
WHERE t.status = 'requested' AND t.plan_title = w.plan AND t.step_title = w.step AND t.step_title_en = ''
"""


def fill(apps, schema_editor):
    """The newest version's words win where two versions call a step the same."""
    words = {}
    for definition in apps.get_model("plans", "PlanDefinition").objects.order_by("published_at", "pk"):
        for step in definition.content.get("steps", []):
            title = step.get("title", {})
            if title.get("zh") and title.get("en"):
                words[(definition.title[:120], title["zh"][:120])] = (definition.title_en[:120], title["en"][:120])
    if words:
        columns = [list(column) for column in zip(*((*zh, *en) for zh, en in words.items()), strict=True)]
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(FILL, columns)


class Migration(migrations.Migration):
    dependencies = [
        ("plans", "0003_adoption_undo_decline_and_replay_lease"),
        ("tasks", "0003_titles_in_english"),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
