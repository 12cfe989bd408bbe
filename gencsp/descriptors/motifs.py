"""The coordination motif of an atom: which of 37 it resembles most.

Source: Zimmermann & Jain, RSC Adv. 10, 6063 (2020); the 37 are those of matminer's
``OPSiteFingerprint``, from a single bond to twelve neighbours, and the measure of likeness is
pymatgen's ``LocalStructOrderParams``. matminer itself is not used: it holds pandas below version 3,
and it computes each order parameter although only the greatest is needed.

How neighbours are found (as there): distances relative to the nearest neighbour are binned, at
widths of 0.09, 0.10 and 0.11; the atoms up to a bin are a shell; a motif of n neighbours is judged
by the shell that has n atoms, and does not occur where there is none. An order parameter is
multiplied by the square of the mean of (nearest distance / distance) over the shell. Of the three
widths that value counts which two of them share, to 0.001, and else the smallest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pymatgen.core.local_env import CN_OPT_PARAMS, LocalStructOrderParams

from gencsp.descriptors.neighbours import Pairs, pairs_within

Array = NDArray[np.float64]

#: The motifs by number of neighbours, in the order of their indices.
MOTIFS: dict[int, tuple[str, ...]] = {
    1: ("sgl_bd",),
    2: ("L-shaped", "water-like", "bent 120 degrees", "bent 150 degrees", "linear"),
    3: ("trigonal planar", "trigonal non-coplanar", "T-shaped"),
    4: (
        "square co-planar",
        "tetrahedral",
        "rectangular see-saw-like",
        "see-saw-like",
        "trigonal pyramidal",
    ),
    5: ("pentagonal planar", "square pyramidal", "trigonal bipyramidal"),
    6: ("hexagonal planar", "octahedral", "pentagonal pyramidal"),
    7: ("hexagonal pyramidal", "pentagonal bipyramidal"),
    8: ("body-centered cubic", "hexagonal bipyramidal"),
    9: ("q2", "q4", "q6"),
    10: ("q2", "q4", "q6"),
    11: ("q2", "q4", "q6"),
    12: ("cuboctahedral", "q2", "q4", "q6"),
}
MOTIF_NAMES: tuple[str, ...] = tuple(
    f"{name} CN_{cn}" for cn, names in MOTIFS.items() for name in names
)
MOST_NEIGHBOURS = 12
#: Bin widths of relative distances, and how near two values are the same.
WIDTHS = (0.09, 0.10, 0.11)
AGREE = 1e-3
#: Å: how far neighbours are looked for, and how much further while there are fewer than twelve.
REACH, STEP = 7.0, 1.0


@dataclass(frozen=True, slots=True)
class Shell:
    """Neighbours up to a bin of the relative distance.

    Attributes:
        vectors: from the atom to its neighbours, Å, shape (neighbours, 3).
        weight: square of the mean of (nearest distance / distance): at most 1.
    """

    vectors: Array
    weight: float


class _Site:
    """What pymatgen's order parameters ask of a site."""

    __slots__ = ("coords",)

    def __init__(self, coords: Array) -> None:
        self.coords = coords


def motif_indices(atoms: Atoms, which: NDArray[np.int64]) -> list[int]:
    """Index into :data:`MOTIF_NAMES` of the motif that each atom of ``which`` resembles most."""
    reach = REACH
    pairs = pairs_within(atoms, reach)
    while np.bincount(pairs.first, minlength=len(atoms)).min() < MOST_NEIGHBOURS:
        reach += STEP
        pairs = pairs_within(atoms, reach)
    return [_best(*_sorted_neighbours(pairs, int(site))) for site in which]


def _sorted_neighbours(pairs: Pairs, site: int) -> tuple[Array, Array]:
    mine = pairs.first == site
    order = np.argsort(pairs.distances[mine], kind="stable")
    return pairs.vectors[mine][order], pairs.distances[mine][order]


def _best(vectors: Array, distances: Array) -> int:
    """The greatest order parameter; what cannot win is not computed.

    No order parameter exceeds 1, so none of a shell exceeds the weight of that shell.
    """
    relative = distances / distances[0]
    shells = [_shells(vectors, relative, width) for width in WIDTHS]
    best, best_value = 0, 1.0 - float(distances[0] / distances[1])
    computed: dict[tuple[int, str], float] = {}
    index = len(MOTIFS[1])
    for cn, names in list(MOTIFS.items())[1:]:
        mine = [shell.get(cn) for shell in shells]
        if _bound(mine) > best_value:
            for place, name in enumerate(names):
                value = _agreed([_value(cn, name, shell, computed) for shell in mine])
                # A rounding error must not decide between equals: the first one stays.
                if value > best_value + 1e-9:
                    best, best_value = index + place, value
        index += len(names)
    return best


def _bound(shells: list[Shell | None]) -> float:
    return _agreed([shell.weight if shell is not None else 0.0 for shell in shells], upper=True)


def _agreed(values: list[float], *, upper: bool = False) -> float:
    """The value that two of three share, else the smallest; with ``upper``, what it cannot exceed.

    At equal shells values are equal, so that three different ones mean three different shells.
    """
    low, middle, high = sorted(values)
    if upper:
        return high
    if high - middle <= AGREE and middle - low > AGREE:
        return 0.5 * (middle + high)
    return low


def _shells(vectors: Array, relative: Array, width: float) -> dict[int, Shell]:
    """Shells of at most twelve atoms, by their number of atoms."""
    bins = np.floor(relative / width + 0.5 + 1e-9).astype(int)
    found = {}
    for last in _ends(bins):
        if last > MOST_NEIGHBOURS:
            break
        weight = float(np.mean(1.0 / relative[:last])) ** 2
        found[last] = Shell(vectors[:last], weight)
    return found


def _ends(bins: NDArray[np.int64]) -> Iterator[int]:
    """Number of atoms up to and with each bin."""
    yield from (np.flatnonzero(np.diff(bins)) + 1).tolist()
    yield len(bins)


def _value(
    cn: int, name: str, shell: Shell | None, computed: dict[tuple[int, str], float]
) -> float:
    """The weighted order parameter; shells of one size are one shell, whatever the width."""
    if shell is None:
        return 0.0
    if (cn, name) not in computed:
        parameters = order_parameter(cn, name)
        sites = [_Site(np.zeros(3)), *map(_Site, shell.vectors)]
        value = parameters.get_order_parameters(sites, 0, indices_neighs=range(1, len(sites)))[0]
        computed[cn, name] = shell.weight * float(value or 0.0)
    return computed[cn, name]


@cache
def order_parameter(cn: int, name: str) -> LocalStructOrderParams:
    """pymatgen's order parameter, from 0 to 1, of a motif of ``cn`` neighbours."""
    kind, *parameters = CN_OPT_PARAMS.get(cn, {}).get(name, [name])
    return LocalStructOrderParams([kind], parameters=parameters or [None])
