"""Forms and answers."""

from django.urls import path

from careloop.questionnaires.views import files, forms

app_name = "questionnaires"
urlpatterns = [
    path("", forms.questionnaire_list, name="list"),
    path("<uuid:questionnaire_id>/", forms.version, name="version"),
    path("responses/<uuid:response_id>/", forms.response_page, name="response"),
    path("responses/<uuid:response_id>/print/", forms.response_print, name="print"),
    path("responses/<uuid:response_id>/answers/<path:link_id>/", forms.save_answer, name="save_answer"),
    path("patients/<uuid:patient_id>/responses/", forms.patient_responses, name="patient_responses"),
    path("files/<uuid:attachment_id>/", files.file, name="file"),
]
