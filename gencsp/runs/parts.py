"""Parts by name, made in whichever process needs them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ase import Atoms

from gencsp.deck import Fraction, check_fields
from gencsp.descriptors.least_distances import LeastDistances
from gencsp.diffusion.batch import ScoreModel
from gencsp.minimise.result import Relaxed
from gencsp.minimise.settings import RelaxSettings
from gencsp.plugins import Choice
from gencsp.potentials.base import Engine
from gencsp.potentials.chgnet.select import EngineName
from gencsp.proposers import Proposer, ProposerContext, get_proposer
from gencsp.proposers.scatter import ScatterProposer
from gencsp.runs.decks import SamplerName
from gencsp.searches.contracts import Relaxer

#: The proposer that completes a host, by name.
INPAINTER = "mixed"


@dataclass(frozen=True, slots=True)
class NamedProposer:
    """Makes a proposer by name, in whichever process it is called.

    Attributes:
        name: of the proposer, with options of its own where it has some.
        weights: file of a score model; ``None`` for the one that ships with gencsp.
        separations: least distances of pairs of elements.
        volume_spread: see :class:`~gencsp.proposers.base.ProposerContext`.
        sampler: how its score model samples.
    """

    name: str | Choice
    weights: Path | None = None
    separations: LeastDistances = field(default_factory=LeastDistances)
    volume_spread: Fraction = 0.0
    sampler: SamplerName = "thorough"

    def __post_init__(self) -> None:
        check_fields(self)

    def __call__(self) -> Proposer:
        """Make the proposer."""
        from gencsp.proposers.options import DEFAULT_SAMPLER, QUICK_SAMPLER

        context = ProposerContext(
            weights=self.weights,
            sampler=QUICK_SAMPLER if self.sampler == "quick" else DEFAULT_SAMPLER,
            min_separations=self.separations,
            volume_spread=self.volume_spread,
        )
        return get_proposer(self.name, context=context)


@dataclass(frozen=True, slots=True)
class NamedRelaxer:
    """Makes a relaxer of one thread, in whichever process it is called.

    Attributes:
        engine: which of gencsp's engines runs CHGNet.
        potential: by name, see :func:`gencsp.potentials.get_potential`.
    """

    engine: EngineName = "auto"
    potential: str | Choice = "chgnet"

    def __post_init__(self) -> None:
        check_fields(self)

    def __call__(self) -> Relaxer:
        """Make the relaxer."""
        from gencsp.potentials import get_potential

        return partial(_relax, get_potential(self.potential, engine=self.engine))


def _relax(
    engine: Engine, structures: Iterable[Atoms], settings: RelaxSettings
) -> Iterator[Relaxed]:
    return engine.relax(structures, settings, workers=1)


@dataclass(frozen=True, slots=True)
class ShippedScoreModel:
    """Makes the score model of a weights file; ``None`` for the one that ships with gencsp."""

    weights: Path | None = None

    def __call__(self) -> ScoreModel:
        """Load the model."""
        from gencsp.diffusion.positions.model import load_score_model

        return load_score_model(self.weights)


@dataclass(frozen=True, slots=True)
class Scatter:
    """Makes the proposer for fixed cells, :class:`.ScatterProposer`."""

    separations: LeastDistances = field(default_factory=LeastDistances)

    def __call__(self) -> Proposer:
        """Make the proposer."""
        return ScatterProposer(separations=self.separations)
