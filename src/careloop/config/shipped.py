"""Content that comes with the product, loaded after every migration: roles, questionnaires, plans, templates."""

from __future__ import annotations

from django.utils import timezone

from careloop.accounts.actions import load_shipped_roles
from careloop.kernel.viewer import Viewer
from careloop.letters.actions import load_letter_templates
from careloop.messaging.actions import load_templates
from careloop.plans.actions import load_shipped_content as load_shipped_plans
from careloop.publichealth.actions import load_shipped_pack, load_shipped_tables
from careloop.questionnaires.actions import load_shipped_content as load_shipped_questionnaires
from careloop.reports.actions import align_programmes


def load_shipped_content() -> None:
    """Each room brings its own up to date; nothing a hospital made is touched."""
    by, at = Viewer.system("config.load_shipped_content"), timezone.now()
    load_shipped_roles(by=by)
    load_shipped_questionnaires(at=at, by=by)
    load_shipped_pack(at=at, by=by)
    load_shipped_tables(at=at, by=by)
    align_programmes(at=at, by=by)
    load_shipped_plans(at=at, by=by)
    load_templates(at=at, by=by)
    load_letter_templates(at=at, by=by)
