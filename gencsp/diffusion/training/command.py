"""``gencsp train``: train a network on crystals of your own, or go on with a run."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gencsp.errors import StoreError, WeightsError

if TYPE_CHECKING:
    from gencsp.diffusion.training.objective import Objective
    from gencsp.diffusion.training.trainer import Progress

app = typer.Typer(help="Train networks on crystals of your own.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps ``score`` a sub-command where this module alone is loaded."""


@app.command()
def score(
    data: Annotated[Path, typer.Option(help="Training crystals (extxyz, gzipped or not).")],
    out: Annotated[Path, typer.Option(help="Folder for checkpoint, metrics and weights.")],
    held_out: Annotated[
        Path, typer.Option(help="Formulas that must not occur in the data, one a line.")
    ],
    validation: Annotated[Path | None, typer.Option(help="Validation crystals.")] = None,
    validation_size: Annotated[int, typer.Option(help="How many of them to use.")] = 256,
    architecture: Annotated[str, typer.Option(help="density, painn or nequip.")] = "density",
    channels: Annotated[int, typer.Option(help="Features of an atom.")] = 64,
    layers: Annotated[int, typer.Option(help="Rounds of message passing.")] = 4,
    radial: Annotated[int, typer.Option(help="Radial functions.")] = 8,
    steps: Annotated[int, typer.Option(help="Optimiser steps at which to end.")] = 20000,
    batch_size: Annotated[int, typer.Option(help="Crystals in a batch.")] = 32,
    rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 1e-3,
    cooldown: Annotated[
        float, typer.Option(min=0, max=1, help="Share of steps at falling rate.")
    ] = 0.25,
    sigma_max: Annotated[float, typer.Option(help="Highest noise level, Å.")] = 5.0,
    validate_every: Annotated[int, typer.Option(help="Steps between validations.")] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    threads: Annotated[int, typer.Option(help="Torch threads.")] = 1,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    bfloat16: Annotated[bool, typer.Option(help="Linear layers in bfloat16 (GPU).")] = False,
    compiled: Annotated[
        bool, typer.Option(help="Compile the layers: faster, needs a C++ compiler.")
    ] = False,
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoint in OUT.")] = False,
) -> None:
    """Train the score model by denoising score matching."""
    import torch

    from gencsp.diffusion.score_model import save_score_model
    from gencsp.diffusion.training.data import CrystalSet, read_held_out, stream_extxyz
    from gencsp.diffusion.training.objective import NoiseLevels, ScoreObjective
    from gencsp.diffusion.training.trainer import (
        TrainSettings,
        length_of,
        load_checkpoint,
        new_state,
        train,
    )

    torch.set_num_threads(threads)
    excluded = read_held_out(held_out)
    crystals = CrystalSet.gather(stream_extxyz(data), held_out=excluded)
    judged = None
    if validation is not None:
        judged = CrystalSet.gather(
            islice(stream_extxyz(validation), validation_size), held_out=excluded
        )
    settings = TrainSettings(
        steps=steps,
        batch_size=batch_size,
        learning_rate=rate,
        cooldown=cooldown,
        seed=seed,
        validate_every=validate_every,
        bfloat16=bfloat16,
        compiled=compiled,
    )
    objective: Objective = ScoreObjective(NoiseLevels(high=sigma_max))
    checkpoint = out / "checkpoint.pt"
    if resume:
        state, _, objective = load_checkpoint(checkpoint)
    elif checkpoint.exists():
        raise StoreError(f"{out} holds another training run: add --resume, or name a new folder.")
    else:
        state = new_state(
            architecture, {"channels": channels, "layers": layers, "n_radial": radial}, settings
        )
    out.mkdir(parents=True, exist_ok=True)
    train_with_progress(
        lambda report: train(
            state,
            settings,
            objective,
            crystals,
            judged,
            out,
            device=torch.device(device),
            report=report,
        ),
        total=steps,
        done=state.step,
    )
    if not isinstance(objective, ScoreObjective):
        raise WeightsError(f"{checkpoint} is not of a score model: use 'gencsp train joint'.")
    noise = objective.noise
    digest = save_score_model(
        state.average,
        out / "score.safetensors",
        sigma_min=noise.low,
        sigma_max=noise.high,
        notes=length_of(state),
    )
    typer.echo(f"wrote {out / 'score.safetensors'} (digest {digest}) after {state.step} steps")


def train_with_progress(
    run: Callable[[Callable[[Progress], None]], object], *, total: int, done: int
) -> None:
    """Run a training under a progress bar on the error stream."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=total, completed=done)

        def report(progress: Progress) -> None:
            bar.update(task, completed=progress.step, description=f"loss {progress.loss:.4f}")
            if progress.validation is not None:
                bar.console.print(
                    f"step {progress.step}: validation loss {progress.validation['mean']:.4f}"
                )

        run(report)
