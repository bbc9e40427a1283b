"""Doors. Every view declares what it takes to come in; a view that declares nothing is shut."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache, lru_cache, wraps
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import get_template, render_to_string
from django.urls import NoReverseMatch, get_urlconf, resolve, reverse
from django.utils.http import urlencode
from django.utils.module_loading import import_string
from markupsafe import Markup

from careloop.kernel.access import Permission
from careloop.kernel.errors import Refused
from careloop.kernel.prepared import Asked
from careloop.kernel.viewer import Viewer

View = Callable[..., HttpResponse]


class PageRequest(HttpRequest):
    """A request after the middleware: it knows its viewer, and the id that ties log, audit and answer together."""

    viewer: Viewer
    request_id: str
    shown_csrf_token: str
    is_part: bool  # while a part of a page is made


def declared(view: View, *, permission: str, methods: tuple[str, ...]) -> View:
    """Writes on the door what it asks for: the guards and the menu read it there."""
    vars(view).update(permission=permission, methods=methods)
    return view


class QueryInTemplate(RuntimeError):
    """A template asked the database. The view fetches; the template shows."""


def page(permission: Permission, *, methods: tuple[str, ...] = ("GET",)) -> Callable[[View], View]:
    """A staff page or fragment. Not signed in → login; signed in without the permission → 403; other method → 405."""

    def declare(view: View) -> View:
        @wraps(view)
        def guarded(request: PageRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.viewer.is_staff and not request.viewer.everything:
                return _to_login(request)
            if not request.viewer.can(permission):
                raise PermissionDenied
            if not takes(request, methods):
                return not_this_way(request, methods)
            whole = request.viewer
            request.viewer = whole.within(permission)  # only the places where this very permission holds
            try:
                return view(request, *args, **kwargs)
            finally:
                request.viewer = whole  # a part of a page was made: the page goes on with its own

        return declared(guarded, permission=permission.code, methods=methods)

    return declare


def public_page(why: str, *, methods: tuple[str, ...] = ("GET", "POST")) -> Callable[[View], View]:
    """A door without a permission, for a reason that stands in the code."""

    def declare(view: View) -> View:
        @wraps(view)
        def guarded(request: PageRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not takes(request, methods):
                return not_this_way(request, methods)
            return view(request, *args, **kwargs)

        return declared(guarded, permission=f"public: {why}", methods=methods)

    return declare


def takes(request: HttpRequest, methods: tuple[str, ...]) -> bool:
    """Whether a door is open to this method; who may read may ask for the head alone."""
    return request.method in methods or (request.method == "HEAD" and "GET" in methods)


def not_this_way(request: HttpRequest, methods: tuple[str, ...]) -> HttpResponse:
    """405. Somebody who typed or kept the address of a button gets the site's own page; a script the bare answer."""
    scripted = "HX-Request" in request.headers or "X-Requested-With" in request.headers
    if request.method == "GET" and not scripted:
        answer = import_string(import_string(f"{get_urlconf() or settings.ROOT_URLCONF}.handler405"))(request)
    else:
        answer = HttpResponse(status=405)
    answer.headers["Allow"] = ", ".join(methods)
    return answer


def _to_login(request: HttpRequest) -> HttpResponse:
    """htmx follows a redirect inside the fragment, so it is told to load the whole page instead."""
    if request.headers.get("HX-Request"):
        return HttpResponse(status=401, headers={"HX-Redirect": settings.LOGIN_URL})
    return HttpResponseRedirect(f"{settings.LOGIN_URL}?{urlencode({'next': request.get_full_path()})}")


