"""Questions that pages ask all day: written as querysets, compiled once, asked with other values.

`@prepared` takes a function that builds a queryset from a viewer and values. Its SQL follows from the *shape* of what
came (which rights the viewer has, how many departments, which values are None), so it is compiled once for each shape and
process; after that only the values are bound. The scope is the model's own `.visible_to(viewer)`, compiled by Django with
the rest: it cannot be left out (the queryset refuses, as always) and cannot differ.

What a builder may do: hand its values on to lookups as they are. What is refused, when the statement is made: values that
are turned into something else on the way (`at - timedelta(1)` belongs to the caller), prefetching, a value of a kind
without slots. Flags and words that choose the shape are `bool`, or text given as `Literal`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache, update_wrapper
from typing import Any, Generic, TypeVar, cast
from uuid import UUID, SafeUUID, uuid4

import orjson
import psycopg
import psycopg.sql
from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.models.query import (
    BaseIterable,
    FlatValuesListIterable,
    ModelIterable,
    QuerySet,
    ValuesListIterable,
    get_related_populators,
)

from careloop.kernel.models import ScopedQuerySet
from careloop.kernel.rows import known_row
from careloop.kernel.viewer import Holding, Viewer

T = TypeVar("T")
Row = tuple[Any, ...]
Values = Mapping[str, Any]
LARGE = 4_000  # characters of a statement that is kept by the server from the first time on
MOST_SHAPES = 500  # for one question; a hospital has a few dozen


@dataclass(frozen=True, slots=True)
class Column:
    """How a value travels in JSON: as it is, or as a text that is read again."""

    read: Callable[[str], Any] | None = None
    as_text: bool = False


class CannotPrepare(TypeError):
    """The statement would not follow from the shape of the values alone."""


class Literal(str):
    """A word that chooses the shape of the statement and stands in it as it is."""

    __slots__ = ()


class Many(tuple[Any, ...]):
    """Ids or words of any number as one bound value: the statement is the same for one and for two hundred. Asked with
    `__among`, or as an array in raw SQL; a plain list is a statement for each length.
    """

    __slots__ = ()


@models.UUIDField.register_lookup
@models.CharField.register_lookup
@models.ForeignKey.register_lookup
class Among(models.Lookup):
    """`__among=Many(ids)`: `column = ANY(array)`, so that the number of ids does not stand in the text.

    The array stands behind a SELECT of its own. Seen by the planner, one id promises fewer rows than any number of them,
    so the server would never keep the plan for all values: it planned anew each time, for ten times the price of the answer.
    """

    lookup_name = "among"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        column, params = self.process_lhs(compiler, connection)
        field = self.lhs.output_field
        kind = "uuid" if isinstance(getattr(field, "target_field", field), models.UUIDField) else "text"
        return f"{column} = ANY((SELECT %s::{kind}[])::{kind}[])", [*params, self.rhs]


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """One compiled shape. `sql` has a name for each value: `%(task_id)s`. Empty: it can only answer nothing.

    `columns`: how the value of each column comes back from a line of JSON. None: it would not come back the same.
    """

    sql: str
    names: tuple[str, ...]
    rows_of: Callable[[Sequence[Row]], list[Any]]
    columns: tuple[Column, ...] | None = None


@dataclass(slots=True, eq=False)
class Asked(Generic[T]):
    """A question with its values, ready to be sent alone or with others."""

    made: Made
    values: Values

    @property
    def sql(self) -> str:
        """The statement with named places, to stand inside a larger one. Empty: no row can match."""
        return self.made.sql

    @property
    def params(self) -> dict[str, Any]:
        """What belongs into the places."""
        return {name: self.values[name] for name in self.made.names}

    @property
    def given(self) -> list[Any]:
        """Its values in the order of its places. The same statement and the same values: the same answer."""
        values = self.values
        return [values[name] for name in self.made.names]

    def fetch(self) -> list[T]:
        """Ask now, or take what was asked ahead."""
        found = _given_out(self)
        return together(self)[0] if found is None else found


def question(
    sql: str, values: Values, *, rows_of: Callable[[Sequence[Row]], list[Any]] = list,
    columns: tuple[Column, ...] | None = None,
) -> Asked[Any]:  # fmt: skip
    """Hand-written SQL with named places, to be asked with others. Its scope is its own duty.

    `rows_of` makes the answer of the rows that came.
    """
    return Asked(Made(sql, tuple(values), rows_of, columns), values)


class Prepared(Generic[T]):
    """A builder and the statements it led to so far."""

    def __init__(self, build: Callable[..., QuerySet[Any, Any]]) -> None:
        update_wrapper(self, build)
        self.build = build
        self._made: dict[Any, Made] = {}
        self._lock = threading.Lock()

    def __call__(self, *, viewer: Viewer, **values: Any) -> list[T]:
        """The rows, as the queryset would give them."""
        return self.asked(viewer=viewer, **values).fetch()

    def asked(self, *, viewer: Viewer, **values: Any) -> Asked[T]:
        """The question with its values, not sent yet."""
        shape, whose = viewer.asks_as or _asks_as(viewer)
        kinds = tuple([kind if (kind := type(value)) in _BOUND else _shape(value) for value in values.values()])
        key = (shape, *values, kinds)
        made = self._made.get(key)
        if made is None:
            made = self._make(key, viewer, values)
        return Asked(made, whose | (values if _BOUND.issuperset(kinds) else _plain_values(values)))

    def _make(self, key: Any, viewer: Viewer, values: Values) -> Made:
        with self._lock:
            if len(self._made) >= MOST_SHAPES:
                self._made.clear()
            first, second = (_compiled(self.build, viewer, values) for _ in range(2))
            if first.comparable != second.comparable:
                raise CannotPrepare(f"{self.build.__qualname__}: a value is turned into another one by the builder")
            self._made[key] = made = first.made()
            return made


def prepared(build: Callable[..., QuerySet[Any, Any]]) -> Prepared[Any]:
    """`@prepared def open_tasks(viewer, patient_id): return Task.objects.visible_to(viewer)…`"""
    return Prepared(build)


def ask(sql: str, params: Values) -> list[Row]:
    """The rows of a statement with named places. Its text is read once per process, however long it is."""
    cursor = _sent(_connection(), sql, params)
    rows: list[Row] = cursor.fetchall()
    cursor.close()
    return rows


def run(sql: str, params: Values) -> int:
    """A statement with named places that answers no rows. Gives how many it touched. For looks; actions write models."""
    cursor = _sent(_connection(), sql, params)
    touched: int = cursor.rowcount
    cursor.close()
    return touched


@lru_cache(maxsize=1000)
def _numbered(sql: str) -> tuple[str, tuple[str, ...]]:
    """`%(name)s` as the server's own `$1`, and the names in that order."""
    order: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return "%" if match[0] == "%%" else f"${order.setdefault(match[1], len(order) + 1)}"

    return re.sub(r"%\((\w+)\)s|%%", number, sql), tuple(order)


