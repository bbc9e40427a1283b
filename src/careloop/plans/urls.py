"""Addresses of the plan pages."""

from django.urls import path

from careloop.plans.views import designing
from careloop.plans.views import following as views

app_name = "plans"

urlpatterns = [
    path("versions/", views.definitions, name="list"),
    path("decisions/", views.decisions, name="decisions"),
    path("versions/<uuid:definition_id>/", views.definition, name="definition"),
    path("versions/<uuid:definition_id>/new-version/", designing.new_version, name="new-version"),
    path("versions/<uuid:definition_id>/file/", designing.definition_file, name="file"),
    path("versions/<uuid:definition_id>/adoption/", designing.adoption, name="adoption"),
    path("versions/<uuid:definition_id>/adoption/undo/", designing.undo_adoption, name="undo-adoption"),
    path("drafts/new/", designing.new, name="new"),
    path("drafts/import/", designing.import_file, name="import"),
    path("drafts/<uuid:draft_id>/", designing.draft, name="draft"),
    path("drafts/<uuid:draft_id>/change/", designing.change, name="draft-change"),
    path("drafts/<uuid:draft_id>/steps/", designing.steps, name="draft-steps"),
    path("drafts/<uuid:draft_id>/undo/", designing.undo, name="draft-undo"),
    path("drafts/<uuid:draft_id>/enrolment/", designing.wish_enrolment, name="draft-enrolment"),
    path("drafts/<uuid:draft_id>/differences/", designing.differences, name="differences"),
    path("drafts/<uuid:draft_id>/replay/", designing.replay, name="replay"),
    path("drafts/<uuid:draft_id>/submit/", designing.submit, name="submit"),
    path("drafts/<uuid:draft_id>/take-back/", designing.take_back, name="take-back"),
    path("drafts/<uuid:draft_id>/give-back/", designing.give_back, name="give-back"),
    path("drafts/<uuid:draft_id>/publish/", designing.publish, name="publish"),
    path("drafts/<uuid:draft_id>/discard/", designing.discard, name="discard"),
    path("drafts/<uuid:draft_id>/file/", designing.draft_file, name="draft-file"),
    path("replays/<uuid:replay_id>/", designing.replay_progress, name="replay-progress"),
    path("replays/<uuid:replay_id>/stop/", designing.stop_replay, name="replay-stop"),
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
    path("adoptions/<uuid:adoption_id>/undo/", views.undo_adopt, name="undo-adopt"),
]
