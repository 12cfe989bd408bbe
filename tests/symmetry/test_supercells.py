"""Supercells: how many are distinct, that they hold the crystal, and which comes first."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor

from gencsp.errors import RequestError
from gencsp.symmetry.supercells import (
    _hermite_form,
    distinct_supercells,
    primitive,
    rotations_of,
    supercell,
)


@pytest.mark.parametrize(
    ("lattice", "numbers"),
    # Hart and Forcade, Phys. Rev. B 77, 224115 (2008), Table II: distinct supercells of 1-8 atoms.
    [("fcc", [1, 2, 3, 7, 5, 10, 7, 20]), ("sc", [1, 3, 3, 9, 5, 13, 7, 24])],
)
def test_as_many_as_hart_and_forcade_count(lattice: str, numbers: list[int]) -> None:
    atoms = bulk("Po" if lattice == "sc" else "Cu", lattice, a=3.6)
    found = [
        len(distinct_supercells(atoms.cell.array, rotations_of(atoms), m)) for m in range(1, 9)
    ]
    assert found == numbers


@pytest.mark.parametrize("multiple", [2, 3, 4])
def test_every_supercell_is_the_same_crystal(multiple: int) -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    matcher = StructureMatcher(scale=False)
    for matrix in distinct_supercells(atoms.cell.array, rotations_of(atoms), multiple):
        assert round(np.linalg.det(matrix)) == multiple
        made = supercell(atoms, matrix)
        assert made.cell.volume == pytest.approx(multiple * atoms.cell.volume)
        assert matcher.fit(
            AseAtomsAdaptor.get_structure(made), AseAtomsAdaptor.get_structure(atoms)
        )


def test_the_most_compact_one_comes_first() -> None:
    atoms = bulk("Po", "sc", a=3.0)
    first, *others = distinct_supercells(atoms.cell.array, rotations_of(atoms), 8)
    assert (supercell(atoms, first).cell.lengths() == 6.0).all()
    spread = [round((supercell(atoms, one).cell.lengths() ** 2).sum(), 6) for one in others]
    assert spread == sorted(spread)


def test_without_rotations_all_are_distinct() -> None:
    # Of m cells there are as many Hermite forms as the sum of d * sigma(d) over the divisors d.
    assert len(distinct_supercells(np.eye(3), np.eye(3, dtype=int)[None], 4)) == 35


@given(st.lists(st.integers(-4, 4), min_size=9, max_size=9), st.permutations(range(3)))
def test_a_lattice_has_one_hermite_form(entries: list[int], order: list[int]) -> None:
    matrix = np.array(entries, dtype=np.int64).reshape(3, 3)
    if round(np.linalg.det(matrix)) == 0:
        return
    other = matrix[order]
    other[0] += 2 * other[1] - other[2]
    form = _hermite_form(matrix)
    assert (form == _hermite_form(other)).all()
    assert (np.tril(form, -1) == 0).all()
    assert (np.diag(form) > 0).all()


def test_the_primitive_cell_is_found_and_keeps_its_lattice() -> None:
    cubic = bulk("Cu", "fcc", a=3.6, cubic=True)
    small = primitive(cubic)
    assert len(small) == 1
    assert small.cell.volume == pytest.approx(cubic.cell.volume / 4)
    assert len(primitive(small)) == 1


def test_no_supercell_of_no_cells() -> None:
    with pytest.raises(RequestError, match="multiple"):
        distinct_supercells(np.eye(3), np.eye(3, dtype=int)[None], 0)
