"""Vectors of crystals in unlike arrangements, padded to one length and standardised.

Each kind of unit has as many slots as the arrangement with most orbits of it needs. Numbers are
standardised over the examples that have them, periodic ones in units of their period; those that
are the same in all are left out of diffusion and stand as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gencsp.diffusion.units.networks import Condition
from gencsp.proposers.units.arrangement import Arrangement
from gencsp.proposers.units.canonical import Orbit
from gencsp.proposers.units.descriptor import N_LATTICE, Descriptor

Array = NDArray[np.float64]

#: A standard deviation below which a number is the same in all examples.
CONSTANT = 1e-6


@dataclass(frozen=True)
class VectorSpace:
    """How crystals of some arrangements become vectors of one length, and back.

    Attributes:
        descriptor: of the crystals.
        arrangements: that are known.
        cell_kept: whether the lattice is given for each crystal, rather than generated.
        mean, scale: of each number, shape (d,); the scale is 0 for what is constant. Of a periodic
            number, what the first example has, and the period.
        reach: largest size of each number in the examples, standardised, shape (d,).
    """

    descriptor: Descriptor
    arrangements: tuple[Arrangement, ...]
    cell_kept: bool
    mean: Array
    scale: Array
    reach: Array

    @classmethod
    def fit(
        cls,
        descriptor: Descriptor,
        encoded: Sequence[tuple[Arrangement, Array]],
        *,
        cell_kept: bool,
    ) -> VectorSpace:
        """From examples, as :meth:`.Descriptor.encode` gives them."""
        arrangements = tuple(dict.fromkeys(arrangement for arrangement, _ in encoded))
        bare = cls(descriptor, arrangements, cell_kept, *np.zeros((3, 0)))
        rows = np.array([bare.padded(one, z) for one, z in encoded])
        filled = np.array([bare.filled(one) for one, _ in encoded])
        counts = filled.sum(axis=0)
        mean = (rows * filled).sum(axis=0) / counts
        # A mean of periodic numbers depends on where they are cut; any origin does.
        first = rows[filled.argmax(axis=0), np.arange(bare.length)]
        mean = np.where(bare.periods > 0, first, mean)
        off = bare._nearest(rows - mean) * filled
        scale = np.sqrt((off**2).sum(axis=0) / counts)
        scale = np.where(scale < CONSTANT, 0.0, np.where(bare.periods > 0, bare.periods, scale))
        reach = np.abs(off).max(axis=0) / np.where(scale > 0, scale, 1.0)
        return cls(descriptor, arrangements, cell_kept, mean, scale, reach)

    @cached_property
    def slots(self) -> tuple[int, ...]:
        """For each kind of unit, the most orbits of it in an arrangement."""
        n_units = len(self.descriptor.units)
        counts = [[0] * n_units for _ in self.arrangements]
        for row, arrangement in zip(counts, self.arrangements, strict=True):
            for orbit in arrangement.orbits:
                row[orbit.unit] += 1
        return tuple(max(column) for column in zip(*counts, strict=True))

    @cached_property
    def length(self) -> int:
        """Numbers of a padded vector."""
        return N_LATTICE + sum(n * self.descriptor.size(u) for u, n in enumerate(self.slots))

    @cached_property
    def periods(self) -> Array:
        """Of each number, 0 where it has none, shape (d,)."""
        of_slots = [np.tile(self.descriptor.periods(u), n) for u, n in enumerate(self.slots)]
        return np.concatenate((np.zeros(N_LATTICE), *of_slots))

    @property
    def periodic(self) -> tuple[int, ...]:
        """Which numbers have a period."""
        return tuple(np.flatnonzero(self.periods).tolist())

    @cached_property
    def groups(self) -> tuple[int, ...]:
        """Space groups of the arrangements, in order."""
        return tuple(sorted({one.space_group for one in self.arrangements}))

    @cached_property
    def kinds(self) -> dict[tuple[int, Orbit], int]:
        """What stands in slots, numbered from 1."""
        known = dict.fromkeys(
            (a.space_group, orbit) for a in self.arrangements for orbit in a.orbits
        )
        return {kind: k for k, kind in enumerate(known, start=1)}

    def places(self, arrangement: Arrangement) -> tuple[NDArray[np.int64], list[int]]:
        """Where the numbers of an arrangement's vector stand, and the slots of its orbits."""
        starts, slot_of = [], []
        at, slot = N_LATTICE, 0
        for unit, n in enumerate(self.slots):
            starts.append(at)
            slot_of.append(slot)
            at += n * self.descriptor.size(unit)
            slot += n
        found, slots = [np.arange(N_LATTICE)], []
        for orbit in arrangement.orbits:
            size = self.descriptor.size(orbit.unit)
            found.append(np.arange(starts[orbit.unit], starts[orbit.unit] + size))
            slots.append(slot_of[orbit.unit])
            starts[orbit.unit] += size
            slot_of[orbit.unit] += 1
        return np.concatenate(found), slots

    def padded(self, arrangement: Arrangement, z: Array) -> Array:
        """A vector with zeros where nothing stands, shape (d,)."""
        whole = np.zeros(self.length)
        whole[self.places(arrangement)[0]] = z
        return whole

    def filled(self, arrangement: Arrangement) -> Array:
        """1 where an arrangement has numbers, else 0, shape (d,)."""
        whole = np.zeros(self.length)
        whole[self.places(arrangement)[0]] = 1.0
        return whole

    def standardised(self, encoded: Sequence[tuple[Arrangement, Array]]) -> torch.Tensor:
        """Vectors as networks take them, shape (b, d), float32."""
        rows = np.array([self.padded(one, z) for one, z in encoded])
        filled = np.array([self.filled(one) for one, _ in encoded])
        scale = np.where(self.scale > 0, self.scale, 1.0)
        off = self._nearest(rows - self.mean)
        return torch.from_numpy(off / scale * filled).float()

    def condition(self, arrangements: Sequence[Arrangement], cells: Array) -> Condition:
        """What networks are told of crystals.

        Args:
            arrangements: of the crystals.
            cells: lattice parameters, Å and degrees, shape (b, 6); they count where they are kept.
        """
        diffused = np.array([self.filled(one) for one in arrangements]) * (self.scale > 0)
        known = np.zeros_like(diffused)
        if self.cell_kept:
            diffused[:, :N_LATTICE] = 0.0
            scale = np.where(self.scale > 0, self.scale, 1.0)[:N_LATTICE]
            known[:, :N_LATTICE] = (cells - self.mean[:N_LATTICE]) / scale
        kinds = np.zeros((len(arrangements), sum(self.slots)), dtype=np.int64)
        for row, one in zip(kinds, arrangements, strict=True):
            row[self.places(one)[1]] = [self.kinds[one.space_group, orbit] for orbit in one.orbits]
        group = [self.groups.index(one.space_group) for one in arrangements]
        return Condition(
            torch.from_numpy(diffused).float(),
            torch.from_numpy(known).float(),
            torch.tensor(group),
            torch.from_numpy(kinds),
        )

    def vector(self, arrangement: Arrangement, standardised: Array, cell: Array) -> Array:
        """z of an arrangement from a padded, standardised vector.

        Args:
            arrangement: of the crystal.
            standardised: shape (d,).
            cell: lattice parameters, which take the place of those in the vector if they are kept.
        """
        whole = self.mean + self.scale * standardised
        if self.cell_kept:
            whole[:N_LATTICE] = cell
        return np.asarray(whole[self.places(arrangement)[0]])

    def _nearest(self, differences: Array) -> Array:
        """Differences less whole periods, at most half a period; others as they are."""
        turns = np.round(differences / np.where(self.periods > 0, self.periods, np.inf))
        return differences - turns * self.periods

    def describe(self) -> dict[str, Any]:
        """As :meth:`from_description` takes it, without the units."""
        return {
            "encoding": self.descriptor.encoding,
            "cell_kept": self.cell_kept,
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "reach": self.reach.tolist(),
            "arrangements": [
                [
                    one.space_group,
                    [[o.unit, o.letter, o.mirrored, o.permutations] for o in one.orbits],
                ]
                for one in self.arrangements
            ],
        }

    @classmethod
    def from_description(cls, units: tuple[Any, ...], about: dict[str, Any]) -> VectorSpace:
        """From what :meth:`describe` gave."""
        arrangements = tuple(
            Arrangement(
                int(group),
                tuple(
                    Orbit(int(unit), str(letter), bool(mirrored), tuple(map(tuple, permutations)))
                    for unit, letter, mirrored, permutations in orbits
                ),
            )
            for group, orbits in about["arrangements"]
        )
        return cls(
            Descriptor(units, about["encoding"]),
            arrangements,
            bool(about["cell_kept"]),
            np.array(about["mean"]),
            np.array(about["scale"]),
            np.array(about["reach"]),
        )
