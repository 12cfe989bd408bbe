"""The best structures of a search relaxed with another potential, and where the two disagree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ase import Atoms

from gencsp import records
from gencsp.composition import Composition
from gencsp.io.structures import name_of
from gencsp.minimise.result import Outcome
from gencsp.minimise.settings import RelaxSettings
from gencsp.similarity import same_crystal

if TYPE_CHECKING:
    from gencsp.potentials.base import Engine

#: Two potentials disagree about a structure whose place above the lowest of its composition differs
#: by more than this, eV/atom: a usual limit for metastable phases.
TOLERANCE = 0.025
#: The order of two structures is certain to a potential where their energies differ by more than
#: this, eV/atom: relaxations to 0.1 eV/Å end within it of their minimum.
ORDERED = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """One structure by two potentials, each after relaxing it.

    Energies are enthalpies above the lowest structure of the same composition that was judged, each
    potential's own, eV/atom: energies of different models are never compared as such.

    Attributes:
        structure_id: of the structure.
        formula: reduced.
        first, second: by the potential of the search, and by the other; ``second`` is NaN where its
            relaxation failed.
        first_rank, second_rank: among the structures of the same composition, from 1; 0 where the
            second failed.
        outcome: of the second relaxation.
        same: the second relaxation stayed in the same family of crystals, by pymatgen's matcher at
            its defaults: one crystal by two potentials may differ by as much as two phases of a
            family by one.
        flips: ids of the structures whose order with this one flips: each potential puts another
            one of the two lower, by more than :data:`ORDERED`.
        atoms: where the second relaxation ended.
    """

    structure_id: str
    formula: str
    first: float
    second: float
    first_rank: int
    second_rank: int
    outcome: Outcome
    same: bool
    flips: tuple[str, ...]
    atoms: Atoms

    @property
    def disagreement(self) -> str:
        """How the two potentials disagree, in words; empty where they agree."""
        if self.outcome is not Outcome.CONVERGED:
            return str(self.outcome)
        if not self.same:
            return "another crystal"
        # Written so that NaN counts as a disagreement.
        if not abs(self.first - self.second) <= TOLERANCE:
            return f"{self.second - self.first:+.3f} eV/atom"
        return ""

    def write(self) -> Atoms:
        """Its id and ``order_flips`` into ``info`` of the relaxed structure; returns that."""
        self.atoms.info[records.STRUCTURE_ID] = self.structure_id
        self.atoms.info.pop(records.ORDER_FLIPS, None)
        if self.flips:
            self.atoms.info[records.ORDER_FLIPS] = ";".join(self.flips)
        return self.atoms


def second_opinion(
    structures: Sequence[Atoms],
    potential: Engine,
    *,
    top: int = 10,
    settings: RelaxSettings | None = None,
    report: Callable[[int], None] | None = None,
) -> list[Opinion]:
    """Relax the best structures with another potential and rank them again.

    Args:
        structures: ranked, with ``energy_per_atom`` or ``enthalpy_per_atom`` (eV/atom) in ``info``;
            duplicates (``duplicate_of``) are skipped, by whatever rule they were marked.
        potential: the other one.
        top: how many are judged.
        settings: how to relax, those of the search; ``None`` for the defaults.
        report: called with the number of finished structures, after each.

    Returns:
        In the order of the other potential's energies, composition by composition; failures last.
    """
    chosen = [
        a for a in structures if not a.info.get(records.DUPLICATE_OF) and _first(a) is not None
    ]
    chosen = chosen[:top]
    starts = [Atoms(a.numbers, a.positions, cell=a.cell, pbc=True) for a in chosen]
    second: dict[int, float] = {}
    ends: dict[int, tuple[Outcome, Atoms]] = {}
    # The structures are relaxed already: from there every atom is free.
    free = replace(settings or RelaxSettings(), rigid_units=False)
    for result in potential.relax(starts, free):
        ends[result.index] = (result.outcome, result.atoms)
        if result.converged:
            second[result.index] = result.enthalpy / len(result.atoms)
        records.record(result)
        if report is not None:
            report(len(ends))
    groups: dict[Composition, list[int]] = {}
    for k, atoms in enumerate(chosen):
        groups.setdefault(Composition.of(atoms).alphabetical, []).append(k)
    opinions: list[Opinion] = []
    for formula, members in groups.items():
        opinions += _opinions(formula.formula, members, chosen, second, ends)
    return opinions


def _opinions(
    formula: str,
    members: Sequence[int],
    chosen: Sequence[Atoms],
    second: dict[int, float],
    ends: dict[int, tuple[Outcome, Atoms]],
) -> list[Opinion]:
    first = {k: _first(chosen[k]) or 0.0 for k in members}
    judged = {k: second[k] for k in members if k in second}
    lowest = min(first.values())
    floor = min(judged.values(), default=float("nan"))
    ranks = {k: n for n, k in enumerate(sorted(members, key=lambda k: first[k]), start=1)}
    again = {k: n for n, k in enumerate(sorted(judged, key=lambda k: judged[k]), start=1)}
    made = [
        Opinion(
            structure_id=name_of(chosen[k], k),
            formula=formula,
            first=first[k] - lowest,
            second=judged.get(k, float("nan")) - floor,
            first_rank=ranks[k],
            second_rank=again.get(k, 0),
            outcome=ends[k][0],
            same=k in judged and same_crystal(chosen[k], ends[k][1]),
            flips=tuple(name_of(chosen[j], j) for j in members if _flip(first, judged, k, j)),
            atoms=ends[k][1],
        )
        for k in members
    ]
    return sorted(made, key=lambda o: (o.second_rank == 0, o.second_rank, o.first_rank))


def _flip(first: Mapping[int, float], second: Mapping[int, float], one: int, other: int) -> bool:
    """Whether each potential puts another one of two structures lower."""
    if one not in second or other not in second:
        return False
    before, after = first[one] - first[other], second[one] - second[other]
    return before * after < 0 and min(abs(before), abs(after)) > ORDERED


def _first(atoms: Atoms) -> float | None:
    """Enthalpy by the first potential, eV/atom."""
    value = atoms.info.get(records.ENTHALPY_PER_ATOM, atoms.info.get(records.ENERGY_PER_ATOM))
    return None if value is None else float(value)
