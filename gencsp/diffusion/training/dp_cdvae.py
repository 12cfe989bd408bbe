"""Training of DP-CDVAE as one call: data, run, weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from gencsp.diffusion.dp_cdvae.choices import Angles
from gencsp.diffusion.dp_cdvae.model import load_dp_cdvae, save_dp_cdvae
from gencsp.diffusion.networks.dp_cdvae import DpCdvaeNetwork, with_encoders, with_prior
from gencsp.diffusion.training.data import CrystalSet
from gencsp.diffusion.training.dp_cdvae_objective import DpCdvaeObjective
from gencsp.diffusion.training.dp_cdvae_prior import Posteriors, fit_prior
from gencsp.diffusion.training.inputs import Crystals, HeldOut, Trained
from gencsp.diffusion.training.objective import Objective
from gencsp.diffusion.training.session import Session, Started
from gencsp.diffusion.training.settings import DpCdvaeDeck
from gencsp.diffusion.training.state import TrainState
from gencsp.diffusion.training.trainer import TrainingProgress
from gencsp.errors import TrainingDataError


def train_dp_cdvae(
    data: Crystals,
    out: Path | str,
    *,
    held_out: HeldOut,
    validation: Crystals | None = None,
    report: Callable[[TrainingProgress], None] | None = None,
    **settings: Any,
) -> Trained:
    """Train DP-CDVAE: a variational autoencoder with diffusion of fractional coordinates.

    A run in a folder is resumed with ``resume=True``; settings that are left out then stay as they
    are in the run. A new run begins from random weights, or with ``start=FILE`` from those of a
    file, whose network it has, with a new optimiser; encoders and rounds of DimeNet++ that the file
    lacks and the settings ask for are added, and change nothing at first.

    At the end a prior of z is fitted to the encoder (``prior_steps``; minutes of a core). With
    ``start=FILE`` and ``steps=0`` that is all that is done.

    Args:
        data: training crystals: an extxyz file, gzipped or not, or structures.
        out: folder for checkpoint, metrics and weights.
        held_out: formulas that must not occur in the data: a file with one a line, or formulas.
        validation: crystals to validate on.
        report: called after each step with step, loss and, where it was validated, its losses.
        settings: fields of :class:`~gencsp.diffusion.training.settings.DpCdvaeDeck`, where each is
            described.

    Returns:
        The weights file ``out/dp-cdvae.safetensors``, its digest and the steps made.

    Raises:
        StructureFileError, CompositionError: data or formulas that cannot be read.
        TrainingDataError: the data hold a held-out formula, an unknown element, a crystal of more
            than ``most_atoms`` atoms, or nothing; or they are not what the run was begun with.
        DeckError: an unknown setting, or one out of its range.
        StoreError: the folder holds another run, or cannot be written.
        WeightsError: the run is of another kind, or was begun with other settings.
    """
    session = DpCdvaeSession(DpCdvaeDeck.make(**settings), Path(out))
    return session.run(data, held_out=held_out, validation=validation, report=report)


class DpCdvaeSession(Session[DpCdvaeDeck]):
    """Training of DP-CDVAE; its crystals have reduced cells."""

    kind = DpCdvaeObjective.kind
    weights = "dp-cdvae.safetensors"
    architecture = "dp-cdvae"
    stored: ClassVar[dict[str, str]] = {
        f"{name}_weight": f"weights.{name}"
        for name in ("species", "kl", "lattice", "composition", "atom_count")
    } | {"angles": "process.angles"}

    def gather(
        self, data: Crystals, *, held_out: frozenset[str], begun: Objective | None
    ) -> CrystalSet:
        """See :class:`.Session`."""
        if begun is None:
            angles = self.angles
        else:
            assert isinstance(begun, DpCdvaeObjective), "open_run lets no other kind through"
            angles = begun.process.angles
        return super().gather(data, held_out=held_out, begun=begun).reduced(angles=angles)

    @property
    def angles(self) -> Angles:
        """Of the reduced cells in a new run."""
        if self.deck.angles is not None:
            return self.deck.angles
        if self.deck.start is not None:
            return load_dp_cdvae(self.deck.start, device="cpu").process.angles
        return "acute"

    def check(self, crystals: CrystalSet, state: TrainState) -> None:
        """See :class:`.Session`; no crystal may have more atoms than the network counts.

        Raises:
            TrainingDataError: one has.
        """
        assert isinstance(state.network, DpCdvaeNetwork), "open_run lets no other kind through"
        most = state.network.config.most_atoms
        largest = int(np.diff(crystals.offsets).max())
        if largest > most:
            raise TrainingDataError(
                f"the data hold a crystal of {largest} atoms, and the network counts to {most}: "
                f"take such crystals out, or train with most_atoms of {largest}."
            )

    def started(self, weights: Path) -> Started:
        """See :class:`.Session`."""
        model = load_dp_cdvae(weights, device="cpu")
        network, deck = model.network, self.deck
        # A prior fits the encoder that it was fitted to: it is fitted anew at the end.
        network = with_prior(network, None)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(deck.training.seed)
            grown = with_encoders(
                network,
                atom_count=deck.atom_count,
                gine=deck.gine,
                blocks=deck.encoder_blocks or 0,
            )
        return Started(grown, model.digest, DpCdvaeObjective(process=model.process))

    def objective(self, crystals: CrystalSet) -> Objective:
        """See :class:`.Session`.

        A run that begins from weights keeps their noise, and their scale of lattices unless the
        angles are to be others; stoichiometries are those of its own crystals.
        """
        deck = self.deck
        found = DpCdvaeObjective.fit(
            crystals,
            weights=deck.weights,
            teacher_forcing=deck.teacher_forcing,
            draws=deck.draws,
            late_share=deck.late_share,
            angles=self.angles,
        )
        if deck.start is None:
            return found
        known = load_dp_cdvae(deck.start, device="cpu").process
        lattice = known.lattice if known.angles == self.angles else found.process.lattice
        return replace(
            found,
            process=replace(found.process, schedule=known.schedule, lattice=lattice),
        )

    def finish(
        self,
        network: nn.Module,
        crystals: CrystalSet,
        report: Callable[[TrainingProgress], None] | None,
    ) -> nn.Module:
        """See :class:`.Session`: the prior of z is fitted to the encoder."""
        deck = self.deck
        if not deck.prior_steps:
            return network
        assert isinstance(network, DpCdvaeNetwork), "open_run lets no other kind through"
        return fit_prior(
            network,
            Posteriors.of(network, crystals),
            steps=deck.prior_steps,
            seed=deck.training.seed,
            report=report,
        )

    def save(
        self,
        network: nn.Module,
        objective: Objective,
        crystals: CrystalSet,  # noqa: ARG002
        file: Path,
        notes: str,
    ) -> str:
        """See :class:`.Session`."""
        assert isinstance(objective, DpCdvaeObjective), "open_run lets no other kind through"
        return save_dp_cdvae(network, objective.process, file, notes=notes)
