"""Templates compiled once for each language, with the fixed words already in them.

A page says some hundred words and draws some dozen icons, the same ones every time in one language. Said while the
template is compiled they become part of the text around them. What has a value in it (`_("%(n)s days", n=n)`) is said
when the page is made, as always.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, cast

from django.http import HttpRequest
from django.template import TemplateDoesNotExist
from django.template.backends import jinja2 as backend
from django.utils import translation
from jinja2 import Environment, Template, TemplateNotFound, TemplateSyntaxError, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.environment import TemplateModule
from jinja2.runtime import Context, Macro
from jinja2.utils import missing
from jinja2.visitor import NodeTransformer
from markupsafe import (  # type: ignore[attr-defined]  # the inner one has no public name; it is what escape() calls
    Markup,
    _escape_inner,
    escape,
)


class _InOnePiece(CodeGenerator):
    """What stands between two tags leaves the template as one text, not piece by piece; a plain text in it is escaped at once.

    A list of sixty rows is put out in a tenth of the steps. The words are the same, and so is the order of what is asked.
    """

    _pieces: int | None = None  # of the text being written; None outside of one

    def visit_Output(self, node: nodes.Output, frame: Frame) -> None:
        """`yield concat((a, b, c,))` for `yield a`, `yield b`, `yield c`."""
        if frame.buffer is not None or len(node.nodes) == 1:  # a macro gathers its pieces already
            super().visit_Output(node, frame)
            return
        self._pieces = 0
        super().visit_Output(node, frame)
        if self._pieces:
            self.write(",))")
        self._pieces = None

    def writeline(self, x: str, node: nodes.Node | None = None, extra: int = 0) -> None:
        """Jinja's own, but a piece that follows another is put beside it."""
        if self._pieces is not None and x.startswith("yield "):
            if self._pieces:
                self.write(",")
            x = x.removeprefix("yield ") if self._pieces else x.replace("yield ", "yield concat((", 1)
            self._pieces += 1
        super().writeline(x, node, extra)

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        if _is_plain(frame, finalize):
            self.write("(escape_text(it) if type(it := ")
        else:
            super()._output_child_pre(node, frame, finalize)

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        if _is_plain(frame, finalize):
            self.write(") is str else escape(it))")
        else:
            super()._output_child_post(node, frame, finalize)


def _is_plain(frame: Frame, finalize: Any) -> bool:
    """Whether a value is escaped, and nothing else happens to it."""
    return bool(frame.eval_ctx.autoescape) and not frame.eval_ctx.volatile and finalize.src is None


_PLAIN = {FunctionType, MethodType, BuiltinFunctionType, type(lru_cache(len))}


_OF_DICTIONARIES = frozenset(dir(dict))


