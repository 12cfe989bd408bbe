"""Coordination numbers on crystals where they are known, and the choice of guests."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from pymatgen.analysis.local_env import EconNN
from pymatgen.io.ase import AseAtomsAdaptor

from gencsp.errors import RequestError
from gencsp.symmetry.hosts import broadest_species, choose_guests, coordination_numbers, framework


@pytest.mark.parametrize(
    ("atoms", "number", "tolerance"),
    [
        (bulk("Si", "diamond", a=5.431), 4.0, 0.01),
        (bulk("NaCl", "rocksalt", a=5.64), 6.0, 0.4),
        (bulk("Cu", "fcc", a=3.61), 12.0, 0.3),
        (bulk("Po", "sc", a=3.35), 6.0, 0.5),
    ],
)
def test_coordination_numbers_of_simple_crystals(
    atoms: Atoms, number: float, tolerance: float
) -> None:
    assert coordination_numbers(atoms) == pytest.approx(number, abs=tolerance)


def test_coordination_numbers_are_pymatgens_econ() -> None:
    atoms = bulk("ZnS", "wurtzite", a=3.82, c=6.26)
    atoms.rattle(0.15, rng=np.random.default_rng(1))
    structure = AseAtomsAdaptor.get_structure(atoms)
    finder = EconNN(tol=0.0, cutoff=6.0)
    expected = [
        sum(site["weight"] for site in finder.get_nn_info(structure, i)) for i in range(len(atoms))
    ]
    assert coordination_numbers(atoms) == pytest.approx(expected, abs=0.02)


def test_an_atom_alone_has_no_neighbours() -> None:
    assert coordination_numbers(Atoms("He", cell=[9, 9, 9], pbc=True)).tolist() == [0.0]


def scattered_guest(seed: int) -> Atoms:
    """Zinc blende, one zinc replaced by Al, two more moved far off their tetrahedra."""
    atoms = bulk("ZnS", "zincblende", a=5.41, cubic=True)
    zinc = np.flatnonzero(atoms.numbers == 30)
    atoms.positions[zinc[:2]] += np.random.default_rng(seed).normal(scale=0.7, size=(2, 3))
    atoms[int(zinc[3])].symbol = "Al"
    return atoms


def test_the_scattered_species_is_the_guest_and_the_anion_never() -> None:
    choice = choose_guests(scattered_guest(seed) for seed in range(6))
    assert choice.species == "Zn" == broadest_species([scattered_guest(0), scattered_guest(1)])
    assert choice.anion == "S"
    assert choice.structures == 6
    assert choice.entropies["Zn"] > choice.entropies["Al"]
    for said in ("Zn has the broadest", "6 structures", "S, the most electronegative"):
        assert said in choice.reason


def test_entropy_is_that_of_the_histogram() -> None:
    """Half of the caesium in eightfold, half in sixfold coordination: ln 2."""
    eight = bulk("CsCl", "cesiumchloride", a=4.12)
    six = bulk("CsCl", "rocksalt", a=6.9)
    rounded = [round(float(coordination_numbers(a)[0])) for a in (eight, six)]
    assert rounded[0] != rounded[1]
    assert choose_guests([eight, six]).entropies["Cs"] == pytest.approx(np.log(2))
    assert choose_guests([six, six]).entropies["Cs"] == 0.0


def test_nothing_to_choose_from() -> None:
    with pytest.raises(RequestError, match="only species"):
        choose_guests([bulk("Si")])
    with pytest.raises(RequestError, match="no relaxed structures"):
        choose_guests([])


def test_framework_keeps_cell_and_hosts() -> None:
    atoms = bulk("ZnS", "zincblende", a=5.41, cubic=True)
    atoms.info["structure_id"] = "r1"
    atoms.set_constraint(FixAtoms([0]))
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0)
    host = framework(atoms, ["Zn"])
    assert set(host.symbols) == {"S"}
    assert np.array_equal(host.cell.array, atoms.cell.array)
    assert np.array_equal(host.positions, atoms.positions[atoms.numbers == 16])
    assert host.calc is None
    assert not host.constraints
    assert host.info["structure_id"] == "r1"


@pytest.mark.parametrize(
    ("guests", "said"), [(["Li"], "Li is not in"), (["Zn", "S"], "leaves no host atoms")]
)
def test_guests_that_make_no_sense(guests: list[str], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        framework(bulk("ZnS", "zincblende", a=5.41), guests)
