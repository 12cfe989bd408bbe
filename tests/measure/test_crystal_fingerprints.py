"""Fingerprints are those of matminer, whatever cell a crystal is given in."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import make_supercell
from cdvae_crystals import REFERENCE, crystals
from hypothesis import given, settings
from hypothesis import strategies as st

from gencsp.measure.composition_fingerprint import PROPERTIES, composition_fingerprint, scaled
from gencsp.measure.element_tables import element_tables
from gencsp.measure.structure_fingerprint import LENGTH, structure_fingerprint

NAMES = sorted(REFERENCE["fingerprints"])


@pytest.mark.parametrize("name", NAMES)
def test_structure_fingerprints_are_matminers(name: str) -> None:
    """``CrystalNNFingerprint.from_preset("ops")``, mean over the sites."""
    found = structure_fingerprint(crystals()[name])
    assert found is not None
    assert found.shape == (LENGTH,)
    np.testing.assert_allclose(
        found, REFERENCE["fingerprints"][name]["structure"], rtol=0, atol=2e-6
    )


@pytest.mark.parametrize("name", NAMES)
def test_composition_fingerprints_are_matminers(name: str) -> None:
    """``ElementProperty.from_preset("magpie", impute_nan=False)``; null is not a number."""
    found = composition_fingerprint(crystals()[name].numbers)
    expected = np.array(REFERENCE["fingerprints"][name]["composition"], dtype=float)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_statistics_of_rutile_by_hand() -> None:
    numbers = composition_fingerprint([22, 8, 8])[:6]
    np.testing.assert_allclose(numbers, [8, 22, 14, 38 / 3, 2 * 2 / 3 * 14 / 3, 8])
    # Of equally common elements the least property is the mode.
    assert composition_fingerprint([17, 11])[5] == 11


def test_what_is_not_known_of_an_element_is_zero_on_the_scale() -> None:
    helium = composition_fingerprint([2, 2])
    melting = 6 * PROPERTIES.index("MeltingT")
    assert np.isnan(helium[melting : melting + 6]).all()
    assert (scaled(helium)[melting : melting + 6] == 0).all()
    tables = element_tables()
    np.testing.assert_allclose(scaled(tables.mean + 2 * tables.deviation), 2)


@pytest.mark.parametrize("name", ["rutile", "skewed"])
@settings(max_examples=3, deadline=None)
@given(st.randoms(use_true_random=False), st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_order_and_origin_of_the_atoms_do_not_matter(
    name: str, random: object, shift: list[float]
) -> None:
    atoms = crystals()[name]
    order = list(range(len(atoms)))
    random.shuffle(order)  # type: ignore[attr-defined]
    moved = atoms[order]
    moved.set_scaled_positions(moved.get_scaled_positions() + shift)
    one, other = structure_fingerprint(atoms), structure_fingerprint(moved)
    assert one is not None
    assert other is not None
    # CrystalNN rounds its weights to a thousandth.
    np.testing.assert_allclose(other, one, rtol=0, atol=5e-3)
    np.testing.assert_allclose(
        composition_fingerprint(moved.numbers), composition_fingerprint(atoms.numbers)
    )


def test_a_supercell_has_the_fingerprint_of_its_cell() -> None:
    cell = crystals()["CaTiO3"]
    large = make_supercell(cell, [[1, 1, 0], [0, 1, 0], [0, 0, 1]])
    double = make_supercell(cell, [[2, 0, 0], [0, 1, 0], [0, 0, 1]])
    expected = structure_fingerprint(cell)
    for one in (large, double):
        np.testing.assert_allclose(structure_fingerprint(one), expected, rtol=0, atol=5e-3)  # type: ignore[arg-type]
        np.testing.assert_allclose(
            composition_fingerprint(one.numbers), composition_fingerprint(cell.numbers)
        )


def test_an_atom_far_from_all_others_has_no_coordination_number() -> None:
    found = structure_fingerprint(Atoms("H", cell=[30] * 3, pbc=True))
    assert found is not None
    assert (found == 0).all()


def test_what_is_not_valid_has_no_fingerprint() -> None:
    twice = Atoms("C2", positions=[(0, 0, 0), (0, 0, 0)], cell=[3] * 3, pbc=True)
    assert structure_fingerprint(twice) is None
    # Its neighbours would take two minutes to find.
    flat = Atoms("C", cell=[[20, 0, 0], [20, 0.01, 0], [0, 0, 20]], pbc=True)
    assert structure_fingerprint(flat) is None
