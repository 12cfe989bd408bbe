"""Formulas with known stoichiometries, against the search of all of them."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gencsp.diffusion.dp_cdvae.sampler import rounded_composition
from gencsp.diffusion.dp_cdvae.stoichiometries import (
    SHARPNESS,
    TRUST,
    UNSEEN,
    Stoichiometries,
)

#: Rocksalt and zincblende, perovskite in one and two formula units, an element.
CRYSTALS = ([11, 17], [30, 16], [38, 22, 8, 8, 8], [56, 22, 8, 8, 8] * 2, [6, 6, 6, 6])
KNOWN = {(1, 1): {1: 2}, (1, 1, 3): {1: 1, 2: 1}, (1,): {4: 1}}


def fitted() -> Stoichiometries:
    offsets = np.cumsum([0, *map(len, CRYSTALS)])
    return Stoichiometries.fit(np.concatenate(CRYSTALS).astype(np.int8), offsets)


def shares(**by_number: float) -> NDArray[np.float64]:
    found = np.zeros(95)
    for name, share in by_number.items():
        found[int(name[1:])] = share
    return found


def flat(n: int) -> NDArray[np.float64]:
    return np.full(n, -math.log(n))


def test_stoichiometries_are_counted_by_their_formula_units() -> None:
    found = fitted()
    assert found.counts == KNOWN
    assert Stoichiometries.from_description(found.describe()).counts == KNOWN


def test_a_formula_that_rounding_would_miss_is_read() -> None:
    """Of 10 atoms these shares are 1.4, 2.7 and 5.9, nearest to 1, 3 and 6: SrTi3O6."""
    read = shares(z38=0.14, z22=0.27, z8=0.59)
    assert rounded_composition(read, 10).tolist() == [8] * 6 + [22] * 3 + [38]
    found = fitted().likeliest(read, np.log(np.eye(10)[9] + 1e-9))
    assert found is not None
    assert found.tolist() == [8] * 6 + [22] * 2 + [38] * 2


def test_a_number_of_atoms_that_is_given_is_kept() -> None:
    """Two of three elements, in cells that no perovskite has."""
    only = np.where(np.arange(1, 7) == 6, 0.0, -np.inf)
    found = fitted().likeliest(shares(z38=0.2, z22=0.2, z8=0.6), only)
    assert found is not None
    assert len(found) == 6
    assert Stoichiometries({(1, 1, 3): {1: 1}}).likeliest(shares(z8=1.0), only) is None


def test_no_atom_has_number_zero() -> None:
    """Where the shares hold one element alone, and all stoichiometries need two."""
    found = Stoichiometries({(1, 1): {1: 1}}).likeliest(shares(z8=1.0), flat(2))
    assert found is not None
    assert 8 in found
    assert found.min() > 0


@given(
    st.lists(st.floats(0.01, 1.0), min_size=3, max_size=5),
    st.lists(st.floats(-6.0, 0.0), min_size=10, max_size=10),
)
def test_it_is_the_likeliest_of_all(weights: list[float], counts: list[float]) -> None:
    """All elements in all places, as the formula in the module has it."""
    elements = [8, 22, 38, 56, 26][: len(weights)]
    share = dict(zip(elements, np.array(weights) / sum(weights), strict=True))
    best = -math.inf
    for key, of in KNOWN.items():
        for some in permutations(elements, len(key)):
            for units in range(1, 10 // sum(key) + 1):
                f = [one / sum(key) for one in key]
                score = sum(
                    SHARPNESS * a * math.log(share[e] / a) for a, e in zip(f, some, strict=True)
                )
                score += TRUST * counts[units * sum(key) - 1] + math.log(of.get(units, 0) + UNSEEN)
                best = max(best, score)
    read = fitted().likeliest(np.array([share.get(z, 0.0) for z in range(95)]), np.array(counts))
    assert read is not None
    kinds, numbers = np.unique(read, return_counts=True)
    units = math.gcd(*numbers.tolist())
    key = tuple(sorted((numbers // units).tolist()))
    f = numbers / numbers.sum()
    score = sum(SHARPNESS * a * math.log(share[int(e)] / a) for a, e in zip(f, kinds, strict=True))
    score += TRUST * counts[len(read) - 1] + math.log(KNOWN[key].get(units, 0) + UNSEEN)
    assert score == pytest.approx(best)
