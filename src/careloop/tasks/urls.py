"""Addresses of work."""

from django.urls import path

from careloop.tasks import api, views

app_name = "tasks"
urlpatterns = [
    path("patients/<uuid:patient_id>/", views.patient_followups, name="patient_followups"),
    path("api/due/", api.due, name="api-due"),
]
