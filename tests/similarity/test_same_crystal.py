"""The comparison of two crystals, against pymatgen's matcher called directly."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from ase.build import bulk
from disguise import disguised, polymorphs, random_crystal
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor

from gencsp.similarity import LOOSE, STANDARD, Tolerances, as_structure, same_crystal

THEIRS = {
    "default": (StructureMatcher(), STANDARD),
    "loose": (StructureMatcher(stol=0.5, ltol=0.3, angle_tol=10), LOOSE),
    "volumes": (StructureMatcher(scale=False), Tolerances(scale=False)),
}


def test_the_standard_is_pymatgens_default() -> None:
    said = StructureMatcher().as_dict()
    ours = (STANDARD.ltol, STANDARD.stol, STANDARD.angle_tol, STANDARD.scale)
    assert ours == (said["ltol"], said["stol"], said["angle_tol"], said["scale"])


@pytest.mark.parametrize("name", THEIRS)
@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([0.0, 0.1, 0.4]))
@settings(deadline=None, max_examples=12)
def test_as_by_pymatgens_matcher(name: str, seed: int, size: float) -> None:
    matcher, tolerances = THEIRS[name]
    rng = np.random.default_rng(seed)
    one = random_crystal(rng)
    other = disguised(one, rng)
    other.rattle(size, rng=rng)
    other.set_cell(other.cell.array * rng.choice([1.0, 0.9]), scale_atoms=True)
    structures = [AseAtomsAdaptor.get_structure(atoms) for atoms in (one, other)]
    assert same_crystal(one, other, tolerances=tolerances) == matcher.fit(*structures)


def test_other_crystals_formulas_and_cells() -> None:
    for one, other in combinations(polymorphs(), 2):
        assert not same_crystal(one, other)
    salt = bulk("NaCl", "rocksalt", a=5.6)
    assert not same_crystal(salt, bulk("KCl", "rocksalt", a=5.6))
    assert same_crystal(salt, salt.repeat((1, 2, 1)))
    # Half a unit more is another formula, however near the sites are.
    assert not same_crystal(salt, salt.repeat((1, 1, 2))[:3])


def test_structures_for_pymatgen_are_bare() -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    atoms.info["occupancy"] = {"0": {"Na": 0.5}}
    atoms.set_tags([1, 2])
    made = as_structure(atoms)
    assert made.is_ordered
    assert made.site_properties == {}
    np.testing.assert_allclose(made.cart_coords, atoms.positions)
    np.testing.assert_allclose(made.lattice.matrix, atoms.cell.array)
