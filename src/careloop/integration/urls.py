from django.urls import path

from careloop.integration import views
from careloop.integration.views import sheets

app_name = "integration"

urlpatterns = [
    path("", views.overview, name="overview"),
    path("health/", views.health, name="health"),
    path("dead/map/", views.map_code, name="map"),
    path("dead/replay/", views.replay_group, name="replay-group"),
    path("dead/put-aside/", views.put_group_aside, name="put-aside"),
    path("messages/<uuid:message_id>/", views.message, name="message"),
    path("messages/<uuid:message_id>/replay/", views.replay, name="replay"),
    path("sheets/", sheets.overview, name="sheets"),
    path("sheets/blank/", sheets.blank, name="blank-sheet"),
    path("sheets/<uuid:sheet_id>/", sheets.sheet, name="sheet"),
    path("sheets/<uuid:sheet_id>/progress/", sheets.progress, name="sheet-progress"),
    path("sheets/<uuid:sheet_id>/columns/", sheets.read_columns, name="sheet-columns"),
    path("sheets/<uuid:sheet_id>/start/", sheets.start, name="start-sheet"),
    path("sheets/<uuid:sheet_id>/drop/", sheets.drop, name="drop-sheet"),
    path("sheets/<uuid:sheet_id>/wrong/", sheets.wrong_rows, name="sheet-wrong-rows"),
]
