"""Training of the score model as one call: data, run, weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gencsp.diffusion.training.inputs import (
    Crystals,
    HeldOut,
    Trained,
    first,
    formulas,
    given_options,
    length_of,
    make_folder,
    stream,
    torch_threads,
)

if TYPE_CHECKING:
    from gencsp.diffusion.training.objective import Objective
    from gencsp.diffusion.training.trainer import TrainingProgress

#: Of a new run, unless something else is asked for.
ARCHITECTURE = "density"
STEPS = 20_000
CONFIG = {"channels": 64, "layers": 4, "n_radial": 8}


def train_score(
    data: Crystals,
    out: Path | str,
    *,
    held_out: HeldOut,
    validation: Crystals | None = None,
    validation_size: int = 256,
    architecture: str | None = None,
    channels: int | None = None,
    layers: int | None = None,
    radial: int | None = None,
    steps: int | None = None,
    batch_size: int | None = None,
    rate: float | None = None,
    cooldown: float | None = None,
    sigma_max: float | None = None,
    validate_every: int | None = None,
    seed: int | None = None,
    threads: int = 1,
    device: str = "cpu",
    bfloat16: bool = False,
    compiled: bool = False,
    resume: bool = False,
    report: Callable[[TrainingProgress], None] | None = None,
) -> Trained:
    """Train the score model by denoising score matching (CHGGen, eq. 5 and 6).

    ``None`` leaves a setting as it is in the run that is gone on with, or at its default.

    Args:
        data: training crystals: an extxyz file, gzipped or not, or structures.
        out: folder for checkpoint, metrics and weights.
        held_out: formulas that must not occur in the data: a file with one a line, or formulas.
        validation: crystals to validate on.
        validation_size: how many of them to use, the first ones.
        architecture: "density", "painn" or "nequip".
        channels: features of an atom.
        layers: rounds of message passing.
        radial: radial functions.
        steps: optimiser steps at which to end.
        batch_size: crystals in a batch.
        rate: peak learning rate.
        cooldown: share of the steps at falling rate.
        sigma_max: highest noise level, Å.
        validate_every: steps between validations.
        seed: of every random choice.
        threads: of torch.
        device: a torch device.
        bfloat16: linear layers in bfloat16 (GPU).
        compiled: compile the layers, which needs a C++ compiler.
        resume: go on from the checkpoint in ``out``.
        report: called now and then with step, loss and validation losses.

    Returns:
        The weights file ``out/score.safetensors``, its digest and the steps made.

    Raises:
        StructureFileError, CompositionError: data or formulas that cannot be read.
        TrainingDataError: the data hold a held-out formula, an unknown element, or nothing.
        RequestError: a setting out of its range.
        StoreError: the folder holds another run, or cannot be written.
        WeightsError: the run is of another kind, or was begun with other settings.
    """
    from gencsp.diffusion.positions.model import save_score_model
    from gencsp.diffusion.training.checkpoints import check_data, open_run
    from gencsp.diffusion.training.data import CrystalSet
    from gencsp.diffusion.training.score_objective import ScoreObjective
    from gencsp.diffusion.training.settings import NoiseLevels, TrainSettings
    from gencsp.diffusion.training.state import new_state
    from gencsp.diffusion.training.trainer import train
    from gencsp.potentials.chgnet.batched import find_device

    folder = Path(out)
    chosen = find_device(device)
    config = given_options(channels=channels, layers=layers, n_radial=radial)
    wanted = given_options(
        steps=steps,
        batch_size=batch_size,
        learning_rate=rate,
        cooldown=cooldown,
        seed=seed,
        validate_every=validate_every,
    )
    more = {"bfloat16": bfloat16, "compiled": compiled}
    given = {"architecture": architecture, "noise.high": sigma_max, **config, **wanted, **more}
    found = open_run(folder, kind=ScoreObjective.kind, resume=resume, given=given)
    objective: Objective
    if found is None:
        settings = TrainSettings(**{"steps": STEPS, **wanted, **more})
        objective = ScoreObjective(NoiseLevels(**given_options(high=sigma_max)))
        state = new_state(architecture or ARCHITECTURE, {**CONFIG, **config}, settings)
    else:
        state, settings, objective = found
    assert isinstance(objective, ScoreObjective), "open_run lets no other kind through"
    excluded = formulas(held_out)
    crystals = CrystalSet.gather(stream(data), held_out=excluded)
    judged = None
    if validation is not None:
        judged = CrystalSet.gather(first(validation, validation_size), held_out=excluded)
    check_data(state, crystals, folder)
    make_folder(folder)
    with torch_threads(threads):
        train(state, settings, objective, crystals, judged, folder, device=chosen, report=report)
    file = folder / "score.safetensors"
    digest = save_score_model(
        state.average,
        file,
        sigma_min=objective.noise.low,
        sigma_max=objective.noise.high,
        notes=length_of(state),
    )
    return Trained(file=file, digest=digest, step=state.step)
