"""Space groups, and refinement by increasing tolerance (CHGGen, Section III.B and Methods).

The paper matches space groups with spglib at a "site tolerance" from 0.1 to 2.0 and an angle
tolerance from 10 to 30 degrees, raised until the symmetry is no longer low, and reports relaxed
structures at 0.1 and 10 degrees. spglib has one tolerance for sites, ``symprec``, in Å; the site
tolerance is read as that.

At such tolerances spglib's own standardised cell may hold fewer atoms, or atoms on top of each
other. Here spglib only names the operations: cell and positions are then averaged over them in the
cell given, so that every atom stays, and the outcome counts only if spglib finds its space group
again at a tight tolerance. What spglib names at a large tolerance may depend on the order of the
atoms; for one order it is always the same.

Where spglib finds nothing, as at large tolerances it mostly does, a rung takes the one operation
that the crystal is nearest to having (:mod:`gencsp.symmetry.near`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import spglib
from ase import Atoms
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from gencsp.errors import RequestError
from gencsp.symmetry.answers import answer
from gencsp.symmetry.hosts import GuestChoice, broadest_species, choose_guests, framework
from gencsp.symmetry.ladder import LADDER, LOW_SYMMETRY, P1
from gencsp.symmetry.near import average_cell, symmetrise_nearly
from gencsp.symmetry.tolerances import ANGLE_TOLERANCE, EXACT_SYMPREC, SYMPREC

__all__ = [
    "LADDER",
    "LOW_SYMMETRY",
    "P1",
    "GuestChoice",
    "Refinement",
    "SpaceGroup",
    "broadest_species",
    "choose_guests",
    "conventional",
    "framework",
    "refine",
    "space_group",
    "symmetry_success_rate",
]

FloatArray = NDArray[np.float64]

#: Fraction of the sum of covalent radii below which two atoms sit on each other.
CLOSE = 0.6

CellChoice = Literal["input", "primitive", "conventional"]


@dataclass(frozen=True, slots=True)
class SpaceGroup:
    """International number and short symbol, such as 227 and ``Fd-3m``."""

    number: int
    symbol: str

    def __str__(self) -> str:
        return f"{self.symbol} ({self.number})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refinement:
    """A structure moved onto a space group.

    Attributes:
        atoms: the symmetrised structure; ``info`` and other arrays are kept in the input's cell.
        space_group: what ``atoms`` has at a tight tolerance.
        symprec: tolerance of the rung that found it, Å.
        angle_tolerance: of the same rung, degrees.
        displacement: largest move of an atom relative to the cell, Å.
        refined: whether a rung succeeded; if not, ``atoms`` is the input (in the requested cell).
    """

    atoms: Atoms
    space_group: SpaceGroup
    symprec: float
    angle_tolerance: float
    displacement: float
    refined: bool


def space_group(
    atoms: Atoms, *, symprec: float = SYMPREC, angle_tolerance: float = ANGLE_TOLERANCE
) -> SpaceGroup:
    """The space group that spglib finds; P1 where it finds none.

    Args:
        atoms: crystal, periodic in three directions.
        symprec: Å.
        angle_tolerance: degrees.
    """
    dataset = _dataset(atoms, symprec, angle_tolerance)
    if dataset is None:
        return SpaceGroup(1, "P1")
    return SpaceGroup(int(dataset.number), str(dataset.international))


def refine(
    atoms: Atoms,
    *,
    ladder: Sequence[tuple[float, float]] = LADDER,
    low: frozenset[int] = P1,
    nearest: bool = True,
    cell: CellChoice = "primitive",
) -> Refinement:
    """Symmetrise by increasing tolerance until the space group is not among ``low``.

    A rung fails where spglib finds nothing, where its operations do not map the atoms onto each
    other one to one, where atoms would come to sit on each other, or where the averaged structure
    lacks the space group. A structure that fails them all is returned unchanged.

    Args:
        atoms: crystal, periodic in three directions.
        ladder: (symprec in Å, angle tolerance in degrees), in the order tried.
        low: numbers of space groups that are not enough.
        nearest: on each rung, where spglib finds nothing, take the one operation that the crystal
            is nearest to having.
        cell: "input" keeps the cell's vectors (strained, not rotated), the order of the atoms and
            their arrays; "primitive" and "conventional" are spglib's standard cells.
    """
    ways = (_symmetrise, symmetrise_nearly) if nearest else (_symmetrise,)
    for symprec, angle_tolerance in ladder:
        for symmetrise in ways:
            symmetrised = symmetrise(atoms, symprec, angle_tolerance)
            if symmetrised is None:
                continue
            found = space_group(symmetrised, symprec=EXACT_SYMPREC, angle_tolerance=-1.0)
            if found.number in low or _overlaps(symmetrised, atoms):
                continue
            return Refinement(
                atoms=_in_cell(symmetrised, cell),
                space_group=found,
                symprec=symprec,
                angle_tolerance=angle_tolerance,
                displacement=_largest_move(atoms, symmetrised),
                refined=True,
            )
    symprec, angle_tolerance = ladder[-1]
    return Refinement(
        atoms=_in_cell(atoms, cell),
        space_group=space_group(atoms, symprec=EXACT_SYMPREC, angle_tolerance=-1.0),
        symprec=symprec,
        angle_tolerance=angle_tolerance,
        displacement=0.0,
        refined=False,
    )


def conventional(
    atoms: Atoms, *, symprec: float = SYMPREC, angle_tolerance: float = ANGLE_TOLERANCE
) -> Atoms | None:
    """The symmetrised conventional standard cell of a crystal, in spglib's setting.

    Args:
        atoms: crystal, periodic in three directions.
        symprec: Å.
        angle_tolerance: degrees.

    Returns:
        The cell, without ``info``; ``None`` where spglib finds no symmetry, or where symmetrising
        would put atoms on each other.
    """
    dataset = _dataset(atoms, symprec, angle_tolerance)
    if dataset is None or dataset.number == 1:
        return None
    made = Atoms(
        dataset.std_types,
        scaled_positions=dataset.std_positions,
        cell=dataset.std_lattice,
        pbc=True,
    )
    return None if _overlaps(made, atoms) else made


def symmetry_success_rate(
    groups: Iterable[SpaceGroup], *, low: frozenset[int] = LOW_SYMMETRY
) -> float:
    """Share of structures whose space group is not among ``low`` (CHGGen, Model evaluation).

    Raises:
        RequestError: there are no structures.
    """
    numbers = [group.number for group in groups]
    if not numbers:
        raise RequestError("there are no structures to take a symmetry success rate of.")
    return sum(number not in low for number in numbers) / len(numbers)


def _spglib_cell(atoms: Atoms) -> tuple[FloatArray, FloatArray, NDArray[np.int64]]:
    return atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers


def _dataset(atoms: Atoms, symprec: float, angle_tolerance: float) -> spglib.SpglibDataset | None:
    """spglib's answer, ``None`` where it has none."""
    return answer(
        spglib.get_symmetry_dataset,
        _spglib_cell(atoms),
        symprec=symprec,
        angle_tolerance=angle_tolerance,
    )


