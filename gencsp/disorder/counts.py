"""Whole numbers of atoms for shares: the nearest composition that a cell can have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil, floor, prod

from gencsp.disorder.charges import is_neutral
from gencsp.disorder.crystal import SiteGroup
from gencsp.errors import RequestError

#: Share of atoms by which a composition may differ before a larger cell is tried.
NEAR = 0.005
#: Share of atoms within which a neutral composition is taken rather than a nearer one that is not.
NEUTRAL_WITHIN = 0.03
#: Share of atoms beyond which a cell is no approximant.
FAR = 0.05
#: Largest cell, in the atom limit, that a refusal looks at to say how many atoms would do.
LOOKED_AT = 20
#: Ways to round all groups that are looked at together.
MOST_WAYS = 20_000
#: A share times a number of sites this near to a whole number is one.
WHOLE = 1e-3


@dataclass(frozen=True, slots=True)
class Counts:
    """Whole numbers of atoms in a supercell.

    Attributes:
        multiple: cells in the supercell.
        groups: for each group of sites the atoms of each element on them.
        distance: share of the atoms that are other ones than in the mean crystal, 0 to 1; see
            :func:`composition_distance`.
        neutral: whether the charges that were given add up to zero.
    """

    multiple: int
    groups: tuple[Mapping[str, int], ...]
    distance: float
    neutral: bool

    @property
    def amounts(self) -> dict[str, int]:
        """Atoms of each element."""
        found: dict[str, int] = {}
        for group in self.groups:
            for symbol, n in group.items():
                found[symbol] = found.get(symbol, 0) + n
        return {symbol: n for symbol, n in found.items() if n}

    @property
    def size(self) -> int:
        """Atoms in the supercell."""
        return sum(self.amounts.values())


def composition_distance(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Half the sum of the differences of atomic fractions: the share of atoms that are others."""
    totals = sum(one.values()), sum(other.values())
    symbols = {*one, *other}
    return 0.5 * sum(abs(one.get(s, 0) / totals[0] - other.get(s, 0) / totals[1]) for s in symbols)


def nearest_counts(
    groups: Sequence[SiteGroup],
    sizes: Sequence[int],
    *,
    max_atoms: int,
    charges: Mapping[str, float] | None = None,
) -> Counts:
    """The smallest supercell whose composition is near enough, or the nearest within the limit.

    Near enough is :data:`NEAR`. Where the ions of the mean crystal have charges, a composition that
    is neutral is taken before a nearer one that is not, if it is within :data:`NEUTRAL_WITHIN`.

    Args:
        groups: of sites of the mean crystal.
        sizes: sites of each group in its cell.
        max_atoms: most atoms in a supercell.
        charges: of the elements, e; ``None`` where they are not known.

    Raises:
        RequestError: no supercell within the limit holds an atom of every element and is within
            :data:`FAR` of the composition; the message says how many atoms would do.
    """
    wanted: dict[str, float] = {}
    for group, size in zip(groups, sizes, strict=True):
        for symbol, share in group.shares.items():
            wanted[symbol] = wanted.get(symbol, 0.0) + share * size
    best: Counts | None = None
    for multiple in range(1, max(1, int(max_atoms / sum(wanted.values()) * 1.2) + 1) + 1):
        found = _rounded(groups, sizes, multiple, wanted, max_atoms, charges)
        if found is not None and (best is None or _key(found) < _key(best)):
            best = found
        if best is not None and best.distance <= NEAR and (best.neutral or charges is None):
            break
    if best is None or best.distance > FAR:
        raise RequestError(_refusal(groups, sizes, wanted, max_atoms, best))
    return best


def _refusal(
    groups: Sequence[SiteGroup],
    sizes: Sequence[int],
    wanted: Mapping[str, float],
    max_atoms: int,
    best: Counts | None,
) -> str:
    """Why no cell within the limit will do, and which one would."""
    mean = "".join(f"{symbol}{n:.4g}" for symbol, n in wanted.items())
    nearest = "there is none with all elements"
    if best is not None:
        cell = "".join(f"{symbol}{n}" for symbol, n in best.amounts.items())
        nearest = f"of the nearest, {cell}, {100 * best.distance:.2g} % of the atoms are others"
    most = LOOKED_AT * max(max_atoms, ceil(sum(wanted.values())))
    for multiple in range(1, int(most / sum(wanted.values())) + 1):
        found = _rounded(groups, sizes, multiple, wanted, most, None)
        if found is not None and found.distance <= FAR:
            return (
                f"no cell of at most {max_atoms} atoms is near {mean}: {nearest}. Allow "
                f"{found.size} atoms."
            )
    return f"no cell of at most {max_atoms} atoms is near {mean}: {nearest}. Allow more atoms."


def _key(counts: Counts) -> tuple[bool, bool, float, int]:
    taken = counts.neutral and counts.distance <= NEUTRAL_WITHIN
    return not taken, counts.distance > NEAR, round(counts.distance, 6), counts.multiple


def _rounded(
    groups: Sequence[SiteGroup],
    sizes: Sequence[int],
    multiple: int,
    wanted: Mapping[str, float],
    max_atoms: int,
    charges: Mapping[str, float] | None,
) -> Counts | None:
    """The best way to round all shares in a supercell; ``None`` where there is none."""
    ways = [_ways(group, size * multiple) for group, size in zip(groups, sizes, strict=True)]
    if prod(map(len, ways)) > MOST_WAYS:
        # Each group by itself, as near as it can be.
        ways = [
            [min(one, key=lambda counts: _apart(group, size * multiple, counts))]
            for one, group, size in zip(ways, groups, sizes, strict=True)
        ]
    best: tuple[tuple[bool, float, float], Counts] | None = None
    for chosen in product(*ways):
        counts = Counts(multiple, chosen, 0.0, neutral=False)
        amounts = counts.amounts
        if counts.size > max_atoms or amounts.keys() != wanted.keys():
            continue
        distance = composition_distance(wanted, amounts)
        neutral = charges is not None and is_neutral(amounts, charges)
        apart = sum(
            _apart(group, size * multiple, one)
            for group, size, one in zip(groups, sizes, chosen, strict=True)
        )
        key = (not (neutral and distance <= NEUTRAL_WITHIN), round(distance, 9), apart)
        if best is None or key < best[0]:
            best = key, Counts(multiple, chosen, distance, neutral)
    return None if best is None else best[1]


def _ways(group: SiteGroup, sites: int) -> list[dict[str, int]]:
    """Every way to round the shares of a group up or down that its sites have room for."""
    options = []
    for share in group.shares.values():
        exact = share * sites
        near = round(exact)
        options.append([near] if abs(exact - near) < WHOLE * sites else [floor(exact), ceil(exact)])
    full = group.vacancies == 0.0
    found = []
    for numbers in product(*options):
        total = sum(numbers)
        if total == sites or (total < sites and not full):
            found.append(dict(zip(group.shares, numbers, strict=True)))
    if found:
        return found
    # Shares that are rounded together miss the number of sites: the largest share makes up for it.
    rounded = {symbol: round(share * sites) for symbol, share in group.shares.items()}
    largest = max(group.shares, key=lambda symbol: group.shares[symbol])
    left = sites - sum(rounded.values())
    rounded[largest] += left if full else min(0, left)
    return [rounded]


def _apart(group: SiteGroup, sites: int, counts: Mapping[str, int]) -> float:
    """How far a group is from its shares, in sites."""
    return sum(abs(share * sites - counts[symbol]) for symbol, share in group.shares.items())
