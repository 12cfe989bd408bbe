"""Orders of atoms and vacancies, against brute force with pymatgen's StructureMatcher."""

from __future__ import annotations

from itertools import permutations
from math import comb

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from gencsp.disorder.approximants import ewald_matrix
from gencsp.disorder.crystal import DisorderedCrystal, SiteGroup
from gencsp.disorder.orders import (
    Lattice,
    canonical,
    enumerate_orders,
    random_order,
    settle,
)
from gencsp.symmetry.supercells import supercell


def crystal_of(
    cell: list[list[float]], places: list[list[float]], shares: dict[str, float]
) -> DisorderedCrystal:
    """Sites of one disordered group at the origin and of ordered oxygen elsewhere."""
    tags = [0, *[1] * (len(places) - 1)]
    sites = Atoms(["X"] * len(places), scaled_positions=places, cell=cell, pbc=True, tags=tags)
    groups = [SiteGroup("M", shares), SiteGroup("O", {"O": 1.0})]
    return DisorderedCrystal(sites, tuple(groups[: 1 + (len(places) > 1)]))


#: A body-centred tetragonal cell of metal and oxygen, and a simple cubic alloy.
TETRAGONAL = crystal_of(
    [[3.0, 0, 0], [0, 3.0, 0], [0, 0, 3.6]],
    [[0, 0, 0], [0.5, 0.5, 0.5]],
    {"Li": 0.5},
)
CUBIC = crystal_of([[3.0, 0, 0], [0, 3.0, 0], [0, 0, 3.0]], [[0, 0, 0]], {"Cu": 0.5, "Au": 0.5})


def lattice_of(
    crystal: DisorderedCrystal, matrix: list[list[int]], counts: dict[str, int]
) -> tuple[Atoms, Lattice]:
    sites = supercell(crystal.sites, np.array(matrix))
    elements = (*counts, "O")
    own = [counts]
    if len(crystal.groups) > 1:
        own.append({"O": int((sites.get_tags() == 1).sum())})
    n, e = len(sites), len(elements) + 1
    clashes = np.zeros((n, n, e, e), dtype=bool)
    found = Lattice(sites.get_tags(), elements, tuple(own), crystal.operations(sites)[1], clashes)
    return sites, found


def atoms_of(sites: Atoms, lattice: Lattice, order: np.ndarray) -> Atoms:
    occupied = order > 0
    symbols = [lattice.elements[k - 1] for k in order[occupied]]
    return Atoms(symbols, positions=sites.positions[occupied], cell=sites.cell, pbc=True)


@pytest.mark.parametrize(
    ("crystal", "matrix", "counts"),
    [
        (TETRAGONAL, [[2, 0, 0], [0, 1, 0], [0, 0, 1]], {"Li": 1}),
        (TETRAGONAL, [[2, 0, 0], [0, 2, 0], [0, 0, 1]], {"Li": 2}),
        (TETRAGONAL, [[2, 0, 0], [0, 1, 0], [0, 0, 3]], {"Li": 3}),
        (CUBIC, [[2, 0, 0], [0, 2, 0], [0, 0, 2]], {"Cu": 2, "Au": 6}),
        (CUBIC, [[3, 0, 0], [0, 2, 0], [0, 0, 1]], {"Cu": 2, "Au": 3}),
    ],
)
def test_as_many_distinct_orders_as_brute_force_finds(
    crystal: DisorderedCrystal, matrix: list[list[int]], counts: dict[str, int]
) -> None:
    sites, lattice = lattice_of(crystal, matrix, counts)
    found = enumerate_orders(lattice, most=1000)
    assert found is not None
    mixed = int((sites.get_tags() == 0).sum())
    kinds = [k + 1 for k, n in enumerate(counts.values()) for _ in range(n)]
    kinds += [0] * (mixed - len(kinds))
    everything = set(permutations(kinds))
    matcher = StructureMatcher(primitive_cell=False, scale=False, ltol=0.01, stol=0.01)
    classes: list[Structure] = []
    for one in sorted(everything):
        order = np.full(len(sites), len(lattice.elements), dtype=np.int8)
        order[sites.get_tags() == 0] = one
        structure = AseAtomsAdaptor.get_structure(atoms_of(sites, lattice, order))
        if not any(matcher.fit(structure, other) for other in classes):
            classes.append(structure)
    assert len(found) == len(classes)
    made = [AseAtomsAdaptor.get_structure(atoms_of(sites, lattice, order)) for order in found]
    for number, structure in enumerate(made):
        assert not any(matcher.fit(structure, other) for other in made[:number])