def _connection() -> Any:
    """Django's connection itself, open."""
    found = connections[DEFAULT_DB_ALIAS]
    found.ensure_connection()
    return found


def _sent(through: Any, sql: str, params: Values) -> Any:
    """A cursor that has sent the statement. Django's own while somebody counts, logs or forbids statements; else the
    driver's, whose places the server numbers itself.
    """
    if through.queries_logged or through.execute_wrappers:
        cursor = through.cursor()
        cursor.execute(sql, params)
        return cursor
    through.validate_thread_sharing()
    through.validate_no_broken_transaction()
    text, names = _numbered(sql)
    with through.wrap_database_errors:
        raw = psycopg.RawCursor(through.connection)
        # A page's large statement comes again; to plan it three times before it is kept costs more than the page.
        raw.execute(text, [params[name] for name in names], prepare=True if len(text) > LARGE else None)
    return raw


@dataclass(slots=True, eq=False)
class _Came:
    """The answer to a question asked ahead, as often as it was ordered."""

    given: list[Any]
    rows: list[Any]
    times: int = 1


_ahead: ContextVar[dict[str, list[_Came]] | None] = ContextVar("ahead", default=None)


@contextmanager
def ahead(*questions: Asked[Any]) -> Iterator[None]:
    """Ask for a whole page in one statement: whoever asks one of these questions inside gets the answer that came.

    For a page made of parts that each read for themselves. An answer is given to the same statement with the same
    values (the viewer's among them), and as often as it was ordered: who asks once more, asks the server.
    """
    ordered: dict[str, list[_Came]] = {}
    distinct: list[tuple[Asked[Any], _Came]] = []
    for one in questions:
        same, given = ordered.setdefault(one.made.sql, []), one.given
        again = next((came for came in same if came.given == given), None)
        if again is None:
            same.append(came := _Came(given, []))
            distinct.append((one, came))
        else:
            again.times += 1
    answers = at_once(*(one for one, _came in distinct))
    for (_one, came), rows in zip(distinct, answers, strict=True):
        came.rows = rows
    token = _ahead.set(_with_earlier(ordered))
    try:
        yield
    finally:
        _ahead.reset(token)


