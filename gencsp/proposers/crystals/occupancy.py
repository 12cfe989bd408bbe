"""Whether the Wyckoff positions of a space group can hold a composition."""

from __future__ import annotations

from functools import lru_cache
from itertools import product

from gencsp.proposers.crystals.wyckoff_table import wyckoff_table


@lru_cache(maxsize=65536)
def can_hold(space_group: int, counts: tuple[int, ...]) -> bool:
    """Whether orbits can make exactly ``counts`` atoms of each element in the primitive cell.

    A position without free coordinates holds one orbit of one element, the others any number.
    """
    return _solvable(space_group, counts, rigid=False)


@lru_cache(maxsize=65536)
def can_be_rigid(space_group: int, counts: tuple[int, ...]) -> bool:
    """Whether orbits without free coordinates alone can make ``counts``."""
    return _solvable(space_group, counts, rigid=True)


def _solvable(space_group: int, counts: tuple[int, ...], *, rigid: bool) -> bool:
    free, scarce = _multiplicities(space_group)
    made_free = _sums(() if rigid else free, max(counts))
    capacity = tuple(scarce.values())
    used = {(0,) * len(scarce)}
    for n in counts:
        ways = [
            way
            for way in product(*(range(min(c, n // m) + 1) for m, c in scarce.items()))
            if (left := n - sum(k * m for k, m in zip(way, scarce, strict=True))) >= 0
            and left in made_free
        ]
        sums = (tuple(map(sum, zip(before, way, strict=True))) for before in used for way in ways)
        used = {s for s in sums if all(k <= c for k, c in zip(s, capacity, strict=True))}
        if not used:
            return False
    return True


@lru_cache(maxsize=230)
def _multiplicities(space_group: int) -> tuple[tuple[int, ...], dict[int, int]]:
    """Multiplicities that can be had any number of times; the others and how many there are."""
    table = wyckoff_table()
    positions = [(int(table.multiplicity[p]), int(table.n_free[p])) for p in _range(space_group)]
    free = tuple({m for m, n_free in positions if n_free > 0})
    scarce: dict[int, int] = {}
    for m, _ in positions:
        if m not in free:
            scarce[m] = scarce.get(m, 0) + 1
    return free, scarce


def _range(space_group: int) -> range:
    return wyckoff_table().positions(space_group)


def _sums(parts: tuple[int, ...], largest: int) -> set[int]:
    """Sums of any number of the parts up to ``largest``; 0 is one."""
    sums = {0}
    for total in range(1, largest + 1):
        if any(total - part in sums for part in parts):
            sums.add(total)
    return sums
