"""Addresses of paper: no name, number or illness ever stands in one."""

from django.urls import path

from careloop.letters import views

app_name = "letters"
urlpatterns = [
    path("", views.letter_list, name="list"),
    path("due/", views.due, name="due"),
    path("due/paper/", views.due_paper, name="due-paper"),
    path("due/letters/", views.make, name="make"),
    path("scan/", views.scan, name="scan"),
    path("posted/", views.post_all, name="post-all"),
    path("templates/", views.template_list, name="templates"),
    path("templates/new/", views.template_draft, name="template-draft"),
    path("templates/check/", views.template_check, name="template-check"),
    path("templates/<uuid:template_id>/", views.template_detail, name="template"),
    path("templates/<uuid:template_id>/step/", views.template_step, name="template-step"),
    path("templates/<uuid:template_id>/sample/<slug:language>/", views.template_sample, name="template-sample"),
    path("forms/<uuid:questionnaire_id>/", views.blank_form, name="blank-form"),
    path("tasks/<uuid:task_id>/record/", views.task_record, name="task-record"),
    path("tasks/<uuid:task_id>/blank/", views.task_blank, name="task-blank"),
    path("responses/<uuid:response_id>/", views.response_record, name="response-record"),
    path("adoptions/<uuid:adoption_id>/", views.of_adoption, name="of-adoption"),
    path("patients/<uuid:patient_id>/", views.patient_papers, name="patient"),
    path("patients/<uuid:patient_id>/plan/", views.plan, name="plan"),
    path("patients/<uuid:patient_id>/dates/", views.dates, name="dates"),
    path("patients/<uuid:patient_id>/write/", views.write_one, name="write"),
    path("patients/<uuid:patient_id>/report/", views.report_page, name="report"),
    path("patients/<uuid:patient_id>/report/paper/", views.report_now, name="report-now"),
    path("reports/<uuid:report_id>/", views.report_paper, name="report-paper"),
    path("<uuid:letter_id>/", views.letter, name="letter"),
    path("<uuid:letter_id>/paper/", views.letter_paper, name="letter-paper"),
    path("<uuid:letter_id>/posted/", views.posted, name="posted"),
    path("<uuid:letter_id>/answered/", views.answered, name="answered"),
    path("<uuid:letter_id>/returned/", views.returned, name="returned"),
    path("<uuid:letter_id>/withdraw/", views.withdraw, name="withdraw"),
]
