"""What tells the crystal sought among several structures of a composition.

Three things are known of a structure once a few others are there to compare it with: how far its
energy lies above the lowest after relaxation, how well a joint network takes noise off it
(:mod:`gencsp.diffusion.joint.denoising_loss`), and how many of the others relax to the same
crystal. A logistic regression turns them into the probability that the structure is the crystal
sought (``tools/fit_ranking.py``; the card is ``data/ranking.card.json``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, TypeAlias, get_args

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp.minimise.result import Outcome
from gencsp.potentials.base import Engine
from gencsp.proposers.energy_order import SETTINGS, TRUST
from gencsp.shipped import shipped_text
from gencsp.similarity import deduplicate

Array = NDArray[np.float64]

#: What structures can be put in order by, beside the word of the proposer itself.
Kind: TypeAlias = Literal["energy", "model", "agreement", "joint"]
KINDS: tuple[Kind, ...] = get_args(Kind)
#: A structure that lies further above the lowest, in units of ``TRUST``, counts as if it lay here;
#: so does one that did not relax.
FARTHEST = 10.0
#: Losses below this are all as good as none.
LEAST_LOSS = 0.03
#: Losses of structures, shape (n,).
Losses = Callable[[Sequence[Atoms]], Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of n structures of one composition; of what was not asked, ``None``.

    Attributes:
        enthalpies: after relaxation, eV/atom, shape (n,); NaN where it failed.
        agreement: share of the structures that relax to the same crystal, itself included, shape
            (n,); 0 where relaxation failed.
        losses: of the network, shape (n,).
    """

    enthalpies: Array | None = None
    agreement: Array | None = None
    losses: Array | None = None

    def terms(self) -> dict[str, Array]:
        """The variables of the regression that are known, by name, each of shape (n,).

        Roots and logarithms, since the first meV and the first few hundredths of the loss count
        most; chosen for the likelihood on the compositions of the fit, cross-validated.
        """
        found = {}
        if self.enthalpies is not None:
            found["energy"] = np.sqrt(_above(self.enthalpies))
        if self.losses is not None:
            found["model"] = np.log(self.losses + LEAST_LOSS)
        if self.agreement is not None:
            # What failed agrees with less than itself.
            found["agreement"] = np.log(np.maximum(self.agreement, 0.5 / len(self.agreement)))
        return found


def _above(enthalpies: Array) -> Array:
    """Above the lowest, in units of ``TRUST``."""
    if not np.isfinite(enthalpies).any():
        return np.full(len(enthalpies), FARTHEST)
    above = (enthalpies - np.nanmin(enthalpies)) / TRUST
    return np.minimum(np.nan_to_num(above, nan=FARTHEST), FARTHEST)


def relaxed_evidence(
    engine: Engine, structures: Sequence[Atoms], pressure: float
) -> tuple[Array, Array]:
    """Enthalpies after relaxation, and the agreement, of structures; see :class:`Evidence`.

    Args:
        engine: of the potential.
        structures: of one composition.
        pressure: GPa.
    """
    n = len(structures)
    enthalpies, agreement = np.full(n, np.nan), np.zeros(n)
    relaxed: dict[int, Atoms] = {}
    for one in engine.relax(structures, replace(SETTINGS, pressure=pressure), workers=1):
        if one.outcome is Outcome.CONVERGED:
            enthalpies[one.index] = one.enthalpy / len(one.atoms)
            relaxed[one.index] = one.atoms
    order = sorted(relaxed, key=lambda k: float(enthalpies[k]))
    groups = deduplicate(
        [relaxed[k] for k in order], energies=[float(enthalpies[k]) for k in order]
    )
    for group in groups:
        agreement[[order[place] for place in group]] = len(group) / n
    return enthalpies, agreement


def probabilities(
    evidence: Evidence,
    kind: Kind,
    *,
    proposer: str = "",
    table: Mapping[str, Mapping[str, float]] | None = None,
) -> Array:
    """The probability that each structure is the crystal sought, shape (n,).

    Args:
        evidence: with what the kind needs.
        kind: which regression.
        proposer: who made the structures. The regressions know how often those of ``pigen``,
            ``score``, ``symmetric`` and ``random`` are right; others count as their mean.
        table: coefficients of all kinds; ``None`` for those that ship with gencsp.
    """
    weights = (ranking_table() if table is None else table)[kind]
    linear = np.full(1, weights.get(f"bias of {proposer}", weights["bias"]))
    for name, variable in evidence.terms().items():
        linear = linear + weights.get(name, 0.0) * variable
    return np.asarray(1 / (1 + np.exp(-linear)), dtype=np.float64)


@cache
def ranking_table() -> Mapping[str, Mapping[str, float]]:
    """The coefficients that ship with gencsp, by kind and variable."""
    table: dict[str, dict[str, float]] = json.loads(shipped_text("ranking.json"))
    return table
