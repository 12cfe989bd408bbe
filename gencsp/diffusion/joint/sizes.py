"""The distribution of the number of atoms in a cell, given target properties.

The network generates the atoms of a cell of a given size, so that a crystal with properties q is
drawn as p(N | q)·p(x | N, q). Guidance of weight w (PIGEN, eq. 7) sharpens the second factor to
p(x)·p(q | x)^w; the same is done here with the first: p(N)·p(q | N)^w, from how often properties
occurred with sizes in training. Complexity K is bound to the size, since K ≤ log₂ N, compactness
and M_LED less so. PIGEN draws sizes without regard to targets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gencsp.diffusion.joint.conditions import PROPERTIES, Property, as_labels
from gencsp.errors import RequestError

#: Bins of a property, of equal numbers of training crystals.
BINS = 12
#: Crystals of average properties that are added to those of each size, against chance zeros.
PRIOR = 2.0


@dataclass(frozen=True, slots=True)
class CellSizes:
    """Numbers of atoms in the training cells, and the properties that came with them.

    Attributes:
        counts: how often a number of atoms occurred.
        edges: inner edges of the bins of each property, ascending; none where it was not known.
        tables: for each property how many crystals of a size (rows, sizes ascending) fell into a
            bin (columns).
    """

    counts: Mapping[int, int]
    edges: tuple[tuple[float, ...], ...] = ((),) * len(PROPERTIES)
    tables: tuple[tuple[tuple[int, ...], ...], ...] = ((),) * len(PROPERTIES)

    @classmethod
    def fit(cls, sizes: Sequence[int], labels: NDArray[np.float64] | None = None) -> Self:
        """From the sizes of crystals and their properties, shape (b, 4), NaN where unknown."""
        counts = dict(sorted(Counter(int(n) for n in sizes).items()))
        if labels is None:
            return cls(counts)
        edges, tables = [], []
        for column in labels.T:
            known = ~np.isnan(column)
            inner = _inner_edges(column[known])
            bins = np.searchsorted(inner, column, side="right")
            rows = [
                np.bincount(bins[known & (np.asarray(sizes) == n)], minlength=len(inner) + 1)
                for n in counts
            ]
            edges.append(tuple(inner.tolist()))
            tables.append(tuple(tuple(row.tolist()) for row in rows) if known.any() else ())
        return cls(counts, tuple(edges), tuple(tables))

    def shares(
        self, targets: Mapping[Property, float], weight: float, *, most: int | None = None
    ) -> dict[int, float]:
        """Probability of each size.

        Args:
            targets: properties aimed at, each taken as independent of the others at a given size.
            weight: w; 0 leaves them out.
            most: largest size.

        Raises:
            RequestError: no training cell was as small as ``most``, or a target is no property.
        """
        chances = np.array(list(self.counts.values()), dtype=np.float64)
        (row,) = as_labels([targets])
        for value, edges, table in zip(row, self.edges, self.tables, strict=True):
            if np.isnan(value) or not table:
                continue
            found = np.array(table, dtype=np.float64)
            everywhere = found.sum(0) / found.sum()
            found += PRIOR * everywhere
            place = int(np.searchsorted(edges, value, side="right"))
            likelihood = found[:, place] / found.sum(1)
            chances *= (likelihood / likelihood.max()) ** weight
        allowed = np.array([most is None or n <= most for n in self.counts])
        if not allowed.any():
            raise RequestError(
                f"most_atoms is {most}: the model was trained on {min(self.counts)} or more."
            )
        chances = np.where(allowed, chances, 0.0)
        return dict(zip(self.counts, (chances / chances.sum()).tolist(), strict=True))

    def describe(self) -> dict[str, Any]:
        """For weights files; :meth:`from_description` reads it."""
        return {
            "counts": {str(n): count for n, count in self.counts.items()},
            "edges": self.edges,
            "tables": self.tables,
        }

    @classmethod
    def from_description(cls, stored: Mapping[str, Any]) -> Self:
        """From what :meth:`describe` gave."""
        counts = {int(n): int(count) for n, count in stored["counts"].items()}
        edges = tuple(tuple(map(float, row)) for row in stored["edges"])
        tables = tuple(tuple(tuple(map(int, r)) for r in table) for table in stored["tables"])
        if not counts or len(edges) != len(PROPERTIES) or len(tables) != len(PROPERTIES):
            raise RequestError("the sizes of cells are incomplete: use weights of this version.")
        return cls(counts, edges, tables)


def _inner_edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quantiles between bins of which none is empty, though many values be equal."""
    if not len(values):
        return np.empty(0)
    edges: NDArray[np.float64] = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
    above: NDArray[np.float64] = edges[edges > values.min()]
    return above


def draw_size(shares: Mapping[int, float], rng: np.random.Generator) -> int:
    """A size with these probabilities."""
    return int(rng.choice(list(shares), p=list(shares.values())))