def _symmetrise(atoms: Atoms, symprec: float, angle_tolerance: float) -> Atoms | None:
    """``atoms`` with all the operations that spglib finds, ``None`` where they do not hold.

    A supercell hides the operations that do not map its own lattice onto itself. So its
    translations are averaged over first, then the primitive cell that they leave is symmetrised,
    and the supercell is put together again from that.
    """
    dataset = _dataset(atoms, symprec, angle_tolerance)
    if dataset is None:
        return None
    shifts = (dataset.rotations == np.eye(3, dtype=np.int32)).all(axis=(1, 2))
    periodic = _average(atoms, dataset.rotations[shifts], dataset.translations[shifts])
    reduced = None if periodic is None else _dataset(periodic, EXACT_SYMPREC, -1.0)
    if periodic is None or reduced is None:
        return None
    owner = reduced.mapping_to_primitive
    first = np.unique(owner, return_index=True)[1]
    lattice = np.asarray(reduced.primitive_lattice)
    fractional = periodic.positions @ np.linalg.inv(lattice)
    primitive = Atoms(
        periodic.numbers[first], scaled_positions=fractional[first], cell=lattice, pbc=True
    )
    dataset = _dataset(primitive, symprec, angle_tolerance)
    averaged = (
        None if dataset is None else _average(primitive, dataset.rotations, dataset.translations)
    )
    if averaged is None:
        return None
    repeats = np.round(atoms.cell.array @ np.linalg.inv(lattice))
    offsets = np.round(fractional - fractional[first][owner])
    moved = averaged.get_scaled_positions(wrap=False)[owner] + offsets
    periodic.set_cell(repeats @ averaged.cell.array, scale_atoms=False)
    periodic.positions = moved @ averaged.cell.array
    return periodic


