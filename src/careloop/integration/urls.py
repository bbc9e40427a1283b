from django.urls import path

from careloop.integration import views

app_name = "integration"

urlpatterns = [
    path("", views.overview, name="overview"),
    path("health/", views.health, name="health"),
    path("dead/map/", views.map_code, name="map"),
    path("dead/replay/", views.replay_group, name="replay-group"),
    path("dead/put-aside/", views.put_group_aside, name="put-aside"),
    path("messages/<uuid:message_id>/", views.message, name="message"),
    path("messages/<uuid:message_id>/replay/", views.replay, name="replay"),
]
