"""Addresses of the workbench."""

from django.urls import path

from careloop.workbench.views import home, today, why

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
]
