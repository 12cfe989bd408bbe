"""Structures by joint diffusion (PIGEN): for a composition, around a host, or de novo.

For a composition the species are given, coordinates and lattice are generated, which is the task of
DiffCSP. Around a host its atoms and cell stay. De novo, the species are generated as well
(:func:`propose_de_novo`). All can be steered to properties by classifier-free guidance.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar, cast

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from pydantic import Field

from gencsp import records
from gencsp.composition import ELEMENTS
from gencsp.deck import (
    CellAtoms,
    Count,
    NonNegative,
    Seed,
    SpaceGroupNumbers,
    UnitNumbers,
    check,
    one_or_many,
    split_commas,
)
from gencsp.diffusion.joint.conditions import Property, as_labels
from gencsp.diffusion.joint.guidance import ClassifierFree, Denoiser, EnergyGuided
from gencsp.diffusion.joint.model import JointModel, load_joint_model
from gencsp.diffusion.joint.sampler import JointSamplerSettings, sample
from gencsp.diffusion.pull import EnginePotential
from gencsp.errors import RequestError, TargetWarning
from gencsp.potentials.chgnet.select import get_engine
from gencsp.proposers.base import CountsReasons, ProposerContext, Request
from gencsp.proposers.batches import proposals, until_enough
from gencsp.proposers.checks import first_flaw
from gencsp.proposers.de_novo import SizeRule, StartDraw, SymmetryRule, size_shares
from gencsp.proposers.drawing import (
    assign_ids,
    at_requested_volume,
    draw_units,
    tag_proposal,
)
from gencsp.proposers.generators import spawn_generators
from gencsp.proposers.options import DEFAULT_JOINT_SAMPLER, ModelOptions, changed
from gencsp.proposers.score import with_guests
from gencsp.proposers.symmetric_starts import CompositionStarts


class JointProposer(CountsReasons):
    """Crystal structures of a composition by joint diffusion of coordinates and lattice."""

    name = "pigen"

    def __init__(
        self,
        model: JointModel,
        *,
        options: PigenOptions | None = None,
        sampler: JointSamplerSettings = DEFAULT_JOINT_SAMPLER,
    ) -> None:
        self.model = model
        self.options = options or PigenOptions()
        self.sampler = sampler
        self.rejected: Counter[str] = Counter()

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        """See :class:`~gencsp.proposers.base.Proposer`.

        Raises:
            RequestError: space groups with a fixed cell or a host, or in which no orbits add up to
                the composition; a host that disagrees with the request; a target that no property
                has.
        """
        starts = self._symmetric_starts(request)
        host = None if request.host is None else with_guests(request, request.host)
        self.model.check_targets(self.options.aims)
        return self._propose(
            request, starts or partial(_start, request, host), spawn_generators(rng)
        )

    def _symmetric_starts(self, request: Request) -> CompositionStarts | None:
        """What draws crystals of a space group; ``None`` where none is asked for."""
        if request.space_groups is None and self.options.symmetry == "none":
            return None
        if request.host is not None or request.cell is not None:
            raise RequestError(
                "the pigen proposer draws cell and sites of a space group itself: leave out the "
                "space groups and the symmetry, or the host and the fixed cell."
            )
        return CompositionStarts(
            request.composition,
            request.units,
            space_groups=request.space_groups,
            complexity=self.options.aims.get("complexity"),
            weight=self.options.guidance,
        )

    def _propose(
        self,
        request: Request,
        start: Callable[[np.random.Generator], Atoms],
        rngs: Iterator[np.random.Generator],
    ) -> Iterator[Atoms]:
        options = self.options
        host = request.host is not None
        free = not host and request.cell is None
        settings = _for_task(self.sampler, free_cell=free, host=host)

        def made(batch: Sequence[np.random.Generator]) -> list[Atoms]:
            starts = [start(rng) for rng in batch]
            done = _sampled(self.model, starts, settings, batch, options)
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


def _start(request: Request, host: Atoms | None, rng: np.random.Generator) -> Atoms:
    if host is not None:
        return host
    symbols = request.composition.symbols(draw_units(request.units, rng))
    cell = np.eye(3) if request.cell is None else request.cell
    return Atoms(symbols, positions=np.zeros((len(symbols), 3)), cell=cell, pbc=True)


def _sampled(
    model: JointModel,
    starts: Sequence[Atoms],
    settings: JointSamplerSettings,
    rngs: Sequence[np.random.Generator],
    options: PigenOptions,
    elements: Sequence[int] | None = None,
) -> list[Atoms]:
    labels = as_labels([options.aims] * len(starts))
    conditions = model.objective.properties.encode(labels)
    denoiser: Denoiser = ClassifierFree(model, conditions, options.guidance)
    if options.energy_guidance > 0:
        device = str(next(model.network.parameters()).device)
        potential = EnginePotential(get_engine(device=device))
        denoiser = EnergyGuided(denoiser, potential, temperature=1 / options.energy_guidance)
    return sample(denoiser, starts, settings=settings, rngs=rngs, elements=elements)


class PigenOptions(ModelOptions):
    """Options of :class:`JointProposer`."""

    name = "pigen"
    inpaints: ClassVar[bool] = True

    targets: dict[str, float] = Field(
        default_factory=dict, description="Properties to aim at, such as {compactness = 0.7}."
    )
    guidance: float = Field(default=2.0, description="Pull towards targets: 0 none, 1 as trained.")
    sizes: SizeRule = Field(
        default="targets",
        description="Atoms in a cell de novo: as often as in training (the paper), or given the "
        "targets.",
    )
    symmetry: SymmetryRule = Field(
        default="none", description="Of each crystal: none, or a space group drawn and kept."
    )
    energy_guidance: NonNegative = Field(
        default=0.0, description="Pull of CHGNet's forces, 1/kT in 1/eV; 0 for none."
    )

    @property
    def aims(self) -> Mapping[Property, float]:
        """The targets; names are checked where they are used."""
        return cast("Mapping[Property, float]", self.targets)

    def build(self, context: ProposerContext) -> JointProposer:
        """See :class:`~gencsp.proposers.base.ConfiguredProposer`.

        Raises:
            WeightsError: the weights are missing or damaged.
            DeckError: a setting that the sampler does not have, or out of range.
        """
        sampler = context.joint_sampler or DEFAULT_JOINT_SAMPLER
        return JointProposer(
            self._model(context),
            options=self,
            sampler=changed(sampler, self.sampler, name=self.name),
        )

    def _model(self, context: ProposerContext) -> JointModel:
        if context.joint_model is not None and self.weights is None:
            return context.joint_model
        return load_joint_model(self.weights or context.weights, device=context.device)


def _for_task(
    sampler: JointSamplerSettings, *, free_cell: bool, host: bool
) -> JointSamplerSettings:
    """The sampler without repeated passes where there is no host: they would change nothing."""
    return replace(sampler, free_cell=free_cell, resampling=sampler.resampling if host else 1)


def propose_de_novo(
    *,
    n: int = 20,
    elements: Sequence[str] | None = None,
    most_atoms: int = 20,
    sizes: Sequence[int] | None = None,
    space_groups: Sequence[int] | None = None,
    targets: Mapping[Property, float] | None = None,
    seed: int = 0,
    options: PigenOptions | None = None,
    context: ProposerContext | None = None,
) -> Iterator[Atoms]:
    """Generate crystals of compositions of the model's own choice.

    Args:
        n: how many.
        elements: symbols that may occur; ``None`` for all that the model knows.
        most_atoms: most atoms in a cell, whose number is otherwise drawn as ``options.sizes``
            says (:mod:`gencsp.diffusion.joint.sizes`).
        sizes: numbers of atoms to draw from, evenly, instead.
        space_groups: numbers to draw the space group of each crystal from, which is kept; with
            ``options.symmetry`` "drawn" and ``None``, from all, as often as known crystals have
            them, given a target of complexity.
        targets: properties to aim at (compactness; m_led in bits; e_hull in eV/atom; complexity in
            bits/atom); ``None`` takes those of ``options``.
        seed: the same seed gives the same structures.
        options: of the proposer; its ``attempts``, ``separation`` and weights count here, too.
        context: settings that all proposers share, such as weights.

    Yields:
        Crystals with provenance in ``info``; those with atoms too close are dropped, and others
        made instead.

    Raises:
        RequestError: a number out of its range; an element or property that is not known; a target
            that no crystal can have, or that the model does not know.
        WeightsError: the weights are missing or damaged.

    Warns:
        TargetWarning: a target beyond the training crystals, or beyond what the largest cell can
            have.
    """
    check("n", n, Count)
    check("most_atoms", most_atoms, CellAtoms)
    sizes = one_or_many(sizes)
    check("sizes", sizes, UnitNumbers | None)
    check("seed", seed, Seed)
    groups = one_or_many(space_groups)
    check("space_groups", groups, SpaceGroupNumbers | None)
    elements = split_commas(elements) if isinstance(elements, str) else elements
    unknown = [s for s in elements or () if s not in ELEMENTS]
    if unknown:
        raise RequestError(
            f"the model knows no element {', '.join(unknown)}: name elements up to plutonium."
        )
    options, context = options or PigenOptions(), context or ProposerContext()
    if targets is not None:
        options = options.model_copy(update={"targets": dict(targets)})
    as_labels([options.aims])
    proposer = options.build(context)
    model = proposer.model
    model.check_targets(options.aims)
    if sizes is None:
        shares = size_shares(
            model.sizes, options.aims, options.guidance, rule=options.sizes, most=most_atoms
        )
    else:
        shares = {count: times / len(sizes) for count, times in Counter(sizes).items()}
    _warn_of_complexity(options.aims, max(count for count, p in shares.items() if p > 0))
    draw = StartDraw(
        sizes=shares,
        symmetry=options.symmetry if groups is None else "drawn",
        space_groups=groups,
        complexity=options.aims.get("complexity"),
        weight=options.guidance,
    )
    made = _de_novo(proposer, n, elements, draw, spawn_generators(np.random.default_rng(seed)))
    return assign_ids(made, prefix=f"de-novo-{seed}", seed=seed)


def _warn_of_complexity(targets: Mapping[Property, float], most: int) -> None:
    """Say where the largest cell cannot have the complexity that is aimed at."""
    wanted = targets.get("complexity", 0.0)
    if wanted > math.log2(most):
        warnings.warn(
            f"a cell of {most} atoms, the most that are allowed here, has a complexity of at most "
            f"{math.log2(most):.3g} bits/atom: the target of {wanted:g} cannot be met.",
            TargetWarning,
            stacklevel=3,
        )


def _de_novo(
    proposer: JointProposer,
    n: int,
    elements: Sequence[str] | None,
    draw: Callable[[np.random.Generator], Atoms],
    rngs: Iterator[np.random.Generator],
) -> Iterator[Atoms]:
    model, options = proposer.model, proposer.options
    allowed = None if elements is None else [atomic_numbers[s] for s in elements]
    settings = _for_task(proposer.sampler, free_cell=True, host=False)

    def made(batch: Sequence[np.random.Generator]) -> list[Atoms]:
        starts = [draw(rng) for rng in batch]
        return _sampled(model, starts, settings, batch, options, allowed)

    for atoms in until_enough(
        n,
        made,
        partial(first_flaw, separation=options.separation),
        rngs,
        batch_size=options.batch_size,
        attempts=options.attempts,
    ):
        if isinstance(atoms, str):
            continue
        proposal = tag_proposal(atoms, proposer=JointProposer.name, model=model.digest)
        if records.PROPOSED_SPACE_GROUP in atoms.info:
            proposal.info[records.PROPOSED_SPACE_GROUP] = atoms.info[records.PROPOSED_SPACE_GROUP]
        yield proposal