def _with_earlier(ordered: dict[str, list[_Came]]) -> dict[str, list[_Came]]:
    """What an outer page asked and has not been given out yet stays."""
    earlier = _ahead.get()
    return (
        ordered if not earlier else {sql: ordered.get(sql, []) + earlier.get(sql, []) for sql in {*earlier, *ordered}}
    )


def together(*questions: Asked[Any]) -> list[list[Any]]:
    """The answers to several questions for one journey to the server and back."""
    found = _came_ahead(questions)
    wanted = [one for one in questions if one.sql and id(one) not in found]
    if len(wanted) == 1:
        found[id(wanted[0])] = wanted[0].made.rows_of(ask(wanted[0].sql, wanted[0].params))
    elif wanted:
        through = _connection()
        with through.wrap_database_errors, through.connection.pipeline():
            cursors = [_sent(through, one.sql, one.params) for one in wanted]
            lines = [cursor.fetchall() for cursor in cursors]
        for one, rows, cursor in zip(wanted, lines, cursors, strict=True):
            found[id(one)] = one.made.rows_of(rows)
            cursor.close()
    return [found.get(id(one), []) for one in questions]


def _came_ahead(questions: Sequence[Asked[Any]]) -> dict[int, list[Any]]:
    """What was asked ahead and has not been given out yet."""
    if not _ahead.get():
        return {}
    return {id(one): rows for one in questions if (rows := _given_out(one)) is not None}


def _given_out(one: Asked[Any]) -> list[Any] | None:
    """The answer to this question if it was asked ahead, as often as it was ordered."""
    waiting = _ahead.get()
    for came in waiting.get(one.made.sql, ()) if waiting else ():
        if came.times and came.given == one.given:
            came.times -= 1
            return came.rows if not came.times else list(came.rows)
    return None


# ---- many questions, one statement ----


def at_once(*questions: Asked[Any]) -> list[list[Any]]:
    """The answers to several questions by one statement, so of one moment; its one row is a line of JSON. To send, bind
    and answer twenty small questions one by one costs more than the answers. What cannot travel so goes by itself.
    """
    found = _came_ahead(questions)
    wanted = [one for one in questions if one.sql and id(one) not in found]
    joined = [one for one in wanted if one.made.columns is not None]
    if len(joined) < 2:
        found |= {id(one): rows for one, rows in zip(wanted, together(*wanted), strict=True)}
        return [found.get(id(one), []) for one in questions]
    values: dict[str, Any] = {}
    called = tuple([_places_of(one, values) for one in joined])
    sql = _joined(tuple([one.made for one in joined]), called)
    rest = [one for one in wanted if one.made.columns is None]
    (line,), *others = together(question(sql, values), *rest)
    found |= {id(one): rows for one, rows in zip(rest, others, strict=True)}
    for one, rows in zip(joined, orjson.loads(line[0]), strict=True):
        found[id(one)] = one.made.rows_of(_read(rows or (), one.made.columns or ()))
    return [found.get(id(one), []) for one in questions]