def refuse_undeclared_views(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    """Middleware: an undeclared view is shut, and a Refused becomes words on the page."""

    class Middleware:
        def __call__(self, request: HttpRequest) -> HttpResponse:
            return get_response(request)

        def process_view(self, request: HttpRequest, view: View, args: Any, kwargs: Any) -> None:
            namespace = request.resolver_match.namespace if request.resolver_match else ""
            if namespace.startswith("api-"):  # each operation has its own Door
                return
            if not hasattr(view, "permission"):
                name = getattr(view, "__name__", repr(view))
                raise ImproperlyConfigured(f"{view.__module__}.{name} declares no @page permission")

        def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
            if isinstance(error, Refused):
                context = {"message": str(error), "code": error.code}
                template = "ui/refused.html" if _wants_whole_page(request) else "ui/_refused.html"
                return render(request, template, context, status=error.status)
            return None

    return Middleware()


def _wants_whole_page(request: HttpRequest) -> bool:
    """A staff form that was sent without a script loads a page; htmx and fetch want the words alone."""
    viewer = getattr(request, "viewer", None)
    scripted = "HX-Request" in request.headers or "X-Requested-With" in request.headers
    return viewer is not None and viewer.is_staff and not scripted


def part(request: PageRequest, name: str, *args: Any) -> Markup | None:
    """A part of a page that another room shows: its own view, through its own door, in this same request.

    None when the address does not exist, the door is shut or there is nothing to show. Later the part refreshes itself
    by its own address, as always.
    """
    try:
        view, names = _door(name, len(args), get_urlconf() or settings.ROOT_URLCONF)
    except NoReverseMatch:
        return None
    if not request.viewer.can(view.permission):
        return None
    outside, request.is_part = getattr(request, "is_part", False), True
    try:
        answer = view(request, **dict(zip(names, args, strict=True)))
    finally:
        request.is_part = outside
    if answer.status_code != 200:
        return None
    return Markup(answer.said if type(answer) is Piece else answer.content.decode())  # made by our own template


@lru_cache(maxsize=500)
def _door(name: str, count: int, _urlconf: object) -> tuple[Any, tuple[str, ...]]:
    """The view behind the name of a route whose values are ids, and what it calls them, in the order of the address."""
    stand_ins = [uuid4() for _ in range(count)]
    match = resolve(reverse(name, args=stand_ins))
    by_value = {value: called for called, value in match.kwargs.items()}
    return match.func, tuple(by_value[one] for one in stand_ins)


def render(
    request: HttpRequest, template: str, context: dict[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    """Render a page or fragment. In development and tests a query inside the template raises QueryInTemplate.

    What the frame of a staff page shows from the database is fetched here, before the template shows it.
    """
    if _is_framed(template) and _is_staff(request):
        context = {**(context or {}), "frame": _frame()(request)}
    if not settings.FORBID_QUERIES_IN_TEMPLATES:
        said = render_to_string(template, context, request)
    else:
        with connection.execute_wrapper(_refuse_query):
            said = render_to_string(template, context, request)
    kind = Piece if getattr(request, "is_part", False) else HttpResponse
    return kind(said, status=status)


class Piece(HttpResponse):
    """The answer of a part, which is put into the page as text: it becomes a whole answer only when a view wants more."""

    def __init__(self, said: str, *, status: int) -> None:
        self.said, self.status_code = said, status

    def __getattr__(self, name: str) -> Any:
        """Headers, cookies and bytes, when somebody asks for the first of them."""
        if "_charset" in vars(self):
            raise AttributeError(name)
        super().__init__(self.said, status=self.status_code)
        return getattr(self, name)


FRAMES = frozenset({"ui/base.html"})
_EXTENDS = re.compile(r'{%-?\s*extends\s+"([^"]+)"')


@lru_cache(maxsize=1000)
def _is_framed(template: str) -> bool:
    """Whether a template stands in the frame of the staff pages."""
    if template in FRAMES:
        return True
    source, _name, _fresh = get_template(template).template.environment.loader.get_source(None, template)  # type: ignore[attr-defined]  # Jinja's
    match = _EXTENDS.search(source)
    return match is not None and _is_framed(match[1])


def _is_staff(request: HttpRequest) -> bool:
    viewer = getattr(request, "viewer", None)
    return viewer is not None and viewer.is_staff


@cache
def _frame() -> Callable[[HttpRequest], dict[str, Markup | None]]:
    found: Callable[[HttpRequest], dict[str, Markup | None]] = import_string(settings.FRAME)
    return found


def asked_by_frame(viewer: Viewer) -> Sequence[Asked[Any]]:
    """What stands around a staff page asks this, as the person before the page narrowed them: a page that knows its own
    questions sends these with them.
    """
    return _frame_asks()(viewer.whole)


@cache
def _frame_asks() -> Callable[[Viewer], Sequence[Asked[Any]]]:
    found: Callable[[Viewer], Sequence[Asked[Any]]] = import_string(settings.FRAME_ASKS)
    return found


def _refuse_query(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    raise QueryInTemplate(f"fetch it in the view (select_related / prefetch_related / reads.py): {sql[:200]}")
