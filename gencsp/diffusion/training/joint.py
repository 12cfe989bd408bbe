"""Training of the joint diffusion model as one call: data, labels, run, weights."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from torch import nn

from gencsp.composition import Composition
from gencsp.diffusion.joint.conditions import PROPERTIES, check_labels
from gencsp.diffusion.joint.model import load_joint_model, save_joint_model
from gencsp.diffusion.joint.sizes import CellSizes
from gencsp.diffusion.training.data import CrystalSet
from gencsp.diffusion.training.inputs import Crystals, HeldOut, Trained, stream
from gencsp.diffusion.training.joint_objective import JointObjective
from gencsp.diffusion.training.labels import (
    as_array,
    by_property,
    energies_above_hull,
    label_crystals,
)
from gencsp.diffusion.training.objective import Objective
from gencsp.diffusion.training.session import Session, Started
from gencsp.diffusion.training.settings import JointDeck, LossWeights
from gencsp.diffusion.training.state import TrainState
from gencsp.diffusion.training.trainer import TrainingProgress
from gencsp.errors import TrainingDataError

#: Column of the energies above the hull in a table of labels.
E_HULL = PROPERTIES.index("e_hull")

OnLabel = Callable[[int, int], None]


def train_joint(
    data: Crystals,
    out: Path | str,
    *,
    held_out: HeldOut,
    validation: Crystals | None = None,
    report: Callable[[TrainingProgress], None] | None = None,
    on_label: OnLabel | None = None,
    **settings: Any,
) -> Trained:
    """Train the joint diffusion of species, coordinates and lattice (PIGEN).

    One network is trained for given compositions and de novo at once. The properties of the
    crystals are kept in ``out/labels.npz``.

    A run in a folder is resumed with ``resume=True``; settings that are left out then stay as they
    are in the run. A new run begins from random weights, or with ``start=FILE`` from those of a
    file, whose network it has, with a new optimiser.

    Args:
        data: training crystals: an extxyz file, gzipped or not, or structures.
        out: folder for checkpoint, metrics and weights.
        held_out: formulas that must not occur in the data: a file with one a line, or formulas.
        validation: crystals to validate on.
        report: called after each step with step, loss and, where it was validated, its losses.
        on_label: called for each crystal whose properties are there, with their number and that of
            all crystals.
        settings: fields of :class:`~gencsp.diffusion.training.settings.JointDeck`, where each is
            described.

    Returns:
        The weights file ``out/pigen.safetensors``, its digest and the steps made.

    Raises:
        StructureFileError, CompositionError: data or formulas that cannot be read.
        TrainingDataError: the data hold a held-out formula, an unknown element, a value that no
            crystal can have, or nothing; or they are not what the run was begun with.
        DeckError: an unknown setting, or one out of its range.
        StoreError: the folder holds another run, or cannot be written.
        WeightsError: the run is of another kind, or was begun with other settings.
    """
    session = JointSession(JointDeck.make(**settings), Path(out), on_label=on_label)
    # Structures are read twice, for the crystals and for their labels.
    read = data if isinstance(data, str | Path) else list(stream(data))
    return session.run(read, held_out=held_out, validation=validation, report=report)


class JointSession(Session[JointDeck]):
    """Training of the joint model; its crystals have reduced cells, and properties."""

    kind = JointObjective.kind
    weights = "pigen.safetensors"
    architecture = "joint"
    stored: ClassVar[dict[str, str]] = {"compactness_loss": "weights.compactness"}

    def __init__(self, deck: JointDeck, folder: Path, *, on_label: OnLabel | None) -> None:
        super().__init__(deck, folder)
        self.on_label = on_label

    def gather(
        self, data: Crystals, *, held_out: frozenset[str], begun: Objective | None
    ) -> CrystalSet:
        """See :class:`.Session`."""
        return super().gather(data, held_out=held_out, begun=begun).reduced()

    def label(self, crystals: CrystalSet, data: Crystals, state: TrainState) -> CrystalSet:
        """With the properties of every crystal, from the folder where it holds them already."""
        begun = state.data != ""
        if not (state.labels if begun else self.deck.labels):
            return crystals
        # Energies first: one that is wrong need not wait for the descriptors of all crystals.
        energies = energies_above_hull(stream(data))
        _check(crystals, by_property(e_hull=energies))
        cache = self.folder / "labels.npz"
        if cache.exists():
            with np.load(cache) as stored:
                if "data" in stored and str(stored["data"]) == crystals.digest:
                    labels = stored["labels"]
                    if np.array_equal(labels[:, E_HULL], energies, equal_nan=True):
                        _check(crystals, labels)
                        return replace(crystals, labels=labels)
        if begun:
            # The digest of the crystals is of their atoms alone.
            raise TrainingDataError(
                f"the energies above the hull in the data, or {cache}, are not those that the run "
                f"was begun with: give the same data, or train in a new folder."
            )
        rows = []
        for row in label_crystals(stream(data), workers=self.deck.threads):
            rows.append(row)
            if self.on_label is not None:
                self.on_label(len(rows), len(crystals))
        labels = as_array(rows)
        _check(crystals, labels)
        partial = cache.with_suffix(".partial.npz")
        np.savez_compressed(partial, labels=labels, data=crystals.digest)
        os.replace(partial, cache)
        return replace(crystals, labels=labels)

    def started(self, weights: Path) -> Started:
        """See :class:`.Session`."""
        model = load_joint_model(weights, engine="torch", device="cpu")
        return Started(model.network, model.digest, model.objective)

    def objective(self, crystals: CrystalSet) -> Objective:
        """See :class:`.Session`.

        A run that begins from weights keeps their noise, and with it the scale of the lattices,
        which the network's numbers are measured in. The scale of the properties is that of the
        crystals at hand: the network learns anew what its conditions mean.
        """
        weights = LossWeights(compactness=self.deck.compactness_loss)
        found = JointObjective.fit(crystals, weights=weights, given_share=self.deck.given_share)
        if self.deck.start is None:
            return found
        before = self.started(self.deck.start).objective
        assert isinstance(before, JointObjective), "the weights are of a joint model"
        return replace(found, process=before.process)

    def save(
        self, network: nn.Module, objective: Objective, crystals: CrystalSet, file: Path, notes: str
    ) -> str:
        """See :class:`.Session`."""
        assert isinstance(objective, JointObjective), "open_run lets no other kind through"
        sizes = CellSizes.fit(np.diff(crystals.offsets).tolist(), crystals.labels)
        return save_joint_model(network, objective, sizes, file, notes=notes)


def _check(crystals: CrystalSet, labels: NDArray[np.float64]) -> None:
    """Refuse labels that no crystal can have; see :func:`.check_labels`."""
    sizes = np.diff(crystals.offsets)

    def name(k: int) -> str:
        numbers = crystals.numbers[crystals.offsets[k] : crystals.offsets[k + 1]]
        return f"crystal {k + 1} of the training data ({Composition.of(Atoms(numbers))})"

    check_labels(labels, name, atoms=sizes.tolist())
