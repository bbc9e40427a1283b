"""The staff menu (ux §2.1): one level of groups, one level of pages; a role sees only what it may open."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.conf import settings
from django.urls import NoReverseMatch, get_script_prefix, get_urlconf
from django.utils.functional import Promise
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from careloop.kernel.addresses import address
from careloop.kernel.pages import PageRequest

# (group, ((url name, icon, label, permission), …)). A page whose room is not there yet simply does not appear.
MENU: tuple[tuple[str | Promise, tuple[tuple[str, str, str | Promise, str], ...]], ...] = (
    (
        _("Workbench"),
        (
            ("workbench:today", "calendar-check", _("Follow-up today"), "tasks.work"),
            ("alerts:board", "alert-triangle", _("Alerts"), "alerts.view"),
            ("messaging:own", "inbox", _("My inbox"), "accounts.self"),
            ("tasks:unreachable", "phone-off", _("Not reachable"), "tasks.view"),
            ("rosters:workload", "user-share", _("Share out the work"), "tasks.distribute"),
            ("rosters:teams", "users-group", _("Teams and shifts"), "rosters.keep"),
        ),
    ),
    (
        _("Patients and follow-up"),
        (
            ("workbench:patients", "users", _("Patients"), "patients.view"),
            ("workbench:discharges", "door-exit", _("Discharged today"), "plans.personalise"),
            ("cohorts:ways", "filter-search", _("Four ways in"), "cohorts.view"),
            ("plans:list", "route", _("Follow-up plans"), "plans.view"),
            ("plans:decisions", "list-check", _("Enrolment decisions"), "patients.view"),
            ("publichealth:list", "building-community", _("Public health"), "publichealth.view"),
            ("supervision:home", "zoom-check", _("QA re-check"), "supervision.view"),
            ("supervision:findings", "clipboard-check", _("Rectification"), "supervision.own"),
        ),
    ),
    (
        _("Reach and content"),
        (
            ("messaging:list", "message", _("Messages"), "messaging.view"),
            ("letters:list", "mail", _("Letters and print"), "letters.print"),
            ("questionnaires:list", "forms", _("Questionnaires"), "questionnaires.view"),
            ("batches:mine", "checklist", _("Background work"), "batches.view"),
        ),
    ),
    (
        _("Insight"),
        (
            ("reports:hospital", "chart-bar", _("Hospital dashboard"), "reports.hospital"),
            ("reports:department", "building-hospital", _("Department dashboard"), "reports.department"),
            ("publichealth:indicators", "chart-line", _("Public health indicators"), "publichealth.numbers"),
            ("supervision:integrity", "shield-check", _("Integrity indicators"), "supervision.view-integrity"),
        ),
    ),
    (
        _("Administration"),
        (
            ("messaging:templates", "messages", _("Message templates"), "messaging.operate"),
            ("tasks:ladder", "phone-call", _("Retry rules"), "tasks.edit-ladder"),
            ("integration:overview", "plug-connected", _("Data connections"), "integration.view"),
            ("console:people", "sitemap", _("Organization and rights"), "accounts.view"),
            ("console:audit", "history", _("Audit log"), "audit.view"),
            ("console:health", "activity", _("System health"), "console.health"),
        ),
    ),
)


def navigation(request: PageRequest) -> list[dict[str, Any]]:
    """The groups this viewer sees; `active` marks the page the request is on."""
    viewer = request.viewer
    menu = _menu(get_language(), get_urlconf() or settings.ROOT_URLCONF, get_script_prefix())
    here = _here(menu, request.path)
    groups = []
    for label, entries in menu:
        items = [
            {"url": where, "icon": icon, "label": text, "active": where == here, "count": None, "hot": False}
            for where, icon, text, permission in entries
            if viewer.enters(permission)
        ]
        if items:
            groups.append({"label": label, "items": items})
    return groups


Menu = tuple[tuple[str, tuple[tuple[str, str, str, str], ...]], ...]


@lru_cache(maxsize=20)
def _menu(_language: str | None, _urlconf: object, _prefix: str) -> Menu:
    """All groups in the words of one language, with the addresses that exist; looked up once, a page shows thirty."""
    return tuple(
        (
            str(label),
            tuple(
                (where, icon, str(text), permission)
                for name, icon, text, permission in entries
                if (where := _address(name))
            ),
        )
        for label, entries in MENU
    )


def _here(menu: Menu, path: str) -> str | None:
    """The entry whose address begins this path, the longest when several do: a department's board is not the hospital's."""
    addresses = [where for _label, entries in menu for where, *_ in entries]
    return max((a for a in addresses if path == a or (a != "/" and path.startswith(a))), key=len, default=None)


def _address(name: str) -> str | None:
    try:
        return address(name)
    except NoReverseMatch:
        return None
