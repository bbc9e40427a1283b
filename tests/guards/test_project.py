"""Things nobody may forget. Each test walks the whole project and names what is missing."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from django.apps import apps
from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.module_loading import import_string
from django.utils.translation import override

import careloop
from careloop.config import env
from careloop.kernel.access import Permission
from careloop.kernel.errors import Refused
from careloop.kernel.events import Event
from careloop.kernel.models import PRIVACY_CLASSES, ScopedModel
from careloop.patients.models import Patient

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "careloop"


def modules(ending: str) -> Iterator[ModuleType]:
    """Every module `<room>.<ending>` or below it, kernel excepted."""
    for info in pkgutil.walk_packages(careloop.__path__, "careloop."):
        parts = info.name.split(".")
        if parts[1] != "kernel" and ending in parts[2:] and "tests" not in parts:
            yield importlib.import_module(info.name)


def views(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[tuple[str, object]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield route, pattern.callback
        elif not (pattern.namespace or "").startswith("api-"):
            yield from views(pattern.url_patterns, route)


ALL_VIEWS = [
    *views(get_resolver("careloop.config.urls").url_patterns),
    *views(get_resolver("careloop.config.urls_portal").url_patterns),
]
OURS = [model for model in apps.get_models() if model.__module__.startswith("careloop.")]


def test_every_view_declares_its_permission():
    assert ALL_VIEWS
    assert not [route for route, view in ALL_VIEWS if not hasattr(view, "permission")]


def test_every_permission_at_a_door_exists_and_some_role_has_it():
    granted = {code for role in shipped_roles() for code in role["permissions"]} | {"accounts.self"}
    used = {view.permission for _, view in ALL_VIEWS if not view.permission.startswith("public:")}
    assert used <= set(Permission.all)
    assert not used - granted


def test_every_permission_of_a_role_exists():
    for _ in modules("access"):
        pass
    unknown = {code for role in shipped_roles() for code in role["permissions"]} - set(Permission.all)
    assert not unknown


def shipped_roles() -> list[dict[str, object]]:
    return json.loads((SOURCE / "accounts" / "content" / "roles.json").read_text())["roles"]


def test_every_table_that_leads_to_a_patient_is_scoped():
    leads = [model for model in OURS if model is Patient or any(f.related_model is Patient for f in model._meta.fields)]
    assert not [model._meta.label for model in leads if not issubclass(model, ScopedModel)]


def test_every_scoped_table_says_its_scope():
    assert not [
        m._meta.label for m in OURS if issubclass(m, ScopedModel) and m.scope.__func__ is ScopedModel.scope.__func__
    ]


def test_every_field_about_a_patient_has_a_privacy_class():
    missing, wrong, stale = [], [], []
    for model in OURS:
        if not issubclass(model, ScopedModel):
            continue
        names = {f.name for f in model._meta.concrete_fields}
        for field in model._meta.concrete_fields:
            exempt = field.is_relation or field.choices or field.name in {"id", "created_at", "updated_at"}
            if not exempt and field.name not in model.privacy:
                missing.append(f"{model._meta.label}.{field.name}")
        wrong += [f"{model._meta.label}.{n}" for n, value in model.privacy.items() if value not in PRIVACY_CLASSES]
        stale += [f"{model._meta.label}.{n}" for n in model.privacy if n not in names]
    assert (missing, wrong, stale) == ([], [], [])


def test_every_public_function_in_actions_is_an_action():
    wrong = [
        f"{module.__name__}.{name}"
        for module in modules("actions")
        if not module.__name__.rsplit(".", 1)[-1].startswith("_")  # what several actions of a room begin with
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
        and not name.startswith("_")
        and not getattr(function, "is_action", False)
    ]
    assert not wrong


def test_every_event_is_on_the_map_and_every_line_is_an_event():
    events = {
        cls
        for module in modules("events")
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, Event) and cls is not Event and cls.__module__ == module.__name__ and cls.__name__[0] != "_"
    }
    mapped = set(import_string(settings.REACTIONS))
    assert {e.name() for e in events - mapped} == set()
    assert {e.name() for e in mapped - events} == set()


def test_every_fact_has_words_for_those_who_read_the_trail_and_no_two_are_called_the_same():
    mapped = {fact.name() for fact in import_string(settings.REACTIONS)}
    words = import_string(settings.TRAIL_WORDS)
    assert set(words) ^ mapped == set()
    for language in ("zh-hans", "en"):
        with override(language):
            said = [str(told) for told in words.values()]
        assert len(said) - len(set(said)) == 0


def test_every_reaction_is_a_job_the_worker_knows():
    from procrastinate.contrib.django import app

    app.perform_import_paths()
    assert all(job.name in app.tasks for jobs in import_string(settings.REACTIONS).values() for job in jobs)


def test_every_setting_is_documented():
    page = (ROOT / "docs" / "operate" / "settings.md").read_text()
    documented = set(re.findall(r"`(CARELOOP_[A-Z0-9_]+)`", page))
    real = {f"CARELOOP_{name.upper()}" for name in env.Env.__dataclass_fields__}
    assert documented == real


def test_every_model_has_a_glossary_entry():
    glossary = (ROOT / "GLOSSARY.md").read_text()
    assert not [m.__name__ for m in OURS if not re.search(rf"\b{m.__name__}\b", glossary)]


def test_every_template_is_used():
    texts = [p.read_text() for p in SOURCE.rglob("*") if p.suffix in {".py", ".html"} and p.is_file()]
    unused = []
    for room in SOURCE.iterdir():
        folder = room / "templates"
        for path in folder.rglob("*.html") if folder.exists() else []:
            name = path.relative_to(folder).as_posix()
            if not any(name in text for text in texts):
                unused.append(name)
    assert not unused


def test_rooms_have_only_the_known_kinds_of_file():
    known = {
        "__init__.py", "apps.py", "urls.py", "views.py", "views", "portal.py", "api.py", "jobs.py", "jobs", "forms.py", "forms",
        "actions.py", "actions", "reads.py", "reads", "models.py", "models", "rules.py", "rules", "events.py", "access.py",
        "templates", "static", "locale", "content", "migrations", "tests", "middleware.py", "__pycache__",
    }  # fmt: skip
    extra = {
        "audit": {"record.py"}, "messaging": {"channels"}, "integration": {"hl7v2", "sheets"},
        "kernel": None, "config": None, "simulation": None,
    }  # fmt: skip
    strangers = []
    for room in SOURCE.iterdir():
        allowed = extra.get(room.name, set())
        if not room.is_dir() or allowed is None or room.name == "__pycache__":
            continue
        strangers += [f"{room.name}/{p.name}" for p in room.iterdir() if p.name not in known | allowed]
    assert not strangers


def test_no_address_of_a_machine_or_registry_in_the_repo():
    pattern = re.compile(
        r"(^|[^A-Za-z0-9_.])/(work|farm|tmp/cl|tmp/bash_jobs)/|files\.pythonhosted|registry\.npmjs|\"resolved\": *\"http"
    )
    found = []
    for path in ROOT.rglob("*"):
        relative = path.relative_to(ROOT).as_posix()
        if path.suffix in {
            ".py",
            ".md",
            ".toml",
            ".txt",
            ".json",
            ".js",
            ".mjs",
            ".css",
            ".html",
            ".po",
            ".yml",
        } and not re.match(
            r"(\.venv|\.data|\.git/|frontend/node_modules|src/careloop/kernel/static/dist|tests/guards/)", relative
        ):
            found += [relative for line in path.read_text(errors="replace").splitlines() if pattern.search(line)][:1]
    assert not found


def test_published_content_cites_its_source_and_validity():
    uncited = []
    for path in SOURCE.glob("*/content/**/*.json"):
        if "vectors" in path.parts:
            continue
        text = path.read_text()
        if not re.search(r'"sources?"', text):
            uncited.append(path.relative_to(SOURCE).as_posix())
    assert not uncited


def test_a_fact_stands_on_the_map_once():
    """A second line for the same fact would silently take away what the first one starts."""
    source = (ROOT / "src" / "careloop" / "config" / "reactions.py").read_text(encoding="utf-8")
    keys = re.findall(r"^    ([a-z_]+\.[A-Za-z]+):", source, re.M)
    assert sorted({key for key in keys if keys.count(key) > 1}) == []


def test_features_page_names_only_tests_that_exist():
    text = (ROOT / "docs" / "features.md").read_text()
    named = set(re.findall(r"`([\w/]+/test_\w+\.py)`", text))
    assert named
    assert not [n for n in named if not (ROOT / n).exists() and not (SOURCE / n).exists()]


def test_every_done_or_partly_row_has_a_test():
    rows = re.findall(
        r"^\| ([A-M]\d\d[^|]*) \|[^|]*\| (done|partly|not yet) \|[^|]*\| ([^|]*) \|$",
        (ROOT / "docs" / "features.md").read_text(),
        re.M,
    )
    assert len(rows) > 150
    counted = [sum(row[1] == state for row in rows) for state in ("done", "partly", "not yet")]
    assert "{} done, {} partly, {} not yet.".format(*counted) in (ROOT / "docs" / "features.md").read_text()
    assert not [row[0] for row in rows if row[1] != "not yet" and "test_" not in row[2]]


def test_every_dialog_keeps_its_words_off_its_edge():
    """A dialog has no room of its own at the edges: its head and body bring it."""
    bare = []
    for path in sorted(SOURCE.glob("*/templates/**/*.html")):
        for dialog in re.findall(r'<dialog\b[^>]*class="dlg".*?</dialog>', path.read_text(encoding="utf-8"), re.S):
            if "dlg-b" not in dialog:
                bare.append(path.relative_to(SOURCE).as_posix())
    assert not bare


def test_a_refusal_has_a_code_of_its_own_in_its_room():
    """Two refusals of a room with one code could not be told apart by whoever reads the answer, by a test or by a person."""
    for ending in ("actions", "views", "reads", "jobs"):
        for _module in modules(ending):
            pass
    codes: dict[tuple[str, str], set[str]] = {}
    waiting = [Refused]
    while waiting:
        for found in waiting.pop().__subclasses__():
            waiting.append(found)
            if found.__module__.startswith("careloop.") and ".tests" not in found.__module__:
                codes.setdefault((found.__module__.split(".")[1], found.code), set()).add(
                    f"{found.__module__}.{found.__qualname__}"
                )
    assert len(codes) > 100
    assert {code: sorted(names) for code, names in codes.items() if len(names) > 1} == {}
