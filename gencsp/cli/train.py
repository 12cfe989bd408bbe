"""``gencsp train``: handed on to the training code, which is loaded only then."""

from __future__ import annotations

import typer
from typer.main import get_command

# Everything, --help included, belongs to the command behind.
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def train(context: typer.Context) -> None:
    """Train networks on crystals of your own."""
    from gencsp.diffusion.training import joint_command  # registers its command

    get_command(joint_command.app).main(
        args=context.args, prog_name="gencsp train", standalone_mode=False
    )
