"""When two crystals count as the same, by the rules of MatterGen's evaluator.

Source: Zeni et al., Nature 639, 624 (2025), and the evaluator published with it. Two ordered
crystals of one reduced formula are one if

- they have the same space group (at 0.1 Å) and pymatgen's ``StructureMatcher`` maps one onto the
  other, at its default tolerances (``gencsp.similarity.STANDARD``, looser than gencsp's own
  rule of one crystal, :mod:`gencsp.similarity.rules`); or
- they are so when elements that can replace each other share their sites: elements whose atomic
  radii differ by at most 30 % of their mean and whose electronegativities (Pauling) by at most 1
  (after Hume-Rothery). One of the two is then compared as such a disordered crystal.

``ordered`` takes the first alone, without asking for the space group, as that evaluator's ordered
matcher does.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import spglib
from ase import Atoms

from gencsp.composition import Composition
from gencsp.similarity.matching import CrystalMatcher, Reduced, as_structure, structure_matcher

if TYPE_CHECKING:
    from pymatgen.analysis.structure_matcher import StructureMatcher
    from pymatgen.core import Element, Structure

Matching = Literal["disordered", "ordered"]
#: Å, of the space groups that are compared: MatterGen's evaluator's.
MATTERGEN_SYMPREC = 0.1
#: Differences up to which two elements can replace each other.
RADIUS_DIFFERENCE, ELECTRONEGATIVITY_DIFFERENCE = 0.3, 1.0


@dataclass(frozen=True)
class Candidate:
    """A crystal with what its comparison needs, computed when first needed.

    Attributes:
        formula: key of the reduced formula; only crystals of one formula are compared.
        structure: ordered.
        reduced: the cell in which it is compared as an ordered crystal.
    """

    formula: str
    structure: Structure
    reduced: Reduced

    @classmethod
    def of(cls, atoms: Atoms) -> Candidate:
        """Prepare a crystal for comparison."""
        return cls(
            Composition.of(atoms).formula_key, as_structure(atoms), _crystals().reduced(atoms)
        )

    @cached_property
    def space_group(self) -> int:
        """International number; 1 where spglib finds none."""
        from pymatgen.symmetry.analyzer import (
            SpacegroupAnalyzer,
            SymmetryUndeterminedError,
        )

        try:
            return int(
                SpacegroupAnalyzer(self.structure, MATTERGEN_SYMPREC).get_space_group_number()
            )
        except (SymmetryUndeterminedError, spglib.SpglibError):
            return 1

    @cached_property
    def disordered(self) -> Structure | None:
        """With elements that can replace each other on shared sites; ``None`` without any."""
        groups = interchangeable(self.structure.composition.elements)
        if not groups:
            return None
        composition = self.structure.composition
        shared: dict[Element, dict[Element, float]] = {}
        for group in groups:
            whole = sum(composition[element] for element in group)
            shares = {element: composition[element] / whole for element in group}
            shared |= dict.fromkeys(group, shares)
        copy = self.structure.copy()
        copy.replace_species(shared)
        return copy


def same(one: Candidate, other: Candidate, *, matching: Matching = "disordered") -> bool:
    """Whether two crystals are one; ``other`` is the one that stays ordered."""
    if one.formula != other.formula:
        return False
    if matching == "ordered":
        return _same_ordered(one, other)
    if one.space_group == other.space_group and _same_ordered(one, other):
        return True
    shared = one.disordered
    return shared is not None and bool(_disordered().fit(shared, other.structure))


def _same_ordered(one: Candidate, other: Candidate) -> bool:
    first, second = one.reduced, other.reduced
    crystals = _crystals()
    return crystals.size_class(first) == crystals.size_class(second) and crystals.same(
        first, second
    )


def interchangeable(elements: Iterable[Element]) -> list[list[Element]]:
    """Groups of elements that can replace each other, directly or through one another."""
    groups: list[list[Element]] = []
    for one, other in combinations(sorted(elements), 2):
        if not _can_replace(one.symbol, other.symbol):
            continue
        touched = [group for group in groups if one in group or other in group]
        merged = sorted({one, other}.union(*touched))
        groups = [group for group in groups if group not in touched] + [merged]
    return groups


@cache
def _can_replace(one: str, other: str) -> bool:
    from pymatgen.core import Element

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        first, second = Element(one), Element(other)
        radii = first.atomic_radius, second.atomic_radius
        apart = abs(first.X - second.X)
    if radii[0] is None or radii[1] is None:
        return False
    mean = (float(radii[0]) + float(radii[1])) / 2
    alike = abs(float(radii[0]) - float(radii[1])) / mean <= RADIUS_DIFFERENCE
    return bool(alike and apart <= ELECTRONEGATIVITY_DIFFERENCE)


@cache
def _crystals() -> CrystalMatcher:
    """For ordered crystals."""
    return CrystalMatcher()


@cache
def _disordered() -> StructureMatcher:
    from pymatgen.analysis.structure_matcher import OrderDisorderElementComparator

    return structure_matcher(comparator=OrderDisorderElementComparator(), substructures=True)
