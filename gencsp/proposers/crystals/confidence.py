"""How likely a substituted crystal is the one sought: the votes of known crystals, calibrated.

The share of a skeleton in the votes (:mod:`gencsp.proposers.crystals.symmetry_prior`) is no
probability yet: where the nearest known crystal is of unlike elements, votes mean little, and the
more coordinates a skeleton leaves free, the less often those of another compound will do. A
logistic regression to crystals whose formulas were left out takes both into account
(``tools/fit_confidence.py``; the card is ``data/confidence.card.json``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from gencsp.shipped import shipped_text

#: Shares are kept this far from 0 and 1.
EDGE = 1e-4
#: A likeness below this is as good as none.
LEAST_LIKENESS = 3e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Votes:
    """What known crystals say of a structure.

    Attributes:
        share: of its skeleton in the votes, from 0 to 1; less where the skeleton was tried before.
        likeness: weight of the most similar crystal that has the skeleton, 1 for the same elements.
        n_free: free coordinates of the skeleton.
        generated: whether the score model makes these, since no crystal's are at hand.
    """

    share: float
    likeness: float
    n_free: int
    generated: bool

    def terms(self) -> dict[str, float]:
        """The variables of the regression, by name."""
        share = min(max(self.share, EDGE), 1 - EDGE)
        return {
            "share": math.log(share / (1 - share)),
            "likeness": math.log(self.likeness + LEAST_LIKENESS),
            "free": math.sqrt(self.n_free),
            "generated": float(self.generated),
        }


def confidence(votes: Votes, table: Mapping[str, float] | None = None) -> float:
    """The probability that the structure is the crystal sought.

    Args:
        votes: for it.
        table: coefficients by variable, and ``bias``; ``None`` for those that ship with gencsp.
    """
    weights = confidence_table() if table is None else table
    linear = weights["bias"] + sum(weights[name] * one for name, one in votes.terms().items())
    return 1 / (1 + math.exp(-linear))


@cache
def confidence_table() -> Mapping[str, float]:
    """The coefficients that ship with gencsp.

    Raises:
        WeightsError: the table is missing, or not as its card says.
    """
    table: dict[str, float] = json.loads(shipped_text("confidence.json"))
    return table
