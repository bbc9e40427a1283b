"""Forms and answers."""

from django.urls import path

from careloop.questionnaires import views

app_name = "questionnaires"
urlpatterns = [
    path("", views.questionnaire_list, name="list"),
    path("<uuid:questionnaire_id>/", views.version, name="version"),
    path("responses/<uuid:response_id>/", views.response_page, name="response"),
    path("responses/<uuid:response_id>/print/", views.response_print, name="print"),
    path("responses/<uuid:response_id>/answers/<slug:link_id>/", views.save_answer, name="save_answer"),
    path("patients/<uuid:patient_id>/responses/", views.patient_responses, name="patient_responses"),
]
