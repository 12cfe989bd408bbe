"""Reconstruction as one call: crystals into latent vectors, and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
from ase import Atoms

from gencsp.diffusion.dp_cdvae.attempts import likeliest_decoding
from gencsp.diffusion.dp_cdvae.choices import DpCdvaeSampling
from gencsp.diffusion.dp_cdvae.model import DpCdvaeModel, load_dp_cdvae
from gencsp.diffusion.dp_cdvae.sampler import Given
from gencsp.io.structures import atoms_of, name_of
from gencsp.proposers.drawing import tag_proposal
from gencsp.provenance import Provenance, Stage
from gencsp.runs.pool_decks import ReconstructDeck, deck_of_call

#: Settings of the command, which reads files.
COMMAND_ALONE = ("out",)


def reconstruct(
    structures: Iterable[Atoms] | Atoms, *, model: DpCdvaeModel | None = None, **settings: Any
) -> Iterator[Atoms]:
    """Encode crystals by DP-CDVAE and decode them again.

    Each crystal becomes z = μ + spread·σ·ε (eq. 8), and everything is read from z again but for
    what is kept. A result does not depend on what else is in the pool, rounding aside.

    Args:
        structures: crystals, or one of them.
        model: in memory, in place of the file of weights.
        settings: fields of :class:`~gencsp.runs.pool_decks.ReconstructDeck`, where each is
            described.

    Yields:
        For each crystal its reconstruction, whose ``parents`` is its id, or its place in the pool
        where it has none. Origin and orientation are not those of the crystal.

    Raises:
        DeckError: an unknown setting, or one out of range.
        WeightsError: no weights are given, or they are damaged or of another model.
        RequestError: a structure is no crystal, or one that the model has no room for.
    """
    deck = deck_of_call(ReconstructDeck, settings, *COMMAND_ALONE)
    return reconstruct_pool(structures, deck, model=model)


def reconstruct_pool(
    structures: Iterable[Atoms] | Atoms,
    deck: ReconstructDeck,
    *,
    model: DpCdvaeModel | None = None,
) -> Iterator[Atoms]:
    """As :func:`reconstruct`, with the settings of a deck."""
    model = load_dp_cdvae(deck.weights, device=deck.device) if model is None else model
    sampling = DpCdvaeSampling(rule=deck.rule, species=deck.species, steps=deck.levels)
    return _reconstructed(atoms_of(structures), deck, model, sampling)


def _reconstructed(
    structures: Iterable[Atoms],
    deck: ReconstructDeck,
    model: DpCdvaeModel,
    sampling: DpCdvaeSampling,
) -> Iterator[Atoms]:
    left = enumerate(structures)
    while some := list(islice(left, deck.batch_size)):
        batch = [atoms for _, atoms in some]
        rngs = [np.random.default_rng([deck.seed, k]) for k, _ in some]
        mean, spread = model.encode(batch)
        noise = np.stack([rng.standard_normal(model.latent) for rng in rngs])
        made = likeliest_decoding(
            model,
            mean + deck.spread * spread * noise,
            attempts=deck.attempts,
            sampling=sampling,
            rngs=rngs,
            given=[_given(atoms, deck) for atoms in batch],
        )
        for (k, atoms), result in zip(some, made, strict=True):
            parent = name_of(atoms, k)
            yield decoded(result, f"{parent}-reconstructed", parent, seed=deck.seed, model=model)


def decoded(
    atoms: Atoms, structure_id: str, parents: str, *, seed: int, model: DpCdvaeModel
) -> Atoms:
    """A copy of what was decoded, with its provenance."""
    return Provenance(
        structure_id=structure_id,
        proposer="dp-cdvae",
        stage=Stage.GENERATED,
        seed=seed,
        model=model.digest,
        parents=parents,
    ).write(tag_proposal(atoms, proposer="dp-cdvae", model=model.digest))


def _given(atoms: Atoms, deck: ReconstructDeck) -> Given:
    return Given(
        numbers=atoms.numbers if deck.keep_species else None,
        cell=atoms.cell if deck.keep_cell else None,
    )
