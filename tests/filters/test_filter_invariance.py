"""However a crystal is written down, every filter says the same of it."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st
from known_crystals import known, rewritten, uneven

from gencsp.descriptors.neighbours import pairs_within
from gencsp.filters import Filter, filter_names, get_filter
from gencsp.filters.hull_energy import HullEnergy

#: Filters that a property test covers by name; those that need a potential or a history follow.
PLAIN = sorted(set(filter_names()) - {"hull_energy", "uniqueness"})
FEW = settings(max_examples=3, deadline=None)


class PairEnergy(HullEnergy):
    """A hull filter whose energy is a sum over pairs, so that it costs nothing."""

    def model_name(self) -> str:
        return "chgnet-0.3.0"

    def relaxed_energy(self, atoms: Atoms) -> tuple[float, str]:
        return float(-np.exp(-pairs_within(atoms, 6.0).distances).sum() / len(atoms)), ""


def check(one: Filter, atoms: Atoms, seed: int) -> None:
    said = one.judge(atoms)
    for change, other in rewritten(atoms, seed).items():
        again = one.judge(other)
        assert again.passed == said.passed, change
        assert again.value == pytest.approx(said.value, rel=1e-5, abs=1e-5, nan_ok=True), change
        assert again.note == said.note, change


@pytest.mark.parametrize("name", PLAIN)
@given(seed=st.integers(0, 2**16))
@FEW
def test_of_a_crystal_without_symmetry(name: str, seed: int) -> None:
    check(get_filter(name), uneven(seed), seed)


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("crystal", ["MgO", "MgAl2O4"])
def test_of_a_crystal_with_symmetry(name: str, crystal: str) -> None:
    check(get_filter(name), known()[crystal], seed=3)


@given(seed=st.integers(0, 2**16))
@FEW
def test_hull_energy(seed: int) -> None:
    check(PairEnergy(), uneven(seed), seed)


def test_hull_energy_with_chgnet() -> None:
    """Each writing of a strained, shaken crystal relaxes to the same energy."""
    judge = get_filter("hull_energy", {"fmax": 0.01}).judge
    salt = known()["MgO"]
    salt.set_cell(salt.cell.array @ np.diag([1.03, 1.0, 0.98]), scale_atoms=True)
    salt.rattle(0.05, seed=1)
    said = judge(salt)
    assert said.passed
    for change, other in rewritten(salt, 2).items():
        again = judge(other)
        assert again.passed, change
        # eV/atom: minima are found to a force, not to an energy.
        assert again.value == pytest.approx(said.value, abs=1e-3), change


@pytest.mark.parametrize("matching", ["disordered", "ordered"])
def test_uniqueness_knows_a_crystal_again(matching: str) -> None:
    for atoms in (*known().values(), uneven(1)):
        unique = get_filter("uniqueness", {"matching": matching})
        assert unique.judge(atoms).passed
        for change, other in rewritten(atoms, 5).items():
            again = unique.judge(other)
            assert not again.passed, change
            assert again.note == "as structure 1"