def _places_of(one: Asked[Any], values: dict[str, Any]) -> tuple[str, ...]:
    """What a question calls its values inside the larger statement: the same value of the same name has one place."""
    found = []
    for name in one.made.names:
        called, value = name, one.values[name]
        there, n = values.setdefault(called, value), 1
        while there is not value and there != value:
            called, n = f"{name}_of_{n}", n + 1
            there = values.setdefault(called, value)
        found.append(called)
    return tuple(found)


@lru_cache(maxsize=MOST_SHAPES)
def _joined(questions: tuple[Made, ...], called: tuple[tuple[str, ...], ...]) -> str:
    """One statement out of several. `called` says under which name each finds its values."""
    parts = []
    for n, (made, names) in enumerate(zip(questions, called, strict=True)):
        sql = made.sql
        for own, name in zip(made.names, names, strict=True):
            sql = sql if own == name else sql.replace(f"%({own})s", f"%({name})s")
        columns = made.columns or ()
        listed = ", ".join(f"c{place}" for place in range(len(columns)))
        row = ", ".join(f"c{place}::text" if one.as_text else f"c{place}" for place, one in enumerate(columns))
        parts.append(f"(SELECT json_agg(json_build_array({row})) FROM ({sql}) AS q{n} ({listed}))")
    return f"SELECT json_build_array({', '.join(parts)})::text"


def _read(rows: Sequence[list[Any]], columns: Sequence[Column]) -> Sequence[Any]:
    """The rows as the driver would have given them."""
    for place, column in enumerate(columns):
        if column.read is not None:
            read = column.read
            for row in rows:
                if row[place] is not None:
                    row[place] = read(row[place])
    return rows


# ---- what the SQL follows from, and what is only bound ----


_BOUND = frozenset({UUID, str, int, Decimal, date, datetime, timedelta})
"""Kinds of values that are bound as they are and choose nothing."""
_shapes: dict[tuple[Any, ...], tuple[Any, ...]] = {}


def _asks_as(viewer: Viewer) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What follows from a viewer, who never changes: worked out once, though a page asks fifty questions as one person."""
    shape = _viewer_shape(viewer)
    if len(_shapes) >= MOST_SHAPES:
        _shapes.clear()
    known = (_shapes.setdefault(shape, shape), _viewer_values(viewer))  # one object for each shape: quickly compared
    object.__setattr__(viewer, "asks_as", known)
    return known


def _viewer_shape(viewer: Viewer) -> tuple[Any, ...]:
    granted = None if viewer.granted is None else len(viewer.granted)
    return (
        viewer.practitioner_id is None, viewer.patient_id is None, viewer.narrowed_to is None, viewer.hospital_wide,
        viewer.own_only, viewer.may_see_sensitive, viewer.everything, len(viewer.departments), granted, viewer.permissions,
    )  # fmt: skip


def _viewer_values(viewer: Viewer) -> dict[str, Any]:
    found: dict[str, Any] = {
        "by_actor": viewer.actor, "by_person": viewer.practitioner_id, "by_patient": viewer.patient_id,
        "by_narrowed": viewer.narrowed_to, "by_organization": viewer.organization_id,
    }  # fmt: skip
    for n, department in enumerate(sorted(viewer.departments)):
        found[f"by_department_{n}"] = department
    for n, patient in enumerate(sorted(viewer.granted or ())):
        found[f"by_granted_{n}"] = patient
    return found


def _shape(value: Any) -> Any:
    if value is None or isinstance(value, bool | Literal):
        return value
    if isinstance(value, Many):
        return Many
    if isinstance(value, list | tuple):
        return (type(value), tuple(_shape(one) for one in value))
    return type(value)


def _plain_values(values: Values) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Many):
            found[name] = list(value)
        elif isinstance(value, list | tuple):
            found |= {f"{name}_{n}": one for n, one in enumerate(value)}
        elif value is not None and not isinstance(value, bool | Literal):
            found[name] = value
    return found


# ---- compiling with stand-ins ----


class _StandIns:
    """Values that occur nowhere else, and the names they stand for."""

    def __init__(self) -> None:
        self.names: dict[Any, str] = {}

    def uuid(self, name: str) -> UUID:
        made = uuid4()
        self.names[made] = name
        return made

    def of(self, name: str, value: Any) -> Any:
        if value is None or isinstance(value, bool | Literal):
            return value
        if isinstance(value, list | tuple) and not isinstance(value, Many):
            return type(value)(self.of(f"{name}_{n}", one) for n, one in enumerate(value))
        made = self._like(name, value)
        self.names[made] = name
        return made

    def _like(self, name: str, value: Any) -> Any:
        chance = uuid4().int
        if isinstance(value, Many):
            return Many((self._like(name, value[0]) if value else uuid4(),))
        if isinstance(value, UUID):
            return uuid4()
        if isinstance(value, datetime):
            return datetime(1901, 1, 1, tzinfo=UTC) + timedelta(microseconds=chance % 10**15)
        if isinstance(value, date):
            return date(1901, 1, 1) + timedelta(days=chance % 20_000)
        if isinstance(value, str):
            return f"~{chance:x}"
        raise CannotPrepare(f"{name}: there is no place for {type(value).__name__}")


class _NotHere(tuple[Holding, ...]):
    """Which of its places a viewer sees is settled before a question is prepared: the text would keep the first one's."""

    __slots__ = ()

    def __bool__(self) -> bool:
        raise CannotPrepare("narrow the viewer with `within` before asking, not inside a prepared question")


