"""What is said while a template is compiled is what would be said when the page is made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from django.template import TemplateDoesNotExist, engines
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as some
from jinja2 import DictLoader, Environment, StrictUndefined, UndefinedError, pass_context, pass_environment
from markupsafe import Markup, escape

from careloop.config.jinja import environment
from careloop.config.postgresql.base import InstantLoader
from careloop.config.templates import SpeakingEnvironment

LANGUAGES = ("zh-hans", "en")
SOURCE = {
    "words": '<a title="{{ _("Overdue") }}">{{ _("To call") }}</a>',
    "value": '{{ _("%(num)s tried, not reached yet", num=n) }}',
    "branch": '{% set w = _("Overdue") %}{{ (_("To call") if n else w) ~ "!" }}',
    "macro": '{% macro m(text=_("Overdue")) %}<b>{{ text }}</b>{% endmacro %}{{ m() }}{{ m(n) }}',
    "icons": '{% import "ui.html" as ui %}{{ ui.icon("bell") }}{{ ui.icon("bell", 14) }}{{ svg_icon(name) }}',
    "unknown": '{{ _("no such words <b>") }}{{ n }}',
    "ui.html": "{% set icon = svg_icon %}",
}


def made(language: str | None) -> SpeakingEnvironment:
    found: Any = environment(loader=DictLoader(SOURCE))
    found.language = language
    return found


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", [name for name in SOURCE if name != "ui.html"])
def test_a_template_that_knows_its_language_says_the_same(name: str, language: str) -> None:
    with translation.override(language):
        for n in (0, 3, "<&'\"", Markup("<i>"), None):
            plain, speaking = (made(one).get_template(name).render(n=n, name="x") for one in (None, language))
            assert speaking == plain


def test_the_fixed_words_are_in_the_compiled_text() -> None:
    with translation.override("zh-hans"):
        words = translation.gettext("Overdue")
        env: Any = made("zh-hans")
        source = env.compile(SOURCE["words"], raw=True)
    assert words != "Overdue"
    assert words in source
    assert "'_'" not in source


def test_the_product_speaks_the_language_of_the_moment_and_nothing_of_another_stays() -> None:
    engine = engines["jinja2"]
    said = {}
    for language in (*LANGUAGES, *LANGUAGES):
        with translation.override(language):
            context = {"count": 2, "viewer": None}
            text = engine.get_template("alerts/_bell.html").render(context)
            assert said.setdefault(language, text) == text
            assert translation.gettext("Alerts") in text
    assert said["en"] != said["zh-hans"]


@pytest.mark.parametrize("language", [*LANGUAGES, None])
def test_a_template_that_is_not_there_is_djangos_own_error(language: str | None) -> None:
    with translation.override(language), pytest.raises(TemplateDoesNotExist):
        engines["jinja2"].get_template("nowhere.html")


class Odd:
    def __html__(self) -> str:
        return "<odd>"

    def __str__(self) -> str:
        return "odd & plain"


@given(
    some.one_of(
        some.text(), some.integers(), some.floats(), some.none(), some.booleans(), some.builds(Markup, some.text())
    )
)
def test_what_is_put_out_is_escaped_as_always(value: object) -> None:
    assert str(SpeakingEnvironment.shown(value)) == str(escape(value))


def test_what_brings_its_own_markup_is_asked_for_it() -> None:
    lazy: Any = translation.gettext_lazy("Alerts")
    for value in (Odd(), SimpleNamespace(a="<"), lazy):
        assert str(SpeakingEnvironment.shown(value)) == str(escape(value))


# ---- what stands between two tags is put out in one piece

PIECES = {
    "base.html": "<h1>{{ a }}&{% block middle %}{{ b }}-{{ a }}{% endblock %}</h1>{{ a }}",
    "extends": '{% extends "base.html" %}x{{ a }}{% block middle %}{{ super() }}|{{ b }}!{{ a }}{% endblock %}y{{ b }}',
    "loops": "{% for x in rows recursive %}{{ x }}{{ loop.index }}{% else %}none{{ a }}{% endfor %}{{ a }}{{ b }}",
    "filtered": "{% for x in rows if x is not none %}[{{ x }}{{ b }}]{% endfor %}{% filter upper %}{{ a }}x{{ b }}{% endfilter %}",
    "macros": "{% macro m(x) %}<{{ x }}{{ caller() }}>{% endmacro %}{{ a }}{% call m(b) %}{{ a }}:{{ b }}{% endcall %}{{ b }}",
    "kept": "{% set both %}{{ a }}{{ b }}{% endset %}{{ both }}{{ both }}{{ a ~ b }}",
    "included": '{{ a }}{% include "loops" %}{{ b }}',
    "plain": "{% autoescape false %}{{ a }}{{ b }}{% endautoescape %}{{ a }}{{ b }}",
    "branches": "{{ a }}{% if b %}{{ b }}{{ a }}{% endif %}{{ 'x' if b }}{{ 1 }}{{ 2 }}",
}
VALUES = ("<&'\"", Markup("<i>"), None, 0, 7, Odd(), translation.gettext_lazy("Alerts"), [])


@pytest.mark.parametrize("name", PIECES)
def test_in_one_piece_a_template_says_what_jinja_says_piece_by_piece(name: str) -> None:
    ours, theirs = (
        kind(loader=DictLoader(PIECES), autoescape=True, undefined=StrictUndefined)
        for kind in (SpeakingEnvironment, Environment)
    )
    for a in VALUES:
        for b in VALUES:
            given_them = {"a": a, "b": b, "rows": [a, b, "&"]}
            assert ours.get_template(name).render(given_them) == theirs.get_template(name).render(given_them)


def test_an_unknown_name_in_the_middle_of_a_piece_is_still_an_error() -> None:
    ours = SpeakingEnvironment(autoescape=True, undefined=StrictUndefined)
    with pytest.raises(UndefinedError, match="nobody"):
        ours.from_string("<p>{{ a }} {{ nobody }} {{ a }}</p>").render(a="x")


def test_a_list_leaves_in_one_piece_for_each_row() -> None:
    ours = SpeakingEnvironment(autoescape=True)
    pieces = list(
        ours.from_string("{% for x in rows %}<td>{{ x }}</td><td>{{ x }}</td>{% endfor %}").generate(rows="ab")
    )
    assert pieces == ["<td>a</td><td>a</td>", "<td>b</td><td>b</td>"]


# ---- instants from the database


def read(text: str) -> datetime:
    return InstantLoader(0).load(text.encode())


@given(some.datetimes(timezones=some.just(UTC)))
def test_an_instant_is_read_as_the_server_writes_it(moment: datetime) -> None:
    written = moment.isoformat(sep=" ").removesuffix(":00")
    short = written[:-3].rstrip("0") + "+00" if "." in written else written
    assert read(written) == read(short) == moment
    assert read(written).tzinfo is UTC


def test_a_server_in_another_zone_tells_the_same_instant() -> None:
    east = datetime(2026, 11, 22, 8, 30, tzinfo=timezone(timedelta(hours=8)))
    assert read("2026-11-22 08:30:00+08") == east


@pytest.mark.parametrize("text", ["infinity", "-infinity", "0044-03-15 12:00:00+00 BC"])
def test_what_is_no_instant_of_ours_is_refused_as_by_django(text: str) -> None:
    with pytest.raises(Exception, match="timestamp|year"):
        read(text)


@pass_context
def with_context(context: Any, n: int = 0) -> str:
    return f"{context.resolve('outer')}/{context.resolve('one')}/{n}"


@pass_environment
def with_environment(env: Environment, **values: Any) -> str:
    return f"{type(env).__mro__[-2].__name__}{sorted(values.items())}"


CALLS = {
    "plain": "{% for one in rows %}{{ plain(one, n=1) }}{{ one.upper() }}{{ rows.index(one) }}{{ dict(a=1) }}{% endfor %}",
    "context": "{% set outer = 2 %}{% for one in rows %}{{ with_context() }}{{ with_context(n=3) }}{% endfor %}{{ with_environment(x=1) }}",
    "macro": "{% macro m(a, b='<') %}{{ a }}{{ b }}{{ caller(a) if caller is defined }}{% endmacro %}{{ m('<') }}{% call(x) m(1) %}{{ x }}>{% endcall %}",
    "blocks": "{% extends 'frame' %}{% block body %}{% for one in rows %}{{ super() }}{{ self.name() }}{% endfor %}{% endblock %}",
    "frame": "{% block name %}N{% endblock %}{% block body %}{{ plain(rows[0]) }}{% endblock %}",
    "parts": "{% set outer = '<o>' %}{% for one in rows %}{% include 'part' %}{% endfor %}{% include 'part' ignore missing %}",
    "part": "{{ one|default('none') }}{{ outer }}{% import 'kept' as kept %}{{ kept.m(outer) }}{{ kept.constant }}",
    "kept": "{% set constant = plain('k') %}{% macro m(x) %}{{ plain(x) }}{{ outer is defined }}{% endmacro %}",
    "sharing": "{% set outer = 'o' %}{% import 'kept' as kept with context %}{{ kept.m(1) }}{% from 'kept' import m %}{{ m(2) }}",
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_imports_and_parts_say_what_jinja_says(name: str) -> None:
    values: dict[str, Any] = {"rows": ["a", "<b>"], "one": "outside", "nothing": None}
    if name in ("part", "kept"):
        values["outer"] = "given"
    said = []
    for kind in (SpeakingEnvironment, Environment):
        env = kind(loader=DictLoader(CALLS), autoescape=True, undefined=StrictUndefined)
        env.globals.update(
            plain=lambda x, n=0: f"[{x}{n}]", with_context=with_context, with_environment=with_environment
        )
        said += [env.get_template(name).render(values), env.get_template(name).render(**values)]
    assert len(set(said)) == 1


@pytest.mark.parametrize("source", ["{{ nothing() }}", "{{ unknown() }}", "{{ given.unknown(1) }}", "{{ given('x') }}"])
def test_what_cannot_be_called_is_an_error(source: str) -> None:
    env = SpeakingEnvironment(undefined=StrictUndefined)
    with pytest.raises((UndefinedError, TypeError)):
        env.from_string(source).render(nothing=None, given="text")


def test_an_imported_template_is_made_once_for_all_pages() -> None:
    env = SpeakingEnvironment(loader=DictLoader(CALLS), autoescape=True, undefined=StrictUndefined)
    times = []
    env.globals.update(plain=lambda x, n=0: times.append(x) or x)
    for outer in ("a", "b", "c"):
        assert env.get_template("part").render(outer=outer, one=1) == f"1{outer}{outer}Falsek"
    assert times.count("k") == 1


def test_the_sheet_of_keys_is_in_the_compiled_page_in_its_language() -> None:
    engine: Any = engines["jinja2"]
    for language in LANGUAGES:
        with translation.override(language):
            plain = engine.env.get_template("ui/ui.html").module.shortcut_sheet()
            speaking = engine.get_template("ui/base.html").template
            shown = "".join(speaking.blocks["shortcuts"](speaking.new_context({})))
            assert shown == plain
            assert translation.gettext("Open the row") in shown


def test_what_a_dictionary_holds_is_found_as_jinja_finds_it() -> None:
    names = ("items", "get", "a", "b", "keys", "copy", "nothing", "__class__")
    things: list[Any] = [
        {"a": 1, "items": 2, "b": None},
        {"keys": 3, "copy": 4},
        SimpleNamespace(a=5, items=6),
        {},
        [],
        "text",
        None,
    ]
    ours, theirs = SpeakingEnvironment(), Environment()
    for thing in things:
        for name in names:
            assert ours.getattr(thing, name) == theirs.getattr(thing, name), (thing, name)
