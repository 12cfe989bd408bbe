"""Potentials by name: ours and third parties', through the entry points ``gencsp.potentials``.

An entry point names a function that takes a :class:`PotentialRequest` and returns an engine::

    [project.entry-points."gencsp.potentials"]
    mine = "my_package:make_engine"
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from gencsp.deck_base import check_fields
from gencsp.errors import EngineError, PotentialError

if TYPE_CHECKING:
    from gencsp.engine.base import Engine

GROUP = "gencsp.potentials"

#: The potential of everything, unless another one is asked for.
DEFAULT = "chgnet"


@dataclass(frozen=True, slots=True, kw_only=True)
class PotentialRequest:
    """What is asked of a potential.

    Attributes:
        variant: which of its models, what stands behind the colon; empty for its own choice.
        engine: "native", "torch" or "auto", for potentials that gencsp's own engines run.
        device: a torch device; ``None`` leaves it to the potential.
    """

    variant: str = ""
    engine: Literal["auto", "native", "torch"] = "auto"
    device: str | None = None

    def __post_init__(self) -> None:
        check_fields(self, EngineError)


def potential_names() -> tuple[str, ...]:
    """Names of all potentials that are known, sorted; their packages may still be missing."""
    return tuple(sorted(_registered()))


def get_potential(
    name: str = DEFAULT,
    *,
    engine: Literal["auto", "native", "torch"] = "auto",
    device: str | None = None,
) -> Engine:
    """A potential, loaded once for each name.

    Args:
        name: ``NAME`` or ``NAME:MODEL`` of :func:`potential_names`, such as ``chgnet:r2scan``,
            ``sevennet`` or ``matgl:FOLDER``; ``FILE.py`` or ``FILE.py:FUNCTION`` for a file with a
            function that returns an ASE calculator (``calculator`` if not named); or
            ``package.module:FUNCTION`` for one that can be imported.
        engine: which of gencsp's engines runs CHGNet.
        device: a torch device.

    Raises:
        PotentialError: no potential has this name, its package is missing, or it cannot be loaded.
        EngineError, WeightsError: as :func:`gencsp.engine.select.get_engine`.
    """
    return _made(name, engine, device)


@lru_cache(maxsize=8)
def _made(name: str, engine: Literal["auto", "native", "torch"], device: str | None) -> Engine:
    first, _, variant = name.partition(":")
    request = PotentialRequest(variant=variant, engine=engine, device=device)
    if first not in _registered() and "-" in first:
        # As the models are called in hulls and results: chgnet-r2scan, sevennet-7net-0.
        shorter, _, rest = first.partition("-")
        if shorter in _registered() and not variant:
            first, variant = shorter, rest
    if first in _registered():
        make: Callable[[PotentialRequest], Engine] = _registered()[first].load()
        return make(replace(request, variant=variant))
    from gencsp.potentials.own import from_file, from_import

    if first.endswith(".py"):
        return from_file(Path(first), variant or "calculator")
    if "." in first and variant:
        return from_import(first, variant)
    raise PotentialError(
        f"there is no potential '{name}': choose from {', '.join(potential_names())}, or give "
        f"FILE.py:FUNCTION or package.module:FUNCTION with a function that returns an ASE "
        f"calculator."
    )


@cache
def _registered() -> MappingProxyType[str, EntryPoint]:
    return MappingProxyType({point.name: point for point in entry_points(group=GROUP)})
