"""Pools as generators leave them: interleaved species, odd names, unwrapped, left-handed."""

from __future__ import annotations

import numpy as np
import spglib
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.spacegroup import crystal
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor

from gencsp.provenance import Provenance, Stage

#: Names that shells, CASTEP, MATLAB, YAML and Qt would each stumble over.
NAMES = ('g[0] "x" $(rm -rf ~)', "two words; `ls`", "a,b#c(d)", "it's {1}\\n", "seed0001")


def quartz() -> Atoms:
    """α-quartz, P3_121: chiral, so that a mirror image is another space group (P3_221)."""
    return crystal(
        ("Si", "O"),
        [(0.4697, 0, 1 / 3), (0.4135, 0.2669, 0.7858)],
        spacegroup=152,
        cellpar=(4.916, 4.916, 5.4054, 90, 90, 120),
    )


def mirrored_axes(atoms: Atoms) -> Atoms:
    """The same crystal described in a left-handed cell."""
    swapped = Atoms(
        numbers=atoms.numbers,
        scaled_positions=atoms.get_scaled_positions()[:, [1, 0, 2]],
        cell=atoms.cell.array[[1, 0, 2]],
        pbc=True,
    )
    assert np.linalg.det(swapped.cell.array) < 0
    return swapped


def alloys(count: int = 5) -> list[Atoms]:
    """Distorted CuAu cells of 4 atoms, species interleaved, some atoms outside their cell."""
    pool = []
    for number in range(count):
        atoms = Atoms(
            "CuAuCuAu",
            scaled_positions=[(0, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)],
            cell=[3.8 + 0.05 * number, 3.9, 4.0],
            pbc=True,
        )
        atoms.rattle(0.06, seed=number)
        atoms.positions[number % 4] += atoms.cell[0]
        Provenance(
            structure_id=NAMES[number % len(NAMES)],
            proposer="score",
            stage=Stage.RELAXED,
            model="abc123",
            seed=7,
        ).write(atoms)
        atoms.calc = SinglePointCalculator(atoms, energy=-3.25 * len(atoms) - number)
        pool.append(atoms)
    return pool


def same_crystal(one: Atoms, other: Atoms) -> bool:
    """Whether two cells are one crystal up to rounding; cells of other sizes too."""
    matcher = StructureMatcher(
        ltol=1e-4, stol=1e-4, angle_tol=0.01, scale=False, primitive_cell=False
    )
    first, second = (AseAtomsAdaptor.get_structure(_primitive(atoms)) for atoms in (one, other))
    return bool(matcher.fit(first, second))


def _primitive(atoms: Atoms) -> Atoms:
    """By spglib: pymatgen's own, at its default tolerance, would undo the distortion."""
    cell, scaled, numbers = spglib.standardize_cell(
        (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers),
        to_primitive=True,
        no_idealize=True,
        symprec=1e-5,
    )
    return Atoms(numbers, scaled_positions=scaled, cell=cell, pbc=True)
