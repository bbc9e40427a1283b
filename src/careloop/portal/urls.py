"""Addresses of the patient pages. No name, number or illness ever stands in one."""

from django.urls import path

from careloop.portal.views import home, link, measurements, messages, questions

app_name = "portal"

urlpatterns = [
    path("q/<str:token>", link.link, name="link"),
    path("again/", link.again, name="again"),
    path("large/", link.large, name="large"),
    path("family/", link.family, name="family"),
    path("leave/", link.leave, name="leave"),
    path("", home.home, name="home"),
    path("plan/", home.plan, name="plan"),
    path("medicines/", home.medicines, name="medicines"),
    path("t/<uuid:task_id>/", questions.task, name="task"),
    path("t/<uuid:task_id>/q/<path:key>/", questions.question, name="question"),
    path("t/<uuid:task_id>/files/<uuid:file_id>/", questions.file, name="file"),
    path("t/<uuid:task_id>/safety/<path:key>/", questions.safety, name="safety"),
    path("t/<uuid:task_id>/whole/", questions.whole, name="whole"),
    path("t/<uuid:task_id>/answers/", questions.answers, name="answers"),
    path("t/<uuid:task_id>/done/", questions.done, name="done"),
    path("messages/", messages.messages, name="messages"),
    path("measure/<slug:code>/", measurements.measure, name="measure"),
]
