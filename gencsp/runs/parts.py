"""Parts by name, made in whichever process needs them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ase import Atoms

from gencsp.deck import EngineName, Fraction, check_fields
from gencsp.descriptors.least_distances import LeastDistances
from gencsp.diffusion.positions.settings import SamplerSettings
from gencsp.diffusion.positions.stored import StoredScoreModel
from gencsp.diffusion.stored_weights import has_weights
from gencsp.errors import WeightsError
from gencsp.executors import ThisProcess
from gencsp.executors.named import open_executor
from gencsp.minimise.result import PathCallback, Relaxed
from gencsp.minimise.settings import RelaxSettings
from gencsp.plugins import Choice
from gencsp.potentials.base import Engine
from gencsp.proposers import Proposer, ProposerContext, get_proposer
from gencsp.proposers.options import DEFAULT_SAMPLER
from gencsp.proposers.scatter import ScatterProposer
from gencsp.runs.objects import Carried
from gencsp.searches.contracts import Relaxer

if TYPE_CHECKING:
    from gencsp.diffusion.batch import ScoreModel


@dataclass(frozen=True, slots=True)
class NamedProposer:
    """Makes a proposer by name, in whichever process it is called.

    Attributes:
        name: of the proposer, with options of its own where it has some; or an object.
        weights: file of a score model; ``None`` for the one that ships with gencsp.
        separations: least distances of pairs of elements.
        volume_spread: see :class:`~gencsp.proposers.base.ProposerContext`.
        sampler: how its score model samples.
        device: where its model runs, see :func:`gencsp.executors.devices.find_device`.
    """

    name: str | Choice | Carried
    weights: Path | None = None
    separations: LeastDistances = field(default_factory=LeastDistances)
    volume_spread: Fraction = 0.0
    sampler: SamplerSettings = DEFAULT_SAMPLER
    device: str = "auto"

    def __post_init__(self) -> None:
        check_fields(self)

    def __call__(self) -> Proposer:
        """Make the proposer."""
        context = ProposerContext(
            weights=self.weights,
            sampler=self.sampler,
            min_separations=self.separations,
            volume_spread=self.volume_spread,
            device=self.device,
        )
        return get_proposer(self.given, context=context)

    @property
    def given(self) -> Any:
        """The name, or a copy of the object.

        Raises:
            RequestError: the object cannot be opened in this process.
        """
        return self.name.open() if isinstance(self.name, Carried) else self.name


@dataclass(frozen=True, slots=True)
class NamedRelaxer:
    """Makes a relaxer of one thread, in whichever process it is called.

    Attributes:
        engine: which of gencsp's engines runs CHGNet.
        potential: by name, see :func:`gencsp.potentials.get_potential`; or an object.
        device: where it runs, see :func:`gencsp.executors.devices.find_device`.
    """

    engine: EngineName = "auto"
    potential: str | Choice | Carried = "chgnet"
    device: str = "auto"

    def __post_init__(self) -> None:
        check_fields(self)

    def __call__(self) -> Relaxer:
        """Make the relaxer."""
        return partial(_relax, self.load())

    def load(self) -> Engine:
        """The potential itself."""
        from gencsp.potentials import get_potential

        given = self.potential.open() if isinstance(self.potential, Carried) else self.potential
        return get_potential(given, engine=self.engine, device=self.device)


def _relax(
    engine: Engine,
    structures: Iterable[Atoms],
    settings: RelaxSettings,
    *,
    on_path: PathCallback | None = None,
) -> Iterator[Relaxed]:
    return engine.relax(structures, settings, workers=1, on_path=on_path)


@dataclass(frozen=True, slots=True)
class ShippedScoreModel:
    """Makes the score model of a weights file; ``None`` for the one that ships with gencsp."""

    weights: Path | None = None
    device: str = "auto"

    def __call__(self) -> ScoreModel:
        """Check the file; its network is loaded when it is first asked."""
        return StoredScoreModel(self.weights, device=self.device)


@dataclass(frozen=True, slots=True)
class Scatter:
    """Makes the proposer for fixed cells, :class:`.ScatterProposer`."""

    separations: LeastDistances = field(default_factory=LeastDistances)

    def __call__(self) -> Proposer:
        """Make the proposer."""
        return ScatterProposer(separations=self.separations)


def require_weights(path: Path | None) -> None:
    """Raise ``WeightsError`` where weights are named and not there.

    It is also for runs in which no part would load them, so that a misspelt name is reported.
    """
    if path is not None and not has_weights(path):
        raise WeightsError(
            f"there are no score-model weights at {path}: train your own with 'gencsp train "
            f"score', or leave them out for those that ship with gencsp."
        )


def run_executor(
    objects: Iterable[Carried],
    given: str | Mapping[str, Any],
    *,
    workers: int,
    opened: Executor | None = None,
) -> AbstractContextManager[Executor]:
    """Where tasks run: in this process, if there are objects that no other process can have.

    Args:
        objects: those that the tasks need.
        given: the executor, as :func:`gencsp.executors.named.open_executor` takes it.
        workers: processes of one thread each.
        opened: an executor that the caller opens and closes, in the place of all this; ``None``
            opens one.

    Raises:
        RequestError: such objects, and several workers or workers elsewhere.
        ExecutorError: as :func:`gencsp.executors.named.open_executor`.
    """
    if opened is not None:
        return nullcontext(opened)
    stay = [one for one in objects if not one.pickled]
    if stay and workers == 1 and given == "local":
        return ThisProcess()
    for one in stay:
        one.require_pickled()
    return open_executor(given, workers=workers)
