"""One session of training, whatever the model: its folder, crystals, training and weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from torch import nn

from gencsp.diffusion.networks import describe_network
from gencsp.diffusion.training.checkpoints import check_data, open_run
from gencsp.diffusion.training.data import CrystalSet
from gencsp.diffusion.training.inputs import (
    Crystals,
    HeldOut,
    Trained,
    first,
    formulas,
    length_of,
    make_folder,
    stream,
    torch_threads,
)
from gencsp.diffusion.training.objective import Objective
from gencsp.diffusion.training.settings import SESSION, TrainDeck
from gencsp.diffusion.training.state import TrainState, new_state, state_of
from gencsp.diffusion.training.trainer import TrainingProgress, train
from gencsp.errors import WeightsError
from gencsp.executors.devices import find_device

D = TypeVar("D", bound=TrainDeck)


@dataclass(frozen=True, slots=True)
class Started:
    """What a run takes of a weights file that it begins from.

    Attributes:
        network: with the weights.
        digest: short hash of them.
        objective: what the weights were trained for; a new run keeps its noise.
    """

    network: nn.Module
    digest: str
    objective: Objective


class Session(ABC, Generic[D]):
    """The training of one model in one folder; subclasses say what is particular to the model.

    Args:
        deck: the settings; a run that is resumed is compared with those that were given.
        folder: for checkpoint, metrics and weights.

    Attributes:
        kind: of the objective, as checkpoints name it.
        weights: name of the file of weights.
        stored: names that settings of the deck have in a checkpoint, where they differ.
    """

    kind: ClassVar[str]
    weights: ClassVar[str]
    stored: ClassVar[Mapping[str, str]] = {}

    def __init__(self, deck: D, folder: Path) -> None:
        self.deck = deck
        self.folder = folder

    @property
    @abstractmethod
    def architecture(self) -> str:
        """Name of the network of a new run."""

    @abstractmethod
    def started(self, weights: Path) -> Started:
        """The network of a weights file to begin from, with what a run must keep of the file."""

    def gather(
        self,
        data: Crystals,
        *,
        held_out: frozenset[str],
        begun: Objective | None,  # noqa: ARG002
    ) -> CrystalSet:
        """The crystals in the form that the model is trained on.

        Args:
            data: the crystals.
            held_out: formulas that must not occur.
            begun: objective of a run that is resumed; ``None`` for a new one.
        """
        return CrystalSet.gather(stream(data), held_out=held_out)

    def label(self, crystals: CrystalSet, data: Crystals, state: TrainState) -> CrystalSet:  # noqa: ARG002
        """The crystals with the properties that the model is conditioned on."""
        return crystals

    def check(self, crystals: CrystalSet, state: TrainState) -> None:
        """Refuse crystals that the network cannot take, before anything is written."""

    @abstractmethod
    def objective(self, crystals: CrystalSet) -> Objective:
        """What a new run minimises."""

    def finish(
        self,
        network: nn.Module,
        crystals: CrystalSet,  # noqa: ARG002
        report: Callable[[TrainingProgress], None] | None,  # noqa: ARG002
    ) -> nn.Module:
        """What is written of a trained network: what is fitted to it last is added."""
        return network

    @abstractmethod
    def save(
        self, network: nn.Module, objective: Objective, crystals: CrystalSet, file: Path, notes: str
    ) -> str:
        """Write the weights; returns their digest."""

    def run(
        self,
        data: Crystals,
        *,
        held_out: HeldOut,
        validation: Crystals | None,
        report: Callable[[TrainingProgress], None] | None,
    ) -> Trained:
        """Begin the run or go on with it, up to its last step, and write the weights."""
        deck, folder = self.deck, self.folder
        device = find_device(deck.device)
        found = open_run(folder, kind=self.kind, resume=deck.resume, given=self._given())
        if found is None:
            state, settings = self._new_state(), deck.training
        else:
            state, settings, _ = found
        excluded, begun = formulas(held_out), None if found is None else found[2]
        crystals = self.gather(data, held_out=excluded, begun=begun)
        self.check(crystals, state)
        judged = None
        if validation is not None:
            some = first(validation, deck.validation_size)
            judged = self.gather(some, held_out=excluded, begun=begun)
            self.check(judged, state)
        check_data(state, crystals, folder)
        make_folder(folder)
        crystals = self.label(crystals, data, state)
        objective = self.objective(crystals) if begun is None else begun
        with torch_threads(deck.threads):
            train(
                state, settings, objective, crystals, judged, folder, device=device, report=report
            )
        file = folder / self.weights
        with torch_threads(deck.threads):
            network = self.finish(state.average, crystals, report)
        digest = self.save(network, objective, crystals, file, length_of(state))
        return Trained(file=file, digest=digest, step=state.step)

    def _new_state(self) -> TrainState:
        if self.deck.start is None:
            return new_state(self.architecture, self.deck.network, self.deck.training)
        started = self.started(self.deck.start)
        architecture, config = describe_network(started.network)
        has = {"architecture": architecture, **config}
        for name, value in self._given().items():
            if name in has and has[name] != value:
                raise WeightsError(
                    f"the network of {self.deck.start} has {name} = {has[name]}, not {value}: "
                    f"leave that option out, or begin without --start."
                )
        return state_of(started.network.requires_grad_(True), start=started.digest)

    def _given(self) -> dict[str, object]:
        """Settings that were given, by their names in a checkpoint."""
        given = self.deck.stored
        if self.deck.start is not None:
            given["start"] = self.started(self.deck.start).digest
        items = given.items()
        return {self.stored.get(name, name): one for name, one in items if name not in SESSION}
