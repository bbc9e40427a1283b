"""The designer's pages."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from careloop.plans import actions
from careloop.plans.models import PlanDraft
from careloop.plans.tests.factories import Scene
from careloop.questionnaires.actions import load_shipped_content as load_forms
from tests.cast import SYSTEM, Cast


@pytest.fixture
def scene(cast: Cast) -> Scene:
    load_forms(at=timezone.now(), by=SYSTEM)
    actions.load_shipped_content(at=timezone.now(), by=SYSTEM)
    return Scene(cast)


def test_smoke(scene: Scene) -> None:
    client = scene.cast.client(scene.cast.zhao)
    definition = scene.definition("pci-12-months")
    response = client.post(reverse("plans:new-version", args=[definition.pk]))
    draft = PlanDraft.objects.get()
    for part in ("", "head", "rule", "ends", "month-1"):
        response = client.get(reverse("plans:draft", args=[draft.pk]) + f"?part={part}")
        assert response.status_code == 200
    for name in ("differences", "replay", "draft-file"):
        assert client.get(reverse(f"plans:{name}", args=[draft.pk])).status_code == 200
    assert client.get(reverse("plans:new")).status_code == 200
    response = client.post(
        reverse("plans:draft-steps", args=[draft.pk]),
        {"do": "add", "activity": "reminder", "code": "day-3", "revision": 1},
    )
    assert response.status_code == 200, response.content
    draft.refresh_from_db()
    assert draft.content["steps"][1]["code"] == "reminder-1"
    response = client.post(reverse("plans:replay", args=[draft.pk]), {"months": 3, "nurses": 2, "per_day": 30})
    assert response.status_code == 302, response.content
    from careloop.plans.jobs import replay_draft

    replay_draft.func(event={"replay_id": str(draft.replays.get().pk)})
    print(draft.replays.get().result)
    assert client.get(reverse("plans:replay", args=[draft.pk])).status_code == 200
    assert client.get(reverse("plans:replay-progress", args=[draft.replays.get().pk])).status_code == 200
    response = client.post(reverse("plans:submit", args=[draft.pk]))
    assert response.status_code == 302, response.content.decode()
    q = scene.cast.client(scene.cast.qian)
    assert q.get(reverse("plans:differences", args=[draft.pk])).status_code == 200
    response = q.post(reverse("plans:publish", args=[draft.pk]))
    assert response.status_code == 302, response.content.decode()
    definition = scene.definition("pci-12-months")
    assert definition.version == "1.1"
    assert q.get(reverse("plans:adoption", args=[definition.pk])).status_code == 200
    assert q.get(reverse("plans:definition", args=[definition.pk])).status_code == 200
    assert q.get(reverse("plans:list")).status_code == 200
