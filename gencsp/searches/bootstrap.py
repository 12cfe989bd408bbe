"""A search that trains its own generator: crystals of rigid units, random at first.

The system of the supplement on NaNH2: random crystals of units are relaxed, two small networks
learn from them and their energies, and propose others that are pulled towards low energies
(:mod:`gencsp.proposers.units.bootstrap_model`). Here the model is trained anew, on all that has
been found, every so many trials until the budget ends. Training and sampling belong to the results
of a certain trial and to the random generator of that trial, so that a run is the same on any
number of workers, and trains again what it trained when it is continued.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.cell import Cell
from pydantic import Field

from gencsp import records
from gencsp.deck import Count, NonNegative, Share, SomeShare, check
from gencsp.errors import RequestError, UnitError
from gencsp.provenance import Provenance, Stage
from gencsp.searches.moves.base import ConfiguredMove, Move, Tools
from gencsp.searches.space import Space
from gencsp.searches.starts import SeedSchedule
from gencsp.searches.strategy import ConfiguredStrategy, StrategyContext
from gencsp.searches.trial import MoveStats, Trial, TrialResult
from gencsp.store.base import Scalar, portable

if TYPE_CHECKING:
    from gencsp.proposers.units.bootstrap_model import UnitExample, UnitModel

#: Crystals below which no model is trained: structures stay random.
FEWEST = 20
#: Å. A relaxed crystal is learnt from if its atoms are within this root mean square distance of a
#: crystal of rigid units in the space group that it began in; else its energy is of another one.
LARGEST_FIT = 0.4
#: Vectors sampled for each crystal that is wanted, at most; where fewer are sound, others are
#: random.
ATTEMPTS = 5


class Guided(ConfiguredMove):
    """Hands over a crystal that the model proposed; it is its own parent.

    It belongs to the method ``units`` and is chosen by no other.
    """

    name = "guided"
    keeps_units = True

    def __call__(
        self,
        parents: Sequence[Atoms],
        *,
        rng: np.random.Generator,  # noqa: ARG002
        tools: Tools,  # noqa: ARG002
    ) -> Atoms | None:
        """See :class:`~gencsp.searches.moves.base.Move`."""
        return portable(parents[0])


class UnitBootstrap:
    """Strategy that trains a model of crystals of units on what it finds.

    Args:
        schedule: whether a structure that is not guided is a seed structure or a random one.
        space: of the search.
        seed: of the run, for the provenance of guided structures.
        first: trials before the first model.
        every: trials between two trainings.
        random: share of the later trials that are not guided, so that the model sees what it would
            not propose.
        guidance: pull towards low energies, see :meth:`.UnitModel.sample`.
        epochs: of each training, at most.
        learn_from: share of the examples, those of lowest energy, that the model proposes by, see
            :class:`.UnitModelSettings`. Below 1, what it proposed and found again soon fills that
            share, and new crystals become few: hence another default than for a single model.
    """

    name = "units"

    def __init__(
        self,
        *,
        schedule: SeedSchedule,
        space: Space,
        seed: int,
        first: int = 200,
        every: int = 100,
        random: float = 0.1,
        guidance: float = 1.0,
        epochs: int = 2000,
        learn_from: float = 1.0,
    ) -> None:
        for key, value, hint in (
            ("first", first, Count),
            ("every", every, Count),
            ("random", random, Share),
            ("guidance", guidance, NonNegative),
            ("epochs", epochs, Count),
            ("learn_from", learn_from, SomeShare),
        ):
            check(key, value, hint)
        guided = Guided()
        self.moves: dict[str, Move] = {guided.name: guided}
        self.schedule = schedule
        self.space = space
        self.seed = seed
        self.first = first
        self.every = every
        self.random = random
        self.guidance = guidance
        self.epochs = epochs
        self.learn_from = learn_from
        self.trainings = 0
        self.left_out: Counter[str] = Counter()
        self._examples: list[UnitExample] = []
        self._proposed: deque[Atoms] = deque()
        self._tried: Counter[str] = Counter()
        self._new: Counter[str] = Counter()
        self._records: Counter[str] = Counter()

    def settings(self) -> Mapping[str, Scalar | Sequence[Scalar] | None]:
        """See :class:`~gencsp.searches.trial.Strategy`."""
        return {
            "first": self.first,
            "every": self.every,
            "random": self.random,
            "guidance": self.guidance,
            "epochs": self.epochs,
            "learn_from": self.learn_from,
        }

    def ask(
        self,
        number: int,  # noqa: ARG002
        *,
        rng: np.random.Generator,
    ) -> Trial:
        """See :class:`~gencsp.searches.trial.Strategy`."""
        if self._proposed and rng.random() >= self.random:
            return Trial(move=Guided.name, parents=(self._proposed.popleft(),))
        return Trial(move=self.schedule.next())

    def tell(self, result: TrialResult, *, rng: np.random.Generator) -> None:
        """See :class:`~gencsp.searches.trial.Strategy`."""
        if result.seeds_ended:
            self.schedule.end_seeds()
        self._tried[result.move] += 1
        self._new[result.move] += result.new
        self._records[result.move] += result.record
        if result.atoms is not None:
            self._learn(result.atoms, result.fitness)
        told = result.number + 1
        if told >= self.first and (told - self.first) % self.every == 0:
            self._train(rng)

    def move_stats(self) -> list[MoveStats]:
        """See :class:`~gencsp.searches.trial.Strategy`; an improvement is a new minimum."""
        guided = 1 - self.random if self._proposed else 0.0
        kinds = self.schedule.kinds
        return [
            MoveStats(
                move=name,
                tried=self._tried[name],
                new=self._new[name],
                improved=self._records[name],
                share=guided if name == Guided.name else (1 - guided) / len(kinds),
            )
            for name in (Guided.name, *kinds)
        ]

    def _learn(self, atoms: Atoms, fitness: float) -> None:
        """Add a relaxed structure to the examples, where it is still a crystal of these units."""
        from gencsp.proposers.units.bootstrap_model import UnitExample
        from gencsp.proposers.units.record import crystal_of

        if records.BROKEN_UNITS in atoms.info:
            self.left_out["units broken"] += 1
            return
        try:
            fit = crystal_of(atoms)
        except UnitError:
            self.left_out["no crystal of units"] += 1
            return
        if fit.rms > LARGEST_FIT:
            self.left_out["another arrangement"] += 1
            return
        self._examples.append(UnitExample(fit.crystal, fitness))

    def _train(self, rng: np.random.Generator) -> None:
        """Train a model on all examples, and let it propose what is tried until the next one."""
        if len(self._examples) < FEWEST:
            return
        # Loads torch, which no other method of search needs in this process.
        from gencsp.diffusion.units.training import UnitTraining
        from gencsp.proposers.units.bootstrap_model import UnitModel
        from gencsp.proposers.units.model_settings import UnitModelSettings

        training = UnitTraining(epochs=self.epochs)
        settings = UnitModelSettings(
            training=training, attempts=ATTEMPTS, learn_from=self.learn_from
        )
        model = UnitModel.fit(self._examples, settings, rng=rng)
        self.trainings += 1
        self._proposed = deque(self._sampled(model, rng))

    def _sampled(self, model: UnitModel, rng: np.random.Generator) -> list[Atoms]:
        """Crystals of the model that belong to the search, with provenance."""
        from gencsp.proposers.units_model import in_cell

        cell = None if self.space.cell is None else Cell(np.array(self.space.cell))
        found: list[Atoms] = []
        digest = model.digest
        for crystal in model.sample(self.every, guidance=self.guidance, rng=rng):
            atoms = in_cell(crystal, cell)
            if atoms is None or not self.space.allows(atoms):
                self.left_out["not in the search"] += 1
                continue
            Provenance(
                structure_id=f"units-{self.trainings:03d}-{len(found):05d}",
                proposer=self.name,
                model=digest,
                seed=self.seed,
                stage=Stage.GENERATED,
            ).write(atoms)
            found.append(atoms)
        self.left_out.update(str(fault) for fault in model.failures.elements())
        return found


class UnitBootstrapOptions(ConfiguredStrategy):
    """Options of :class:`UnitBootstrap`."""

    name = "units"

    first: Count = Field(default=200, description="Trials before the first model is trained.")
    every: Count = Field(default=100, description="Trials between two trainings.")
    random: Share = Field(default=0.1, description="Share of later trials that is not guided.")
    guidance: NonNegative = Field(
        default=1.0, description="Pull towards low energies, per standard deviation; 0 for none."
    )
    epochs: Count = Field(default=2000, description="Most epochs of a training.")
    learn_from: SomeShare = Field(
        default=1.0, description="Share of what was found, the lowest, that the model proposes by."
    )

    def build(self, context: StrategyContext) -> UnitBootstrap:
        """See :class:`~gencsp.searches.strategy.ConfiguredStrategy`.

        Raises:
            RequestError: a search without rigid units, or moves that were named.
        """
        if not context.settings.units:
            raise RequestError(
                "the method 'units' learns from crystals of rigid units: name them, such as "
                "--units NH2."
            )
        if context.moves is not None:
            raise RequestError(
                "the method 'units' makes no moves: leave --moves out, or use 'hop' or 'genetic'."
            )
        return UnitBootstrap(
            schedule=context.schedule,
            space=context.settings.space,
            seed=context.settings.seed,
            first=self.first,
            every=self.every,
            random=self.random,
            guidance=self.guidance,
            epochs=self.epochs,
            learn_from=self.learn_from,
        )
