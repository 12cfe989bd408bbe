"""Rules by which two structures count as the same crystal, or as one family.

α and β quartz differ by a small rotation of their tetrahedra, β-cristobalite and its form of space
group I-42d likewise, and cubic and orthorhombic CaTiO3 by tilts of their octahedra. To pymatgen's
``StructureMatcher`` at its defaults each of these pairs is one crystal. So there are two rules:

- :data:`CRYSTAL`: the same crystal. Atoms, distances and energies agree closely.
- :data:`FAMILY`: a crystal together with its small distortions, by the matcher's defaults.

Two structures that are near each other but not clearly the same crystal may be two phases, or one
phase that was not relaxed to the end. What they are shows when both are relaxed tightly and
compared by :data:`CRYSTAL` again. So :data:`gencsp.deck.Same` has three choices: ``family``,
``close`` (the same crystal, of structures as they are) and ``tight`` (what is in doubt is relaxed
first; see :meth:`gencsp.similarity.grouping.Grouping.settle`). ``benchmarks/polymorphs.py``
measures all three.
"""

from __future__ import annotations

from dataclasses import dataclass

from gencsp.similarity.index import RADIUS, StructureIndex
from gencsp.similarity.matching import STANDARD, Tolerances, structure_matcher
from gencsp.similarity.tolerances import (
    FAMILY_ENERGY,
    SAME_DISPLACEMENT,
    SAME_ENERGY,
    SAME_FINGERPRINT,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SameRule:
    """When two structures count as the same.

    Attributes:
        displacement: farthest that an atom may be from its place in the other structure once both
            have one cell and volume, in units of (V/N)^(1/3): pymatgen's ``stol``.
        fingerprint: farthest that the fingerprints may lie apart, in the same units.
        energy: furthest that the energies may lie apart, eV/atom; only where both are known.
            ``None`` does not compare them.
    """

    displacement: float
    fingerprint: float
    energy: float | None

    def index(
        self,
        *,
        same_energy: float | None = None,
        scale: bool = True,
        species_blind: bool = False,
    ) -> StructureIndex:
        """An empty index that finds the same by this rule.

        Args:
            same_energy: in the place of the rule's own, eV/atom; ``None`` for the rule's own.
            scale: whether the same at another volume is the same.
            species_blind: whether the same with other species is the same.

        Raises:
            RequestError: ``same_energy`` is out of range.
        """
        return StructureIndex(
            matcher=structure_matcher(Tolerances(stol=self.displacement, scale=scale)),
            radius=self.fingerprint,
            same_energy=self.energy if same_energy is None else same_energy,
            species_blind=species_blind,
        )


#: The same crystal.
CRYSTAL = SameRule(displacement=SAME_DISPLACEMENT, fingerprint=SAME_FINGERPRINT, energy=SAME_ENERGY)
#: A crystal and its small distortions.
FAMILY = SameRule(displacement=STANDARD.stol, fingerprint=RADIUS, energy=FAMILY_ENERGY)
