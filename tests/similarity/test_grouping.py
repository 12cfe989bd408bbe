"""Which structure stands for a group, and what its energy is."""

from __future__ import annotations

import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from gencsp.similarity.grouping import Grouping, energy_per_atom, lowest_first


def magnesia(energy: float | None = None, **info: object) -> Atoms:
    """MgO; ``energy`` as other programs leave it, eV a cell."""
    atoms = bulk("MgO", "rocksalt", a=4.2)
    atoms.info |= info
    if energy is not None:
        atoms.calc = SinglePointCalculator(atoms, energy=energy)
    return atoms


@pytest.mark.parametrize(
    ("atoms", "expected"),
    [
        (magnesia(), None),
        (magnesia(-10.0), -5.0),
        (magnesia(-10.0, energy_per_atom=-6.0), -6.0),
        (magnesia(energy_per_atom="abc"), None),
        (magnesia(energy_per_atom=float("nan")), None),
    ],
    ids=["none", "of the file", "of gencsp", "text", "not a number"],
)
def test_energy_of_a_structure(atoms: Atoms, expected: float | None) -> None:
    assert energy_per_atom(atoms) == expected


def test_energies_of_files_choose_and_separate() -> None:
    pool = [("high", magnesia(-10.0)), ("low", magnesia(-12.5)), ("none", magnesia())]
    ordered = lowest_first(pool)
    assert [name for name, _ in ordered] == ["low", "high", "none"]
    for same_energy, firsts in ((None, ["low", "high"]), (0.01, ["low", "high"]), (2.0, ["low"])):
        grouping = Grouping(same_energy=same_energy)
        for name, atoms in ordered:
            grouping.add(name, atoms)
        assert [atoms.info["structure_id"] for atoms in grouping.unique()] == firsts
