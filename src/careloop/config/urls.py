"""Addresses of the staff site."""

from django.conf import settings
from django.urls import include, path

from careloop.config.styleguide import styleguide
from careloop.messaging.api import gateway_callback

# Rooms with a prefix of their own first: a room without one is looked through address by address.
urlpatterns = [
    path("integration/", include("careloop.integration.urls")),
    path("console/", include("careloop.console.urls")),
    path("batches/", include("careloop.batches.urls")),
    path("follow-up/", include("careloop.cohorts.urls")),
    path("tasks/", include("careloop.tasks.urls")),
    path("rosters/", include("careloop.rosters.urls")),
    path("plans/", include("careloop.plans.urls")),
    path("reports/", include("careloop.reports.urls")),
    path("questionnaires/", include("careloop.questionnaires.urls")),
    path("public-health/", include("careloop.publichealth.urls")),
    path("supervision/", include("careloop.supervision.urls")),
    path("messages/", include("careloop.messaging.urls")),
    path("letters/", include("careloop.letters.urls")),
    path("hooks/<slug:gateway>/", gateway_callback, name="gateway_callback"),
    path("", include("careloop.accounts.urls")),
    path("", include("careloop.workbench.urls")),
    path("", include("careloop.alerts.urls")),
]

if settings.ENV.mode in {"dev", "test"}:
    urlpatterns.append(path("styleguide/", styleguide, name="styleguide"))

handler400 = "careloop.config.errors.unreadable"
handler403 = "careloop.config.errors.forbidden"
handler404 = "careloop.config.errors.not_found"
handler405 = "careloop.config.errors.not_this_way"  # ours, not Django's: kernel/pages.py asks for it
handler500 = "careloop.config.errors.failed"
