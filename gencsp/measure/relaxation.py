"""What relaxation changes, and how often it ends in a symmetric crystal (CHGGen, Figs. 4 and 6).

Structures before and after are found in one pool by their ids: those that are relaxed name the
structure that they were made of as their parent (:mod:`gencsp.records`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from ase import Atoms

from gencsp import records
from gencsp.measure.statistics import wilson_interval
from gencsp.provenance import Stage
from gencsp.similarity.matching import STANDARD, as_structure, structure_matcher
from gencsp.symmetry.ladder import LOW_SYMMETRY

if TYPE_CHECKING:
    from pymatgen.analysis.structure_matcher import StructureMatcher

#: The stage after each stage of which structures are relaxed.
AFTER = {Stage.GENERATED: Stage.RELAXED, Stage.INPAINTED: Stage.REFINED}
#: Å: files keep positions to about 8 digits.
SAME_PLACE = 1e-5


class Relaxation(NamedTuple):
    """A structure before and after its relaxation."""

    before: Atoms
    after: Atoms


@dataclass(frozen=True, slots=True)
class Relaxations:
    """The relaxations that a pool holds.

    Attributes:
        pairs: those that converged, with what they began from.
        lost: how many converged structures have no start in the pool.
        ambiguous: how many have several, because two runs gave the same id.
    """

    pairs: list[Relaxation]
    lost: int
    ambiguous: int


def stage_of(atoms: Atoms) -> Stage | None:
    """Where in a run a structure stands; ``None`` where it does not say so."""
    stage = str(atoms.info.get(records.STAGE, ""))
    return Stage(stage) if stage in list(Stage) else None


def without_repeats(structures: Iterable[Atoms]) -> list[Atoms]:
    """The structures, those once that a pool holds several times, as ``run.db`` and a ranking do.

    The same are those of one id, stage and formula with the same cell and positions; structures
    without an id are all kept.
    """
    kept: list[Atoms] = []
    seen: dict[tuple[str, ...], list[Atoms]] = {}
    for atoms in structures:
        some = seen.setdefault(_key(atoms, str(stage_of(atoms))), [])
        if records.STRUCTURE_ID not in atoms.info or not any(_same_place(atoms, o) for o in some):
            some.append(atoms)
            kept.append(atoms)
    return kept


def relaxations(structures: Sequence[Atoms]) -> Relaxations:
    """Find what each relaxed structure of a pool began from.

    Structures that did not converge, and those with several parents, are passed over.
    """
    found: list[Relaxation] = []
    starts: dict[tuple[str, ...], list[Atoms]] = {}
    ends = []
    for atoms in structures:
        if stage_of(atoms) in AFTER.values():
            ends.append(atoms)
        else:
            starts.setdefault(_key(atoms), []).append(atoms)
    lost = ambiguous = 0
    for after in ends:
        parent = str(after.info.get(records.PARENTS, ""))
        if records.failed(after.info) or ";" in parent:
            continue
        before = starts.get((parent, after.get_chemical_formula()), [])
        if len(before) == 1:
            found.append(Relaxation(before[0], after))
        lost += not before
        ambiguous += len(before) > 1
    return Relaxations(found, lost, ambiguous)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a relaxation changed.

    Attributes:
        name: id of the relaxed structure.
        before: id of the structure that it began from.
        formula: of the cell.
        atoms: in the cell.
        stage: of the relaxed structure.
        energy: ΔE, energy before less energy after, eV/atom; not a number where one is not known.
        rms, largest: displacements of atoms, Å, see :func:`displacements`; not a number where the
            structures do not match.
    """

    name: str
    before: str
    formula: str
    atoms: int
    stage: str
    energy: float
    rms: float
    largest: float


def change(relaxation: Relaxation) -> Change:
    """Measure a relaxation. Energies of different models have no difference."""
    before, after = relaxation
    first, last = (records.number(one.info, records.ENERGY_PER_ATOM) for one in relaxation)
    models = {str(one.info.get(records.ENERGY_MODEL, "")) for one in relaxation}
    energy = float("nan")
    if first is not None and last is not None and len(models) == 1:
        energy = first - last
    rms, largest = displacements(before, after)
    return Change(
        name=str(after.info.get(records.STRUCTURE_ID, "")),
        before=str(before.info.get(records.STRUCTURE_ID, "")),
        formula=after.get_chemical_formula(),
        atoms=len(after),
        stage=str(after.info.get(records.STAGE, "")),
        energy=energy,
        rms=rms,
        largest=largest,
    )


