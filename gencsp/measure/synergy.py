"""Seeded against unseeded searches: the columns of PIGEN's Extended Data Table 3.

For each composition that a generator chose there are two searches, one of the composition alone and
one that the generated structure seeds as well. Energies are of one potential, eV/atom, after
relaxation. Differences below :data:`~gencsp.similarity.tolerances.NEW_MINIMUM` do not count: two
relaxations of one crystal differ by as much.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from gencsp.similarity.tolerances import NEW_MINIMUM


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The lowest energy of a search against its trials (Fig. 5a, b).

    Attributes:
        trials: in all.
        minima: trial, from 0, and energy (eV/atom) of each structure lower than all before it.
        lowest_start: lowest energy of the structures that the search proposed by itself before its
            first move, the generated one left out; ``None`` where none of them converged.
    """

    trials: int
    minima: tuple[tuple[int, float], ...] = ()
    lowest_start: float | None = None

    @property
    def lowest(self) -> float:
        """Of all trials; infinite where nothing converged."""
        return self.minima[-1][1] if self.minima else float("inf")

    def lowest_after(self, trials: int) -> float:
        """Of the first so many trials; infinite where nothing converged among them."""
        return min((energy for trial, energy in self.minima if trial < trials), default=_NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One composition.

    Attributes:
        model: that generated its structure.
        filtered: whether that passed the filters; else it was drawn from all.
        formula: reduced.
        structure_id: of the generated structure.
        generated: its energy, eV/atom; ``None`` where its relaxation did not converge.
        seeded, unseeded: the two searches.
        unchanged: whether the lowest structure of both is the crystal that was generated.
        novelty: of the lowest structure of the seeded search, see :mod:`gencsp.runs.novelty`.
    """

    model: str
    filtered: bool
    formula: str
    structure_id: str
    generated: float | None
    seeded: Trace
    unseeded: Trace
    unchanged: bool = False
    novelty: str = ""

    @property
    def found(self) -> float:
        """The lowest energy of both searches, eV/atom."""
        return min(self.seeded.lowest, self.unseeded.lowest)

    @property
    def remains_lowest(self) -> bool:
        """Column a: neither search found an alternative of lower energy."""
        if self.generated is None:
            return False
        return self.unchanged or self.found > self.generated - NEW_MINIMUM

    @property
    def seeding_helps(self) -> bool:
        """Column b: the seeded search ends lower than the other one."""
        return self.seeded.lowest < self.unseeded.lowest - NEW_MINIMUM

    @property
    def seeding_harms(self) -> bool:
        """Whether the seeded search ends higher than the other one."""
        return self.unseeded.lowest < self.seeded.lowest - NEW_MINIMUM

    @property
    def best_start(self) -> bool:
        """Column e: the generated structure is the lowest of those that the seeded search has."""
        if self.generated is None:
            return False
        others = self.seeded.lowest_start
        return others is None or self.generated < others - NEW_MINIMUM

    @property
    def gain(self) -> float | None:
        """Column c: by how much the searches are lower, eV/atom; ``None`` where they are not."""
        if self.generated is None or self.remains_lowest or self.found == _NOTHING:
            return None
        return self.generated - self.found

    @property
    def deficits(self) -> Iterator[float]:
        """Column d: by how much the generated structure is lower than a search's, eV/atom each."""
        for trace in (self.seeded, self.unseeded):
            if self.generated is not None and trace.minima:
                above = trace.lowest - self.generated
                if above > NEW_MINIMUM:
                    yield above


class Columns(NamedTuple):
    """A row of Extended Data Table 3.

    Attributes:
        compositions: that the row stands on.
        a: generated structures that remain lowest in energy after both searches.
        b: compositions of which the seeded search ends lower than the one of composition alone.
        c: mean of the energy that the searches gain over the generated structure, meV/atom, of the
            compositions where they gain any; ``None`` where they nowhere do.
        d: mean of the energy by which the generated structure is lower than what a search found,
            meV/atom, of the searches where it is; 0 where it nowhere is. The paper does not say of
            which it is the mean; it is above 0 in rows whose a is 0, so not of those of a.
        e: generated structures that are the lowest starting point of the seeded search.
        f: generated structures whose relaxation did not converge.
    """

    compositions: int
    a: int
    b: int
    c: float | None
    d: float
    e: int
    f: int

    @classmethod
    def of(cls, comparisons: Sequence[Comparison]) -> Columns:
        """The columns of some compositions."""
        gains = [one.gain for one in comparisons if one.gain is not None]
        deficits = [above for one in comparisons for above in one.deficits]
        return cls(
            compositions=len(comparisons),
            a=global_optima(comparisons),
            b=sum(one.seeding_helps for one in comparisons),
            c=1000 * sum(gains) / len(gains) if gains else None,
            d=1000 * sum(deficits) / len(deficits) if deficits else 0.0,
            e=sum(one.best_start for one in comparisons),
            f=sum(one.generated is None for one in comparisons),
        )


#: Extended Data Table 3: the rows of filtered and of unfiltered structures, 20 compositions each.
#: The key of a row is the set of its targets; what has none is "DiffCSP + PI".
PAPER: Mapping[frozenset[str], tuple[str, Columns, Columns]] = MappingProxyType(
    {
        frozenset(): (
            "DiffCSP + PI",
            Columns(20, 0, 10, 831.9, 0.0, 1, 0),
            Columns(20, 0, 9, 920.4, 0.0, 1, 4),
        ),
        frozenset({"compactness"}): (
            "PIGEN | C",
            Columns(20, 1, 11, 25.1, 5.5, 7, 0),
            Columns(20, 0, 12, 320.1, 0.0, 1, 2),
        ),
        frozenset({"e_hull"}): (
            "PIGEN | E_hull",
            Columns(20, 0, 12, 34.7, 18.5, 5, 0),
            Columns(20, 0, 10, 37.7, 0.5, 1, 0),
        ),
        frozenset({"m_led", "e_hull"}): (
            "PIGEN | (M_LED, E_hull)",
            Columns(20, 3, 10, 44.3, 2.5, 4, 0),
            Columns(20, 0, 13, 4798.8, 0.0, 1, 0),
        ),
        frozenset({"m_led"}): (
            "PIGEN | M_LED",
            Columns(20, 0, 12, 38.3, 0.0, 1, 0),
            Columns(20, 0, 15, 62.4, 7.1, 3, 0),
        ),
        frozenset({"m_led", "compactness"}): (
            "PIGEN | (M_LED, C)",
            Columns(20, 0, 6, 333.6, 0.0, 2, 0),
            Columns(20, 0, 9, 3140.9, 0.0, 1, 4),
        ),
        frozenset({"complexity"}): (
            "PIGEN | K",
            Columns(20, 0, 8, 71.9, 0.0, 3, 0),
            Columns(20, 0, 8, 935.8, 0.0, 2, 6),
        ),
        frozenset({"complexity", "compactness"}): (
            "PIGEN | (K, C)",
            Columns(20, 0, 8, 2122.6, 0.0, 0, 0),
            Columns(20, 0, 9, 180.4, 0.0, 1, 12),
        ),
    }
)

#: G of Extended Data Table 2, of 40 compositions: generated structures that are global optima. It
#: is the sum of both a of Extended Data Table 3, but for "DiffCSP + PI", whose a are 0 and 0.
PAPER_GLOBAL_OPTIMA: Mapping[frozenset[str], int] = MappingProxyType(
    {
        frozenset(): 2,
        frozenset({"compactness"}): 1,
        frozenset({"e_hull"}): 0,
        frozenset({"m_led", "e_hull"}): 3,
        frozenset({"m_led"}): 0,
        frozenset({"m_led", "compactness"}): 0,
        frozenset({"complexity"}): 0,
        frozenset({"complexity", "compactness"}): 0,
    }
)

_NOTHING = float("inf")


def global_optima(comparisons: Iterable[Comparison]) -> int:
    """G of PIGEN's Extended Data Table 2: generated structures that no search went below.

    The paper counts them over the filtered and the unfiltered compositions of a model together.
    """
    return sum(one.remains_lowest for one in comparisons)


def paper_row(targets: Iterable[str], *, filtered: bool) -> tuple[str, Columns] | None:
    """The paper's row of a model with targets of these names; ``None`` where it has none."""
    found = PAPER.get(frozenset(targets))
    if found is None:
        return None
    name, with_filters, without = found
    return name, with_filters if filtered else without
