"""Addresses of the dashboards."""

from django.urls import path

from careloop.reports import views

app_name = "reports"
urlpatterns = [
    path("", views.hospital, name="hospital"),
    path("department/", views.department, name="department"),
    path("lost/", views.lost, name="lost"),
    path("lost/card/", views.lost_card, name="lost-card"),
    path("satisfaction/", views.satisfaction, name="satisfaction"),
    path("programmes/", views.programmes, name="programmes"),
    path("reasons/", views.reasons, name="reasons"),
    path("lists/<slug:code>/<slug:side>/", views.patients, name="patients"),
]
