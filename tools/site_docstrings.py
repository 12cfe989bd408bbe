"""Makes the docstrings of the package readable on the documentation site.

A role of Sphinx, such as ``:class:`~gencsp.filters.base.Filter` ``, becomes a link where the site
has a page with that object, and code where it has none. An option of a deck or plug-in is described
by the ``description`` of its field. mkdocs.yml names this file as an extension of Griffe.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from typing import Any

from griffe import (
    Attribute,
    Docstring,
    ExprCall,
    ExprKeyword,
    Extension,
    Module,
    NameResolutionError,
    Object,
)

_ROLE = re.compile(r":(?:py:)?(?:attr|class|data|exc|func|meth|mod):`([^`]+)`")
_LITERAL = re.compile(r"``(.+?)``", re.DOTALL)
_TITLED = re.compile(r"(.+?)\s*<(.+)>", re.DOTALL)


class SiteDocstrings(Extension):
    """Rewrites the docstrings of a package when all of it has been read."""

    def on_package(self, *, pkg: Module, **kwargs: Any) -> None:
        for each in _objects(pkg):
            if isinstance(each, Attribute) and each.docstring is None:
                described = field_description(each)
                each.docstring = Docstring(described, parent=each) if described else None
            if each.docstring is not None:
                each.docstring.value = as_markdown(each.docstring.value, _resolver(each))


def as_markdown(text: str, resolve: Callable[[str], str]) -> str:
    """A docstring with links in place of roles, and single backquotes in place of double ones.

    Args:
        text: of the docstring.
        resolve: gives the dotted path of what the docstring calls by a short name.
    """
    text = _ROLE.sub(lambda found: _link(found[1], resolve), text)
    return _LITERAL.sub(lambda found: found[0] if "`" in found[1] else f"`{found[1]}`", text)


def field_description(attribute: Attribute) -> str:
    """The ``description`` that pydantic's ``Field(...)`` gives an option; empty without one."""
    call = attribute.value
    if not isinstance(call, ExprCall) or str(call.function) != "Field":
        return ""
    for argument in call.arguments:
        if isinstance(argument, ExprKeyword) and argument.name == "description":
            text = ast.literal_eval(str(argument.value))
            return str(text)
    return ""


def _link(role: str, resolve: Callable[[str], str]) -> str:
    """The link that stands for what is between the backquotes of a role."""
    words = " ".join(role.split())
    titled = _TITLED.fullmatch(words)
    target = (titled[2] if titled else words).lstrip("~").lstrip(".")
    short = words.startswith(("~", "."))
    shown = titled[1] if titled else target.rpartition(".")[2] if short else target
    path = target if target.startswith("gencsp.") else resolve(target)
    # Optional: what the site has no page of stays code, and is no error of a strict build.
    return f'<autoref optional identifier="{path}"><code>{shown}</code></autoref>'


def _objects(parent: Object) -> Iterator[Object]:
    """An object and all that stand in it; what is imported is met where it is defined."""
    yield parent
    for member in parent.members.values():
        if isinstance(member, Object):
            yield from _objects(member)


def _resolver(place: Object) -> Callable[[str], str]:
    """Finds names as Python would where a docstring stands: in the object, then around it."""

    def resolve(name: str) -> str:
        first, *rest = name.split(".")
        try:
            return ".".join([place.resolve(first), *rest])
        except NameResolutionError:
            return name

    return resolve
