"""Addresses of teams and of the distribution of work."""

from django.urls import path

from careloop.rosters import views

app_name = "rosters"
urlpatterns = [
    path("workload/", views.workload, name="workload"),
    path("workload/<uuid:practitioner_id>/<str:day>/", views.nurse_day, name="nurse-day"),
    path("teams/", views.teams, name="teams"),
    path("teams/found/", views.found_team, name="found-team"),
    path("teams/<uuid:team_id>/end/", views.end_team, name="end-team"),
    path("teams/<uuid:team_id>/members/", views.join_team, name="join-team"),
    path("members/<uuid:member_id>/", views.change_member, name="change-member"),
    path("members/<uuid:member_id>/leave/", views.leave_team, name="leave-team"),
    path("skills/", views.keep_skill, name="keep-skill"),
    path("skills/<uuid:skill_id>/end/", views.end_skill, name="end-skill"),
    path("shifts/", views.add_shift, name="add-shift"),
    path("shifts/<uuid:shift_id>/end/", views.end_shift, name="end-shift"),
    path("leaves/", views.take_leave, name="take-leave"),
    path("leaves/<uuid:leave_id>/end/", views.end_leave, name="end-leave"),
]
