"""Crystals of a space group that a reverse diffusion of the joint model starts from.

They are held by ``FixSymmetry``. De novo their species are hidden
(:mod:`gencsp.proposers.de_novo`); for a composition the orbits are drawn in the same way, given the
number of atoms and a complexity aimed at, among those whose multiplicities can be shared out so
that every element has its atoms (:class:`CompositionStarts`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols

from gencsp import records
from gencsp.composition import Composition
from gencsp.descriptors.flaws import SAMPLER_START_SHARE
from gencsp.diffusion.joint.process import HIDDEN
from gencsp.errors import RequestError
from gencsp.proposers.checks import keeps_apart
from gencsp.proposers.crystals.lattice import bravais
from gencsp.proposers.crystals.occupancy import can_hold
from gencsp.proposers.crystals.orbit_draw import Orbits, orbit_statistics
from gencsp.proposers.crystals.orbit_species import species_of_orbits
from gencsp.proposers.crystals.symmetry_prior import Skeleton, symmetry_prior
from gencsp.proposers.drawing import draw_units
from gencsp.proposers.symmetric import hold, realise

#: Å³/atom of a start, which only has to tell its atoms apart: the lattice begins as noise.
START_VOLUME = 20.0
#: Choices of orbits, and coordinates for each, that are tried for one start.
CHOICES, TRIES = 20, 20


def symmetric_start(
    orbits: Orbits, rng: np.random.Generator, *, species: Sequence[str] | None = None
) -> Atoms | None:
    """A crystal with these orbits, held by ``FixSymmetry``.

    ``None`` where its atoms cannot be kept apart, or where the group is not found.

    Args:
        orbits: a space group and the Wyckoff letter of every orbit.
        rng: where coordinates and shape come from.
        species: symbol of each orbit; ``None`` hides them.
    """
    # Every orbit has a species of its own, lest two of them are taken for one of a larger group.
    own = [(chemical_symbols[k + 1], letter) for k, letter in enumerate(orbits.letters)]
    shape = symmetry_prior().shape(bravais(orbits.space_group), rng)
    skeleton = Skeleton(orbits.space_group, tuple(own), shape)
    hidden = [HIDDEN] * len(own)
    numbers = hidden if species is None else [atomic_numbers[symbol] for symbol in species]
    for _ in range(1 if skeleton.n_free == 0 else TRIES):
        atoms = realise(skeleton, volume=START_VOLUME, rng=rng)
        if atoms is None or not keeps_apart(atoms, separation=SAMPLER_START_SHARE):
            continue
        held = hold(atoms, skeleton, rng)
        if held is not None:
            start = held.atoms
            start.set_atomic_numbers(np.array(numbers)[start.numbers - 1])
            start.info[records.PROPOSED_SPACE_GROUP] = orbits.space_group
            return start
    return None


class CompositionStarts:
    """Draws crystals of a composition in a space group.

    Args:
        composition: the formula unit.
        units: numbers of formula units that the primitive cell may hold.
        space_groups: to draw from; ``None`` for all.
        complexity: K in bits/atom that the orbits are drawn for; ``None`` leaves it open.
        weight: how strongly, see :mod:`gencsp.proposers.crystals.orbit_draw`.

    Raises:
        RequestError: no orbits of any of the space groups add up to the composition.
    """

    def __init__(
        self,
        composition: Composition,
        units: tuple[int, ...],
        *,
        space_groups: tuple[int, ...] | None = None,
        complexity: float | None = None,
        weight: float = 1.0,
    ) -> None:
        self.composition = composition
        self.complexity = complexity
        self.weight = weight
        if space_groups is None:  # P1 holds everything
            self._groups: dict[int, tuple[int, ...] | None] = dict.fromkeys(units)
            return
        fits = {
            u: tuple(g for g in space_groups if can_hold(g, tuple(self._counts(u).values())))
            for u in units
        }
        self._groups = {u: groups for u, groups in fits.items() if groups}
        if not self._groups:
            raise RequestError(
                f"no Wyckoff positions of the space groups {', '.join(map(str, space_groups))} add "
                f"up to {composition} with {', '.join(map(str, units))} formula units in the "
                f"primitive cell: allow more atoms, or other space groups."
            )

    def __call__(self, rng: np.random.Generator) -> Atoms:
        """A crystal of a space group, held by ``FixSymmetry``.

        Raises:
            RequestError: none was found whose atoms can be kept apart.
        """
        for _ in range(CHOICES):
            found = self._orbits(draw_units(tuple(self._groups), rng), rng)
            start = None if found is None else symmetric_start(found[0], rng, species=found[1])
            if start is not None:
                return start
        groups = sorted({g for several in self._groups.values() for g in several or ()})
        raise RequestError(
            f"no crystal of {self.composition} was found in the space groups "
            f"{groups or 'that there are'} whose atoms keep apart: allow more atoms or other "
            f"space groups."
        )

    def _orbits(
        self, units: int, rng: np.random.Generator
    ) -> tuple[Orbits, tuple[str, ...]] | None:
        """Orbits and their species, as known crystals have them where any fit, else invented."""
        counts, groups = self._counts(units), self._groups[units]
        shares = orbit_statistics().shares(
            sum(counts.values()),
            complexity=self.complexity,
            weight=self.weight,
            space_groups=groups,
        )
        known = list(shares)
        # In a random order by their probabilities (Efraimidis and Spirakis, 2006): the first that
        # fits is drawn with its probability among those that fit.
        keys = rng.exponential(size=len(known)) / np.array(list(shares.values()))
        for k in np.argsort(keys, kind="stable"):
            species = species_of_orbits(known[int(k)], counts, rng=rng)
            if species is not None:
                return known[int(k)], species
        skeleton = symmetry_prior().invent(self.composition, units, rng=rng, space_groups=groups)
        if skeleton is None:
            return None
        pairs = sorted(skeleton.occupied, key=lambda pair: pair[1])
        letters = tuple(letter for _, letter in pairs)
        return Orbits(skeleton.space_group, letters), tuple(symbol for symbol, _ in pairs)

    def _counts(self, units: int) -> dict[str, int]:
        return {symbol: n * units for symbol, n in self.composition.counts}