def displacements(before: Atoms, after: Atoms) -> tuple[float, float]:
    """Root mean square and largest displacement of atoms, Å: CHGGen's RMSD and max RMSD.

    As in the paper (Methods, "Model evaluation") by pymatgen's ``StructureMatcher``: both crystals
    are scaled to one volume and put on their mean lattice, and translated and permuted so that the
    displacements are least; strain does not count. pymatgen gives them in units of (V/N)^(1/3),
    where V is that volume and N the number of atoms; here they are in Å. Both are not a number
    where the crystals do not match within the tolerances of pymatgen's defaults.
    """
    found = _matcher().get_rms_dist(as_structure(before), as_structure(after))
    if found is None:
        return float("nan"), float("nan")
    unit = (np.sqrt(before.cell.volume * after.cell.volume) / len(after)) ** (1 / 3)
    return float(found[0] * unit), float(found[1] * unit)


class Median(NamedTuple):
    """A median in which values that are not a number stand above all others.

    Attributes:
        value: infinite where more than half of the values are not a number.
        n: how many values there are.
        missing: how many of them are not a number.
    """

    value: float
    n: int
    missing: int


def median_displacement(changes: Sequence[Change]) -> Median:
    """Median of the largest displacements; what no longer matches has moved the furthest."""
    values = np.array([one.largest for one in changes])
    missing = int(np.isnan(values).sum())
    # Of two middle values the lower: a mean with an infinite one says nothing.
    ordered = np.sort(np.where(np.isnan(values), np.inf, values))
    if missing == 0 and len(values):
        return Median(float(np.median(values)), len(values), 0)
    middle = float(ordered[(len(ordered) - 1) // 2]) if len(ordered) else float("nan")
    return Median(middle, len(values), missing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """How many structures of one size end in a symmetric crystal (CHGGen, Fig. 6).

    Attributes:
        stage: generated or inpainted.
        atoms: in the cell.
        structures: how many of them were made.
        symmetric: how many of these are symmetric after relaxation.
    """

    stage: Stage
    atoms: int
    structures: int
    symmetric: int

    @property
    def share(self) -> float:
        """The success rate."""
        return self.symmetric / self.structures

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval, by Wilson."""
        return wilson_interval(self.symmetric, self.structures)


def success_rates(
    structures: Sequence[Atoms],
    pairs: Iterable[Relaxation],
    low: Collection[int] = LOW_SYMMETRY,
) -> list[Success]:
    """Success rates by stage and number of atoms.

    Args:
        structures: the pool: all that were made count, also those that did not converge.
        pairs: its relaxations; stages that none began from are left out.
        low: numbers of space groups that are no success; the paper's for Zn-P-S by default. The
            group is that of the run, at the tolerances of its deck.
    """
    made, symmetric = Counter[tuple[Stage, int]](), Counter[tuple[Stage, int]]()
    begun = set()
    for before, after in pairs:
        stage = stage_of(before)
        if stage is None:
            continue
        begun.add(stage)
        number = records.number(after.info, records.SPACE_GROUP_NUMBER)
        symmetric[stage, len(before)] += number is not None and int(number) not in low
    for atoms in structures:
        stage = stage_of(atoms)
        if stage in AFTER and stage in begun:
            made[stage, len(atoms)] += 1
    order = list(Stage)
    return [
        Success(stage=stage, atoms=n, structures=count, symmetric=symmetric[stage, n])
        for (stage, n), count in sorted(
            made.items(), key=lambda item: (order.index(item[0][0]), item[0][1])
        )
    ]


def _key(atoms: Atoms, *more: str) -> tuple[str, ...]:
    """Ids are unique within a run alone; the formula tells most runs apart."""
    return str(atoms.info.get(records.STRUCTURE_ID, "")), atoms.get_chemical_formula(), *more


def _same_place(one: Atoms, other: Atoms) -> bool:
    return bool(
        np.array_equal(one.numbers, other.numbers)
        and np.allclose(one.cell.array, other.cell.array, rtol=0, atol=SAME_PLACE)
        and np.allclose(one.positions, other.positions, rtol=0, atol=SAME_PLACE)
    )


@cache
def _matcher() -> StructureMatcher:
    # In the cell as it is: a start without symmetry has no smaller one.
    return structure_matcher(STANDARD, primitive_cell=False)
