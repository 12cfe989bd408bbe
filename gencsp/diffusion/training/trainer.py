"""Training with exact resumption: every random choice is a function of the seed and the step.

The order of the crystals follows from (seed, epoch), the noise of a batch from (seed, step). A
checkpoint therefore needs weights, averages, optimiser and step, and a run that was stopped and
resumed does, batch for batch, what the uninterrupted run does.
"""

from __future__ import annotations

import copy
import json
import os
import struct
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from gencsp.diffusion.joint.objective import JointObjective
from gencsp.diffusion.networks import build_network, compile_layers, describe_network
from gencsp.diffusion.training.data import CrystalSet
from gencsp.diffusion.training.objective import Objective, ScoreObjective
from gencsp.errors import WeightsError


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """What a training run does; part of its checkpoints.

    Attributes:
        steps: optimiser steps at which training ends.
        batch_size: crystals in a batch.
        learning_rate: peak rate of AdamW.
        warmup: steps of linear rise to it.
        cooldown: share of ``steps`` at the end over which the rate falls linearly to zero; the
            rate is constant in between, so that a run can be prolonged from before its cooldown.
        ema: decay of the averaged weights, which are the ones validated and shipped.
        clip: largest gradient norm.
        seed: of every random choice.
        validate_every: steps between validations.
        checkpoint_seconds: longest time between checkpoints.
        bfloat16: run linear layers in bfloat16 (for GPUs).
        compiled: compile the layers (``torch.compile``, which needs a C++ compiler): a third faster
            on a CPU after a minute of compilation; results differ by rounding.
    """

    steps: int
    batch_size: int = 32
    learning_rate: float = 1e-3
    warmup: int = 500
    cooldown: float = 0.25
    ema: float = 0.999
    clip: float = 1.0
    seed: int = 0
    validate_every: int = 2000
    checkpoint_seconds: float = 240.0
    bfloat16: bool = False
    compiled: bool = False

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        up = min(1.0, (step + 1) / max(1, self.warmup))
        down = min(1.0, (self.steps - step) / max(1.0, self.cooldown * self.steps))
        return self.learning_rate * min(up, down)


@dataclass(frozen=True, slots=True)
class Progress:
    """What the caller of :func:`train` is told: step, smoothed loss, seconds trained so far."""

    step: int
    loss: float
    seconds: float
    validation: dict[str, float] | None = None


@dataclass(slots=True)
class TrainState:
    """All that changes during training.

    Attributes:
        network: what is trained.
        average: its averaged weights.
        optimiser: with its moments.
        step: steps done.
        seconds: wall time of them.
        loss: smoothed.
        whole: not in the middle of a step, so that training can go on from here.
    """

    network: nn.Module
    average: nn.Module
    optimiser: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    loss: float = 1.0
    whole: bool = True


