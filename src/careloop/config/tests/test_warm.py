"""A server process makes before its door opens what its first visitors would wait for."""

import asyncio
import os

import pytest
from django.template import engines
from django.utils import translation

from careloop.config import asgi, commands, warm


@pytest.fixture
def engine(monkeypatch):
    found = engines["jinja2"]
    monkeypatch.setattr(found, "_templates", {})
    return found


@pytest.mark.parametrize("surface", ["web", "portal"])
def test_every_template_of_the_first_pages_is_compiled_once_in_the_default_language(engine, surface):
    count = warm.warm_up(surface)
    made = set(engine._templates)
    assert len(made) == count > 20
    assert {language for language, _ in made} == {"zh-hans"}
    assert {name for room in warm.PAGES[surface] for name in warm.templates_of(room)} == {name for _, name in made}


def test_what_was_made_is_what_a_page_takes(engine):
    warm.warm_up("web")
    made = engine._templates["zh-hans", "workbench/p360_overview.html"]
    with translation.override("zh-hans"):
        assert engine.get_template("workbench/p360_overview.html") is made


def test_the_language_of_whoever_starts_it_stays():
    with translation.override("en"):
        warm.warm_up("portal")
        assert translation.get_language() == "en"


def test_a_room_without_templates_has_none_and_a_subfolder_is_named():
    assert warm.templates_of("audit") == []
    assert "ui/ui.html" in warm.templates_of("kernel")


def test_the_door_opens_after_it(monkeypatch):
    seen = []
    monkeypatch.setattr(asgi, "warm_up", lambda surface: seen.append(surface))
    monkeypatch.setattr(asgi, "settle", lambda: seen.append("settled"))
    door = asgi.Door()
    monkeypatch.setattr(door.live, "start", lambda: seen.append("live"))
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive():
        return next(messages)

    async def send(message):
        seen.append(message["type"])

    asyncio.run(door({"type": "lifespan"}, receive, send))
    assert seen == ["web", "settled", "live", "lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.mark.parametrize(("told", "heaps"), [(None, commands.HEAPS), ("7", "7")])
def test_a_server_process_keeps_few_heaps_unless_it_was_told(monkeypatch, told, heaps):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    os.environ.pop("MALLOC_ARENA_MAX", None)
    if told is not None:
        os.environ["MALLOC_ARENA_MAX"] = told
    started = []
    monkeypatch.setattr(os, "execv", lambda program, command: started.append(command))
    commands._serve("web", "careloop.config.asgi:application", 8000)
    assert os.environ["MALLOC_ARENA_MAX"] == heaps
    assert started
    assert started[0][1:3] == ["-m", "granian"]
