"""Removal of guests from frameworks, and the choice of the guest species (CHGGen, Section III.B).

The paper removes the atoms "that exhibit broad local environment distributions (e.g., Li)" and
shows the distributions as histograms of coordination numbers. Here the coordination number of an
atom is Hoppe's effective one (R. Hoppe, Z. Kristallogr. 150, 23 (1979)), which needs no cutoff, and
the breadth of a species is the Shannon entropy of its histogram over all structures. The paper
compares cations by the anions around them; so the most electronegative species, S in Zn-P-S and Si
in Li-Si, always stays in the framework. (By entropy alone, oxygen would be the guest of many oxides
whose cations sit in like polyhedra.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray
from pymatgen.core import Element

from gencsp.errors import RequestError

#: Å: range in which neighbours are searched; those that count are much closer.
REACH = 6.0
#: Hoppe's mean distance is taken again and again until it changes less than this, Å.
CONVERGED = 1e-4


@dataclass(frozen=True, slots=True)
class GuestChoice:
    """Which species was chosen as guest, and why.

    Attributes:
        species: the guest's element symbol.
        anion: the most electronegative species, which is never a guest.
        entropies: breadth of the coordination numbers of every species, in nats.
        structures: how many structures were looked at.
    """

    species: str
    anion: str
    entropies: Mapping[str, float]
    structures: int

    @property
    def reason(self) -> str:
        """One sentence for the user."""
        listed = ", ".join(f"{s} {v:.2f}" for s, v in self.entropies.items())
        if self.species == self.anion:
            return f"{self.species} is the only species that is in no rigid unit"
        return (
            f"{self.species} has the broadest local environments in {self.structures} structures "
            f"(entropy of coordination numbers: {listed}; {self.anion}, the most electronegative, "
            f"stays)"
        )


def framework(atoms: Atoms, guests: Iterable[str]) -> Atoms:
    """A copy without the guest species, without calculator and constraints.

    Raises:
        RequestError: a guest is not in the structure, or no host atoms would be left.
    """
    gone = set(guests)
    present = set(atoms.symbols)
    absent = sorted(gone - present)
    if absent:
        raise RequestError(
            f"{', '.join(absent)} is not in {atoms.get_chemical_formula('metal')}: name guests "
            f"that are."
        )
    if gone == present:
        raise RequestError(
            f"taking {', '.join(sorted(gone))} out of {atoms.get_chemical_formula('metal')} leaves "
            f"no host atoms: name fewer guests."
        )
    host = atoms[[symbol not in gone for symbol in atoms.symbols]]
    host.calc = None
    host.set_constraint()
    return host


def broadest_species(structures: Iterable[Atoms]) -> str:
    """The species with the broadest local environments; see :func:`choose_guests`."""
    return choose_guests(structures).species


def choose_guests(structures: Iterable[Atoms], *, among: Sequence[str] = ()) -> GuestChoice:
    """Choose as guests the species with the broadest distribution of coordination numbers.

    The most electronegative species is never chosen. Of equally broad species the one with the
    larger mean coordination number is taken, then the first in the alphabet.

    Args:
        structures: relaxed crystals of one composition.
        among: species that may be chosen; empty for all. Where it is the only one, the most
            electronegative may be chosen, too.

    Raises:
        RequestError: no structures, or fewer than two species, so that no host would be left.
    """
    found: dict[str, list[float]] = {}
    n = 0
    for atoms in structures:
        n += 1
        for symbol, number in zip(atoms.symbols, coordination_numbers(atoms), strict=True):
            found.setdefault(symbol, []).append(float(number))
    if n == 0:
        raise RequestError("there are no relaxed structures to choose guests from: name guests.")
    if len(found) < 2:
        raise RequestError(
            f"{next(iter(found))} is the only species, so taking guests out leaves no host atoms."
        )
    entropies = {symbol: _entropy(numbers) for symbol, numbers in sorted(found.items())}
    means = {symbol: float(np.mean(numbers)) for symbol, numbers in found.items()}
    anion = max(entropies, key=_electronegativity)
    species = max(
        ([s for s in entropies if s != anion and (not among or s in among)] or among),
        key=lambda s: (round(entropies[s], 9), round(means[s], 9)),
    )
    return GuestChoice(species, anion, entropies, n)


def coordination_numbers(atoms: Atoms) -> NDArray[np.float64]:
    """Effective coordination numbers (Hoppe's ECoN), shape (n,).

    A neighbour at distance d counts exp(1 − (d/d̄)⁶), with d̄ the mean distance under the same
    weights. An atom without neighbours within :data:`REACH` has zero.
    """
    first, distances = neighbor_list("id", atoms, REACH)
    numbers = np.zeros(len(atoms))
    for atom in range(len(atoms)):
        d = distances[first == atom]
        if len(d) == 0:
            continue
        mean, previous = float(d.min()), np.inf
        while abs(mean - previous) > CONVERGED:
            weights = np.exp(1 - (d / mean) ** 6)
            previous, mean = mean, float(np.sum(d * weights) / np.sum(weights))
        numbers[atom] = np.exp(1 - (d / mean) ** 6).sum()
    return numbers


def _electronegativity(symbol: str) -> float:
    """Pauling's; zero for the three noble gases that have none."""
    return 0.0 if symbol in {"He", "Ne", "Ar"} else float(Element(symbol).X)


def _entropy(numbers: Iterable[float]) -> float:
    """Shannon entropy in nats of the histogram of rounded numbers."""
    counts = np.array(list(Counter(round(x) for x in numbers).values()), dtype=float)
    shares = counts / counts.sum()
    return float(-(shares * np.log(shares)).sum()) + 0.0  # no minus zero
