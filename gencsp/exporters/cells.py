"""Cells in the form that strict parsers expect; none of this changes the crystal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import spglib
from ase import Atoms

from gencsp.symmetry.answers import answer
from gencsp.symmetry.tolerances import PRIMITIVE_SYMPREC


def regular(atoms: Atoms, elements: Sequence[str]) -> tuple[Atoms, tuple[str, ...]]:
    """The same crystal in a right-handed cell, atoms inside and grouped by species.

    Codes build the cell from its lengths and angles, or hand it to VASP, which refuses left-handed
    ones: from a left-handed cell they would make the mirror image.

    Args:
        atoms: a crystal of these elements.
        elements: in the order in which to group.

    Returns:
        A copy without info, constraints or calculator, and what was done in words.
    """
    changes = []
    cell, scaled = atoms.cell.array.copy(), atoms.get_scaled_positions(wrap=False)
    if np.linalg.det(cell) < 0:
        cell, scaled = cell[[1, 0, 2]], scaled[:, [1, 0, 2]]
        changes.append("a and b swapped")
    wrapped = wrap(scaled)
    if not np.allclose(wrapped, scaled, atol=1e-9):
        changes.append("wrapped")
    order = sorted(range(len(atoms)), key=lambda i: elements.index(atoms.symbols[i]))
    if order != list(range(len(atoms))):
        changes.append("sorted by species")
    made = Atoms(numbers=atoms.numbers[order], scaled_positions=wrapped[order], cell=cell, pbc=True)
    return made, tuple(changes)


def wrap(scaled: np.ndarray) -> np.ndarray:
    """Fractional coordinates in [0, 1); the modulus of -1e-17 alone would be 1."""
    wrapped = scaled % 1.0
    wrapped[wrapped >= 1.0 - 1e-12] = 0.0
    return wrapped


def resized(atoms: Atoms, size: int) -> tuple[Atoms, str] | None:
    """The same crystal in a cell of ``size`` atoms, with what was done, or ``None`` if none is."""
    if size % len(atoms) == 0:
        return _supercell(atoms, size // len(atoms))
    primitive = answer(
        spglib.standardize_cell,
        (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers),
        to_primitive=True,
        no_idealize=True,
        symprec=PRIMITIVE_SYMPREC,
    )
    if primitive is None or size % len(primitive[2]):
        return None
    cell, scaled, numbers = primitive
    reduced = Atoms(numbers=numbers, scaled_positions=scaled, cell=cell, pbc=True)
    if len(reduced) == size:
        return reduced, "primitive cell"
    made, change = _supercell(reduced, size // len(reduced))
    return made, f"primitive cell, {change}"


def _supercell(atoms: Atoms, copies: int) -> tuple[Atoms, str]:
    """The most compact repetition along the axes."""
    bare = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
    lengths = atoms.cell.lengths()
    choices = [n for n in product(range(1, copies + 1), repeat=3) if n[0] * n[1] * n[2] == copies]
    best = min(choices, key=lambda n: float(np.ptp(lengths * n)))
    return bare.repeat(best), "{} x {} x {} supercell".format(*best)
