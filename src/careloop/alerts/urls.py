"""Addresses of alerts. `live` is answered by config/asgi.py before Django sees it."""

from django.urls import path

from careloop.alerts import views

app_name = "alerts"
urlpatterns = [
    path("live/", views.no_live, name="live"),
]
