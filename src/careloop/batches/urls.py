"""Addresses of background work."""

from django.urls import path

from careloop.batches import views

app_name = "batches"
urlpatterns = [
    path("", views.mine, name="mine"),
    path("<uuid:batch_id>/", views.detail, name="detail"),
    path("<uuid:batch_id>/progress/", views.progress, name="progress"),
    path("<uuid:batch_id>/stop/", views.stop, name="stop"),
    path("<uuid:batch_id>/undo/", views.undo, name="undo"),
    path("<uuid:batch_id>/file/", views.file, name="file"),
]
