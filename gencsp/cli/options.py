"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

EngineOption = Annotated[
    Literal["auto", "native", "torch"], typer.Option(help="Relaxation engine.")
]
FilesArgument = Annotated[
    list[Path],
    typer.Argument(help="Structure files (CIF, extxyz, POSCAR, ...) or folders.", metavar="FILES"),
]
PotentialOption = Annotated[
    str,
    typer.Option(help="Potential: chgnet[:MODEL], sevennet, matgl:FOLDER, FILE.py[:FUNCTION], ..."),
]
HullOption = Annotated[Path | None, typer.Option("--hull", help="Hull entries of your own.")]
