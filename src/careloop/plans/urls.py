"""Addresses of the plan pages."""

from django.urls import path

from careloop.plans import views

app_name = "plans"

urlpatterns = [
    path("versions/", views.definitions, name="list"),
    path("decisions/", views.decisions, name="decisions"),
    path("versions/<uuid:definition_id>/", views.definition, name="definition"),
    path("versions/<uuid:definition_id>/enrolment/", views.switch_enrolment, name="switch-enrolment"),
    path("patients/<uuid:patient_id>/", views.patient_card, name="patient_card"),
    path("patients/<uuid:patient_id>/start/", views.start, name="start"),
    path("running/<uuid:care_plan_id>/visits/", views.add_visit, name="add-visit"),
    path("running/<uuid:care_plan_id>/owner/", views.set_owner, name="set-owner"),
    path("running/<uuid:care_plan_id>/targets/", views.set_target, name="set-target"),
    path("running/<uuid:care_plan_id>/steps/<slug:step>/move/", views.move, name="move"),
    path("running/<uuid:care_plan_id>/steps/<slug:step>/off/", views.tick_off, name="tick-off"),
    path("running/<uuid:care_plan_id>/steps/<slug:step>/on/", views.restore, name="restore"),
    path("running/<uuid:care_plan_id>/changes/<slug:change_id>/undo/", views.undo, name="undo"),
    path("running/<uuid:care_plan_id>/end/", views.end, name="end"),
    path("running/<uuid:care_plan_id>/versions/<uuid:definition_id>/", views.adopt, name="adopt"),
]
