"""Filter A: statistical proxy potentials (SPP) of pairs of elements.

Source: PIGEN, Methods, "Statistical Proxy Potential (SPP) Filtering", after Antypov et al.,
ChemPhysChem 25, e202400254 (2024):

    U_ij(r) = −k_B T ln P_ij(r),   SPP = (1 / N_pairs) Σ_{a ≤ b} U_{A_a A_b}(r_ab)

over all pairs of atoms, periodic images included. What the paper leaves open is settled here as
follows, and made by ``tools/build_filter_tables.py`` (card: ``gencsp/data/filters.md``):

- P_ij(r) is the radial distribution of the pair relative to atoms spread evenly over the same
  crystals, so U goes to zero where distances are as likely as by chance. Pairs count up to 5 Å.
- A pair of elements in few crystals leans on its class (metal-metal, metal-nonmetal,
  nonmetal-nonmetal) at the same r / (R_i + R_j), with ASE's covalent radii R: with n crystals,
  P = (n P_own + 5 P_class) / (n + 5). A pair in no reference crystal has the class alone, and the
  verdict names it.
- Below the shortest distance that occurs (P = 0.02), U rises exponentially to 10⁵ at r = 0.

Formulas that are held out from training have no part in the tables, nor in the choice of cutoff,
smoothing (0.1 Å), the weight 5 and the least P (``tools/choose_pair_potential.py``).

Units: k_B T. The threshold is the 95th percentile of the reference crystals (OQMD-ICSD), as in the
paper, whose 0.362 belongs to its own tables from ICSD and is not comparable as a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations_with_replacement
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols
from numpy.typing import NDArray
from pydantic import Field

from gencsp.composition import ELEMENTS
from gencsp.descriptors.neighbours import Pairs, pairs_within
from gencsp.filters.base import ConfiguredFilter, Verdict
from gencsp.filters.pair_table import PairTable, read_pair_table
from gencsp.shipped import open_shipped

#: The threshold of the paper, for its own tables.
PAPER_THRESHOLD = 0.362
#: U of two atoms at one place, k_B T.
HIGHEST = 1e5


#: A distance on the edge of a bin, as symmetric crystals have them, belongs to the upper one, and
#: one at the cutoff to none, whichever way it was rounded; as a share of a bin.
EDGE = 1e-6


@dataclass(frozen=True, slots=True)
class PotentialTable:
    """Tabulated U_ij(r).

    Attributes:
        energies: k_B T, shape (elements, elements, bins), in the order of ``ELEMENTS``.
        support: reference crystals that hold each pair, shape (elements, elements).
        width: Å, of one bin; the first begins at zero.
        threshold: 95th percentile of the scores of the reference crystals, k_B T.
    """

    energies: NDArray[np.float32]
    support: NDArray[np.int64]
    width: float
    threshold: float

    @property
    def cutoff(self) -> float:
        """Å, up to which pairs count."""
        return float(self.energies.shape[2] * self.width)

    def score(self, atoms: Atoms, pairs: Pairs) -> float:
        """Mean U over ``pairs`` (all up to the cutoff); not a number where there are none."""
        if len(pairs.distances) == 0:
            return float("nan")
        kinds = _places()[atoms.numbers]
        places = (pairs.distances / self.width + EDGE).astype(int)
        bins = np.minimum(places, self.energies.shape[2] - 1)
        energies = self.energies[kinds[pairs.first], kinds[pairs.second], bins]
        return float(np.mean(energies, dtype=np.float64))

    def unknown(self, atoms: Atoms) -> list[str]:
        """Pairs of elements, such as ``Cs-Np``, that no reference crystal holds."""
        symbols = sorted({chemical_symbols[z] for z in atoms.numbers})
        return [
            f"{a}-{b}"
            for a, b in combinations_with_replacement(symbols, 2)
            if self.support[_places()[atomic_numbers[a]], _places()[atomic_numbers[b]]] == 0
        ]


class PairPotential(ConfiguredFilter):
    """A: passes a structure whose SPP score (k_B T) is at most ``threshold``."""

    name: ClassVar[str] = "pair_potential"
    quantity: ClassVar[str] = "SPP score (k_B T)"

    threshold: float | None = Field(
        None,
        description="k_B T; the 95th percentile of the reference crystals if not given, and the "
        "paper's 0.362 with a table of its authors.",
    )
    table: Path | None = Field(
        None, description="JSON table of PIGEN's authors, scored as they do; our own if not given."
    )
    unknown: Literal["class", "fail"] = Field(
        "class",
        description="Pairs in no reference crystal: judge by their class, or fail; with a table "
        "of your own they fail.",
    )

    def judge(self, atoms: Atoms) -> Verdict:
        """See :class:`~gencsp.filters.base.Filter`.

        Raises:
            StructureFileError: the table cannot be read.
        """
        if self.table is not None:
            return self._by_table(atoms, read_pair_table(self.table))
        table = shipped_potential()
        window = (
            -np.inf,
            table.threshold if self.threshold is None else self.threshold,
        )
        foreign = sorted({chemical_symbols[z] for z in atoms.numbers} - set(ELEMENTS))
        if foreign:
            return self.verdict(float("nan"), window, f"no potentials for {', '.join(foreign)}")
        score = table.score(atoms, pairs_within(atoms, table.cutoff - EDGE * table.width))
        if np.isnan(score):
            return self.verdict(score, window, f"no two atoms within {table.cutoff:g} Å")
        unknown = table.unknown(atoms)
        note = f"no reference crystal holds {', '.join(unknown)}" if unknown else ""
        verdict = self.verdict(score, window, note)
        if unknown and self.unknown == "fail":
            return Verdict(False, verdict.value, window, self.name, note)
        return verdict

    def _by_table(self, atoms: Atoms, table: PairTable) -> Verdict:
        window = (-np.inf, PAPER_THRESHOLD if self.threshold is None else self.threshold)
        unknown = table.unknown(atoms)
        note = f"the table does not hold {', '.join(unknown)}" if unknown else ""
        if len(atoms) < 2:
            note = "one atom in the cell: the table's score has no pair"
        return self.verdict(table.score(atoms), window, note)


def with_short_range(
    energies: NDArray[np.float64], first: NDArray[np.int64]
) -> NDArray[np.float32]:
    """U below the shortest distance that occurs: from U there, exponentially, to 10⁵ at r = 0.

    Args:
        energies: k_B T, shape (..., bins), evenly spaced from r = 0.
        first: bin of the shortest distance that occurs, shape (...,).
    """
    bins = np.arange(energies.shape[-1]) + 0.5
    shortest = first[..., None] + 0.5
    start = np.take_along_axis(energies, first[..., None], axis=-1)
    rise = start - 1 + HIGHEST ** np.maximum(1 - bins / shortest, 0.0)
    return np.where(bins < shortest, rise, energies).astype(np.float32)


@cache
def shipped_potential() -> PotentialTable:
    """The table that ships with gencsp."""
    with open_shipped("pair_potential.npz") as file:
        data = np.load(file, allow_pickle=False)
        n = len(ELEMENTS)
        upper = np.triu_indices(n)
        full = with_short_range(
            data["energies"] / float(data["scale"]), data["first"].astype(np.int64)
        )
        energies = np.empty((n, n, full.shape[1]), dtype=np.float32)
        support = np.empty((n, n), dtype=np.int64)
        for target, values in ((energies, full), (support, data["support"])):
            target[upper] = values
            target[upper[::-1]] = values
        return PotentialTable(energies, support, float(data["width"]), float(data["threshold"]))


@cache
def _places() -> NDArray[np.int64]:
    """Index into ``ELEMENTS`` of each atomic number."""
    places = np.full(len(chemical_symbols), -1, dtype=np.int64)
    for index, symbol in enumerate(ELEMENTS):
        places[atomic_numbers[symbol]] = index
    return places
