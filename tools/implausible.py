"""Crystals made implausible, for ``choose_pair_potential.py``: filter A should let none pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from pair_tables import NONMETALS, WIDTH

from gencsp.descriptors.neighbours import pairs_within
from gencsp.measure.pseudo_random import pseudo_random, scattered

#: Å, standard deviation of each coordinate of a rattled crystal; factors of all lengths.
RATTLE, SQUEEZE, STRETCH = 0.3, 0.88, 1.15
#: Å, up to which exchanged atoms must have other neighbours than before.
NEAR = 4.0
TRIES = 20
Change = Callable[[Atoms, np.random.Generator], Atoms | None]


def rattled(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """Every coordinate moved by a normal of 0.3 Å."""
    other = atoms.copy()
    other.positions += rng.normal(0.0, RATTLE, other.positions.shape)
    return other


def squeezed(atoms: Atoms, _rng: np.random.Generator) -> Atoms:
    """All lengths by 0.88: two thirds of the volume."""
    return _scaled(atoms, SQUEEZE)


def stretched(atoms: Atoms, _rng: np.random.Generator) -> Atoms:
    """All lengths by 1.15: half as much volume again."""
    return _scaled(atoms, STRETCH)


def scrambled(atoms: Atoms, rng: np.random.Generator) -> Atoms | None:
    """Its atoms in its cell at random places, 1 Å apart; ``None`` where they found no room."""
    return scattered(np.array(atoms.get_chemical_symbols()), atoms.cell.array, rng)


def exchanged(atoms: Atoms, rng: np.random.Generator) -> Atoms | None:
    """Its species on other sites, so that metals and nonmetals change places and neighbours change;
    ``None`` where that cannot be, as in rock salt or a metal."""
    metal = np.array([chemical_symbols[z] not in NONMETALS for z in atoms.numbers])
    if metal.all() or not metal.any():
        return None
    before = _neighbours(atoms)
    for _ in range(TRIES):
        other = atoms.copy()
        order = rng.permutation(len(atoms))
        other.numbers = atoms.numbers[order]
        if (metal[order] != metal).any() and _neighbours(other) != before:
            return other
    return None


def random_structure(_atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """The paper's baseline, whatever the crystal."""
    return pseudo_random(rng)


#: Each kind by name.
KINDS: Mapping[str, Change] = MappingProxyType(
    {
        "pseudo-random": random_structure,
        "atoms at random in the crystal's cell": scrambled,
        "metals and nonmetals exchanged": exchanged,
        "rattled by 0.3 Å": rattled,
        "lengths x 0.88": squeezed,
        "lengths x 1.15": stretched,
    }
)


def _scaled(atoms: Atoms, factor: float) -> Atoms:
    other = atoms.copy()
    other.set_cell(other.cell.array * factor, scale_atoms=True)
    return other


def _neighbours(atoms: Atoms) -> Counter[tuple[int, int, int]]:
    """How often each pair of species occurs at each distance."""
    pairs = pairs_within(atoms, NEAR)
    first, second = atoms.numbers[pairs.first], atoms.numbers[pairs.second]
    bins = (pairs.distances / WIDTH).astype(int)
    return Counter(zip(first.tolist(), second.tolist(), bins.tolist(), strict=True))
