"""``gencsp train score``, ``joint`` and ``dp-cdvae``, whose options are the fields of decks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gencsp.cli.console import say
from gencsp.cli.deck_options import deck_options
from gencsp.diffusion.training.settings import DpCdvaeDeck, JointDeck, ScoreDeck

if TYPE_CHECKING:
    from gencsp.diffusion.training.inputs import Trained
    from gencsp.diffusion.training.trainer import TrainingProgress

Data = Annotated[Path, typer.Option(help="Training crystals (extxyz, gzipped or not).")]
Out = Annotated[Path, typer.Option(help="Folder for checkpoint, metrics and weights.")]
HeldOut = Annotated[
    Path, typer.Option(help="Formulas that must not occur in the data, one a line.")
]
Validation = Annotated[Path | None, typer.Option(help="Validation crystals.")]
OtherNames = {"learning_rate": ("--rate",)}


@deck_options(ScoreDeck, more_names=OtherNames)
def score(
    *, data: Data, out: Out, held_out: HeldOut, validation: Validation = None, deck: ScoreDeck
) -> None:
    """Train the score model by denoising score matching."""
    from gencsp.diffusion.training.score import train_score

    with _training_bar() as report:
        trained = train_score(
            data, out, held_out=held_out, validation=validation, report=report, **deck.given
        )
    _say_trained(trained)


@deck_options(JointDeck, more_names=OtherNames)
def joint(
    *, data: Data, out: Out, held_out: HeldOut, validation: Validation = None, deck: JointDeck
) -> None:
    """Train the joint diffusion model, for given compositions and de novo at once."""
    from gencsp.diffusion.training.joint import train_joint

    with _label_bar() as on_label, _training_bar() as report:
        trained = train_joint(
            data,
            out,
            held_out=held_out,
            validation=validation,
            report=report,
            on_label=on_label,
            **deck.given,
        )
    _say_trained(trained)


@deck_options(DpCdvaeDeck, more_names=OtherNames)
def dp_cdvae(
    *, data: Data, out: Out, held_out: HeldOut, validation: Validation = None, deck: DpCdvaeDeck
) -> None:
    """Train DP-CDVAE: a variational autoencoder with diffusion of coordinates."""
    from gencsp.diffusion.training.dp_cdvae import train_dp_cdvae

    with _training_bar() as report:
        trained = train_dp_cdvae(
            data, out, held_out=held_out, validation=validation, report=report, **deck.given
        )
    _say_trained(trained)


def _say_trained(trained: Trained) -> None:
    """Name the weights that a training wrote."""
    say(f"wrote {trained.file} (digest {trained.digest}) after {trained.step} steps")


@contextmanager
def _training_bar() -> Iterator[Callable[[TrainingProgress], None]]:
    """A progress bar on the error stream; gives the function that moves it on."""
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    bar = Progress(*columns, console=Console(stderr=True))
    task = bar.add_task("", total=None)

    def report(progress: TrainingProgress) -> None:
        bar.start()
        loss = f"loss {progress.loss:.4f}"
        bar.update(task, total=progress.steps, completed=progress.step, description=loss)
        if progress.validation is not None:
            bar.console.print(
                f"step {progress.step}: validation loss {progress.validation['mean']:.4f}"
            )

    try:
        yield report
    finally:
        bar.stop()


@contextmanager
def _label_bar() -> Iterator[Callable[[int, int], None]]:
    """A progress bar for the properties, which ends with the last of them."""
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
