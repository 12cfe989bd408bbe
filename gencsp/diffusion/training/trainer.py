"""Training with exact resumption: every random choice is a function of the seed and the step.

The order of the crystals follows from (seed, epoch), the noise of a batch from (seed, step). A
checkpoint therefore needs weights, averages, optimiser and step, and a run that was stopped and
resumed does, batch for batch, what the uninterrupted run does.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from gencsp.diffusion.networks import compile_layers
from gencsp.diffusion.training.checkpoints import check_data, save_checkpoint
from gencsp.diffusion.training.data import CrystalSet
from gencsp.diffusion.training.objective import Examples, Loss, Objective
from gencsp.diffusion.training.settings import TrainSettings
from gencsp.diffusion.training.state import TrainState
from gencsp.errors import TrainingError, WeightsError

#: Steps in a row without a finite gradient after which training ends.
LOST = 20
#: The file of the validations of a run, a line of JSON each.
METRICS = "metrics.jsonl"


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """Progress reported by :func:`train`.

    Attributes:
        step, steps: those done, and all.
        loss: smoothed over about a hundred steps.
        seconds: trained so far, in all sessions, without validation.
        validation: losses of a validation that was due after this step.
        best: lowest mean loss of a validation of this run so far; ``None`` before the first.
        stage: ``train``, or ``prior`` while a prior of z is fitted at the end.
    """

    step: int
    steps: int
    loss: float
    seconds: float
    validation: dict[str, float] | None = None
    best: float | None = None
    stage: Literal["train", "prior"] = "train"


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
        TrainingDataError: it was trained on other crystals before.
        TrainingError: it has diverged.
    """
    if not state.whole:
        raise WeightsError(
            "training was interrupted in the middle of a step: resume from its last checkpoint."
        )
    check_data(state, crystals, folder)
    state.data, state.labels = crystals.digest, crystals.labels is not None
    device = device or torch.device("cpu")
    state.network.to(device)
    state.average.to(device)
    if settings.compiled:
        compile_layers(state.network)
    saved = time.monotonic()
    best = _best_before(folder, state.step)
    lost = 0
    try:
        while state.step < settings.steps:
            begun = time.monotonic()
            lost = 0 if train_step(state, settings, objective, crystals, device) else lost + 1
            if lost == LOST:
                raise TrainingError(
                    f"the training has diverged: the gradients of {LOST} steps in a row, to step "
                    f"{state.step}, are not finite. Begin again with a lower --learning-rate, from "
                    f"weights written before (--start) where there are some."
                )
            state.seconds += time.monotonic() - begun
            due = state.step % settings.validate_every == 0 or state.step == settings.steps
            scores = None
            if due and validation is not None:
                scores = objective.validate(state.average, validation, device=device)
                _log(folder, state, settings, scores)
                best = _lowest([best, scores["mean"]])
            if due or time.monotonic() - saved > settings.checkpoint_seconds:
                save_checkpoint(state, settings, objective, folder)
                saved = time.monotonic()
            if report is not None:
                report(
                    TrainingProgress(
                        step=state.step,
                        steps=settings.steps,
                        loss=state.loss,
                        seconds=state.seconds,
                        validation=scores,
                        best=best,
                    )
                )
    except KeyboardInterrupt:
        if state.whole:
            save_checkpoint(state, settings, objective, folder)
        raise
    return state


def train_step(
    state: TrainState,
    settings: TrainSettings,
    objective: Loss[Examples],
    examples: Examples,
    device: torch.device,
) -> bool:
    """One optimiser step (changes ``state``): its batch and noise follow from seed and step.

    Returns:
        Whether the gradient was finite; if not, the network stays as it is.
    """
    rng = np.random.default_rng([settings.seed, state.step, 0])
    indices = batch_indices(len(examples), settings, state.step)
    for group in state.optimiser.param_groups:
        group["lr"] = settings.rate(state.step)
    state.network.train()
    with torch.autocast(device.type, torch.bfloat16, enabled=settings.bfloat16):
        loss = objective.loss(state.network, examples, indices, rng, device, step=state.step)
        loss = loss.mean()
    state.optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    norm = torch.nn.utils.clip_grad_norm_(state.network.parameters(), settings.clip)
    # One such gradient, of a single crystal, would leave no number in the network.
    finite = bool(torch.isfinite(norm))
    state.whole = False
    if finite:
        state.optimiser.step()
        _average(state, settings.ema)
    state.step += 1
    if finite:
        state.loss += (loss.item() - state.loss) * max(0.01, 1.0 / state.step)
    state.whole = True
    return finite


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
    with open(folder / METRICS, "a") as file:
        file.write(json.dumps(row) + "\n")


def _best_before(folder: Path, step: int) -> float | None:
    """The lowest mean loss of the validations up to a step, by earlier sessions of the run."""
    try:
        lines = (folder / METRICS).read_text().splitlines()
    except FileNotFoundError:
        return None
    means: list[float | None] = []
    for line in lines:
        # A session that was killed may have left a line without its end.
        with suppress(json.JSONDecodeError):
            row = json.loads(line)
            if row["step"] <= step:
                means.append(float(row["validation"]["mean"]))
    return _lowest(means)


def _lowest(losses: Iterable[float | None]) -> float | None:
    """The lowest that is a number; a network that diverged has losses that are none."""
    return min((one for one in losses if one is not None and isfinite(one)), default=None)
