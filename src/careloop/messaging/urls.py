"""Pages about messages, for staff."""

from django.urls import path

from careloop.messaging import views

app_name = "messaging"
urlpatterns = [
    path("", views.message_list, name="list"),
    path("attention/", views.dead_list, name="dead"),
    path("replies/", views.reply_list, name="replies"),
    path("replies/<uuid:inbound_id>/handled/", views.reply_handled, name="reply_handled"),
    path("own/", views.own_messages, name="own"),
    path("own/bell/", views.own_bell, name="own-bell"),
    path("templates/", views.template_list, name="templates"),
    path("templates/new/", views.template_draft, name="template_draft"),
    path("templates/preview/", views.template_preview, name="template_preview"),
    path("templates/<uuid:template_id>/", views.template_detail, name="template"),
    path("templates/<uuid:template_id>/step/", views.template_step, name="template_step"),
    path("patients/<uuid:patient_id>/", views.patient_messages, name="patient_messages"),
    path("<uuid:communication_id>/", views.message_detail, name="detail"),
    path("<uuid:communication_id>/take/", views.take_over, name="take"),
    path("<uuid:communication_id>/resend/", views.resend, name="resend"),
    path("<uuid:communication_id>/settle/", views.settle, name="settle"),
]
