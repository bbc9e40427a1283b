"""Addresses of the staff site."""

from django.urls import include, path

urlpatterns = [
    path("", include("careloop.accounts.urls")),
    path("console/", include("careloop.console.urls")),
    path("", include("careloop.alerts.urls")),
]

handler403 = "careloop.config.errors.forbidden"
handler404 = "careloop.config.errors.not_found"
handler500 = "careloop.config.errors.failed"
