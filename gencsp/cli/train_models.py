"""``gencsp train score``, ``joint`` and ``dp-cdvae``, whose options are the fields of decks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import TaskID

from gencsp.cli.console import INTERRUPTED, complain, say
from gencsp.cli.deck_options import deck_options
from gencsp.cli.progress import ProgressBars, progress_bars
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

    with _shown(out) as shown:
        trained = train_score(
            data, out, held_out=held_out, validation=validation, report=shown.step, **deck.given
        )
    _say_trained(trained)


@deck_options(JointDeck, more_names=OtherNames)
def joint(
    *, data: Data, out: Out, held_out: HeldOut, validation: Validation = None, deck: JointDeck
) -> None:
    """Train the joint diffusion model, for given compositions and de novo at once."""
    from gencsp.diffusion.training.joint import train_joint

    with _shown(out) as shown:
        trained = train_joint(
            data,
            out,
            held_out=held_out,
            validation=validation,
            report=shown.step,
            on_label=shown.label,
            **deck.given,
        )
    _say_trained(trained)


@deck_options(DpCdvaeDeck, more_names=OtherNames)
def dp_cdvae(
    *, data: Data, out: Out, held_out: HeldOut, validation: Validation = None, deck: DpCdvaeDeck
) -> None:
    """Train DP-CDVAE: a variational autoencoder with diffusion of coordinates."""
    from gencsp.diffusion.training.dp_cdvae import train_dp_cdvae

    with _shown(out) as shown:
        trained = train_dp_cdvae(
            data, out, held_out=held_out, validation=validation, report=shown.step, **deck.given
        )
    _say_trained(trained)


def _say_trained(trained: Trained) -> None:
    """Name the weights that a training wrote."""
    say(f"wrote {trained.file} (digest {trained.digest}) after {trained.step} steps")


@contextmanager
def _shown(out: Path) -> Iterator[Shown]:
    """Progress of a training, on stderr; Ctrl-C says how to go on."""
    try:
        with progress_bars() as bars:
            yield Shown(bars)
    except KeyboardInterrupt:
        from gencsp.diffusion.training.checkpoints import CHECKPOINT

        checkpoint = out / CHECKPOINT
        if checkpoint.is_file():
            complain(f"stopped. {checkpoint} is kept: add --resume to the same command to go on.")
        else:
            complain("stopped before the first step; nothing was written.")
        raise typer.Exit(INTERRUPTED) from None


class Shown:
    """Shows how far a training is; its methods are what the training calls.

    A task begins with its first report: the time of reading the crystals is not in its rate.

    Attributes:
        bars: where it shows that.
    """

    def __init__(self, bars: ProgressBars) -> None:
        self.bars = bars
        self._tasks: dict[str, TaskID] = {}

    def label(self, done: int, total: int) -> None:
        """So many crystals have their properties."""
        self.bars.update(self._task("properties"), completed=done, total=total)

    def step(self, progress: TrainingProgress) -> None:
        """A step is done."""
        if progress.validation is not None:
            self._validated(progress)
        task = self._task(progress.stage)
        notes = [f"loss {progress.loss:.4f}"]
        if progress.best is not None:
            notes.append(f"best validation {progress.best:.4f}")
        if rate := self.bars.rate(task):
            notes.append(f"{rate:.3g} steps/s")
        note = ", ".join(notes)
        self.bars.update(task, completed=progress.step, total=progress.steps, note=note)

    def _task(self, name: str) -> TaskID:
        if name not in self._tasks:
            self._tasks[name] = self.bars.add_task(name, total=None, note="")
        return self._tasks[name]

    def _validated(self, progress: TrainingProgress) -> None:
        """The best so far where there are no bars to look at; every validation, if so asked."""
        assert progress.validation is not None, "only called where it was validated"
        mean, verbose = progress.validation["mean"], self.bars.output.verbose
        lowest = mean == progress.best
        if verbose or (lowest and not self.bars.drawn):
            new = ", the lowest so far" if lowest else ""
            self.bars.tell(f"step {progress.step}: validation loss {mean:.4f}{new}")
