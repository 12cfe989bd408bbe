"""``gencsp train``: train a network on crystals of your own, or go on with a run."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gencsp.diffusion.training.score_objective import Objective
    from gencsp.diffusion.training.trainer import TrainingProgress

app = typer.Typer(help="Train networks on crystals of your own.", no_args_is_help=True)

# Options of both commands. None of them has a value here, so that a run that is gone on with keeps
# what it was begun with, and is refused only where something else is asked for.
ChannelsOption = Annotated[
    int | None, typer.Option(help="Features of an atom [default: 64 of score, 80 of joint].")
]
LayersOption = Annotated[int | None, typer.Option(help="Rounds of message passing [default: 4].")]
RadialOption = Annotated[int | None, typer.Option(help="Radial functions [default: 8].")]
StepsOption = Annotated[
    int | None,
    typer.Option(help="Optimiser steps at which to end [default: 20000 of score, 30000 of joint]."),
]
BatchOption = Annotated[int | None, typer.Option(help="Crystals in a batch [default: 32].")]
RateOption = Annotated[float | None, typer.Option(help="Peak learning rate [default: 0.001].")]
CooldownOption = Annotated[
    float | None, typer.Option(help="Share of steps at falling rate [default: 0.25].")
]
ValidateOption = Annotated[
    int | None, typer.Option(help="Steps between validations [default: 2000].")
]
SeedOption = Annotated[int | None, typer.Option(help="Seed of every random choice [default: 0].")]


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
    validation_size: Annotated[int, typer.Option(min=1, help="How many of them to use.")] = 256,
    architecture: Annotated[
        str | None, typer.Option(help="density, painn or nequip [default: density].")
    ] = None,
    channels: ChannelsOption = None,
    layers: LayersOption = None,
    radial: RadialOption = None,
    steps: StepsOption = None,
    batch_size: BatchOption = None,
    rate: RateOption = None,
    cooldown: CooldownOption = None,
    sigma_max: Annotated[
        float | None, typer.Option(help="Highest noise level, Å [default: 5].")
    ] = None,
    validate_every: ValidateOption = None,
    seed: SeedOption = None,
    threads: Annotated[int, typer.Option(min=1, help="Torch threads.")] = 1,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    bfloat16: Annotated[bool, typer.Option(help="Linear layers in bfloat16 (GPU).")] = False,
    compiled: Annotated[
        bool, typer.Option(help="Compile the layers: faster, needs a C++ compiler.")
    ] = False,
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoint in OUT.")] = False,
) -> None:
    """Train the score model by denoising score matching."""
    import torch

    from gencsp.diffusion.positions.model import save_score_model
    from gencsp.diffusion.training.data import CrystalSet, read_held_out, stream_extxyz
    from gencsp.diffusion.training.score_objective import NoiseLevels, ScoreObjective
    from gencsp.diffusion.training.trainer import (
        TrainSettings,
        length_of,
        make_folder,
        new_state,
        open_run,
        train,
    )
    from gencsp.potentials.chgnet.batched import find_device

    torch.set_num_threads(threads)
    chosen = find_device(device)
    config = named(channels=channels, layers=layers, n_radial=radial)
    wanted = named(
        steps=steps,
        batch_size=batch_size,
        learning_rate=rate,
        cooldown=cooldown,
        seed=seed,
        validate_every=validate_every,
    )
    more = {"bfloat16": bfloat16, "compiled": compiled}
    given = {"architecture": architecture, "noise.high": sigma_max, **config, **wanted, **more}
    found = open_run(out, kind=ScoreObjective.kind, resume=resume, given=given)
    objective: Objective
    if found is None:
        settings = TrainSettings(**{"steps": 20000, **wanted, **more})
        objective = ScoreObjective(NoiseLevels(**named(high=sigma_max)))
        state = new_state(
            architecture or "density",
            {"channels": 64, "layers": 4, "n_radial": 8, **config},
            settings,
        )
    else:
        state, settings, objective = found
    assert isinstance(objective, ScoreObjective), "open_run lets no other kind through"
    excluded = read_held_out(held_out)
    crystals = CrystalSet.gather(stream_extxyz(data), held_out=excluded)
    judged = None
    if validation is not None:
        judged = CrystalSet.gather(
            islice(stream_extxyz(validation), validation_size), held_out=excluded
        )
    make_folder(out)
    train_with_progress(
        lambda report: train(
            state,
            settings,
            objective,
            crystals,
            judged,
            out,
            device=chosen,
            report=report,
        ),
        total=settings.steps,
        done=state.step,
    )
    noise = objective.noise
    digest = save_score_model(
        state.average,
        out / "score.safetensors",
        sigma_min=noise.low,
        sigma_max=noise.high,
        notes=length_of(state),
    )
    typer.echo(f"wrote {out / 'score.safetensors'} (digest {digest}) after {state.step} steps")


def named(**options: Any) -> dict[str, Any]:
    """The options that were given a value."""
    return {name: value for name, value in options.items() if value is not None}


def train_with_progress(
    run: Callable[[Callable[[TrainingProgress], None]], object], *, total: int, done: int
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

        def report(progress: TrainingProgress) -> None:
            bar.update(task, completed=progress.step, description=f"loss {progress.loss:.4f}")
            if progress.validation is not None:
                bar.console.print(
                    f"step {progress.step}: validation loss {progress.validation['mean']:.4f}"
                )

        run(report)
