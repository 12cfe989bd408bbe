"""``gencsp train``: train a network on crystals of your own, or go on with a run."""

from __future__ import annotations

from typing import Any, ClassVar

import typer
from typer.core import TyperGroup

from gencsp.cli.console import Commands

#: Where the commands are, and the first line of their help.
LATE = {
    "score": (
        "gencsp.cli.train_models:score",
        "Train the score model by denoising score matching.",
    ),
    "dp-cdvae": (
        "gencsp.cli.train_models:dp_cdvae",
        "Train DP-CDVAE: a variational autoencoder with diffusion of coordinates.",
    ),
    "joint": (
        "gencsp.cli.train_models:joint",
        "Train the joint diffusion model, for given compositions and de novo at once.",
    ),
}


class TrainCommands(Commands):
    """The commands of this group, which are imported when they are called."""

    late: ClassVar[dict[str, str]] = {name: where for name, (where, _) in LATE.items()}

    def invoke(self, ctx: Any) -> Any:
        """Run the command; the group that this one is in says what errors there are."""
        return TyperGroup.invoke(self, ctx)


app = typer.Typer(
    cls=TrainCommands, help="Train networks on crystals of your own.", no_args_is_help=True
)


def _stand_in() -> None:
    """Never runs: the group imports the command itself when it is called."""


for _name, (_, _help) in LATE.items():
    app.command(_name, help=_help)(_stand_in)
