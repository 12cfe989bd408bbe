"""The drawn formulas of ``tools/reported_formulas.json``, for benchmarks to restrict themselves to.

They are compositions on which results are reported and nothing is tuned, see
``tools/draw_formulas.py``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

from ase import Atoms

from gencsp.composition import Composition


def add_options(parser: argparse.ArgumentParser) -> None:
    """``--formulas-of FILE`` and ``--part NAME``."""
    parser.add_argument("--formulas-of", type=Path, help="only these: tools/reported_formulas.json")
    parser.add_argument("--part", default="shotguncsp_reported", help="of that file")


def formulas(file: Path, part: str) -> tuple[str, ...]:
    """Formulas of whole cells, in their drawn order."""
    return tuple(json.loads(file.read_text("utf-8"))["parts"][part])


def chosen(crystals: Iterable[Atoms], args: argparse.Namespace) -> list[Atoms]:
    """The crystals of the formulas that the options name, in the drawn order; all without them."""
    given = list(crystals)
    if args.formulas_of is None:
        return given
    by_cell: dict[str, Atoms] = {}
    for atoms in given:
        cell = Composition.parse(atoms.get_chemical_formula("hill")).alphabetical
        by_cell.setdefault(cell.formula, atoms)
    drawn = formulas(args.formulas_of, args.part)
    wanted = (Composition.parse(one).alphabetical.formula for one in drawn)
    return [by_cell[formula] for formula in wanted if formula in by_cell]
