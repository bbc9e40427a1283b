"""Addresses of work."""

from django.urls import path

from careloop.tasks import api, views

app_name = "tasks"
urlpatterns = [
    path("patients/<uuid:patient_id>/", views.patient_followups, name="patient_followups"),
    path("unreachable/", views.unreachable, name="unreachable"),
    path("<uuid:task_id>/lost/", views.lose, name="lose"),
    path("ladder/", views.ladder, name="ladder"),
    path("ladder/publish/", views.publish_ladder, name="publish-ladder"),
    path("api/due/", api.due, name="api-due"),
]
