"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

FilesArgument = Annotated[
    list[Path],
    typer.Argument(help="Structure files (CIF, extxyz, POSCAR, ...) or folders.", metavar="FILES"),
]
PoolsArgument = Annotated[
    list[Path],
    typer.Argument(
        help="CIF, extxyz, POSCAR, ... files, ASE databases, zip archives, folders.",
        metavar="POOLS",
    ),
]
AllOption = Annotated[
    bool, typer.Option("--all", help="Show duplicates in the table, too; the files have them.")
]
HullOption = Annotated[Path | None, typer.Option("--hull", help="Hull entries of your own.")]
