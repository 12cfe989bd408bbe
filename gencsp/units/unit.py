"""A rigid unit: a molecule or complex ion of fixed shape, or a single atom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp.composition import Composition
from gencsp.errors import UnitError

Array = NDArray[np.float64]

#: Å: two atoms of a unit are never closer.
COINCIDENT = 0.3


@dataclass(frozen=True, eq=False)
class RigidUnit:
    """A molecule or complex ion of fixed shape; a single atom is one of one atom.

    The frame of a unit has its origin at the centre (mean position) of its atoms, which every
    symmetry operation of the unit keeps.

    Attributes:
        name: such as ``NH2``; of an atom its symbol.
        symbols: of its atoms.
        positions: in its frame, Å, shape (n, 3).
        bonds: pairs of indices of bonded atoms, the smaller first, in order.
        charge: in elementary charges; ``None`` where it is not known.

    Raises:
        UnitError: no atoms, positions that are not one for each atom or not finite, two atoms in
            one place, a bond of an atom that is not there, or atoms that no bonds connect.
    """

    name: str
    symbols: tuple[str, ...]
    positions: Array
    bonds: tuple[tuple[int, int], ...] = ()
    charge: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        n = len(self.symbols)
        positions = np.array(self.positions, dtype=float)
        if not n:
            raise UnitError(f"the unit '{self.name}' has no atoms: give at least one.")
        if positions.shape != (n, 3) or not np.isfinite(positions).all():
            raise UnitError(
                f"the unit '{self.name}' has {n} atoms and positions of shape {positions.shape}: "
                f"give three finite coordinates, in Å, for each atom."
            )
        positions -= positions.mean(axis=0)
        positions.setflags(write=False)
        object.__setattr__(self, "positions", positions)
        bonds = tuple(sorted({(min(bond), max(bond)) for bond in self.bonds}))
        object.__setattr__(self, "bonds", bonds)
        if any(i < 0 or j >= n or i == j for i, j in bonds):
            raise UnitError(
                f"the unit '{self.name}' has a bond of an atom with itself or with one that is not "
                f"there: number its atoms from 0 to {n - 1}."
            )
        self._check_shape()

    def _check_shape(self) -> None:
        apart = np.linalg.norm(self.positions[:, None] - self.positions, axis=-1)
        np.fill_diagonal(apart, np.inf)
        if len(self.symbols) > 1 and apart.min() < COINCIDENT:
            raise UnitError(
                f"the unit '{self.name}' has two atoms {apart.min():.2f} Å apart: check its "
                f"coordinates, which are in Å."
            )
        reached, new = {0}, {0}
        while new:
            new = {b for pair in self.bonds for a, b in (pair, pair[::-1]) if a in new} - reached
            reached |= new
        if len(reached) < len(self.symbols):
            raise UnitError(
                f"the atoms of the unit '{self.name}' are not all connected by bonds: give the "
                f"missing ones, or each connected part as a unit of its own."
            )

    @classmethod
    def atom(cls, symbol: str) -> Self:
        """A single atom, a unit without orientation."""
        return cls(symbol, (symbol,), np.zeros((1, 3)))

    @property
    def is_atom(self) -> bool:
        """Whether it is a single atom."""
        return len(self.symbols) == 1

    @property
    def size(self) -> int:
        """Number of its atoms."""
        return len(self.symbols)

    @cached_property
    def composition(self) -> Composition:
        """Its atoms, counted in the order of its symbols; not reduced."""
        counts: dict[str, float] = {}
        for symbol in self.symbols:
            counts[symbol] = counts.get(symbol, 0) + 1
        return Composition.from_counts(counts, self.name)

    @cached_property
    def radius(self) -> float:
        """Distance of its outermost atom from its centre, Å."""
        return float(np.linalg.norm(self.positions, axis=1).max())

    @cached_property
    def bond_lengths(self) -> Array:
        """Lengths of its bonds, Å, in their order."""
        pairs = np.array(self.bonds, dtype=int).reshape(-1, 2)
        between = self.positions[pairs[:, 0]] - self.positions[pairs[:, 1]]
        return np.asarray(np.linalg.norm(between, axis=1))

    def placed(self, centre: Sequence[float] | Array, rotation: Array) -> Array:
        """Positions of its atoms with its centre at a point, Å, shape (n, 3).

        Args:
            centre: Cartesian, Å.
            rotation: orthogonal matrix from the unit's frame to the crystal's, shape (3, 3); one
                of determinant -1 places the mirror image.
        """
        return np.asarray(np.asarray(centre) + self.positions @ np.asarray(rotation).T)

    def atoms(self) -> Atoms:
        """The unit as a molecule in its own frame."""
        return Atoms(list(self.symbols), positions=self.positions)
