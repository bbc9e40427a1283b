"""Signing in and out, and the own account."""

from django.urls import path

from careloop.accounts import views

app_name = "accounts"
urlpatterns = [
    path("login/", views.sign_in, name="login"),
    path("logout/", views.sign_out, name="logout"),
    path("account/", views.own_account, name="sessions"),
    path("account/password/", views.change_password, name="password"),
    path("account/language/", views.choose_language, name="language"),
    path("account/sessions/<uuid:session_id>/end/", views.end_own_session, name="end-session"),
]