def test_enumeration_is_given_up_where_there_are_too_many() -> None:
    _, lattice = lattice_of(CUBIC, [[2, 0, 0], [0, 2, 0], [0, 0, 2]], {"Cu": 4, "Au": 4})
    assert enumerate_orders(lattice, most=comb(8, 4) - 1) is None
    assert enumerate_orders(lattice, most=comb(8, 4)) is not None


def test_sites_that_are_too_near_are_not_occupied_together() -> None:
    # A chain of six sites, neighbours exclude each other: three of six are two ways, one class.
    n = 6
    clashes = np.zeros((n, n, 2, 2), dtype=bool)
    for i in range(n):
        clashes[i, (i + 1) % n, 1, 1] = clashes[(i + 1) % n, i, 1, 1] = True
    turns = np.array([[(i + k) % n for i in range(n)] for k in range(n)])
    lattice = Lattice(np.zeros(n, dtype=np.int64), ("Li",), ({"Li": 3},), turns, clashes)
    (only,) = enumerate_orders(lattice, most=100) or []
    assert only.tolist() in ([0, 1, 0, 1, 0, 1], [1, 0, 1, 0, 1, 0])
    rng = np.random.default_rng(0)
    drawn = random_order(lattice, rng)
    assert drawn is not None
    assert canonical(drawn, lattice) == canonical(only, lattice)
    full = Lattice(lattice.groups, ("Li",), ({"Li": 4},), turns, clashes)
    assert enumerate_orders(full, most=100) == []
    assert random_order(full, rng) is None


def test_the_ewald_matrix_gives_pymatgens_energy() -> None:
    sites, lattice = lattice_of(TETRAGONAL, [[2, 0, 0], [0, 2, 0], [0, 0, 1]], {"Li": 2})
    matrix = ewald_matrix(sites)
    order = random_order(lattice, np.random.default_rng(3))
    assert order is not None
    charges = np.array([0.0, 2.0, -1.0])  # neutral: two Li of 2 and four O of -1
    structure = AseAtomsAdaptor.get_structure(atoms_of(sites, lattice, order))
    structure.add_oxidation_state_by_element({"Li": 2, "O": -1})
    energy = charges[order] @ matrix @ charges[order]
    assert energy == pytest.approx(EwaldSummation(structure).total_energy, rel=1e-6)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 7))
def test_settling_keeps_the_atoms_and_never_raises_the_energy(seed: int, lithium: int) -> None:
    sites, lattice = lattice_of(TETRAGONAL, [[2, 0, 0], [0, 2, 0], [0, 0, 2]], {"Li": lithium})
    rng = np.random.default_rng(seed)
    matrix = np.cos(sites.get_all_distances(mic=True))
    charges = np.array([0.0, 1.0, -0.5])
    order = random_order(lattice, rng)
    assert order is not None
    held = np.flatnonzero(sites.get_tags() == 0)[:2]
    after = settle(order, lattice, matrix, charges, rng, held=held)
    assert np.bincount(after, minlength=3).tolist() == np.bincount(order, minlength=3).tolist()
    assert (after[held] == order[held]).all()

    def energy(one: np.ndarray) -> float:
        return float(charges[one] @ matrix @ charges[one])

    assert energy(after) <= energy(order) + 1e-9
    # No single swap of free sites is left that would lower it.
    free = np.setdiff1d(np.flatnonzero(sites.get_tags() == 0), held)
    for i in free:
        for j in free:
            swapped = after.copy()
            swapped[i], swapped[j] = after[j], after[i]
            assert energy(swapped) >= energy(after) - 1e-8
