"""Proposers by name: ours and third parties', through the entry points ``gencsp.proposers``.

An entry point names a factory that takes :class:`~gencsp.proposers.options.ProposerOptions` and
returns a :class:`~gencsp.proposers.base.Proposer`::

    [project.entry-points."gencsp.proposers"]
    mine = "my_package:MyProposer.from_options"
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from gencsp.errors import RequestError

if TYPE_CHECKING:
    from gencsp.proposers.base import Proposer
    from gencsp.proposers.options import ProposerOptions

GROUP = "gencsp.proposers"

#: How names of decks end.
DECK = ".toml"


def proposer_names() -> tuple[str, ...]:
    """Names of all proposers that are installed, sorted."""
    return tuple(sorted(_registered()))


def is_proposer(name: str) -> bool:
    """Whether a proposer has this name, or it is the deck of an external generator."""
    return name in _registered() or (name.endswith(DECK) and Path(name).is_file())


def get_proposer(name: str, options: ProposerOptions | None = None) -> Proposer:
    """Make a proposer.

    Args:
        name: one of :func:`proposer_names`, or the TOML deck of an external generator.
        options: see :class:`~gencsp.proposers.options.ProposerOptions`; ``None`` for its defaults.

    Raises:
        RequestError: no proposer has this name.
        DeckError, ProgramError: the deck cannot be read, or its program is not installed.
        WeightsError: it needs a score model whose weights are missing or damaged.
    """
    if not is_proposer(name):
        raise RequestError(
            f"there is no proposer '{name}': choose from {', '.join(proposer_names())}, or give "
            f"the TOML deck of an external generator."
        )
    if options is None:
        from gencsp.proposers.options import ProposerOptions

        options = ProposerOptions()
    if name.endswith(DECK):
        name, options = "external", replace(options, program=Path(name))
    factory: Callable[[ProposerOptions], Proposer] = _registered()[name].load()
    return factory(options)


@cache
def _registered() -> MappingProxyType[str, EntryPoint]:
    return MappingProxyType({point.name: point for point in entry_points(group=GROUP)})
