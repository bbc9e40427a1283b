"""Addresses of the patient portal. No staff page is reachable from here."""

from django.urls import include, path

from careloop.messaging.api import gateway_callback

urlpatterns = [
    path("hooks/<slug:gateway>/", gateway_callback, name="gateway_callback"),
    path("", include("careloop.portal.urls")),
]

handler403 = "careloop.portal.views.errors.forbidden"
handler404 = "careloop.portal.views.errors.not_found"
handler405 = "careloop.portal.views.errors.not_this_way"  # ours, not Django's: kernel/pages.py asks for it
handler500 = "careloop.portal.views.errors.failed"
