"""``gencsp train joint``: train the joint diffusion of species, coordinates and lattice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from gencsp.cli.train_score import (
    BatchOption,
    ChannelsOption,
    CooldownOption,
    LayersOption,
    RadialOption,
    RateOption,
    SeedOption,
    StepsOption,
    ValidateOption,
    say_trained,
    training_bar,
)
from gencsp.cli.train_score import app as app


@app.command()
def joint(
    data: Annotated[Path, typer.Option(help="Training crystals (extxyz, gzipped or not).")],
    out: Annotated[Path, typer.Option(help="Folder for checkpoint, metrics and weights.")],
    held_out: Annotated[
        Path, typer.Option(help="Formulas that must not occur in the data, one a line.")
    ],
    validation: Annotated[Path | None, typer.Option(help="Validation crystals.")] = None,
    validation_size: Annotated[int, typer.Option(min=1, help="How many of them to use.")] = 256,
    labels: Annotated[
        bool, typer.Option(help="Compute the properties, so that targets can be given.")
    ] = True,
    compactness_loss: Annotated[
        float | None,
        typer.Option(help="Weight of the compactness loss; 0 for none [default: 2]."),
    ] = None,
    given_share: Annotated[
        float | None,
        typer.Option(help="Share of crystals trained with their species given [default: 0.5]."),
    ] = None,
    channels: ChannelsOption = None,
    layers: LayersOption = None,
    radial: RadialOption = None,
    steps: StepsOption = None,
    batch_size: BatchOption = None,
    rate: RateOption = None,
    cooldown: CooldownOption = None,
    validate_every: ValidateOption = None,
    seed: SeedOption = None,
    threads: Annotated[int, typer.Option(min=1, help="Torch threads, and workers for labels.")] = 1,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    bfloat16: Annotated[bool, typer.Option(help="Linear layers in bfloat16 (GPU).")] = False,
    compiled: Annotated[
        bool, typer.Option(help="Compile the layers: faster, needs a C++ compiler.")
    ] = False,
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoint in OUT.")] = False,
) -> None:
    """Train the joint diffusion model, for given compositions and de novo at once."""
    from gencsp.diffusion.training.joint import train_joint

    with label_bar() as on_label, training_bar() as report:
        trained = train_joint(
            data,
            out,
            held_out=held_out,
            validation=validation,
            validation_size=validation_size,
            labels=labels,
            compactness_loss=compactness_loss,
            given_share=given_share,
            channels=channels,
            layers=layers,
            radial=radial,
            steps=steps,
            batch_size=batch_size,
            rate=rate,
            cooldown=cooldown,
            validate_every=validate_every,
            seed=seed,
            threads=threads,
            device=device,
            bfloat16=bfloat16,
            compiled=compiled,
            resume=resume,
            report=report,
            on_label=on_label,
        )
    say_trained(trained)


@contextmanager
def label_bar() -> Iterator[Callable[[int, int], None]]:
    """A progress bar for the properties, which ends with the last of them."""
    from rich.console import Console
    from rich.progress import Progress

    bar = Progress(console=Console(stderr=True))
    task = bar.add_task("properties", total=None)

    def on_label(done: int, total: int) -> None:
        bar.start()
        bar.update(task, completed=done, total=total)
        if done == total:
            bar.stop()

    try:
        yield on_label
    finally:
        bar.stop()
