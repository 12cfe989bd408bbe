"""Proposers by name: ours and third parties', through the entry points ``gencsp.proposers``.

An entry point names a factory that takes :class:`~gencsp.proposers.options.ProposerOptions` and
returns a :class:`~gencsp.proposers.base.Proposer`::

    [project.entry-points."gencsp.proposers"]
    mine = "my_package:MyProposer.from_options"
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING

from gencsp.errors import RequestError

if TYPE_CHECKING:
    from gencsp.proposers.base import Proposer
    from gencsp.proposers.options import ProposerOptions

GROUP = "gencsp.proposers"


def proposer_names() -> tuple[str, ...]:
    """Names of all proposers that are installed, sorted."""
    return tuple(sorted(_registered()))


def get_proposer(name: str, options: ProposerOptions | None = None) -> Proposer:
    """Make a proposer.

    Args:
        name: one of :func:`proposer_names`.
        options: see :class:`~gencsp.proposers.options.ProposerOptions`; ``None`` for its defaults.

    Raises:
        RequestError: no proposer has this name.
        WeightsError: it needs a score model whose weights are missing or damaged.
    """
    if name not in _registered():
        raise RequestError(
            f"there is no proposer '{name}': choose from {', '.join(proposer_names())}."
        )
    if options is None:
        from gencsp.proposers.options import ProposerOptions

        options = ProposerOptions()
    factory: Callable[[ProposerOptions], Proposer] = _registered()[name].load()
    return factory(options)


@cache
def _registered() -> MappingProxyType[str, EntryPoint]:
    return MappingProxyType({point.name: point for point in entry_points(group=GROUP)})
