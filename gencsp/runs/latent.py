"""Neighbours of crystals and crystals between two, by DP-CDVAE, each as one call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
from ase import Atoms

from gencsp.composition import Composition
from gencsp.diffusion.dp_cdvae.choices import DpCdvaeSampling
from gencsp.diffusion.dp_cdvae.latent import interpolations
from gencsp.diffusion.dp_cdvae.latent import neighbours as decoded_neighbours
from gencsp.diffusion.dp_cdvae.model import DpCdvaeModel, load_dp_cdvae
from gencsp.errors import RequestError
from gencsp.io.structures import atoms_of, name_of
from gencsp.provenance import join_parents
from gencsp.runs.pool_decks import InterpolateDeck, NeighboursDeck, deck_of_call
from gencsp.runs.reconstructing import decoded


def neighbours(
    structures: Iterable[Atoms] | Atoms, *, model: DpCdvaeModel | None = None, **settings: Any
) -> Iterator[Atoms]:
    """Crystals that are near to others in the latent space of DP-CDVAE.

    Each crystal is encoded, and z = μ + strength·ς·ε is decoded with its atoms, with ε ~ N(0, I)
    and ς the standard deviation of the prior of z in each direction. They are not relaxed, and
    atoms can be close. A neighbour does not depend on what else is in the pool, rounding aside. The
    move ``latent-neighbour`` does the same in searches.

    Args:
        structures: crystals, or one of them.
        model: in memory, in place of the file of weights.
        settings: fields of :class:`~gencsp.runs.pool_decks.NeighboursDeck`, where each is
            described.

    Yields:
        ``n`` neighbours of the first crystal, then of the second, and so on; ``parents`` is the id
        of the crystal, or its place in the pool where it has none.

    Raises:
        DeckError: an unknown setting, or one out of range.
        WeightsError: no weights are given, or they are damaged or of another model.
        RequestError: a structure is no crystal, or one that the model has no room for.
    """
    deck = deck_of_call(NeighboursDeck, settings)
    model = load_dp_cdvae(deck.weights, device=deck.device) if model is None else model
    return _neighbours(atoms_of(structures), deck, model)


def _neighbours(
    structures: Iterable[Atoms], deck: NeighboursDeck, model: DpCdvaeModel
) -> Iterator[Atoms]:
    sampling = DpCdvaeSampling(rule=deck.rule, steps=deck.levels, noise=deck.noise)
    left = ((atoms, k, i) for k, atoms in enumerate(structures) for i in range(deck.n))
    while some := list(islice(left, deck.batch_size)):
        made = decoded_neighbours(
            model,
            [atoms for atoms, _, _ in some],
            [deck.strength] * len(some),
            sampling=sampling,
            cell=deck.cell,
            rngs=[np.random.default_rng([deck.seed, k, i]) for _, k, i in some],
        )
        for (atoms, k, i), result in zip(some, made, strict=True):
            parent = name_of(atoms, k)
            named = f"{parent}-neighbour-{i}"
            yield decoded(result, named, parent, seed=deck.seed, model=model)


def interpolate(
    one: Atoms, other: Atoms, *, model: DpCdvaeModel | None = None, **settings: Any
) -> list[Atoms]:
    """Crystals on the way from one to another in the latent space of DP-CDVAE.

    Both are encoded; points on the arc between their μ are decoded with the atoms of the first. All
    begin from the same noise, so that what differs along the way comes from z. The first and the
    last are the reconstructions of the two, the last one with the atoms in the order of the first
    crystal. They are not relaxed, and atoms can be close. The move ``latent-interpolation`` does
    the same in searches.

    Args:
        one: a crystal.
        other: a crystal of the same reduced formula; it may have another number of atoms.
        model: in memory, in place of the file of weights.
        settings: fields of :class:`~gencsp.runs.pool_decks.InterpolateDeck`, where each is
            described.

    Returns:
        ``points`` crystals; ``parents`` names both, by their ids, or by 0 and 1 where they have
        none.

    Raises:
        DeckError: an unknown setting, or one out of range.
        WeightsError: no weights are given, or they are damaged or of another model.
        RequestError: the formulas differ, or a structure is no crystal, or one that the model has
            no room for.
    """
    deck = deck_of_call(InterpolateDeck, settings)
    (first,), (last,) = atoms_of(one, what="one"), atoms_of(other, what="other")
    formulas = [Composition.of(atoms) for atoms in (first, last)]
    if formulas[0] != formulas[1]:
        raise RequestError(
            f"the crystals are {formulas[0]} and {formulas[1]}: give two of one formula."
        )
    model = load_dp_cdvae(deck.weights, device=deck.device) if model is None else model
    sampling = DpCdvaeSampling(rule=deck.rule, steps=deck.levels)
    parents = join_parents([name_of(first, 0), name_of(last, 1)])
    found: list[Atoms] = []
    left = iter(np.linspace(0.0, 1.0, deck.points).tolist())
    while some := list(islice(left, deck.batch_size)):
        made = interpolations(
            model,
            [(first, last)] * len(some),
            some,
            sampling=sampling,
            cell=deck.cell,
            rngs=[np.random.default_rng([deck.seed]) for _ in some],
        )
        for atoms in made:
            named = f"{name_of(first, 0)}-{name_of(last, 1)}-{len(found)}"
            found.append(decoded(atoms, named, parents, seed=deck.seed, model=model))
    return found
