"""Moves by name: ours, one file each, and third parties' through the entry points ``gencsp.moves``.

An entry point names a factory without arguments that returns a
:class:`~gencsp.search.moves.base.Move`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType

from gencsp.errors import RequestError
from gencsp.search.moves.base import Move, Tools
from gencsp.search.moves.neighbour_group import NeighbourGroup
from gencsp.search.moves.rattle import Rattle
from gencsp.search.moves.renoise import Renoise
from gencsp.search.moves.repaint import Repaint
from gencsp.search.moves.slabs import Slabs
from gencsp.search.moves.splice import Crossover, CutAndSplice, Heredity
from gencsp.search.moves.strain import Strain
from gencsp.search.moves.swap import Permute, Swap
from gencsp.search.moves.transmute import Transmute
from gencsp.search.moves.void import Void

__all__ = ["GROUP", "Move", "Tools", "get_move", "move_names"]

GROUP = "gencsp.moves"
_OURS: tuple[Callable[[], Move], ...] = (
    Rattle,
    Strain,
    Swap,
    Permute,
    Void,
    Slabs,
    NeighbourGroup,
    Renoise,
    Repaint,
    Heredity,
    CutAndSplice,
    Crossover,
    Transmute,
)


def move_names() -> tuple[str, ...]:
    """Names of all moves that are installed, ours first."""
    return tuple(_known())


def get_move(name: str) -> Move:
    """Make a move.

    Raises:
        RequestError: no move has this name.
    """
    try:
        return _known()[name]()
    except KeyError:
        raise RequestError(
            f"there is no move '{name}': choose from {', '.join(move_names())}."
        ) from None


@cache
def _known() -> MappingProxyType[str, Callable[[], Move]]:
    known: dict[str, Callable[[], Move]] = {make().name: make for make in _OURS}
    for point in entry_points(group=GROUP):
        known.setdefault(point.name, point.load())
    return MappingProxyType(known)
