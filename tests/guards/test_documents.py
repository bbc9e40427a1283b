"""What the documents name exists: files, links, tests, commands, targets of make, settings, terms."""

import json
import re
from pathlib import Path

import pytest

from careloop.config import cli, env

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "careloop"
FOLDERS = {path.name for base in (ROOT, SOURCE) for path in base.iterdir() if path.is_dir()}
BUILT = {"docs/screenshots"}  # by `make screenshots`; not kept in the repository
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md"), ROOT / "bench" / "RESULTS.md"])


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def quoted(path: Path) -> list[str]:
    """What stands between backticks; whole blocks are left out."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text_of(path), flags=re.S))


def exists(name: str) -> bool:
    """Names of files are written from the root of the repository or from `src/careloop`."""
    return name.rstrip("/") in BUILT or any(list(base.glob(name.rstrip("/"))) for base in (ROOT, SOURCE))


documents = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())


@documents
def test_files_that_are_named_exist(path):
    named = [re.sub(r"(::.*|:\d+)$", "", word) for word in quoted(path)]
    paths = [name for name in named if re.fullmatch(r"[\w.*-]+(/[\w.*-]*)+", name) and name.split("/")[0] in FOLDERS]
    assert [name for name in paths if not exists(name)] == []


@documents
def test_links_inside_the_repository_lead_somewhere(path):
    aims = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", text_of(path))
    assert [aim for aim in aims if not (path.parent / aim).exists()] == []


@documents
def test_commands_and_targets_of_make_exist(path):
    targets = set(re.findall(r"^([a-z][a-z-]*):", text_of(ROOT / "Makefile"), re.M))
    words = [*quoted(path), *re.findall(r"^(?:make|careloop) .*$", text_of(path), re.M)]
    made = {word.split()[1] for word in words if re.match(r"make [a-z]", word)}
    told = {word.split()[1] for word in words if re.match(r"careloop [a-z]", word)}
    assert made - targets == set()
    assert told - set(cli.COMMANDS) == set()


@documents
def test_settings_that_are_named_exist(path):
    known = {f"CARELOOP_{name.upper()}" for name in env.Env.__dataclass_fields__} | {"CARELOOP_SURFACE"}
    named = {re.sub(r"=.*", "", word) for word in quoted(path) if re.fullmatch(r"CARELOOP_[A-Z_0-9]+(=.*)?", word)}
    assert {name for name in named - known if not name.startswith(("CARELOOP_TEST_", "CARELOOP_BENCH_"))} == set()


def test_tests_that_features_name_one_by_one_exist():
    missing = []
    for file, name in re.findall(r"`([\w/]+\.py)::(\w+)`", text_of(ROOT / "docs" / "features.md")):
        found = next(path for path in (ROOT / file, SOURCE / file) if path.exists())
        missing += [f"{file}::{name}"] if f"def {name}(" not in text_of(found) else []
    assert missing == []


def test_a_requirement_has_one_row():
    ids = re.findall(r"^\| ([A-M]\d\d)", text_of(ROOT / "docs" / "features.md"), re.M)
    assert sorted({one for one in ids if ids.count(one) > 1}) == []
    assert ids == sorted(ids)


def test_the_index_of_decisions_is_whole():
    index = text_of(ROOT / "docs" / "adr" / "README.md")
    files = sorted(path.name for path in (ROOT / "docs" / "adr").glob("0*.md"))
    assert re.findall(r"\]\((0[^)]+)\)", index) == files
    assert len({name[:4] for name in files}) == len(files)


def test_terms_of_the_glossary_are_words_of_the_code():
    files = [path for path in SOURCE.glob("**/*.py") if "migrations" not in path.parts]
    code = {word for path in files for word in re.findall(r"\w+", text_of(path))}
    terms = re.findall(r"^\| ([A-Z][A-Za-z]+) \|", text_of(ROOT / "GLOSSARY.md"), re.M)
    assert len(terms) > 80
    assert [term for term in terms if term not in code] == []


@pytest.mark.parametrize("page", ["roles.md", "roles.zh-CN.md"])
def test_who_the_procedure_names_may_do_it(page):
    """The written division of work and the shipped roles are one: whoever is named has the right the line needs."""
    shipped = json.loads(text_of(SOURCE / "accounts" / "content" / "roles.json"))["roles"]
    rights = {role["code"]: set(role["permissions"]) for role in shipped}
    lines = re.findall(r"^\| [^`|]+ \| ([^|]*`) \| `([a-z.-]+)` \|", text_of(ROOT / "docs" / "guide" / page), re.M)
    assert len(lines) == 15
    named = [(role, right) for roles, right in lines for role in re.findall(r"`([a-z-]+)`", roles)]
    assert [pair for pair in named if pair[1] not in rights[pair[0]]] == []
    at_work = {code for code, may in rights.items() if may & {"tasks.work", "tasks.distribute", "reports.department"}}
    assert at_work - {role for role, _right in named} == set()


def test_every_room_stands_on_a_floor_of_the_picture():
    """ARCHITECTURE draws the floors; the list that import-linter checks holds the same rooms in the same order."""
    rooms = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    picture = text_of(ROOT / "ARCHITECTURE.md").split("```")[1]
    drawn = [line.split("  ")[0] for line in picture.splitlines() if re.match(r"[a-z]", line)]
    floors = [set(re.findall(r"\w+", line)) for line in drawn]
    assert sorted(room for floor in floors for room in floor) == sorted(rooms)
    layers = re.search(r"^layers = \[(.*?)^\]", text_of(ROOT / "pyproject.toml"), re.M | re.S)
    assert layers is not None
    checked = [set(re.findall(r"\w+", line)) for line in re.findall(r'"([^"]+)"', layers.group(1))]
    assert floors == checked