_PLACE = re.compile("%[s%]")
_MEMBER = re.compile(r"(?<=^by_department_)\d+$|(?<=^by_granted_)\d+$")


@dataclass(frozen=True, slots=True)
class _Compiled:
    """Django's text, what stands at each of its places (a name, or a constant), and how rows are read."""

    text: str
    places: tuple[tuple[str, Any], ...]
    rows_of: Callable[[Sequence[Row]], list[Any]]
    columns: tuple[Column, ...] | None = None

    @property
    def comparable(self) -> tuple[Any, ...]:
        """What must come out twice the same. A set has no order, so which of its members stands where may differ."""
        return self.text, [(_MEMBER.sub("", name), value) for name, value in self.places]

    def made(self) -> Made:
        """Constants stand in the text: the server then knows, also in a plan it keeps for all values, that the rows of
        a partial index are enough.
        """
        rest = iter(self.places)

        def place(match: re.Match[str]) -> str:
            if match[0] == "%%":
                return "%%"
            name, value = next(rest)
            return f"%({name})s" if name else _constant(value)

        sql = _PLACE.sub(place, self.text)
        names = tuple(sorted({name for name, _value in self.places if name}))
        return Made(sql, names, self.rows_of, self.columns)


def _constant(value: Any) -> str:
    """The value as SQL writes it."""
    return psycopg.sql.Literal(value).as_string(_connection().connection).replace("%", "%%")


