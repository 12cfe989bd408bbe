"""Rigid units from files: xyz, mol, and CIFs of a crystal or of a fragment.

Bonds are those of a mol file. Elsewhere two atoms are bonded that are nearer than 1.2 times the sum
of their covalent radii (Cordero et al., Dalton Trans. 2008, 2832). In a CIF the ions of alkali and
alkaline earth metals are left out, so that the file of a salt has its complex ion.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import ase.io
import gemmi
import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

from gencsp.errors import UnitError
from gencsp.units.symmetrise import NEAR, symmetrised
from gencsp.units.unit import RigidUnit

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Endings of the files that can hold a unit.
ENDINGS = (".xyz", ".extxyz", ".mol", ".sdf", ".cif")
#: Distance of bonded atoms, at most, in sums of their covalent radii.
BONDED = 1.2
#: Metals that bind to complex ions by their charge alone.
IONIC = frozenset(["Li", "Na", "K", "Rb", "Cs", "Mg", "Ca", "Sr", "Ba"])
#: Occupancies from which on a site counts as whole; files round them.
WHOLE = 0.999
#: Fields of the charge of an atom in a mol file of version 2000.
_OLD_CHARGES = {1: 3, 2: 2, 3: 1, 5: -1, 6: -2, 7: -3}


def read_unit(path: Path | str, *, tolerance: float = NEAR) -> RigidUnit:
    """A unit from a file, named as the file is.

    What nearly has a symmetry gets it exactly. The charge is that of a mol file, or of
    ``charge=-1`` in the second line of an xyz file.

    Args:
        path: an xyz file, of which the first structure counts, a mol file, or a CIF.
        tolerance: Å, see :func:`~gencsp.units.symmetrise.symmetrised`.

    Raises:
        UnitError: no such file, none that can be read, atoms that are partly occupied, or are not
            all connected by bonds, or a CIF with no molecule or with several unlike ones.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise UnitError(
            f"'{path}' is not a file of a unit: give one that ends with {', '.join(ENDINGS)}."
        )
    if not path.is_file():
        raise UnitError(f"there is no file '{path}': check its path.")
    if ending == ".cif":
        unit = _of_crystal(_crystal(path), path)
    else:
        unit = _of_mol(path) if ending in (".mol", ".sdf") else _of_xyz(path)
    return symmetrised(unit, tolerance=tolerance)


def bonds_of(symbols: Sequence[str], positions: Array) -> tuple[tuple[int, int], ...]:
    """Pairs of atoms of a molecule that are bonded, by their distance.

    Args:
        symbols: of n atoms.
        positions: Å, shape (n, 3).
    """
    radii = covalent_radii[[atomic_numbers[symbol] for symbol in symbols]]
    apart = np.linalg.norm(positions[:, None] - positions, axis=-1)
    first, second = np.nonzero(np.triu(apart < BONDED * (radii[:, None] + radii), 1))
    return tuple(zip(first.tolist(), second.tolist(), strict=True))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What parsers raise at a file that is not what its name says becomes an error about it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (OSError, ValueError, KeyError, IndexError, TypeError, RuntimeError) as error:
        reason = (str(error).strip().split("\n")[0] or type(error).__name__).rstrip(".")
        raise UnitError(
            f"'{path}' cannot be read ({reason}): a unit needs whole atoms with coordinates in Å."
        ) from error


def _of_xyz(path: Path) -> RigidUnit:
    with _reading(path):
        found = ase.io.read(path, index="0:1", format="extxyz")
        atoms = found[0]
        charge = atoms.info.get("charge")
        charge = None if charge is None else int(charge)
    symbols = _known(atoms.get_chemical_symbols(), path)
    bonds = bonds_of(symbols, atoms.positions)
    return RigidUnit(path.stem, symbols, atoms.positions, bonds, charge=charge)


