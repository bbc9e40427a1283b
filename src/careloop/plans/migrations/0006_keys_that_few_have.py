"""A foreign key that few rows have is indexed where it is: an entry for each row without it finds nothing.
What was decided together is one key of the lists of decisions.

Built and dropped without holding up anybody who writes.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

from careloop.kernel.indexes import drop_all, make_all, replace_all

MADE = {"care_plan_of_owner": "plans_careplan (owner_id) WHERE owner_id IS NOT NULL"}
DROPPED = {"plans_careplan_owner_id_d596201a": "plans_careplan (owner_id)"}
REPLACED = {  # name → (now, before)
    "decision_of_department": (
        "plans_enrolmentdecision (department_id, decided_at DESC)",
        "plans_enrolmentdecision (department_id, decided_at DESC, id)",
    ),
    "decision_by_outcome": (
        "plans_enrolmentdecision (outcome, decided_at DESC)",
        "plans_enrolmentdecision (outcome, decided_at DESC, id)",
    ),
    "decision_by_time": (
        "plans_enrolmentdecision (decided_at DESC)",
        "plans_enrolmentdecision (decided_at DESC, id)",
    ),
}


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("accounts", "0001_initial"),
        ("plans", "0005_decisions_by_time"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[*make_all(MADE), *drop_all(DROPPED), *replace_all(REPLACED)],
            state_operations=[
                migrations.AlterField(
                    model_name="careplan",
                    name="owner",
                    field=models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="care_plans",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                migrations.RemoveIndex(model_name="enrolmentdecision", name="decision_of_department"),
                migrations.AddIndex(
                    model_name="enrolmentdecision",
                    index=models.Index(fields=["department", "-decided_at"], name="decision_of_department"),
                ),
                migrations.RemoveIndex(model_name="enrolmentdecision", name="decision_by_outcome"),
                migrations.AddIndex(
                    model_name="enrolmentdecision",
                    index=models.Index(fields=["outcome", "-decided_at"], name="decision_by_outcome"),
                ),
                migrations.RemoveIndex(model_name="enrolmentdecision", name="decision_by_time"),
                migrations.AddIndex(
                    model_name="enrolmentdecision", index=models.Index(fields=["-decided_at"], name="decision_by_time")
                ),
                migrations.AddIndex(
                    model_name="careplan",
                    index=models.Index(fields=["owner"], name="care_plan_of_owner", condition=Q(owner__isnull=False)),
                ),
            ],
        ),
    ]
