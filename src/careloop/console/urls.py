"""Pages of the administrators."""

from django.urls import path

from careloop.console import views

app_name = "console"
urlpatterns = [
    path("people/", views.people, name="people"),
    path("people/add/", views.add_person, name="add-person"),
    path("people/<uuid:person_id>/", views.person, name="person"),
    path("people/<uuid:person_id>/change/", views.change_person, name="change-person"),
    path("people/<uuid:person_id>/grant/", views.grant, name="grant"),
    path("people/<uuid:person_id>/password/", views.issue_password, name="issue-password"),
    path("people/<uuid:person_id>/active/", views.set_active, name="set-active"),
    path("people/<uuid:person_id>/sessions/", views.end_sessions, name="end-sessions"),
    path("assignments/<uuid:assignment_id>/revoke/", views.revoke, name="revoke"),
    path("organization/add/", views.add_organization, name="add-organization"),
    path("audit/", views.audit_log, name="audit"),
    path("health/", views.health, name="health"),
]
