"""Addresses of alerts. `live` is answered by config/asgi.py before Django sees it."""

from django.urls import path

from careloop.alerts import views

app_name = "alerts"
urlpatterns = [
    path("live/", views.no_live, name="live"),
    path("alerts/", views.board, name="board"),
    path("alerts/rows/", views.rows, name="rows"),
    path("alerts/bell/", views.bell, name="bell"),
    path("alerts/duties/", views.duties, name="duties"),
    path("alerts/duties/add/", views.add_duty, name="add-duty"),
    path("alerts/duties/<uuid:duty_id>/end/", views.end_duty, name="end-duty"),
    path("alerts/absences/add/", views.add_absence, name="add-absence"),
    path("alerts/absences/<uuid:absence_id>/end/", views.end_absence, name="end-absence"),
    path("alerts/patient/<uuid:patient_id>/", views.patient_banner, name="patient_banner"),
    path("alerts/promise/<slug:severity>/<slug:role>/", views.promise, name="promise"),
    path("alerts/<uuid:alert_id>/", views.detail, name="detail"),
    path("alerts/<uuid:alert_id>/accept/", views.accept, name="accept"),
    path("alerts/<uuid:alert_id>/hand-over/", views.hand_over, name="hand-over"),
    path("alerts/<uuid:alert_id>/act/", views.act, name="act"),
    path("alerts/<uuid:alert_id>/close/", views.close, name="close"),
    path("alerts/<uuid:alert_id>/undo/", views.undo, name="undo"),
]