def _of_mol(path: Path) -> RigidUnit:
    """A mol file of version 2000 (CTfile formats, MDL)."""
    with _reading(path):
        lines = path.read_text("utf-8", errors="replace").splitlines()
    if len(lines) < 4 or "V3000" in lines[3]:
        raise UnitError(
            f"'{path}' is not a mol file of version 2000: save it as one, or as an xyz file."
        )
    with _reading(path):
        n_atoms, n_bonds = int(lines[3][:3]), int(lines[3][3:6])
        atoms = lines[4 : 4 + n_atoms]
        listed = lines[4 + n_atoms : 4 + n_atoms + n_bonds]
        positions = np.array([[float(line[k : k + 10]) for k in (0, 10, 20)] for line in atoms])
        bonds = tuple((int(line[:3]) - 1, int(line[3:6]) - 1) for line in listed)
        charge = _charge(atoms, lines)
    if not n_bonds and n_atoms > 1:
        raise UnitError(f"'{path}' lists no bonds: add them, or give an xyz file without any.")
    if len(atoms) < n_atoms or len(listed) < n_bonds:
        raise UnitError(f"'{path}' ends before its {n_atoms} atoms and {n_bonds} bonds.")
    symbols = _known([line[31:34].strip() for line in atoms], path)
    return RigidUnit(path.stem, symbols, positions, bonds, charge=charge)


def _charge(atoms: Sequence[str], lines: Sequence[str]) -> int:
    """Sum of the charges of a mol file: lines ``M  CHG`` take the place of the old fields."""
    listed = [line.split() for line in lines if line.startswith("M  CHG")]
    if listed:
        return sum(int(words[k]) for words in listed for k in range(4, len(words), 2))
    return sum(_OLD_CHARGES.get(int(line[36:39].strip() or 0), 0) for line in atoms)


def _crystal(path: Path) -> Atoms:
    """The whole cell of the first crystal of a CIF."""
    with _reading(path):
        crystal = gemmi.read_small_structure(str(path))
        sites = crystal.get_all_unit_cell_sites()
        cell = np.array(crystal.cell.orth.mat.tolist()).T
        fractional = np.array([site.fract.tolist() for site in sites]).reshape(-1, 3)
    if not sites or not crystal.cell.is_crystal():
        raise UnitError(
            f"'{path}' cannot be read (no cell or no atoms in there): give the CIF of a crystal."
        )
    if any(site.occ < WHOLE for site in sites):
        raise UnitError(
            f"sites of '{path}' are partly occupied: give a file with the whole atoms of one unit."
        )
    symbols = _known([site.element.name for site in sites], path)
    return Atoms(list(symbols), scaled_positions=fractional, cell=cell, pbc=True)


def _of_crystal(crystal: Atoms, path: Path) -> RigidUnit:
    """The one kind of molecule in a crystal."""
    atoms = crystal[[atom.symbol not in IONIC for atom in crystal]]
    found = _molecules(atoms, path) if len(atoms) else []
    whole = [unit for unit in found if not unit.is_atom]
    if not whole:
        raise UnitError(f"no atoms of '{path}' are bonded: give a file with a molecule in it.")
    first = whole[0]
    for other in whole[1:]:
        if sorted(other.symbols) != sorted(first.symbols):
            raise UnitError(
                f"'{path}' has several molecules, {first.composition} and {other.composition}: "
                f"give a file for each."
            )
    return first


def _molecules(atoms: Atoms, path: Path) -> list[RigidUnit]:
    """Connected parts of a crystal, made whole."""
    radii = BONDED * covalent_radii[atoms.numbers]
    first, second, steps = neighbor_list("ijS", atoms, radii.tolist())
    cell_of: dict[int, IntArray] = {}
    molecules = []
    for start in range(len(atoms)):
        if start in cell_of:
            continue
        cell_of[start] = np.zeros(3, dtype=np.int64)
        members, waiting = [start], [start]
        while waiting:
            atom = waiting.pop()
            for k in np.flatnonzero(first == atom):
                there, cell = int(second[k]), cell_of[atom] + steps[k]
                if there not in cell_of:
                    cell_of[there] = cell
                    members.append(there)
                    waiting.append(there)
                elif (cell_of[there] != cell).any():
                    raise UnitError(
                        f"the atoms of '{path}' are bonded without end: give a file of the "
                        f"molecule alone."
                    )
        shifts = np.array([cell_of[k] for k in members]) @ atoms.cell.array
        positions = atoms.positions[members] + shifts
        symbols = [atoms.symbols[k] for k in members]
        bonds = bonds_of(symbols, positions)
        molecules.append(RigidUnit(path.stem, tuple(symbols), positions, bonds))
    return molecules


def _known(symbols: Sequence[str], path: Path) -> tuple[str, ...]:
    """Symbols of elements; heavy hydrogen counts as hydrogen."""
    plain = tuple("H" if symbol in ("D", "T") else symbol for symbol in symbols)
    for symbol in plain:
        if symbol not in atomic_numbers or symbol == "X":
            raise UnitError(f"'{symbol}' in '{path}' is not an element.")
    return plain
