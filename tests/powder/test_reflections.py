"""Reflections beside pymatgen's calculator."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from pymatgen.analysis.diffraction.xrd import XRDCalculator
from pymatgen.io.ase import AseAtomsAdaptor

from gencsp.errors import PatternError
from gencsp.powder.reflections import Reflections

CU = 1.54184


def rutile() -> Atoms:
    sites = [(0, 0, 0), (0.305, 0.305, 0)]
    return crystal(("Ti", "O"), sites, spacegroup=136, cellpar=[4.59, 4.59, 2.96, 90, 90, 90])


def lopsided(seed: int) -> Atoms:
    rng = np.random.default_rng(seed)
    cell = np.diag(rng.uniform(3, 7, 3)) + rng.uniform(-1, 1, (3, 3))
    return Atoms("NaClOMg", scaled_positions=rng.random((4, 3)), cell=cell, pbc=True)


def of_pymatgen(atoms: Atoms, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    structure = AseAtomsAdaptor.get_structure(atoms)
    found = XRDCalculator(wavelength=CU).get_pattern(
        structure, scaled=True, two_theta_range=(low, high)
    )
    return np.array(found.x), np.array(found.y)


def lines(atoms: Atoms, high: float) -> tuple[np.ndarray, np.ndarray]:
    longest = 2 * np.sin(np.radians(high / 2)) / CU
    return Reflections.of(atoms, longest=longest).lines(CU)


CRYSTALS = (
    bulk("NaCl", "rocksalt", a=5.64),
    bulk("Fe"),
    bulk("ZnO", "wurtzite", a=3.25, c=5.2),
    rutile(),
    lopsided(0),
    lopsided(1),
)


@pytest.mark.parametrize("atoms", CRYSTALS, ids=lambda atoms: atoms.get_chemical_formula())
def test_lines_are_those_of_pymatgen(atoms: Atoms) -> None:
    angles, strengths = lines(atoms, 90)
    wanted, intensities = of_pymatgen(atoms, 0, 90)
    strengths = 100 * strengths / strengths.max()
    for angle, intensity in zip(wanted, intensities, strict=True):
        # pymatgen joins lines that lie closer than 1e-5 degrees, and takes the first one's angle.
        near = np.abs(angles - angle) < 1e-4
        assert near.any(), angle
        assert strengths[near].sum() == pytest.approx(intensity, rel=2e-3, abs=1e-3)
    assert strengths.sum() == pytest.approx(intensities.sum(), rel=1e-3)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_strained_crystal_has_the_lines_of_its_strained_cell(seed: int) -> None:
    atoms, rng = lopsided(seed), np.random.default_rng(seed + 1)
    strain = rng.uniform(-0.02, 0.02, (3, 3))
    strain = (strain + strain.T) / 2
    deformed = atoms.copy()
    deformed.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    longest = 2 * np.sin(np.radians(40)) / CU
    here, strengths = Reflections.of(atoms, longest=1.1 * longest).lines(CU, strain)
    there, _ = Reflections.of(deformed, longest=longest).lines(CU)
    strong = strengths > 1e-3 * strengths.max()
    for angle in here[strong & (here < 79)]:
        assert np.abs(there - angle).min() < 1e-6


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), repeat=st.permutations([1, 1, 2]))
def test_lines_do_not_depend_on_the_cell_that_is_chosen(seed: int, repeat: list[int]) -> None:
    atoms = lopsided(seed)
    angles, strengths = lines(atoms, 60)
    moved = atoms.copy()
    moved.translate(np.random.default_rng(seed).uniform(-3, 3, 3))
    moved.wrap()
    more, stronger = lines(moved.repeat(repeat), 60)
    assert_allclose(more, angles, atol=1e-7)
    assert_allclose(stronger / stronger.max(), strengths / strengths.max(), rtol=1e-6, atol=1e-8)


def test_what_cannot_be_computed_is_said() -> None:
    with pytest.raises(PatternError, match="scattering factors for Og"):
        Reflections.of(Atoms("Og", cell=np.eye(3) * 4, pbc=True), longest=1.0)
    with pytest.raises(PatternError, match="no reflection"):
        Reflections.of(bulk("Cu"), longest=0.01)
