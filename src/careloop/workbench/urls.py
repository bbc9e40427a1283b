"""Addresses of the workbench."""

from django.urls import path

from careloop.workbench.views import call, home, today, why

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
    path("call/<uuid:task_id>/dial/", call.dial, name="dial"),
    path("call/<uuid:task_id>/number/", call.add_number, name="add-number"),
    path("call/<uuid:task_id>/verify/<uuid:contact_id>/", call.verify, name="verify"),
]
