"""Whoever said "no follow-up" before plans kept a mark of it: the mark is set after the fact, so that it holds."""

from django.db import migrations


def mark(apps, schema_editor):
    """One mark for each decision that stands; a discharge that has one already is left alone."""
    reviews = apps.get_model("workbench", "DischargeReview").objects
    marks = apps.get_model("plans", "FollowUpDecline").objects
    for review in reviews.filter(decision="no-follow-up", undone_at=None).order_by("pk").iterator():
        marks.get_or_create(
            encounter_id=review.encounter_id, cycle=review.cycle, taken_back_at=None,
            defaults={
                "patient_id": review.patient_id, "reason": review.reason, "declined_at": review.decided_at,
                "declined_by_id": review.decided_by_id,
            },
        )


class Migration(migrations.Migration):
    dependencies = [
        ("workbench", "0001_initial"),
        ("plans", "0003_adoption_undo_decline_and_replay_lease"),
    ]

    operations = [migrations.RunPython(mark, migrations.RunPython.noop)]
