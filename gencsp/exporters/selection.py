"""Which structures of a pool a code would accept, and in what form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers, covalent_radii
from ase.units import GPa

from gencsp import records
from gencsp.composition import ELEMENTS, Composition
from gencsp.deck import CellAtoms, Separation, check_fields
from gencsp.descriptors.flaws import Flaw, Limits, find_flaws
from gencsp.descriptors.least_distances import CLOSEST
from gencsp.descriptors.neighbours import pairs_within, shortest_distance
from gencsp.errors import ExportError
from gencsp.exporters.cells import regular, resized
from gencsp.io.structures import name_of
from gencsp.provenance import Provenance

#: Å: pairs further apart hinder nobody.
REACH = 3.0
#: GPa by which pressures of one pool may differ: that of a relaxation is met to about this.
SAME_PRESSURE = 0.1

#: Atoms of a formula unit; beyond these, trying all oxidation states may take for ever.
MOST_GUESSED = 40

#: The option that makes cells of the size that is needed.
FIT = "--fit"

#: What every code can take.
ACCEPTED = Limits(known_elements=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a code accepts.

    Attributes:
        same_size: all seeds must have one number of atoms.
        min_atoms: least atoms in a cell.
        separation: least distance of two atoms, Å.
    """

    same_size: bool = False
    min_atoms: CellAtoms = 1
    separation: Separation = CLOSEST

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedStructure:
    """One structure of a pool as it is written for a code.

    Attributes:
        name: letters and digits only, so that no shell, parser or database trips over it.
        atoms: species, positions and cell; atoms grouped by species in the batch's order, wrapped
            into a right-handed cell.
        structure_id: of the structure in the pool, or its place there.
        changes: what was done to it. Supercells and primitive cells are made on request only; other
            changes do not alter the crystal.
        energy: eV per cell, where the pool has it.
        provenance: as the pool has it.
    """

    name: str
    atoms: Atoms
    structure_id: str
    changes: tuple[str, ...] = ()
    energy: float | None = None
    provenance: Provenance | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A structure that the code would refuse, and why.

    Attributes:
        structure_id: in the pool, or its place there.
        reason: in words.
        for_size: only the number of its atoms is at fault, which ``fit`` may mend.
    """

    structure_id: str
    reason: str
    for_size: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Seeds of one composition.

    Attributes:
        composition: reduced formula; its elements in the order in which atoms are written: as in
            ``formula`` where it was given, else as IUPAC orders them (TiO2, CH4).
        seeds: at least one.
        home: folder in which they will end up.
        pressure: GPa, under which the code is to search.
    """

    composition: Composition
    seeds: tuple[SeedStructure, ...]
    home: Path
    pressure: float

    @property
    def units(self) -> tuple[int, ...]:
        """Numbers of formula units that occur, ascending."""
        return tuple(sorted({len(seed.atoms) // self.composition.size for seed in self.seeds}))

    @property
    def atom_counts(self) -> tuple[int, ...]:
        """Atoms of each element in the smallest cell, in order."""
        return tuple(n * self.units[0] for _, n in self.composition.counts)

    @property
    def volume_per_unit(self) -> float:
        """Mean volume of one formula unit, Å³."""
        volumes = [seed.atoms.cell.volume / len(seed.atoms) for seed in self.seeds]
        return float(np.mean(volumes)) * self.composition.size

    def least_distances(self, share: float) -> dict[tuple[str, str], float]:
        """Least distances for a code to keep, Å, of each pair of elements, in both orders.

        They are a share of the shortest distance of the pair in any seed. Where that is above 3 Å
        it says little, and the sum of the covalent radii (ASE's) stands in its place, at most 3 Å:
        beyond it a code would only find it harder to place atoms.
        """
        found: dict[tuple[str, str], float] = {}
        for seed in self.seeds:
            pairs = pairs_within(seed.atoms, REACH)
            symbols = np.array(seed.atoms.get_chemical_symbols())
            for one, other in product(self.composition.elements, repeat=2):
                both = (symbols[pairs.first] == one) & (symbols[pairs.second] == other)
                nearest = float(pairs.distances[both].min(initial=REACH))
                found[one, other] = min(nearest, found.get((one, other), REACH))
        radii = {e: covalent_radii[atomic_numbers[e]] for e in self.composition.elements}
        return {
            (one, other): share * min(distance, radii[one] + radii[other], REACH)
            if distance >= REACH
            else share * distance
            for (one, other), distance in found.items()
        }

    def enthalpy(self, seed: SeedStructure) -> float | None:
        """eV per cell, at the pressure of the search; ``None`` where the pool has no energy."""
        if seed.energy is None:
            return None
        return float(seed.energy + self.pressure * GPa * seed.atoms.cell.volume)

    def valences(self) -> tuple[int, ...] | None:
        """Oxidation states without their signs, in order; ``None`` where none are likely.

        pymatgen's guess: the commonest states, of those that balance.
        """
        from pymatgen.core import Composition as Formula

        if self.composition.size > MOST_GUESSED:
            return None
        guesses = Formula(dict(self.composition.counts)).oxi_state_guesses()
        if not guesses or any(state == 0 for state in guesses[0].values()):
            return None
        return tuple(round(abs(guesses[0][e])) or 1 for e in self.composition.elements)


def choose(
    pool: Sequence[Atoms],
    rules: Rules,
    *,
    code: str,
    home: Path,
    formula: Composition | None,
    atoms: int | None,
    fit: bool,
    pressure: float | None = None,
) -> tuple[Batch, tuple[LeftOut, ...]]:
    """Split a pool into seeds that a code accepts and the rest, with a reason for each.

    Raises:
        ExportError: nothing is left, several compositions without ``formula``, ``atoms`` that is
            no whole number of formula units, or several pressures without ``pressure``.
    """
    if not pool:
        raise ExportError("the pool is empty: there is nothing to hand over.")
    ids = [name_of(one, number) for number, one in enumerate(pool)]
    reasons: dict[int, str] = {}
    for number, one in enumerate(pool):
        if (reason := _refused(one)) is not None:
            reasons[number] = reason
    sound = [number for number in range(len(pool)) if number not in reasons]
    composition = _one_composition([pool[n] for n in sound], formula, reasons, code)
    size = _size([pool[n] for n in sound], composition, rules, code=code, asked=atoms)
    seeds: list[SeedStructure] = []
    for number in sound:
        seed = _as_seed(pool[number], name=f"seed{len(seeds) + 1:04d}", id=ids[number])
        made = _fitted(seed, composition, rules, code=code, size=size, fit=fit)
        if isinstance(made, str):
            reasons[number] = made
        else:
            seeds.append(made)
    if not seeds:
        raise ExportError(_nothing_left(len(pool), reasons, code))
    left_out = tuple(
        LeftOut(structure_id=ids[n], reason=reasons[n], for_size=FIT in reasons[n])
        for n in sorted(reasons)
    )
    if pressure is None:
        pressure = pressure_of([pool[n] for n in sound if n not in reasons])
    batch = Batch(composition=composition, seeds=tuple(seeds), home=home, pressure=pressure)
    return batch, left_out


def pressure_of(pool: Sequence[Atoms]) -> float:
    """The pressure under which structures were relaxed or proposed, GPa; 0 where none says so.

    Where ``pressure`` is not in ``info`` it is the part of the enthalpy that is not energy, over
    the volume.

    Raises:
        ExportError: they were relaxed under different pressures.
    """
    found = []
    for atoms in pool:
        stated = records.stated_pressure(atoms.info)
        if stated is not None:
            found.append(stated)
            continue
        energy = atoms.info.get(records.ENERGY_PER_ATOM)
        enthalpy = atoms.info.get(records.ENTHALPY_PER_ATOM)
        if isinstance(energy, float) and isinstance(enthalpy, float):
            found.append((enthalpy - energy) * len(atoms) / atoms.cell.volume / GPa)
    if not found:
        return 0.0
    if not np.ptp(found) <= SAME_PRESSURE:
        raise ExportError(
            f"the pool was relaxed under pressures from {min(found):.1f} to {max(found):.1f} GPa: "
            f"choose that of the search with --pressure."
        )
    return round(float(np.median(found)), 3) + 0.0


def _refused(atoms: Atoms) -> str | None:
    """Why no code at all could take a structure, or ``None`` where one could."""
    flaws = find_flaws(atoms, ACCEPTED)
    if not flaws:
        return None
    if flaws[0] is Flaw.UNKNOWN_ELEMENT:
        return f"{flaws[0]} {min(set(atoms.get_chemical_symbols()) - set(ELEMENTS))}"
    if flaws[0] in (Flaw.NOT_PERIODIC, Flaw.NO_VOLUME):
        return "not a crystal"
    return str(flaws[0])


def _one_composition(
    sound: Sequence[Atoms], formula: Composition | None, reasons: dict[int, str], code: str
) -> Composition:
    if formula is not None:
        return formula.reduced
    found = Counter(Composition.of(atoms).alphabetical for atoms in sound)
    if not found:
        raise ExportError(_nothing_left(len(reasons), reasons, code))
    if len(found) > 1:
        shown = ", ".join(f"{formula} ({n})" for formula, n in found.most_common(5))
        more = ", ..." if len(found) > 5 else ""
        raise ExportError(
            f"the pool holds {len(found)} compositions, {shown}{more}: choose one with --formula."
        )
    # As formulas are written: alphabetical, TiO2 would be O2Ti.
    counts = dict(next(iter(found)).counts)
    return Composition(tuple((e, counts[e]) for e in sorted(counts, key=_iupac)))


def _iupac(symbol: str) -> float:
    from pymatgen.core import Element

    return float(Element(symbol).iupac_ordering)


def _size(
    sound: Sequence[Atoms],
    composition: Composition,
    rules: Rules,
    *,
    code: str,
    asked: int | None,
) -> int | None:
    """Atoms that every cell must have; ``None`` where the code takes any number."""
    if asked is not None:
        if asked < 1 or asked % composition.size:
            raise ExportError(
                f"{asked} atoms are no whole number of {composition}: give a multiple of "
                f"{composition.size}."
            )
        if asked < rules.min_atoms:
            raise ExportError(f"{code} needs at least {rules.min_atoms} atoms in a cell.")
        return asked
    if not rules.same_size:
        return None
    sizes = Counter(len(a) for a in sound if composition.matches(a) and len(a) >= rules.min_atoms)
    # The most common size leaves out the fewest structures; among equals the smallest is cheapest.
    return min(sizes, key=lambda size: (-sizes[size], size), default=None)


def _as_seed(atoms: Atoms, *, name: str, id: str) -> SeedStructure:
    return SeedStructure(
        name=name,
        atoms=atoms,
        structure_id=id,
        energy=_energy(atoms),
        provenance=Provenance.read(atoms),
    )


def _energy(atoms: Atoms) -> float | None:
    """eV per cell: a calculator's result, or else what stands in ``info``, as of a CSV or CIF."""
    if isinstance(atoms.calc, SinglePointCalculator):
        energy = atoms.calc.results.get("energy")
        if energy is not None and np.isfinite(energy):
            return float(energy)
    per_atom = records.number(atoms.info, records.ENERGY_PER_ATOM)
    return None if per_atom is None else per_atom * len(atoms)


def _fitted(
    seed: SeedStructure,
    composition: Composition,
    rules: Rules,
    *,
    code: str,
    size: int | None,
    fit: bool,
) -> SeedStructure | str:
    """The seed as the code accepts it, or the reason why there is no such form."""
    if not composition.matches(seed.atoms):
        return f"{Composition.of(seed.atoms)} is not {composition}"
    wanted = size
    if wanted is None and len(seed.atoms) < rules.min_atoms and fit:
        wanted = len(seed.atoms) * -(-rules.min_atoms // len(seed.atoms))
    if wanted is not None and len(seed.atoms) != wanted:
        if not fit:
            return f"{len(seed.atoms)} atoms where {wanted} are needed ({FIT} makes supercells)"
        remade = resized(seed.atoms, wanted)
        if remade is None:
            return f"{len(seed.atoms)} atoms, which no supercell or primitive cell makes {wanted}"
        cell, change = remade
        energy = None if seed.energy is None else seed.energy * wanted / len(seed.atoms)
        seed = replace(seed, atoms=cell, changes=(change,), energy=energy)
    if len(seed.atoms) < rules.min_atoms:
        return f"{len(seed.atoms)} atoms where {code} needs {rules.min_atoms} ({FIT} repeats cells)"
    distance = shortest_distance(seed.atoms)
    if distance < rules.separation:
        return f"two atoms {distance:.2f} Å apart, below {rules.separation:g} Å"
    made, changes = regular(seed.atoms, composition.elements)
    return replace(seed, atoms=made, changes=seed.changes + changes)


def _nothing_left(total: int, reasons: dict[int, str], code: str) -> str:
    commonest, n = Counter(reasons.values()).most_common(1)[0]
    return f"none of {total} structures can be handed to {code}: {n} of them: {commonest}."
