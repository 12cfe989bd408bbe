"""Proposals in one call, for scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from ase import Atoms
from ase.cell import Cell

from gencsp.composition import Composition
from gencsp.deck import CellAtoms, Count, Seed, check
from gencsp.proposers.base import ProposerContext, Request
from gencsp.proposers.drawing import assign_ids
from gencsp.proposers.registry import get_proposer, label_of


def propose(
    formula: str,
    *,
    n: int = 20,
    max_atoms: int = 20,
    proposer: str | Mapping[str, Any] = "mixed",
    seed: int = 0,
    host: Atoms | None = None,
    cell: Cell | None = None,
    volume_per_atom: float | None = None,
    space_groups: tuple[int, ...] | None = None,
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
            (``random:attempts=5``), or the TOML deck of an external generator.
        seed: the same seed gives the same structures.
        host: structure whose atoms and cell stay, to be completed to the composition.
        cell: fixed cell; ``None`` draws one.
        volume_per_atom: Å³/atom; ``None`` predicts it.
        space_groups: numbers to draw from, for proposers with symmetry.
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
        units=tuple(composition.units_within(largest)),
        cell=cell,
        volume_per_atom=volume_per_atom,
        host=host,
        space_groups=space_groups,
        pressure=pressure,
    )
    maker = get_proposer(proposer, options, context=context)
    made = maker.propose(request, rng=np.random.default_rng(seed))
    return assign_ids(made, prefix=f"{composition}-{label_of(proposer)}-{seed}", seed=seed)
