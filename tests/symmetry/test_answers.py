"""spglib warns and answers None, or raises, as the environment has it: gencsp does the same."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.build import bulk
from ase.constraints import FixSymmetry

import gencsp
from gencsp.descriptors.orbits import orbits
from gencsp.diffusion.training.data import CrystalSet
from gencsp.disorder.crystal import DisorderedCrystal
from gencsp.errors import TrainingDataError
from gencsp.exporters.cells import resized
from gencsp.filters import get_filter
from gencsp.filters.matching import Candidate
from gencsp.similarity.cells import compact
from gencsp.symmetry.answers import answer
from gencsp.symmetry.refinement import refine, space_group
from gencsp.symmetry.supercells import primitive, rotations_of

SWITCH = "SPGLIB_OLD_ERROR_HANDLING"
#: Two atoms in one place, which spglib refuses.
OVERLAP = Atoms("H2", cell=[1.0, 1.0, 2.0], pbc=True)
#: A cell whose reduction does not end, Å.
ENDLESS = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1e6, 1e6, 1e-6]])


@pytest.fixture(params=["true", "false"])
def switched(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, request.param)


def test_the_two_ways_of_spglib(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this module is for; if this fails, spglib has changed."""
    cell = (OVERLAP.cell.array, OVERLAP.get_scaled_positions(), OVERLAP.numbers)
    monkeypatch.setenv(SWITCH, "true")
    with pytest.warns(DeprecationWarning, match="OLD_ERROR_HANDLING"):
        assert spglib.find_primitive(cell) is None
    monkeypatch.setenv(SWITCH, "false")
    with pytest.raises(spglib.SpglibError):
        spglib.find_primitive(cell)


@pytest.mark.usefixtures("switched")
def test_no_answer_is_none_without_a_warning() -> None:
    cell = (OVERLAP.cell.array, OVERLAP.get_scaled_positions(), OVERLAP.numbers)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert answer(spglib.find_primitive, cell) is None
        assert answer(spglib.get_symmetry_dataset, cell, symprec=0.1) is None
        assert answer(spglib.niggli_reduce, ENDLESS) is None


@pytest.mark.usefixtures("switched")
def test_an_answer_is_given_as_it_is() -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    found = answer(spglib.get_symmetry_dataset, cell, symprec=0.01)
    assert found is not None
    assert found.number == 225


@pytest.mark.usefixtures("switched")
def test_all_that_asks_of_atoms_in_one_place() -> None:
    assert len(orbits(OVERLAP).atoms) == 2
    assert space_group(OVERLAP).number == 1
    assert refine(OVERLAP).space_group.number == 1
    assert rotations_of(OVERLAP).tolist() == np.eye(3)[None].tolist()
    assert primitive(OVERLAP) == OVERLAP
    assert DisorderedCrystal.of(OVERLAP).sizes.tolist() == [1, 1]
    assert resized(OVERLAP, 3) is None
    assert get_filter("prototypes").judge(OVERLAP).name == "prototypes"
    assert Candidate.of(OVERLAP).space_group == 1


@pytest.mark.usefixtures("switched")
def test_all_that_asks_of_a_cell_that_cannot_be_reduced() -> None:
    assert compact(ENDLESS) is ENDLESS
    flat = CrystalSet(
        np.array([1], dtype=np.int8),
        np.zeros((1, 3)),
        ENDLESS[None],
        np.array([0, 1]),
        "0" * 12,
    )
    with pytest.raises(TrainingDataError, match="cannot be reduced"):
        flat.reduced()


def test_a_user_who_held_a_symmetry_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """ASE's FixSymmetry leaves spglib set to raise for the rest of the process."""
    monkeypatch.setenv(SWITCH, "true")
    monkeypatch.delenv(SWITCH)
    FixSymmetry(bulk("Cu", cubic=True))
    assert len(orbits(OVERLAP).atoms) == 2


def test_nothing_asks_spglib_otherwise() -> None:
    """A call of spglib's that is not handed to ``answer`` would raise in such a process."""
    asked = re.compile(r"spglib\.(get_symmetry|find_|standardize|refine|niggli|delaunay)\w*\(")
    sources = Path(gencsp.__file__).parent.rglob("*.py")
    assert [str(f) for f in sources if asked.search(f.read_text(encoding="utf-8"))] == []