def _compiled(build: Callable[..., QuerySet[Any, Any]], viewer: Viewer, values: Values) -> _Compiled:
    stand_ins = _StandIns()
    someone = replace(
        viewer,
        actor=cast(str, stand_ins.of("by_actor", viewer.actor)),
        practitioner_id=stand_ins.of("by_person", viewer.practitioner_id),
        patient_id=stand_ins.of("by_patient", viewer.patient_id),
        narrowed_to=stand_ins.of("by_narrowed", viewer.narrowed_to),
        organization_id=stand_ins.of("by_organization", viewer.organization_id),
        holdings=_NotHere(),
        departments=frozenset(stand_ins.uuid(f"by_department_{n}") for n in range(len(viewer.departments))),
        granted=None
        if viewer.granted is None
        else frozenset(stand_ins.uuid(f"by_granted_{n}") for n in range(len(viewer.granted))),
    )
    queryset = build(someone, **{name: stand_ins.of(name, value) for name, value in values.items()})
    if isinstance(queryset, ScopedQuerySet):
        queryset._refuse_if_unscoped()
    lookups: Any = queryset  # two of Django's own names that its stubs do not know
    if lookups._prefetch_related_lookups:
        raise CannotPrepare(f"{build.__qualname__}: prefetching is another question")
    compiler = queryset.query.get_compiler(using=connection.alias)
    try:
        text, params = compiler.as_sql()
    except EmptyResultSet:
        return _Compiled("", (), lambda rows: [])
    names = stand_ins.names
    given = [names.get(param, "") if isinstance(param, UUID | date | str | Many) else "" for param in params]
    places = tuple((name, None if name else param) for name, param in zip(given, params, strict=True))
    return _Compiled(text, places, _reader(lookups._iterable_class, compiler), _columns(compiler))


# ---- rows as the queryset would give them ----


def _uuid(text: str) -> UUID:
    """The id the server wrote, without the checks of what somebody typed."""
    made = object.__new__(UUID)
    object.__setattr__(made, "int", int(text.replace("-", ""), 16))
    object.__setattr__(made, "is_safe", SafeUUID.unknown)
    return made


_PLAIN = Column()
_TRAVELS: dict[str, Column] = {
    **dict.fromkeys(("CharField", "TextField", "URLField", "EmailField", "SlugField", "BooleanField"), _PLAIN),
    **dict.fromkeys(("IntegerField", "SmallIntegerField", "PositiveIntegerField", "PositiveSmallIntegerField"), _PLAIN),
    "UUIDField": Column(_uuid),
    "DateTimeField": Column(datetime.fromisoformat),
    "DateField": Column(date.fromisoformat),
    "DecimalField": Column(Decimal, as_text=True),
    "JSONField": Column(as_text=True),  # as text it comes from the driver too, and the field reads it
}


def _columns(compiler: Any) -> tuple[Column, ...] | None:
    fields = [column[0].output_field for column in compiler.select]
    kinds = [getattr(field, "target_field", field).get_internal_type() for field in fields]
    found = [_TRAVELS.get(kind) for kind in kinds]
    return None if None in found else tuple(cast("list[Column]", found))


def _reader(kind: type[BaseIterable[Any]], compiler: Any) -> Callable[[Sequence[Row]], list[Any]]:
    converters = compiler.get_converters([column[0] for column in compiler.select[: compiler.col_count]])

    def converted(rows: Sequence[Row]) -> Iterable[Sequence[Any]]:
        return cast("Iterable[Sequence[Any]]", compiler.apply_converters(rows, converters)) if converters else rows

    if issubclass(kind, FlatValuesListIterable):
        return lambda rows: [row[0] for row in converted(rows)]
    if issubclass(kind, ValuesListIterable):
        return lambda rows: [tuple(row) for row in converted(rows)]
    if not issubclass(kind, ModelIterable):
        raise CannotPrepare(f"{kind.__name__} is not known here; use rows, values_list or a flat list")
    return _models(compiler, converted)


def _models(
    compiler: Any, converted: Callable[[Sequence[Row]], Iterable[Sequence[Any]]]
) -> Callable[[Sequence[Row]], list[Any]]:
    select, told = compiler.select, compiler.klass_info
    model, alias = told["model"], connection.alias
    begin, end = told["select_fields"][0], told["select_fields"][-1] + 1
    names = [column[0].target.attname for column in select[begin:end]]
    populators = get_related_populators(told, select, alias)  # type: ignore[call-arg]  # the stubs are of a later Django
    annotations = list(compiler.annotation_col_map.items())

    def rows_of(rows: Sequence[Row]) -> list[Any]:
        found = []
        for row in converted(rows):
            one = known_row(model, alias, names, row[begin:end])
            for populator in populators:
                populator.populate(row, one)
            for name, place in annotations:
                setattr(one, name, row[place])
            found.append(one)
        return found

    return rows_of
