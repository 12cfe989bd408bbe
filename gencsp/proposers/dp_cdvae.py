"""Structures by DP-CDVAE: of a composition, or de novo.

De novo, z is drawn from its prior, which is N(0, I) unless one is fitted, and everything is read
from it (Section IV.C). For a composition the species are given and stay. Its z is drawn from the
posterior p(z | species, number of atoms), see :func:`.latents`: without it, lattice and species
would have nothing to do with each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from ase import Atoms

from gencsp.deck import Count, Seed, check
from gencsp.diffusion.dp_cdvae.choices import DpCdvaeSampling
from gencsp.diffusion.dp_cdvae.model import DpCdvaeModel, load_dp_cdvae
from gencsp.diffusion.dp_cdvae.prior import latents
from gencsp.diffusion.dp_cdvae.sampler import Given, decode
from gencsp.errors import RequestError
from gencsp.proposers.base import CountsReasons, ProposerContext, Request
from gencsp.proposers.batches import proposals, until_enough
from gencsp.proposers.checks import first_flaw
from gencsp.proposers.drawing import assign_ids, at_requested_volume, draw_units, tag_proposal
from gencsp.proposers.generators import spawn_generators
from gencsp.proposers.options import ModelOptions, changed

#: How latent vectors are decoded. All 1000 steps of the paper take ten times as long.
DEFAULT_SAMPLING = DpCdvaeSampling(steps=100)


class DpCdvaeProposer(CountsReasons):
    """Crystal structures of a composition, decoded from latent vectors."""

    name = "dp-cdvae"

    def __init__(
        self,
        model: DpCdvaeModel,
        *,
        options: DpCdvaeOptions | None = None,
        sampling: DpCdvaeSampling = DEFAULT_SAMPLING,
    ) -> None:
        self.model = model
        self.options = options or DpCdvaeOptions()
        self.sampling = sampling
        self.rejected: Counter[str] = Counter()

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        """See :class:`~gencsp.proposers.base.Proposer`.

        Raises:
            RequestError: space groups or a host, which this proposer cannot keep, or cells of more
                atoms than the model knows.
        """
        if request.space_groups is not None:
            raise RequestError(
                "the dp-cdvae proposer cannot fix a space group: use 'symmetric' or 'random'."
            )
        if request.host is not None:
            raise RequestError("the dp-cdvae proposer cannot complete a host: use 'score'.")
        size, most = request.composition.size, self.model.most_atoms
        units = tuple(u for u in request.units if u * size <= most)
        if not units:
            raise RequestError(
                f"{min(request.units)} x {request.composition} has {min(request.units) * size} "
                f"atoms, and this model knows up to {most}: allow smaller cells."
            )
        return self._propose(replace(request, units=units), spawn_generators(rng))

    def _propose(self, request: Request, rngs: Iterator[np.random.Generator]) -> Iterator[Atoms]:
        options = self.options

        def made(batch: Sequence[np.random.Generator]) -> list[Atoms]:
            atoms = [
                Atoms(request.composition.symbols(draw_units(request.units, rng))) for rng in batch
            ]
            numbers = [one.numbers for one in atoms]
            z = latents(self.model, batch, numbers)
            given = [Given(numbers=one, cell=request.cell) for one in numbers]
            done = decode(self.model, z, sampling=self.sampling, rngs=batch, given=given)
            return [at_requested_volume(atoms, request) for atoms in done]

        yield from proposals(
            self,
            request,
            made,
            rngs,
            batch_size=options.batch_size,
            attempts=options.attempts,
            separation=options.separation,
        )


class DpCdvaeOptions(ModelOptions):
    """Options of :class:`DpCdvaeProposer`."""

    name = "dp-cdvae"

    def build(self, context: ProposerContext) -> DpCdvaeProposer:
        """See :class:`~gencsp.proposers.base.ConfiguredProposer`.

        Raises:
            WeightsError: no weights are given, or they are damaged or of another model.
            DeckError: a setting that the sampler does not have, or out of range.
        """
        return DpCdvaeProposer(
            load_dp_cdvae(self.weights or context.weights, device=context.device),
            options=self,
            sampling=changed(DEFAULT_SAMPLING, self.sampler, name=self.name),
        )


def decode_de_novo(
    *,
    n: int = 20,
    seed: int = 0,
    options: DpCdvaeOptions | None = None,
    context: ProposerContext | None = None,
) -> Iterator[Atoms]:
    """Generate crystals of compositions of the model's own choice, from the prior of z.

    Args:
        n: how many.
        seed: the same seed gives the same structures.
        options: of the proposer; its ``attempts``, ``separation`` and weights count here, too.
        context: settings that all proposers share, such as weights.

    Yields:
        Crystals with provenance in ``info``; those with atoms too close are dropped, and others
        made instead.

    Raises:
        RequestError: a number out of its range.
        WeightsError: no weights are given, or they are damaged or of another model.
    """
    check("n", n, Count)
    check("seed", seed, Seed)
    proposer = (options or DpCdvaeOptions()).build(context or ProposerContext())
    made = _de_novo(proposer, n, spawn_generators(np.random.default_rng(seed)))
    return assign_ids(made, prefix=f"de-novo-{seed}", seed=seed)


def _de_novo(
    proposer: DpCdvaeProposer, n: int, rngs: Iterator[np.random.Generator]
) -> Iterator[Atoms]:
    model, options = proposer.model, proposer.options

    def made(batch: Sequence[np.random.Generator]) -> list[Atoms]:
        z = latents(model, batch)
        return decode(model, z, sampling=proposer.sampling, rngs=batch)

    for atoms in until_enough(
        n,
        made,
        partial(first_flaw, separation=options.separation),
        rngs,
        batch_size=options.batch_size,
        attempts=options.attempts,
    ):
        if isinstance(atoms, Atoms):
            yield tag_proposal(atoms, proposer=DpCdvaeProposer.name, model=model.digest)
