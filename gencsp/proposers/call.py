"""Proposals in one call, for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from ase import Atoms
from ase.cell import Cell
from numpy.typing import ArrayLike

from gencsp.composition import Composition
from gencsp.deck import CellAtoms, Count, Seed, check
from gencsp.errors import WrongTypeError
from gencsp.proposers.base import ProposerContext, Request
from gencsp.proposers.drawing import assign_ids
from gencsp.proposers.registry import ProposerGiven, get_proposer, label_of


def propose(
    formula: str,
    *,
    n: int = 20,
    max_atoms: int = 20,
    proposer: ProposerGiven = "mixed",
    seed: int = 0,
    host: Atoms | None = None,
    units: int | Iterable[int] | None = None,
    cell: Cell | Atoms | ArrayLike | None = None,
    volume: float | None = None,
    space_groups: int | Iterable[int] | None = None,
    pressure: float = 0.0,
    options: Mapping[str, Any] | None = None,
    context: ProposerContext | None = None,
) -> Iterator[Atoms]:
    """Propose structures of a composition, lazily.

    Args:
        formula: such as ``Li5Si2``; it is reduced.
        n: how many.
        max_atoms: most atoms in a primitive cell (a host may have more).
        proposer: one of :func:`~gencsp.proposers.proposer_names`, with or without options
            (``random:attempts=5``), or the TOML deck of an external generator; or a proposer, or a
            function of a request and ``rng=`` that returns structures.
        seed: the same seed gives the same structures.
        host: structure whose atoms and cell stay, to be completed to the composition.
        units: formula units in a cell; ``None`` allows all numbers that fit.
        cell: fixed cell, or a structure that has it; ``None`` draws one.
        volume: Å³/atom; ``None`` predicts it.
        space_groups: number, or numbers to draw from, for proposers with symmetry.
        pressure: GPa, for proposers that use it.
        options: of the proposer's own, such as ``{"separation": 0.5}``.
        context: settings that all proposers share, such as weights and sampler.

    Yields:
        Crystals with exactly the composition asked for and their provenance in ``info``.

    Raises:
        CompositionError, RequestError: the formula cannot be read, or the parts disagree.
        DeckError: an option is unknown or out of range.
        WeightsError: the score model's weights are missing or damaged.
    """
    check("n", n, Count)
    check("max_atoms", max_atoms, CellAtoms)
    check("seed", seed, Seed)
    composition = Composition.parse(formula).reduced
    largest = max_atoms if host is None else max(max_atoms, len(host) * composition.size)
    request = Request(
        composition=composition,
        n=n,
        units=tuple(composition.units_within(largest)) if units is None else _several(units),
        cell=None if cell is None else _cell(cell),
        volume_per_atom=volume,
        host=host,
        space_groups=None if space_groups is None else _several(space_groups),
        pressure=pressure,
    )
    maker = get_proposer(proposer, options, context=context)
    made = maker.propose(request, rng=np.random.default_rng(seed))
    return assign_ids(made, prefix=f"{composition}-{label_of(proposer)}-{seed}", seed=seed)


def _several(given: int | Iterable[int]) -> tuple[int, ...]:
    """One number or several; what they are is checked by the request."""
    return tuple(given) if isinstance(given, Iterable) else (given,)


def _cell(given: Cell | Atoms | ArrayLike) -> Cell:
    if isinstance(given, Atoms):
        return given.cell
    try:
        return Cell.ascell(given)
    except (TypeError, ValueError) as error:
        raise WrongTypeError(
            f"cell is a {type(given).__name__}: give an ase.Atoms, its cell, or three vectors in Å."
        ) from error
