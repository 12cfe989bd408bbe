"""Filters by name: ours and third parties', through the entry points ``gencsp.filters``.

An entry point names a factory that takes the options of a deck and returns a
:class:`~gencsp.filters.base.Filter`::

    [project.entry-points."gencsp.filters"]
    mine = "my_package:MyFilter.from_options"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from gencsp.errors import DeckError

if TYPE_CHECKING:
    from gencsp.filters.base import Filter

GROUP = "gencsp.filters"


def filter_names() -> tuple[str, ...]:
    """Names of all filters that are installed, sorted."""
    return tuple(sorted(_registered()))


def get_filter(name: str, options: Mapping[str, Any] | None = None) -> Filter:
    """Make a filter.

    Args:
        name: one of :func:`filter_names`.
        options: its own, as a deck names them; ``None`` for its defaults.

    Raises:
        DeckError: no filter has this name, or an option is unknown or out of range.
    """
    if name not in _registered():
        raise DeckError(f"there is no filter '{name}': choose from {', '.join(filter_names())}.")
    factory: Callable[[Mapping[str, Any]], Filter] = _registered()[name].load()
    return factory(options or {})


@cache
def _registered() -> MappingProxyType[str, EntryPoint]:
    return MappingProxyType({point.name: point for point in entry_points(group=GROUP)})
