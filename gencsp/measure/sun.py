"""S.U.N.: relaxed structures that are stable, unique and novel.

Source: C. Zeni et al., Nature 639, 624 (2025), and MatterGen's evaluator. Stable is what lies at
most 0.1 eV/atom above the hull; unique the first of the structures that are one crystal; novel what
is no crystal of a reference. The last two are the filters ``uniqueness`` and ``novelty``, and what
makes two structures one stands in :mod:`gencsp.filters.matching`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms

from gencsp.filters.matching import Matching
from gencsp.filters.novelty import Novelty
from gencsp.filters.uniqueness import Uniqueness


@dataclass(frozen=True, slots=True)
class SunCounts:
    """Counts of a set of relaxed structures.

    Attributes:
        structures: all.
        stable: within the threshold of the hull.
        unique: first of their kind.
        stable_and_novel: of the stable ones, no crystal of the reference.
        sun: stable, unique and novel.
    """

    structures: int
    stable: int
    unique: int
    stable_and_novel: int
    sun: int

    @property
    def share(self) -> float:
        """S.U.N. rate, the share of all structures; not a number for none."""
        return self.sun / self.structures if self.structures else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sun:
    """What a relaxed structure is; see :class:`SunCounts`."""

    stable: bool
    unique: bool
    stable_and_novel: bool

    @property
    def sun(self) -> bool:
        """Stable, unique and novel."""
        return self.unique and self.stable_and_novel


def count_sun(
    structures: Sequence[Atoms],
    above_hull: Sequence[float],
    *,
    threshold: float = 0.1,
    reference: Path | None = None,
    matching: Matching = "disordered",
) -> SunCounts:
    """Count the structures that are stable, unique and novel.

    Args:
        structures: relaxed, in the order in which they count as first.
        above_hull: eV/atom of each; not a number where it is not known, which is not stable.
        threshold: eV/atom up to which a structure is stable.
        reference: as the filter ``novelty`` takes it.
        matching: as both filters take it.

    Raises:
        StructureFileError: the reference cannot be read.
    """
    found = judge_sun(
        structures, above_hull, threshold=threshold, reference=reference, matching=matching
    )
    return SunCounts(
        structures=len(structures),
        stable=sum(one.stable for one in found),
        unique=sum(one.unique for one in found),
        stable_and_novel=sum(one.stable_and_novel for one in found),
        sun=sum(one.sun for one in found),
    )


def judge_sun(
    structures: Sequence[Atoms],
    above_hull: Sequence[float],
    *,
    threshold: float = 0.1,
    reference: Path | None = None,
    matching: Matching = "disordered",
) -> list[Sun]:
    """What of it each structure is; arguments and errors as those of :func:`count_sun`."""
    unique, novel = Uniqueness(matching=matching), Novelty(reference=reference, matching=matching)
    found = []
    for atoms, above in zip(structures, above_hull, strict=True):
        stable = bool(above <= threshold)
        found.append(
            Sun(
                stable=stable,
                unique=unique.judge(atoms).passed,
                stable_and_novel=stable and novel.judge(atoms).passed,
            )
        )
    return found
