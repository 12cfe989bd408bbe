"""How a run of several compositions shares its structures among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gencsp.composition import Composition
from gencsp.proposers.drawing import even_shares
from gencsp.searches.compositions import Compositions

#: Structures that a composition gets at least, where it is not named how many there are to be: as
#: many as a proposer makes in one task.
LEAST_SHARE = 4


@dataclass(frozen=True, slots=True)
class Share:
    """What one composition gets.

    Attributes:
        composition: reduced.
        first: number of its first structure; the others follow.
        n: how many structures.
    """

    composition: Composition
    first: int
    n: int


def shared(compositions: Compositions, n: int, *, most: int | None = None) -> Iterator[Share]:
    """Share n structures among compositions: the same number for each, and none with fewer.

    The compositions with the smallest formulas take part: as many as get ``LEAST_SHARE`` structures
    each, or ``most``, and at least one. What is left after the division goes one by one to the
    first ones.

    Args:
        compositions: in their order, which is that of the size of their formulas.
        n: structures.
        most: compositions; those that would get no structure are left out.
    """
    wanted = n // LEAST_SHARE if most is None else min(most, n)
    number = min(compositions.number, max(1, wanted))
    first = 0
    for index, size in enumerate(even_shares(n, number)):
        yield Share(compositions[index][0], first, size)
        first += size
