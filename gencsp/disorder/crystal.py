"""A crystal whose sites are occupied in part, or by several elements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import spglib
from ase import Atoms
from numpy.typing import NDArray

from gencsp.descriptors.flaws import FULL
from gencsp.errors import RequestError
from gencsp.symmetry.answers import answer
from gencsp.symmetry.tolerances import EXACT_SYMPREC, SYMPREC

#: Shares of a site that add up to more than this are a mistake; up to it they are rounded.
MOST_SHARE = 1.05
#: Tolerances at which the space group of the sites is looked for: files round coordinates.
_SYMPRECS = (0.01, 0.001, EXACT_SYMPREC)


@dataclass(frozen=True, slots=True)
class SiteGroup:
    """Sites that are equivalent in the mean crystal.

    Attributes:
        label: as the file has it; of several species at one place all of them.
        shares: share of the sites that each element occupies, by symbol; what is missing to one is
            vacant.
    """

    label: str
    shares: Mapping[str, float]

    @property
    def ordered(self) -> bool:
        """Whether every site holds the same element."""
        return len(self.shares) == 1 and sum(self.shares.values()) >= FULL

    @property
    def vacancies(self) -> float:
        """Share of the sites that is vacant; zero where the shares fill a site up to rounding."""
        left = 1.0 - sum(self.shares.values())
        return left if left > 1.0 - FULL else 0.0


@dataclass(frozen=True, slots=True)
class DisorderedCrystal:
    """A mean crystal.

    Attributes:
        sites: every site of the cell, as atoms of no element ("X"); their tags are the numbers of
            their groups.
        groups: of sites.
        name: of the file, for messages.

    Raises:
        RequestError: the shares of a group add up to more than one.
    """

    sites: Atoms
    groups: tuple[SiteGroup, ...]
    name: str = ""

    def __post_init__(self) -> None:
        for group in self.groups:
            total = sum(group.shares.values())
            if total > MOST_SHARE:
                raise RequestError(
                    f"the occupancies of site {group.label}{f' of {self.name}' * bool(self.name)} "
                    f"add up to {total:g}: they must not be above 1."
                )

    @classmethod
    def of(cls, atoms: Atoms, *, symprec: float = SYMPREC) -> Self:
        """An ordered crystal as a mean one: its orbits of equivalent atoms are the groups.

        Where spglib finds no space group, every atom is a group of its own.
        """
        crystal = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
        found = answer(spglib.get_symmetry_dataset, crystal, symprec=symprec)
        orbits = np.arange(len(atoms)) if found is None else found.equivalent_atoms
        _, first, tags = np.unique(orbits, return_index=True, return_inverse=True)
        sites = Atoms(
            ["X"] * len(atoms), positions=atoms.positions, cell=atoms.cell, pbc=True, tags=tags
        )
        groups = (SiteGroup(atoms.symbols[k], {atoms.symbols[k]: 1.0}) for k in first)
        return cls(sites, tuple(groups), atoms.get_chemical_formula("metal"))

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Sites of each group in the cell."""
        return np.bincount(self.sites.get_tags(), minlength=len(self.groups))

    @property
    def ordered(self) -> bool:
        """Whether there is no disorder."""
        return all(group.ordered for group in self.groups)

    @property
    def amounts(self) -> dict[str, float]:
        """Atoms of each element in the cell, in the order of the groups."""
        found: dict[str, float] = {}
        for group, size in zip(self.groups, self.sizes.tolist(), strict=True):
            for symbol, share in group.shares.items():
                found[symbol] = found.get(symbol, 0.0) + share * size
        return found

    @property
    def formula(self) -> str:
        """Formula of the cell, amounts to three digits."""
        return "".join(f"{s}{n:.4g}" if n != 1 else s for s, n in self.amounts.items())

    @property
    def primitive(self) -> Self:
        """The primitive cell, where it is smaller: centred cells hold it several times."""
        sites = self.sites
        crystal = (sites.cell.array, sites.get_scaled_positions(), sites.get_tags() + 1)
        for symprec in _SYMPRECS:
            found = answer(
                spglib.standardize_cell,
                crystal,
                to_primitive=True,
                no_idealize=True,
                symprec=symprec,
            )
            if found is None:
                continue
            cell, places, kinds = found
            times = len(sites) / len(kinds)
            sizes = np.bincount(kinds - 1, minlength=len(self.groups))
            if (sizes * times == self.sizes).all() and times > 1:
                small = Atoms(
                    ["X"] * len(kinds), scaled_positions=places, cell=cell, pbc=True, tags=kinds - 1
                )
                return type(self)(small, self.groups, self.name)
            break
        return self

    def operations(self, sites: Atoms | None = None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rotations (m, 3, 3), and for each operation the site that each site goes to, (m, n).

        Args:
            sites: of a supercell; ``None`` for the cell itself.
        """
        given = self.sites if sites is None else sites
        places, tags = given.get_scaled_positions(), given.get_tags()
        crystal = (given.cell.array, places, tags + 1)
        for symprec in _SYMPRECS:
            found = answer(spglib.get_symmetry, crystal, symprec=symprec)
            if found is None:
                continue
            permuted = _permutations(given, found["rotations"], found["translations"])
            if permuted is not None:
                return found["rotations"].astype(np.int64), permuted
        return np.eye(3, dtype=np.int64)[None], np.arange(len(given))[None]


def _permutations(
    sites: Atoms, rotations: NDArray[np.int64], translations: NDArray[np.float64]
) -> NDArray[np.int64] | None:
    """Where operations take sites, (m, n); ``None`` where two sites would go to one place."""
    places, tags = sites.get_scaled_positions(), sites.get_tags()
    found = np.empty((len(rotations), len(sites)), dtype=np.int64)
    for number, (rotation, translation) in enumerate(zip(rotations, translations, strict=True)):
        images = places @ rotation.T + translation
        away = images[:, None] - places[None]
        away -= np.round(away)
        distances = np.linalg.norm(away @ sites.cell.array, axis=-1)
        distances[tags[:, None] != tags[None]] = np.inf
        found[number] = distances.argmin(axis=1)
        if len(np.unique(found[number])) < len(sites):
            return None
    return found
