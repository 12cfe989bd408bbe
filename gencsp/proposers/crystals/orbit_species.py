"""Which species sits on which orbit: orbits shared out so that every element gets its atoms."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gencsp.proposers.crystals.orbit_draw import Orbits


def species_of_orbits(
    orbits: Orbits, counts: Mapping[str, int], *, rng: np.random.Generator
) -> tuple[str, ...] | None:
    """A random choice of species for orbits that gives exactly these counts.

    The largest orbits are shared out first, each to one of the elements that still lack that many
    atoms, in a random order; a choice that cannot be completed is taken back.

    Args:
        orbits: a space group and the Wyckoff letter of every orbit.
        counts: atoms of each element in the primitive cell, above zero.
        rng: where the order comes from.

    Returns:
        A symbol for each letter, or ``None`` where the multiplicities cannot be shared out so.
    """
    symbols, sizes = list(counts), orbits.multiplicities
    if sum(sizes) != sum(counts.values()):
        return None
    order = sorted(rng.permutation(len(sizes)).tolist(), key=lambda k: -sizes[k])
    dead: set[tuple[int, tuple[int, ...]]] = set()
    chosen = [0] * len(sizes)

    def share(place: int, left: tuple[int, ...]) -> bool:
        if place == len(order):
            return True
        if (place, left) in dead:
            return False
        size = sizes[order[place]]
        for element in rng.permutation(len(symbols)).tolist():
            if left[element] < size:
                continue
            rest = tuple(n - size * (k == element) for k, n in enumerate(left))
            if share(place + 1, rest):
                chosen[order[place]] = element
                return True
        dead.add((place, left))
        return False

    if not share(0, tuple(counts.values())):
        return None
    return tuple(symbols[element] for element in chosen)
