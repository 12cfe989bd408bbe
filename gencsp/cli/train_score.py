"""``gencsp train``: train a network on crystals of your own, or go on with a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gencsp.diffusion.training.inputs import Trained
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
    from gencsp.diffusion.training.score import train_score

    with training_bar() as report:
        trained = train_score(
            data,
            out,
            held_out=held_out,
            validation=validation,
            validation_size=validation_size,
            architecture=architecture,
            channels=channels,
            layers=layers,
            radial=radial,
            steps=steps,
            batch_size=batch_size,
            rate=rate,
            cooldown=cooldown,
            sigma_max=sigma_max,
            validate_every=validate_every,
            seed=seed,
            threads=threads,
            device=device,
            bfloat16=bfloat16,
            compiled=compiled,
            resume=resume,
            report=report,
        )
    say_trained(trained)


def say_trained(trained: Trained) -> None:
    """Name the weights that a training wrote."""
    typer.echo(f"wrote {trained.file} (digest {trained.digest}) after {trained.step} steps")


@contextmanager
def training_bar() -> Iterator[Callable[[TrainingProgress], None]]:
    """A progress bar on the error stream, from the first report on; gives what is to be told."""
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
    bar = Bar(*columns, console=Console(stderr=True))
    task = bar.add_task("", total=None)

    def report(progress: TrainingProgress) -> None:
        bar.start()
        bar.update(
            task,
            total=progress.steps,
            completed=progress.step,
            description=f"loss {progress.loss:.4f}",
        )
        if progress.validation is not None:
            bar.console.print(
                f"step {progress.step}: validation loss {progress.validation['mean']:.4f}"
            )

    try:
        yield report
    finally:
        bar.stop()
