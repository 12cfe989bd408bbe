"""Structures by reverse diffusion of a score model: unconditional, or inpainted into a host.

CHGGen (Section III.B): a random Bravais lattice of volume N·V₀, atoms placed at random, and the
reverse diffusion of their positions. With a host (Section II.C) its atoms and cell stay and only
the guests are generated; every structure is a new sample of guests. Host atoms come first, in the
host's order; ``info["host_atoms"]`` says how many they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms

from gencsp.errors import RequestError
from gencsp.proposers.base import ProposerContext, Request
from gencsp.proposers.batches import ScoreModelProposer, proposals
from gencsp.proposers.crystals.lattice import random_lattice, scaled
from gencsp.proposers.drawing import draw_units, volume_per_atom
from gencsp.proposers.generators import spawn_generators
from gencsp.proposers.options import ScoreModelOptions


class ScoreProposer(ScoreModelProposer):
    """Unconditional generation and, where the request has a host, inpainting."""

    name = "score"

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        """See :class:`~gencsp.proposers.base.Proposer`.

        Raises:
            RequestError: space groups, which this proposer cannot promise, or a host that disagrees
                with the composition, with the cell or with the numbers of formula units.
        """
        if request.space_groups is not None:
            raise RequestError(
                "the score proposer cannot fix a space group: use 'symmetric' or 'random'."
            )
        host = None if request.host is None else with_guests(request, request.host)
        return self._propose(request, host, spawn_generators(rng))

    def _propose(
        self, request: Request, host: Atoms | None, rngs: Iterator[np.random.Generator]
    ) -> Iterator[Atoms]:
        # Loads torch, which a run that samples nothing does not need.
        from gencsp.diffusion.positions.sampler import sample

        def made(batch: Sequence[np.random.Generator]) -> list[Atoms]:
            starts = [self._start(request, host, rng) for rng in batch]
            done = sample(self.model, starts, settings=self.sampler, rngs=batch)
            for atoms in done:
                atoms.wrap()
            return done

        yield from proposals(
            self,
            request,
            made,
            rngs,
            batch_size=self.batch_size,
            attempts=self.attempts,
            separation=self.separation,
        )

    def _start(self, request: Request, host: Atoms | None, rng: np.random.Generator) -> Atoms:
        """Cell and random positions to denoise; guests only where there is a host."""
        from gencsp.diffusion.noise import randomise

        if host is not None:
            return randomise(host, rng=rng)
        units = draw_units(request.units, rng)
        symbols = request.composition.symbols(units)
        volume = volume_per_atom(request) * len(symbols)
        cell = random_lattice(volume, rng=rng) if request.cell is None else request.cell
        return randomise(Atoms(symbols, cell=cell, pbc=True), rng=rng)


class ScoreOptions(ScoreModelOptions):
    """Options of :class:`ScoreProposer`."""

    name = "score"
    inpaints: ClassVar[bool] = True
    maker: ClassVar[type[ScoreProposer]] = ScoreProposer

    def build(self, context: ProposerContext) -> ScoreProposer:
        """See :class:`~gencsp.proposers.base.ConfiguredProposer`."""
        return self.maker(self.score_model(context), **self.sampling(context))


def with_guests(request: Request, host: Atoms) -> Atoms:
    """The host, held by ``FixAtoms``, followed by the guests that complete the composition.

    The number of formula units is the smallest allowed one that the host's atoms fit in.
    """
    if request.cell is not None and not np.allclose(request.cell.array, host.cell.array):
        raise RequestError("the host has another cell than the request: leave the cell out.")
    present = Counter(host.get_chemical_symbols())
    for units in sorted(request.units):
        wanted = Counter(request.composition.symbols(units))
        if present <= wanted:
            break
    else:
        raise RequestError(
            f"a host of {host.get_chemical_formula()} does not fit in "
            f"{', '.join(map(str, sorted(request.units)))} formula units of {request.composition}: "
            "allow more formula units, or give a host that is part of the composition."
        )
    guests = list((wanted - present).elements())
    if not guests:
        raise RequestError(
            f"the host already is {request.composition}: nothing is left to add. "
            "Take the guests out of it first."
        )
    bare = Atoms(numbers=host.numbers, positions=host.positions, cell=host.cell, pbc=True)
    bare += Atoms(guests, positions=np.zeros((len(guests), 3)))
    if request.volume_per_atom is not None:
        bare.set_cell(scaled(bare.cell, request.volume_per_atom * len(bare)), scale_atoms=True)
    bare.set_constraint(FixAtoms(range(len(host))))
    return bare
