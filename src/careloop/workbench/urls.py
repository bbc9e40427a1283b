"""Addresses of the workbench."""

from django.urls import path

from careloop.workbench.views import call, home, p360, patients, today, why

app_name = "workbench"
urlpatterns = [
    path("", home.home, name="home"),
    path("today/", today.today, name="today"),
    path("today/list/", today.worklist, name="worklist"),
    path("today/distribute/", today.distribute, name="distribute"),
    path("today/filters/", today.keep_filter, name="keep-filter"),
    path("today/filters/<uuid:filter_id>/drop/", today.drop_filter, name="drop-filter"),
    path("today/why/", why.why, name="why"),
    path("today/<uuid:task_id>/preview/", today.preview, name="preview"),
    path("today/<uuid:task_id>/record/", today.record, name="record"),
    path("today/undo/<uuid:attempt_id>/", today.undo, name="undo"),
    path("call/start/", call.start, name="start"),
    path("call/leave/", call.leave, name="leave"),
    path("call/<uuid:task_id>/", call.call, name="call"),
    path("call/<uuid:task_id>/open/", call.open_call, name="open"),
    path("call/<uuid:task_id>/screen/", call.fragment, name="call-screen"),
    path("call/<uuid:task_id>/upcoming/", call.upcoming, name="upcoming"),
    path("call/<uuid:task_id>/finish/", call.finish, name="finish"),
    path("call/<uuid:task_id>/take/", call.take, name="take"),
    path("call/<uuid:task_id>/answer/", call.answer, name="answer"),
    path("call/<uuid:task_id>/report/", call.report, name="report"),
    path("call/<uuid:task_id>/dial/", call.dial, name="dial"),
    path("call/<uuid:task_id>/number/", call.add_number, name="add-number"),
    path("call/<uuid:task_id>/verify/<uuid:contact_id>/", call.verify, name="verify"),
    path("search/", patients.omni_search, name="omni_search"),
    path("patients/", patients.patients, name="patients"),
    path("patients/access-reviews/", p360.access_reviews, name="access-reviews"),
    path("patients/access-reviews/<uuid:grant_id>/", p360.review, name="review-access"),
    path("patients/<uuid:patient_id>/", p360.patient, name="patient"),
    path("patients/<uuid:patient_id>/trend/", p360.trend, name="patient-trend"),
    path("patients/<uuid:patient_id>/timeline/", p360.events, name="patient-timeline"),
    path("patients/<uuid:patient_id>/emergency-access/", p360.break_glass, name="break-glass"),
    path("patients/<uuid:patient_id>/numbers/", p360.add_number, name="contact-add"),
    path("patients/<uuid:patient_id>/numbers/<uuid:contact_id>/verify/", p360.verify, name="contact-verify"),
    path("patients/<uuid:patient_id>/numbers/<uuid:contact_id>/correct/", p360.correct, name="contact-correct"),
    path("patients/<uuid:patient_id>/numbers/<uuid:contact_id>/retire/", p360.retire, name="contact-retire"),
    path("patients/<uuid:patient_id>/numbers/<uuid:contact_id>/reveal/", p360.reveal, name="contact-reveal"),
    path("patients/<uuid:patient_id>/consents/", p360.consent, name="consent"),
    path("patients/<uuid:patient_id>/relatives/", p360.relative, name="relative"),
    path("patients/<uuid:patient_id>/<slug:tab>/", p360.patient, name="patient-tab"),
]
