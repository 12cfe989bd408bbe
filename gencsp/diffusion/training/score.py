"""Training of the score model as one call: data, run, weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from gencsp.diffusion.positions.model import load_score_model, save_score_model
from gencsp.diffusion.training.data import CrystalSet
from gencsp.diffusion.training.inputs import Crystals, HeldOut, Trained
from gencsp.diffusion.training.objective import Objective
from gencsp.diffusion.training.score_objective import ScoreObjective
from gencsp.diffusion.training.session import Session, Started
from gencsp.diffusion.training.settings import NoiseLevels, ScoreDeck
from gencsp.diffusion.training.trainer import TrainingProgress


def train_score(
    data: Crystals,
    out: Path | str,
    *,
    held_out: HeldOut,
    validation: Crystals | None = None,
    report: Callable[[TrainingProgress], None] | None = None,
    **settings: Any,
) -> Trained:
    """Train the score model by denoising score matching (CHGGen, eq. 5 and 6).

    A run in a folder is resumed with ``resume=True``; settings that are left out then stay as they
    are in the run. A new run begins from random weights, or with ``start=FILE`` from those of a
    file, whose network it has, with a new optimiser.

    Args:
        data: training crystals: an extxyz file, gzipped or not, or structures.
        out: folder for checkpoint, metrics and weights.
        held_out: formulas that must not occur in the data: a file with one a line, or formulas.
        validation: crystals to validate on.
        report: called after each step with step, loss and, where it was validated, its losses.
        settings: fields of :class:`~gencsp.diffusion.training.settings.ScoreDeck`, where each is
            described.

    Returns:
        The weights file ``out/score.safetensors``, its digest and the steps made.

    Raises:
        StructureFileError, CompositionError: data or formulas that cannot be read.
        TrainingDataError: the data hold a held-out formula, an unknown element, or nothing; or they
            are not what the run was begun with.
        DeckError: an unknown setting, or one out of its range.
        StoreError: the folder holds another run, or cannot be written.
        WeightsError: the run is of another kind, or was begun with other settings.
    """
    session = ScoreSession(ScoreDeck.make(**settings), Path(out))
    return session.run(data, held_out=held_out, validation=validation, report=report)


class ScoreSession(Session[ScoreDeck]):
    """Training of the score model."""

    kind = ScoreObjective.kind
    weights = "score.safetensors"
    stored: ClassVar[dict[str, str]] = {"sigma_max": "noise.high"}

    @property
    def architecture(self) -> str:
        """See :class:`.Session`."""
        return self.deck.architecture

    def started(self, weights: Path) -> Started:
        """See :class:`.Session`."""
        model = load_score_model(weights, engine="torch", device="cpu")
        noise = NoiseLevels(low=model.sigma_min, high=model.sigma_max)
        return Started(model.network, model.digest, ScoreObjective(noise))

    def objective(self, crystals: CrystalSet) -> Objective:  # noqa: ARG002
        """See :class:`.Session`; a run that begins from weights keeps their levels of noise."""
        if self.deck.start is None or "sigma_max" in self.deck.given:
            return ScoreObjective(NoiseLevels(high=self.deck.sigma_max))
        return self.started(self.deck.start).objective

    def save(
        self,
        network: nn.Module,
        objective: Objective,
        crystals: CrystalSet,  # noqa: ARG002
        file: Path,
        notes: str,
    ) -> str:
        """See :class:`.Session`."""
        assert isinstance(objective, ScoreObjective), "open_run lets no other kind through"
        low, high = objective.noise.low, objective.noise.high
        return save_score_model(network, file, sigma_min=low, sigma_max=high, notes=notes)