class _QuickContext(Context):
    """Jinja's own; what takes no more than its values is called without asking it what else it wants."""

    def call(
        __self, __obj: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:  # the names are Jinja's: values may be called anything
        kind = type(__obj)
        if kind is Macro:
            args = (__self.eval_ctx, *args)
        elif kind not in _PLAIN or hasattr(__obj, "jinja_pass_arg"):
            return super().call(__obj, *args, **kwargs)
        if kwargs:
            kwargs.pop("_loop_vars", None)
            kwargs.pop("_block_vars", None)
        return __obj(*args, **kwargs)


class _QuickTemplate(Template):
    """A template that knows the names of its environment and no others, so what it imports is one module for all pages."""

    @cached_property
    def _names(self) -> dict[str, Any]:
        return dict(self.globals)

    def new_context(
        self, vars: dict[str, Any] | None = None, shared: bool = False, locals: Mapping[str, Any] | None = None
    ) -> Context:
        """Jinja's own gathers the names of the environment one by one, each time."""
        known = (vars or {}) if shared else self._names | (vars or {})
        if locals:
            known = known | {name: value for name, value in locals.items() if value is not missing}
        return _QuickContext(self.environment, known, self.name, self.blocks)

    def _get_default_module(self, ctx: Context | None = None) -> TemplateModule:
        found: TemplateModule | None = self._module
        return super()._get_default_module() if found is None else found


class SpeakingEnvironment(Environment):
    """An environment that may know its language, and the functions whose answer follows from it and their constants."""

    code_generator_class = _InOnePiece
    context_class = _QuickContext
    template_class = _QuickTemplate
    language: str | None = None
    fixed: dict[str, Callable[..., Any]] = {}

    def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> str:
        """Jinja's own place to have a hand in what is compiled."""
        if self.language is not None:
            with translation.override(self.language):
                _Fold(self.fixed).visit(source)
        made = super()._generate(source, *args, **kwargs)
        return made.replace(
            "\nname = ", "\nescape, escape_text = environment.shown, environment.shown_text; name = ", 1
        )

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Jinja's own; what a dictionary holds is taken from it without first asking for what every dictionary can do."""
        if type(obj) is dict and attribute in obj and attribute not in _OF_DICTIONARIES:
            return obj[attribute]
        try:
            return getattr(obj, attribute)
        except AttributeError:
            return super().getattr(obj, attribute)

    shown_text = staticmethod(_escape_inner)

    @staticmethod
    def shown(value: Any) -> str:
        """`escape` for what is only put out: the same text, without the wrapping that marks it as escaped."""
        kind = type(value)
        if kind is str:
            return _escape_inner(value)
        return value if kind is Markup else escape(value)


class _Fold(NodeTransformer):
    """Calls of the known functions with nothing but constants become what they give."""

    def __init__(self, fixed: dict[str, Callable[..., Any]]) -> None:
        self.fixed = fixed

    def visit_Call(self, node: nodes.Call) -> nodes.Node:
        self.generic_visit(node)
        known = self.fixed.get(_name(node.node))
        values = [one.value for one in node.args if isinstance(one, nodes.Const)]
        is_fixed = (
            len(values) == len(node.args) and not node.kwargs and node.dyn_args is None and node.dyn_kwargs is None
        )
        if known is None or not is_fixed or any("%" in str(value) for value in values):
            return node
        return nodes.Const(known(*values), lineno=node.lineno)


def _name(node: nodes.Node) -> str:
    if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name):
        return f"{node.node.name}.{node.attr}"
    return node.name if isinstance(node, nodes.Name) else ""


class _Spoken(backend.Template):
    """Django's template, without the two ways to write a form's token that our pages do not use (`csrf_token_value`)."""

    def render(self, context: dict[str, Any] | None = None, request: HttpRequest | None = None) -> str:
        known = {} if context is None else context
        if request is not None:
            known["request"] = request
            for processor in self.backend.template_context_processors:
                known.update(processor(request))
        said: str = self.template.render(known)
        return said


class Templates(backend.Jinja2):
    """Django's Jinja2 with an environment for each language that is spoken."""

    def __init__(self, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._environments: dict[str, SpeakingEnvironment] = {}
        self._templates: dict[tuple[str, str], backend.Template] = {}

    def get_template(self, template_name: str) -> backend.Template:
        """The template in the language of the moment. Raises what Django's own raises."""
        language = translation.get_language()
        if language is None or self.env.auto_reload:
            return super().get_template(template_name)
        found = self._templates.get((language, template_name))
        if found is None:
            found = self._templates[language, template_name] = self._compiled(language, template_name)
        return found

    def _compiled(self, language: str, template_name: str) -> backend.Template:
        try:
            return _Spoken(self._speaking(language).get_template(template_name), self)
        except TemplateNotFound as missing:
            raise TemplateDoesNotExist(str(missing.name), backend=self) from missing
        except TemplateSyntaxError:
            return super().get_template(template_name)  # says where it is wrong

    def _speaking(self, language: str) -> Environment:
        found = self._environments.get(language)
        if found is None:
            found = cast(SpeakingEnvironment, self.env.overlay())
            found.language = language
            self._environments[language] = found
        return found