def new_state(architecture: str, config: dict[str, Any], settings: TrainSettings) -> TrainState:
    """A fresh network, initialised from the seed without touching torch's global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = build_network(architecture, config)
    return _state_of(network)


def _state_of(network: nn.Module) -> TrainState:
    average = copy.deepcopy(network).requires_grad_(False)
    return TrainState(network, average, _optimiser(network))


def _optimiser(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(network.parameters(), weight_decay=1e-4, fused=True)


def train(
    state: TrainState,
    settings: TrainSettings,
    objective: Objective,
    crystals: CrystalSet,
    validation: CrystalSet | None,
    folder: Path,
    *,
    device: torch.device | None = None,
    report: Callable[[Progress], None] | None = None,
) -> TrainState:
    """Train until ``settings.steps``, writing ``checkpoint.pt`` and ``metrics.jsonl`` to a folder.

    An interruption by Ctrl-C leaves a checkpoint of the last whole step behind and is raised on; in
    the moment in which weights change it leaves the checkpoint that was written last.

    Raises:
        WeightsError: the state was left in such a moment.
    """
    if not state.whole:
        raise WeightsError(
            "training was interrupted in the middle of a step: go on from its last checkpoint."
        )
    device = device or torch.device("cpu")
    state.network.to(device)
    state.average.to(device)
    if settings.compiled:
        compile_layers(state.network)
    saved = time.monotonic()
    try:
        while state.step < settings.steps:
            begun = time.monotonic()
            train_step(state, settings, objective, crystals, device)
            state.seconds += time.monotonic() - begun
            due = state.step % settings.validate_every == 0 or state.step == settings.steps
            scores = None
            if due and validation is not None:
                scores = objective.validate(state.average, validation, device=device)
                _log(folder, state, settings, scores)
            if due or time.monotonic() - saved > settings.checkpoint_seconds:
                save_checkpoint(state, settings, objective, folder)
                saved = time.monotonic()
            if report is not None:
                report(Progress(state.step, state.loss, state.seconds, scores))
    except KeyboardInterrupt:
        if state.whole:
            save_checkpoint(state, settings, objective, folder)
        raise
    return state


def train_step(
    state: TrainState,
    settings: TrainSettings,
    objective: Objective,
    crystals: CrystalSet,
    device: torch.device,
) -> None:
    """One optimiser step (changes ``state``): its batch and noise follow from seed and step."""
    rng = np.random.default_rng([settings.seed, state.step, 0])
    indices = batch_indices(len(crystals), settings, state.step)
    for group in state.optimiser.param_groups:
        group["lr"] = settings.rate(state.step)
    state.network.train()
    with torch.autocast(device.type, torch.bfloat16, enabled=settings.bfloat16):
        loss = objective.loss(state.network, crystals, indices, rng, device).mean()
    state.optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), settings.clip)
    state.whole = False
    state.optimiser.step()
    _average(state, settings.ema)
    state.step += 1
    state.loss += (loss.item() - state.loss) * max(0.01, 1.0 / state.step)
    state.whole = True


def batch_indices(n: int, settings: TrainSettings, step: int) -> NDArray[np.int64]:
    """Indices of the crystals of a step: a fresh permutation in every epoch, the rest dropped."""
    per_epoch = max(1, n // settings.batch_size)
    epoch, place = divmod(step, per_epoch)
    order = np.random.default_rng([settings.seed, epoch, 1]).permutation(n)
    return order[place * settings.batch_size : (place + 1) * settings.batch_size]


@torch.no_grad()
def _average(state: TrainState, decay: float) -> None:
    # A short memory at first, so that the random start is soon forgotten.
    decay = min(decay, (1 + state.step) / (10 + state.step))
    for mean, now in zip(state.average.parameters(), state.network.parameters(), strict=True):
        mean.lerp_(now, 1 - decay)


def save_checkpoint(
    state: TrainState, settings: TrainSettings, objective: Objective, folder: Path
) -> Path:
    """Write ``checkpoint.pt`` in one atomic step; returns its path."""
    name, config = describe_network(state.network)
    path = folder / "checkpoint.pt"
    partial = path.with_suffix(".partial")
    torch.save(
        {
            "architecture": name,
            "config": config,
            "network": state.network.state_dict(),
            "average": state.average.state_dict(),
            "optimiser": state.optimiser.state_dict(),
            "step": state.step,
            "seconds": state.seconds,
            "loss": state.loss,
            "settings": asdict(settings),
            "objective": objective.describe(),
        },
        partial,
    )
    os.replace(partial, path)
    return path


def load_checkpoint(path: Path) -> tuple[TrainState, TrainSettings, Objective]:
    """Read what :func:`save_checkpoint` wrote; nothing in it is executed.

    Raises:
        WeightsError: the file is missing or not a checkpoint of gencsp.
    """
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        state = _state_of(build_network(stored["architecture"], stored["config"]))
        state.network.load_state_dict(stored["network"])
        state.average.load_state_dict(stored["average"])
        state.optimiser.load_state_dict(stored["optimiser"])
        state.step, state.seconds = stored["step"], stored["seconds"]
        state.loss = stored["loss"]
        return state, TrainSettings(**stored["settings"]), _objective(stored["objective"])
    except FileNotFoundError as error:
        raise WeightsError(f"there is no checkpoint at {path}: start without --resume.") from error
    except (KeyError, TypeError, RuntimeError, EOFError, UnpicklingError, struct.error) as error:
        raise WeightsError(
            f"{path} is not a checkpoint of this version of gencsp ({error})."
        ) from error


def _objective(stored: dict[str, Any]) -> Objective:
    match stored["kind"]:
        case ScoreObjective.kind:
            return ScoreObjective.from_description(stored)
        case JointObjective.kind:
            return JointObjective.from_description(stored)
    raise KeyError(f"objective {stored['kind']}")


def length_of(state: TrainState) -> str:
    """How long a network was trained, for its weights file."""
    return f"{state.step} steps, {state.seconds / 3600:.2f} hours"


def _log(
    folder: Path, state: TrainState, settings: TrainSettings, scores: dict[str, float]
) -> None:
    row = {
        "step": state.step,
        "seconds": round(state.seconds, 1),
        "train_loss": round(state.loss, 5),
        "rate": settings.rate(state.step),
        "validation": {key: round(value, 5) for key, value in scores.items()},
    }
    with open(folder / "metrics.jsonl", "a") as file:
        file.write(json.dumps(row) + "\n")
