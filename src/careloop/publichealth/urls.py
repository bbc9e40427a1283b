"""Addresses of public health programmes and of opinions."""

from django.urls import path

from careloop.publichealth import views

app_name = "publichealth"
urlpatterns = [
    path("", views.programme_list, name="list"),
    path("rules/", views.pack_page, name="pack"),
    path("indicators/", views.indicators, name="indicators"),
    path("indicators/<slug:programme>/<slug:code>/<slug:part>/", views.indicator_list, name="indicator-list"),
    path("export/", views.export, name="export"),
    path("episodes/<uuid:episode_id>/", views.episode_page, name="episode"),
    path("episodes/<uuid:episode_id>/print/", views.episode_print, name="print"),
    path("episodes/<uuid:episode_id>/end/", views.end_management, name="end"),
    path("patients/<uuid:patient_id>/programmes/", views.patient_programmes, name="patient_programmes"),
    path("patients/<uuid:patient_id>/register/", views.register, name="register"),
    path("tasks/<uuid:task_id>/why/", views.why, name="why"),
    path("responses/<uuid:response_id>/opinion/", views.opinion, name="opinion"),
    path("responses/<uuid:response_id>/opinion/choose/", views.choose, name="choose"),
    path("opinion-tables/", views.tables, name="tables"),
    path("opinion-tables/<uuid:table_id>/", views.table, name="table"),
    path("opinion-tables/begin/", views.begin, name="table-begin"),
    path("opinion-tables/import/", views.take_in, name="table-import"),
    path("opinion-tables/<uuid:table_id>/new-version/", views.start, name="new-version"),
    path("opinion-tables/<uuid:table_id>/compare/", views.compare, name="compare"),
    path("opinion-drafts/<uuid:draft_id>/", views.draft, name="draft"),
    path("opinion-drafts/<uuid:draft_id>/change/", views.change, name="draft-change"),
    path("opinion-drafts/<uuid:draft_id>/undo/", views.undo, name="draft-undo"),
    path("opinion-drafts/<uuid:draft_id>/trial/", views.trial, name="draft-trial"),
    path("opinion-drafts/<uuid:draft_id>/compare/", views.draft_compare, name="draft-compare"),
    path("opinion-drafts/<uuid:draft_id>/submit/", views.submit, name="draft-submit"),
    path("opinion-drafts/<uuid:draft_id>/give-back/", views.give_back, name="draft-give-back"),
    path("opinion-drafts/<uuid:draft_id>/publish/", views.publish, name="draft-publish"),
    path("opinion-drafts/<uuid:draft_id>/discard/", views.discard, name="draft-discard"),
    path("opinion-tables/forms/<uuid:questionnaire_id>/", views.form_table, name="form-table"),
]
