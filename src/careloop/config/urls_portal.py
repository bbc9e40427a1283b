"""Addresses of the patient portal. No staff page is reachable from here."""

from django.urls import include, path

urlpatterns = [
    path("", include("careloop.portal.urls")),
]

handler403 = "careloop.portal.views.errors.forbidden"
handler404 = "careloop.portal.views.errors.not_found"
handler500 = "careloop.portal.views.errors.failed"
