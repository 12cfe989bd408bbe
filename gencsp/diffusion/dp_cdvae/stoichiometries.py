"""Reading the formula from z with a knowledge of which stoichiometries crystals have.

The heads give the share of each element and the probability of each number of atoms, both with some
error. Rounding the shares to the likeliest number of atoms, as CDVAE does, often gives a formula
that no crystal has, such as A4B5C11 in place of ABC3 with twenty atoms. Here it is the formula of
the highest probability

    p(f, N | z) ∝ exp(SHARPNESS · Σ_e f_e ln(s_e/f_e)) · p(N | z)^TRUST · p(stoichiometry, N)

with the shares f of a formula and those read s, whose cross entropy is the loss that the head was
trained with (paper, eq. S1), and with how often the training crystals have a stoichiometry in a
cell of N atoms.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

#: Weight of the shares against how common a stoichiometry is, chosen on validation crystals.
SHARPNESS = 80.0
#: Power of the probability of a number of atoms: the head is surer than it is right.
TRUST = 0.5
#: Crystals that a stoichiometry counts as having in a cell in which the training has none.
UNSEEN = 0.1
#: Least share of an element, so that its logarithm is finite.
LEAST_SHARE = 1e-12


@dataclass(frozen=True, slots=True)
class Stoichiometries:
    """How many crystals have the elements in certain proportions, and in cells of which size.

    Attributes:
        counts: by proportions without a common factor, ascending as in (1, 1, 3), the numbers of
            crystals by the number of such formula units in their cell.
    """

    counts: Mapping[tuple[int, ...], Mapping[int, int]]

    @classmethod
    def fit(cls, numbers: NDArray[np.integer[Any]], offsets: NDArray[np.int64]) -> Self:
        """Of crystals that follow one another.

        Args:
            numbers: atomic numbers, shape (n,).
            offsets: first atom of each crystal and n, shape (b + 1,).
        """
        found: dict[tuple[int, ...], Counter[int]] = {}
        for begin, end in pairwise(offsets.tolist()):
            every = np.unique(numbers[begin:end], return_counts=True)[1].tolist()
            units = math.gcd(*every)
            key = tuple(sorted(one // units for one in every))
            found.setdefault(key, Counter())[units] += 1
        return cls({key: dict(of) for key, of in found.items()})

    def describe(self) -> dict[str, dict[str, int]]:
        """For files; :meth:`from_description` reads it."""
        return {
            " ".join(map(str, key)): {str(units): n for units, n in sorted(of.items())}
            for key, of in sorted(self.counts.items())
        }

    @classmethod
    def from_description(cls, stored: Mapping[str, Mapping[str, int]]) -> Self:
        """From what :meth:`describe` gave."""
        return cls(
            {
                tuple(map(int, key.split())): {int(units): n for units, n in of.items()}
                for key, of in stored.items()
            }
        )

    def likeliest(
        self, shares: NDArray[np.float64], log_atom_count: Sequence[float] | NDArray[np.float64]
    ) -> NDArray[np.int64] | None:
        """Atomic numbers of the likeliest formula, ascending; ``None`` where none fits the cell.

        Args:
            shares: of each element by its atomic number, shape (95,), of sum 1.
            log_atom_count: ln p(N | z) of 1, 2, … atoms; −∞ for what is ruled out.
        """
        # No atom has number 0, not even where all other shares are zero, too.
        order = np.argsort(-shares[1:], kind="stable") + 1
        logs = np.log(np.maximum(shares[order], LEAST_SHARE))
        best, found = -math.inf, None
        for key, of in self.counts.items():
            # Of all ways to give the elements these coefficients the likeliest gives the larger
            # ones to those with the larger shares.
            coefficients = np.array(key[::-1])
            f = coefficients / coefficients.sum()
            shared = SHARPNESS * float(f @ (logs[: len(f)] - np.log(f)))
            size = sum(key)
            for units in range(1, len(log_atom_count) // size + 1):
                score = shared + TRUST * float(log_atom_count[units * size - 1])
                score += math.log(of.get(units, 0) + UNSEEN)
                if score > best:
                    best, found = score, np.repeat(order[: len(f)], units * coefficients)
        return None if found is None else np.sort(found)