def _average(atoms: Atoms, rotations: NDArray[np.int32], translations: FloatArray) -> Atoms | None:
    """Cell and positions averaged over the operations x → R x + t.

    ``None`` where an operation does not permute the atoms.

    Args:
        atoms: n atoms.
        rotations: (m, 3, 3), on fractional coordinates as columns.
        translations: (m, 3), fractional.
    """
    fractional = atoms.get_scaled_positions(wrap=False)
    cell = average_cell(atoms.cell.array, rotations)
    moves = np.zeros_like(fractional)
    for rotation, translation in zip(rotations, translations, strict=True):
        images = fractional @ rotation.T + translation
        difference = images[:, None] - fractional[None, :]
        difference -= np.round(difference)
        target = _match(np.linalg.norm(difference @ cell, axis=-1), atoms.numbers)
        if target is None:
            return None
        moves[target] += difference[np.arange(len(atoms)), target]
    result = atoms.copy()
    result.set_constraint()
    result.set_cell(cell, scale_atoms=False)
    result.positions = (fractional + moves / len(rotations)) @ cell
    return result


def _largest_move(before: Atoms, after: Atoms) -> float:
    """Largest move of an atom relative to the cell and to the others, Å.

    The crystal as a whole has no place of its own: only moves against each other count.
    """
    moves = after.get_scaled_positions(wrap=False) - before.get_scaled_positions(wrap=False)
    relative = (moves - moves.mean(axis=0)) @ after.cell.array
    return float(np.linalg.norm(relative, axis=1).max())


def _match(distances: FloatArray, numbers: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """For each atom the one that its image lands on, distances (n, n) in Å; ``None`` for none.

    The nearest of the same element where that is one to one, else the assignment with the least
    total distance.
    """
    same = numbers[:, None] == numbers[None, :]
    costs = np.where(same, distances, 1e6)
    nearest = costs.argmin(axis=1)
    if len(set(nearest.tolist())) < len(nearest):
        nearest = linear_sum_assignment(costs)[1]
    if not same[np.arange(len(nearest)), nearest].all():
        return None
    return np.asarray(nearest, dtype=np.int64)


def _closest(atoms: Atoms) -> float:
    """Shortest distance over the sum of covalent radii, at most 1."""
    cutoffs = [covalent_radii[z] for z in atoms.numbers]
    i, j, d = neighbor_list("ijd", atoms, cutoffs)
    radii = covalent_radii[atoms.numbers]
    return float(np.min(d / (radii[i] + radii[j]), initial=1.0))


def _overlaps(symmetrised: Atoms, original: Atoms) -> bool:
    """Whether symmetrising put atoms on each other that were not so before."""
    after = _closest(symmetrised)
    return after < CLOSE and after < 0.95 * _closest(original)


def _in_cell(atoms: Atoms, choice: CellChoice) -> Atoms:
    """``atoms`` in the requested cell; spglib's standard cells hold whole formula units of it."""
    if choice == "input":
        return atoms.copy()
    standard = answer(
        spglib.standardize_cell,
        _spglib_cell(atoms),
        to_primitive=choice == "primitive",
        symprec=EXACT_SYMPREC,
    )
    if standard is None:
        return atoms.copy()
    cell, fractional, numbers = standard
    result = Atoms(numbers=numbers, scaled_positions=fractional, cell=cell, pbc=True)
    result.info = dict(atoms.info)
    return result
