"""Comparison of crystals by pymatgen's ``StructureMatcher``, and its tolerances.

Two crystals are compared by :func:`same_crystal`; many, of which each is reduced once, by a
:class:`CrystalMatcher` (which :class:`~gencsp.similarity.index.StructureIndex` does).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from math import gcd
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp.composition import Composition
from gencsp.deck import AngleTolerance, Positive, check_fields
from gencsp.errors import RequestError
from gencsp.similarity.cells import compact
from gencsp.similarity.fitting import fits

if TYPE_CHECKING:
    from pymatgen.analysis.structure_matcher import AbstractComparator, StructureMatcher
    from pymatgen.core import Structure

#: Reduced structures kept as pymatgen's objects, which take fifty times the memory of arrays.
CACHED = 4096
#: Default of pymatgen's ``get_primitive_structure``, Å.
PRIMITIVE_TOLERANCE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerances:
    """By how much two cells of the same crystal may differ; pymatgen's names.

    Attributes:
        ltol: of lattice vectors, as a fraction of their length.
        stol: of atoms, in units of (V/N)^(1/3).
        angle_tol: of the angles of the cell, degrees.
        scale: scale both crystals to one volume first, so that pressure makes no other crystal.
    """

    ltol: Positive = 0.2
    stol: Positive = 0.3
    angle_tol: AngleTolerance = 5.0
    scale: bool = True

    def __post_init__(self) -> None:
        check_fields(self)


#: pymatgen's defaults: those of published match rates and of MatterGen's filters, and of what
#: counts as one family in gencsp (:data:`gencsp.similarity.rules.FAMILY`). α and β quartz are the
#: same by them; to tell such phases apart takes :data:`gencsp.similarity.rules.CRYSTAL`.
STANDARD = Tolerances()
#: Those of the match rates of CDVAE (Xie et al., ICLR 2022) and DiffCSP (Jiao et al., NeurIPS
#: 2023): for comparisons with published numbers alone.
LOOSE = Tolerances(ltol=0.3, stol=0.5, angle_tol=10.0)


def structure_matcher(
    tolerances: Tolerances = STANDARD,
    *,
    comparator: AbstractComparator | None = None,
    primitive_cell: bool = True,
    substructures: bool = False,
) -> StructureMatcher:
    """pymatgen's matcher.

    Args:
        tolerances: how much may differ.
        comparator: pymatgen's, which species may stand for each other; ``None`` for each only for
            itself.
        primitive_cell: compare primitive cells.
        substructures: fit supercells and subsets of sites too, as disordered crystals need.
    """
    # Slow to import.
    from pymatgen.analysis.structure_matcher import SpeciesComparator, StructureMatcher

    return StructureMatcher(
        **asdict(tolerances),
        primitive_cell=primitive_cell,
        comparator=SpeciesComparator() if comparator is None else comparator,
        attempt_supercell=substructures,
        allow_subset=substructures,
    )


def same_crystal(one: Atoms, other: Atoms, *, tolerances: Tolerances = STANDARD) -> bool:
    """Whether two structures are the same crystal, whatever cells they are given in.

    As with pymatgen's ``StructureMatcher().fit(one, other)``, which is not quite symmetric; at its
    defaults it takes a phase and its small distortions for one, see :data:`STANDARD`.

    Args:
        one: a crystal, periodic in three directions.
        other: likewise.
        tolerances: how much may differ.
    """
    if Composition.of(one) != Composition.of(other):
        return False
    matcher = _crystal_matcher(tolerances)
    first, second = matcher.reduced(one), matcher.reduced(other)
    return matcher.size_class(first) == matcher.size_class(second) and matcher.same(first, second)


def as_structure(atoms: Atoms) -> Structure:
    """Species, positions and cell as a pymatgen ``Structure``."""
    from pymatgen.core import Lattice, Structure

    return Structure(
        Lattice(atoms.cell.array), atoms.numbers, atoms.positions, coords_are_cartesian=True
    )


@dataclass(frozen=True, slots=True, eq=False)
class Reduced:
    """A primitive cell: atomic numbers (n,), fractional positions (n, 3), cell (3, 3) in Å."""

    numbers: NDArray[np.int64]
    fractional: NDArray[np.float64]
    cell: NDArray[np.float64]


class CrystalMatcher:
    """Whether two crystals are the same to a ``StructureMatcher``.

    Args:
        matcher: pymatgen's; ``None`` for one with the tolerances ``STANDARD``.
        species_blind: compare prototypes: any species may stand for any other.

    Raises:
        RequestError: the matcher allows subsets or ignores species, so that crystals of different
            formulas can be the same to it.
    """

    def __init__(
        self, matcher: StructureMatcher | None = None, *, species_blind: bool = False
    ) -> None:
        self._matcher = structure_matcher() if matcher is None else matcher
        self._blind = species_blind
        settings = self._matcher.as_dict()
        if settings["allow_subset"] or settings["ignored_species"]:
            raise RequestError(
                "a matcher that allows subsets or ignores species cannot be used here: it takes "
                "crystals of different formulas for the same."
            )
        self._primitive = bool(settings["primitive_cell"])
        self._supercells = bool(settings["attempt_supercell"])
        # What all comparisons of gencsp's own are: like atoms alone, in cells of as many atoms.
        self._plain = (
            Tolerances(**{name: settings[name] for name in asdict(STANDARD)})
            if settings["comparator"]["@class"] == "SpeciesComparator"
            and not (self._supercells or self._blind)
            else None
        )
        self._structure = lru_cache(CACHED)(_structure)

    def reduced(self, atoms: Atoms) -> Reduced:
        """The cell that the matcher compares: Niggli-reduced, and primitive if it asks for that.

        The Niggli cell is spglib's: pymatgen's own is the same and a hundred times slower.
        """
        cell = compact(np.asarray(atoms.cell.array, dtype=np.float64))
        fractional = np.linalg.solve(cell.T, atoms.positions.T).T
        reduced = Reduced(atoms.numbers.copy(), fractional - np.floor(fractional), cell)
        if not self._primitive or not _may_be_supercell(reduced):
            return reduced
        primitive = _structure(reduced).get_primitive_structure()
        if len(primitive) == len(atoms):
            return reduced
        return Reduced(
            np.array(primitive.atomic_numbers), primitive.frac_coords, primitive.lattice.matrix
        )

    def size_class(self, reduced: Reduced) -> int:
        """Crystals of different classes are never the same, by their number of atoms alone."""
        return 0 if self._supercells else len(reduced.numbers)

    def same(self, first: Reduced, second: Reduced) -> bool:
        """Whether the matcher fits the second onto the first (it is not quite symmetric)."""
        if self._plain is not None:
            return fits(first, second, self._plain)
        one, other = self._structure(first), self._structure(second)
        fit = self._matcher.fit_anonymous if self._blind else self._matcher.fit
        return bool(fit(one, other, skip_structure_reduction=True))


@cache
def _crystal_matcher(tolerances: Tolerances) -> CrystalMatcher:
    return CrystalMatcher(structure_matcher(tolerances))


def _may_be_supercell(reduced: Reduced) -> bool:
    """Whether some translation within the cell takes each atom to within reach of its like.

    pymatgen's own first step, at its tolerance: where this finds nothing, it would find nothing.
    """
    numbers, counts = np.unique(reduced.numbers, return_counts=True)
    if gcd(*counts.tolist()) == 1:
        return False
    tolerance = 2 * PRIMITIVE_TOLERANCE / np.linalg.norm(reduced.cell, axis=1)
    rarest = reduced.fractional[reduced.numbers == numbers[counts.argmin()]]
    shifts = (rarest - rarest[0])[1:]
    for number in numbers[np.argsort(counts)]:
        own = reduced.fractional[reduced.numbers == number]
        apart = shifts[:, None, None] + own[:, None] - own
        apart -= np.round(apart)
        lands = (np.abs(apart) <= tolerance).all(axis=-1).any(axis=-1)
        shifts = shifts[lands.all(axis=-1)]
        if not len(shifts):
            return False
    return True


def _structure(reduced: Reduced) -> Structure:
    from pymatgen.core import Lattice, Structure

    return Structure(Lattice(reduced.cell), reduced.numbers, reduced.fractional)
