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
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from gencsp.deck import Count, Fraction, Natural, NonNegative, Positive, Seed, Share, check_fields
from gencsp.diffusion.networks import build_network, compile_layers, describe_network
from gencsp.diffusion.training.data import CrystalSet
from gencsp.diffusion.training.joint_objective import JointObjective
from gencsp.diffusion.training.score_objective import Objective, ScoreObjective
from gencsp.errors import StoreError, WeightsError

#: File of a run in its folder.
CHECKPOINT = "checkpoint.pt"
#: Format of that file; a newer one is refused by older versions.
FORMAT = 1


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

    steps: Count
    batch_size: Count = 32
    learning_rate: Positive = 1e-3
    warmup: Natural = 500
    cooldown: Share = 0.25
    ema: Fraction = 0.999
    clip: Positive = 1.0
    seed: Seed = 0
    validate_every: Count = 2000
    checkpoint_seconds: NonNegative = 240.0
    bfloat16: bool = False
    compiled: bool = False

    def __post_init__(self) -> None:
        check_fields(self)

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        up = min(1.0, (step + 1) / max(1, self.warmup))
        down = min(1.0, (self.steps - step) / max(1.0, self.cooldown * self.steps))
        return self.learning_rate * min(up, down)


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """Progress reported by :func:`train`: step of so many, smoothed loss, seconds trained."""

    step: int
    steps: int
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
        whole: false in the middle of a step, where training cannot be continued.
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
    report: Callable[[TrainingProgress], None] | None = None,
) -> TrainState:
    """Train until ``settings.steps``, writing ``checkpoint.pt`` and ``metrics.jsonl`` to a folder.

    An interruption by Ctrl-C writes a checkpoint of the last complete step and is raised again;
    while the weights are changing, the checkpoint that was written before stays.

    Raises:
        WeightsError: the state was left while its weights were changing.
    """
    if not state.whole:
        raise WeightsError(
            "training was interrupted in the middle of a step: resume from its last checkpoint."
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
                report(
                    TrainingProgress(state.step, settings.steps, state.loss, state.seconds, scores)
                )
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
    path = folder / CHECKPOINT
    partial = path.with_suffix(".partial")
    torch.save(
        {
            "format": FORMAT,
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
        WeightsError: the file is missing, not a checkpoint of gencsp, or of a newer version.
    """
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        newer = stored["format"] > FORMAT
        if not newer:
            objective = _objective(stored["objective"], stored["architecture"])
            state = _state_of(build_network(stored["architecture"], stored["config"]))
            state.network.load_state_dict(stored["network"])
            state.average.load_state_dict(stored["average"])
            state.optimiser.load_state_dict(stored["optimiser"])
            state.step, state.seconds = stored["step"], stored["seconds"]
            state.loss = stored["loss"]
            return state, TrainSettings(**stored["settings"]), objective
    except FileNotFoundError as error:
        raise WeightsError(f"there is no checkpoint at {path}: start without --resume.") from error
    except WeightsError as error:
        raise WeightsError(f"{path} cannot be resumed: {error}") from error
    except (
        *(OSError, EOFError, UnpicklingError, struct.error),
        *(LookupError, TypeError, ValueError, AttributeError, RuntimeError),
    ) as error:
        raise WeightsError(
            f"{path} is not a checkpoint of this version of gencsp, or is damaged ({error}): "
            f"train in a new folder."
        ) from error
    raise WeightsError(f"{path} was written by a newer version of gencsp: update gencsp.")


def _objective(stored: dict[str, Any], architecture: str) -> Objective:
    """The objective of a checkpoint, which must be one that its network can be trained for."""
    kind = stored["kind"]
    if (architecture == "joint") is not (kind == JointObjective.kind):
        raise KeyError(f"a network '{architecture}' is not trained as '{kind}'")
    match kind:
        case ScoreObjective.kind:
            return ScoreObjective.from_description(stored)
        case JointObjective.kind:
            return JointObjective.from_description(stored)
    raise KeyError(f"objective {kind}")


def open_run(
    folder: Path, *, kind: str, resume: bool, given: Mapping[str, object]
) -> tuple[TrainState, TrainSettings, Objective] | None:
    """Read the run in a folder and check that it is the requested one; writes nothing.

    Args:
        folder: of the run; it need not be there for a new one.
        kind: of the objective, "score" or "joint".
        resume: whether to continue a run or to begin one.
        given: settings that the user gave, by the names in the checkpoint (``architecture``,
            ``channels``, ``noise.high``, ...); ``None`` keeps that of the checkpoint. Of the
            settings of :class:`TrainSettings` all but batch size and seed may differ from what they
            were.

    Returns:
        What the checkpoint holds, its settings changed as far as ``given`` changes them; ``None``
        for a run that is to begin.

    Raises:
        StoreError: a run is to begin where there is another one, or where there is no folder but a
            file.
        WeightsError: as for :func:`load_checkpoint`; or the run is of another kind, or was begun
            with something else than what is given.
    """
    path = folder / CHECKPOINT
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"{folder} is a file: name a folder for the training run.")
    if not resume:
        if path.exists():
            raise StoreError(
                f"{folder} holds another training run: add --resume, or name a new folder."
            )
        return None
    state, settings, objective = load_checkpoint(path)
    if objective.kind != kind:
        raise WeightsError(
            f"{path} is of another kind: resume it with 'gencsp train {objective.kind}', or "
            f"train the new model in a new folder."
        )
    named = {key: value for key, value in given.items() if value is not None}
    changes: dict[str, Any] = {key: named.pop(key) for key in _MAY_CHANGE & named.keys()}
    begun = _begun_with(state, settings, objective)
    for key, value in named.items():
        if begun[key] != value:
            raise WeightsError(
                f"{path} was begun with {key} = {begun[key]}, not {value}: leave that option out, "
                f"or train in a new folder."
            )
    return state, replace(settings, **changes), objective


def make_folder(folder: Path) -> None:
    """Make the folder of a run.

    Raises:
        StoreError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be written ({error.strerror}): name another folder with --out."
        ) from error


# Order of the crystals and noise follow from batch size and seed, so these identify the run.
_MAY_CHANGE = {field.name for field in fields(TrainSettings)} - {"batch_size", "seed"}


def _begun_with(
    state: TrainState, settings: TrainSettings, objective: Objective
) -> dict[str, object]:
    """Settings that cannot change in a run, flat: ``noise.high`` is ``high`` of ``noise``."""
    architecture, config = describe_network(state.network)
    flat: dict[str, object] = {"architecture": architecture, **config, **asdict(settings)}
    for part, value in objective.describe().items():
        if isinstance(value, dict):
            flat |= {f"{part}.{key}": one for key, one in value.items()}
        else:
            flat[part] = value
    return flat


def length_of(state: TrainState) -> str:
    """Length of the training, for the weights file."""
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
