"""Orbits shared out among species, against all ways there are."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gencsp.proposers.crystals.orbit_draw import Orbits
from gencsp.proposers.crystals.orbit_species import species_of_orbits

#: P-6m2 has orbits of one, two, three and six atoms in the primitive cell, and twelve.
GROUP = 187


def counted(orbits: Orbits, species: tuple[str, ...]) -> Counter[str]:
    total: Counter[str] = Counter()
    for symbol, n in zip(species, orbits.multiplicities, strict=True):
        total[symbol] += n
    return total


@given(
    letters=st.lists(st.sampled_from("abghijkl"), min_size=1, max_size=6),
    counts=st.lists(st.integers(1, 12), min_size=1, max_size=3),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=80)
def test_a_way_is_found_exactly_where_there_is_one(
    letters: list[str], counts: list[int], seed: int
) -> None:
    orbits = Orbits(GROUP, tuple(sorted(letters)))
    wanted = dict(zip(("Li", "Si", "O"), counts, strict=False))
    ways = {
        species
        for species in product(wanted, repeat=len(letters))
        if counted(orbits, species) == wanted
    }
    found = species_of_orbits(orbits, wanted, rng=np.random.default_rng(seed))
    assert (found is None) == (not ways)
    assert found is None or found in ways


def test_every_way_can_be_drawn() -> None:
    orbits = Orbits(GROUP, ("a", "b", "c", "g"))
    wanted = {"Na": 2, "Cl": 3}
    assert orbits.multiplicities == (1, 1, 1, 2)
    drawn = {
        species_of_orbits(orbits, wanted, rng=np.random.default_rng(seed)) for seed in range(200)
    }
    ways = {s for s in product(wanted, repeat=4) if counted(orbits, s) == wanted}
    assert drawn == ways
    assert len(ways) == pytest.approx(4)
