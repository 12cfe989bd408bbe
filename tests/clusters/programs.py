"""Stand-ins for the programs that the decks of clusters call."""

from __future__ import annotations

from pathlib import Path

import gencsp

CLUSTERS = Path(gencsp.__file__).parent.parent / "clusters"


def install(home: Path, name: str, lines: str) -> None:
    """Put a program where the decks look for gencsp, in a home folder."""
    program = home / "gencsp" / ".venv" / "bin" / name
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/bash\n{lines}\n")
    program.chmod(0o755)


def record(home: Path, name: str, *, then: str = "") -> None:
    """Put a program there that writes down the words it is given."""
    install(home, name, f'(IFS=$\'\\t\'; echo "$*") >>"$HOME/{name}.said"\n{then}')


def said(home: Path, name: str) -> list[list[str]]:
    """The words of each call of a recorded program."""
    file = home / f"{name}.said"
    return [line.split("\t") for line in file.read_text().splitlines()] if file.exists() else []
