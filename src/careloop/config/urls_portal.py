"""Addresses of the patient portal. No staff page is reachable from here."""

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []

handler403 = "careloop.config.errors.forbidden"
handler404 = "careloop.config.errors.not_found"
handler500 = "careloop.config.errors.failed"
