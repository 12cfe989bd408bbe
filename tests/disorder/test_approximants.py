"""Ordered cells of disordered crystals."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.transformations.standard_transformations import (
    OrderDisorderedStructureTransformation,
)

from gencsp.disorder.approximants import approximants
from gencsp.disorder.crystal import DisorderedCrystal, SiteGroup
from gencsp.errors import RequestError


def rock_salt(shares: dict[str, float], *, split: float = 0.0) -> DisorderedCrystal:
    """Primitive cell of rock salt with a disordered metal, or one at two split positions."""
    cell = np.array([[0, 2.6, 2.6], [2.6, 0, 2.6], [2.6, 2.6, 0]])
    places = [[0.5, 0.5, 0.5], [split, split, split]]
    groups = [SiteGroup("O", {"O": 1.0}), SiteGroup("M", shares)]
    tags = [0, 1]
    if split:
        places.append([-split] * 3)
        tags.append(1)
    sites = Atoms(["X"] * len(tags), scaled_positions=places, cell=cell, pbc=True, tags=tags)
    return DisorderedCrystal(sites, tuple(groups), "rock salt")


def test_all_orders_of_a_small_cell_by_ewald_energy() -> None:
    made = approximants(rock_salt({"Li": 0.5, "Al": 0.5}), n=50, max_atoms=8)
    assert made.enumerated
    assert made.charges == {"O": -2.0, "Li": 1.0, "Al": 3.0}
    assert made.counts.amounts == {"O": 2, "Li": 1, "Al": 1}
    # Two supercells of two fcc cells, one order in each: layers along 001 and along 111.
    assert len(made.structures) == 2
    for atoms, energy in zip(made.structures, made.energies, strict=True):
        structure = AseAtomsAdaptor.get_structure(atoms)
        structure.add_oxidation_state_by_element({"O": -2, "Li": 1, "Al": 3})
        theirs = EwaldSummation(structure).total_energy / len(atoms)
        assert energy == pytest.approx(theirs, rel=1e-5)
    assert list(made.energies) == sorted(made.energies)


def test_the_lowest_order_is_pymatgens() -> None:
    """In a cell that their transformation searches whole."""
    lattice = Lattice.from_parameters(5.0, 5.6, 6.1, 90, 90, 90)
    places = [[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0.5, 0.5, 0], [0.2, 0.3, 0.5], [0.7, 0.8, 0.5]]
    species = [{"Li+": 0.5}] * 4 + [{"F-": 1}] * 2
    theirs = OrderDisorderedStructureTransformation(algo=0).apply_transformation(
        Structure(lattice, species, places)
    )
    sites = Atoms(
        ["X"] * 6, scaled_positions=places, cell=lattice.matrix, pbc=True, tags=[0] * 4 + [1] * 2
    )
    crystal = DisorderedCrystal(
        sites, (SiteGroup("Li", {"Li": 0.5}), SiteGroup("F", {"F": 1.0})), "fluoride"
    )
    made = approximants(crystal, n=1, max_atoms=4)
    assert made.energies[0] == pytest.approx(EwaldSummation(theirs).total_energy / 4, rel=1e-4)


def test_many_orders_are_drawn_and_the_seed_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gencsp.disorder.approximants.MOST_ORDERS", 50)
    mean = rock_salt({"Li": 0.45, "Al": 0.45, "Mg": 0.1})
    made = approximants(mean, n=3, max_atoms=40, seed=4)
    assert not made.enumerated
    assert 1 <= len(made.structures) <= 3
    counts = Counter(made.structures[0].get_chemical_symbols())
    assert counts == {"O": 11, "Li": 5, "Al": 5, "Mg": 1}
    again = approximants(mean, n=3, max_atoms=40, seed=4)
    for one, other in zip(made.structures, again.structures, strict=True):
        assert (one.positions == other.positions).all()
        assert one.get_chemical_symbols() == other.get_chemical_symbols()
    # Settled: each cation order is lower than the mean of random ones.
    rng = np.random.default_rng(0)
    random = []
    for _ in range(5):
        atoms = made.structures[0].copy()
        cations = np.flatnonzero(atoms.numbers != 8)
        atoms.numbers[cations] = atoms.numbers[rng.permutation(cations)]
        structure = AseAtomsAdaptor.get_structure(atoms)
        structure.add_oxidation_state_by_element({"O": -2, "Li": 1, "Al": 3, "Mg": 2})
        random.append(EwaldSummation(structure).total_energy / len(atoms))
    assert made.energies[0] < min(random)


def test_split_positions_are_not_both_occupied() -> None:
    # Pairs 0.6 Å apart, half occupied: one metal each.
    made = approximants(rock_salt({"Mg": 0.5}, split=0.067), n=10, max_atoms=8)
    assert made.counts.amounts == {"O": 1, "Mg": 1}
    for atoms in made.structures:
        distances = atoms.get_all_distances(mic=True)[np.triu_indices(len(atoms), k=1)]
        assert distances.min() > 1.5
    with pytest.raises(RequestError, match="so near to each other"):
        approximants(rock_salt({"Mg": 0.8}, split=0.067), n=1, max_atoms=20)


def test_mobile_species_do_not_make_cells_different() -> None:
    cell = np.diag([4.0, 4.0, 4.0])
    places = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0, 0.5], [0, 0.5, 0.5], [0.5, 0.5, 0]]
    sites = Atoms(["X"] * 5, scaled_positions=places, cell=cell, pbc=True, tags=[0, 1, 2, 2, 2])
    groups = (
        SiteGroup("Li", {"Li": 0.5}),
        SiteGroup("Ti", {"Ti": 1.0}),
        SiteGroup("O", {"O": 1.0}),
    )
    crystal = DisorderedCrystal(sites, groups, "perovskite")
    every = approximants(crystal, n=50, max_atoms=9)
    assert len(every.structures) == 3, "layers along 001, 011 and 111"
    mobile = approximants(crystal, n=50, max_atoms=20, mobile=["Li"])
    assert len(mobile.structures) == 1
    assert Counter(mobile.structures[0].get_chemical_symbols())["Li"] == mobile.counts.amounts["Li"]
    with pytest.raises(RequestError, match="Na is not in perovskite"):
        approximants(crystal, n=1, max_atoms=20, mobile=["Na"])
    with pytest.raises(RequestError, match="nothing is left"):
        approximants(crystal, n=1, max_atoms=20, mobile=["Li", "Ti", "O"])


def test_without_charges_the_orders_are_distinct() -> None:
    atoms = bulk("Cu", "fcc", a=3.8)
    crystal = DisorderedCrystal.of(atoms)
    mixed = DisorderedCrystal(crystal.sites, (SiteGroup("M", {"Cu": 0.5, "Au": 0.5}),), "alloy")
    made = approximants(mixed, n=10, max_atoms=2)
    assert made.charges is None
    assert np.isnan(made.energies).all()
    matcher = StructureMatcher()
    found = [AseAtomsAdaptor.get_structure(one) for one in made.structures]
    assert len(found) == 2  # L1_0 and L1_1
    assert not matcher.fit(*found)


def test_a_centred_cell_is_made_primitive_and_an_ordered_crystal_has_orbits() -> None:
    cubic = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    crystal = DisorderedCrystal.of(cubic)
    assert [dict(group.shares) for group in crystal.groups] == [{"Na": 1.0}, {"Cl": 1.0}]
    assert crystal.sizes.tolist() == [4, 4]
    small = crystal.primitive
    assert small.sizes.tolist() == [1, 1]
    assert small.sites.cell.volume == pytest.approx(cubic.cell.volume / 4)
    assert crystal.ordered


def test_occupancies_above_one_are_refused() -> None:
    with pytest.raises(RequestError, match=r"site M of rock salt add up to 1\.3"):
        rock_salt({"Li": 0.6, "Na": 0.7})
