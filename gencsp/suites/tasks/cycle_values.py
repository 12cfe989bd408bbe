"""What the cycles on a composition come to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ase import Atoms
from pydantic import Field

from gencsp import records
from gencsp.composition import Composition
from gencsp.deck import CellAtoms, Count, Deck, SpaceGroupNumber
from gencsp.filters.hull_energy import load_hull
from gencsp.measure.relaxation import relaxations
from gencsp.provenance import Stage
from gencsp.suites.outcome import NOTHING, Measure, Number, Row

#: eV/atom: E_d up to which the lowest structure counts as the phase of the hull, or as good.
FOUND = 0.005
#: What is made, and the stage of what it relaxes to.
MADE = {Stage.GENERATED: "generated", Stage.INPAINTED: "inpainted"}


class System(Deck):
    """Compositions to run; the meaning of each field stands in its description."""

    name: str = Field(description="Chemical system or tie-line, such as Li-Si or ZnS-P2S5.")
    atoms: CellAtoms = Field(20, description="Most atoms in a cell.")
    formulas: tuple[str, ...] = Field((), description="Of it; the smallest if not given.")
    compositions: Count = Field(4, description="Take so many of them.")
    guests: tuple[str, ...] | None = Field(None, description="Taken out and inpainted.")
    low: tuple[SpaceGroupNumber, ...] = Field((1, 2), description="Groups that do not count.")
    phases: tuple[str, ...] = Field((), description="Looked for, such as 'Li5Si2 R-3m'.")


class CycleRow(Deck):
    """A way to generate; the meaning of each field stands in its description."""

    name: str = Field(description="Of the row.")
    settings: dict[str, Any] = Field({}, description="Of gencsp cycle, where not the default.")
    inpaint: bool = Field(True, description="Go on to inpainting.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A composition in one row with one seed.

    Attributes:
        system, composition, row, seed: what it is.
        blocks: names of its cycles.
    """

    system: System
    composition: Composition
    row: CycleRow
    seed: int
    blocks: tuple[str, ...]

    @property
    def label(self) -> str:
        """Of its measures."""
        return f"{self.system.name}, {self.row.name}"

    @property
    def key(self) -> str:
        """Of its composition."""
        return f"{self.system.name} {self.composition.formula}"


def measures_of(part: Part) -> Iterator[Measure]:
    """What is measured in a system and row, in the order of the table."""
    label = part.label
    for made in MADE.values():
        if made == "inpainted" and not part.row.inpaint:
            continue
        yield Measure(name=f"{label}: {made}, symmetric", kind="share")
        energy = f"{label}: {made}, E_d"
        yield Measure(name=energy, kind="median", unit="eV/atom", better="lower")
        yield Measure(name=f"{label}: {made}, E_d below 0", kind="share")
    lowest = f"{label}: lowest E_d of a composition"
    yield Measure(name=lowest, kind="median", unit="eV/atom", better="lower")
    yield Measure(name=f"{label}: known phase reached", kind="share")
    for phase in part.system.phases:
        name = name_of_phase(label, phase)
        yield Measure(name=name, kind="whole", unit="eV/atom", better="lower")
    seconds = f"{label}: processor seconds of a generated structure"
    yield Measure(name=seconds, kind="mean", unit="s", better="lower")


def rows_of(part: Part, structures: Sequence[Atoms]) -> Iterator[Row]:
    """Those of the structures that were made, and one of the composition."""
    after = {
        str(before.info[records.STRUCTURE_ID]): ended
        for before, ended in relaxations(structures).pairs
    }
    for stage, made in MADE.items():
        some = [atoms for atoms in structures if atoms.info[records.STAGE] == stage]
        for number, atoms in enumerate(some):
            ended = after.get(str(atoms.info[records.STRUCTURE_ID]))
            values: dict[str, float | None] = {"symmetric": float(_is_symmetric(ended, part))}
            energy = None if ended is None else _energy(ended)
            if energy is not None:
                values |= {"E_d": energy, "E_d below 0": float(energy < 0)}
            yield Row(
                key=f"{part.key}, {made} {number}",
                seed=part.seed,
                values={f"{part.label}: {made}, {name}": v for name, v in values.items()},
            )
    energies = list(energies_of(structures))
    generated = sum(atoms.info[records.STAGE] == Stage.GENERATED for atoms in structures)
    seconds = sum(float(a.info.get(records.PROCESSOR_SECONDS, 0)) for a in structures)
    whole: dict[str, float | None] = {
        "lowest E_d of a composition": min(energies, default=None),
        "processor seconds of a generated structure": seconds / generated if generated else None,
    }
    if load_hull(None).references(part.composition):
        whole["known phase reached"] = float(min(energies, default=float("inf")) < FOUND)
    yield Row(
        key=part.key,
        seed=part.seed,
        values={f"{part.label}: {name}": value for name, value in whole.items()},
    )


def lowest_of(part: Part, structures: Sequence[Atoms]) -> dict[str, Any]:
    """The lowest structure of a composition, for a table."""
    known = [(energy, a) for a in structures if (energy := _energy(a)) is not None]
    energy, atoms = min(known, key=lambda one: one[0], default=(None, None))
    return {
        "row": part.label,
        "formula": part.composition.formula,
        "seed": part.seed,
        "E_d": energy,
        "space group": None if atoms is None else atoms.info.get(records.SPACE_GROUP),
        "reference": "" if atoms is None else records.shown_reference(atoms.info),
    }


def number_of_phase(structures: Sequence[Atoms], phase: str) -> Number:
    """Lowest E_d of structures of one formula in one space group."""
    formula, _, group = phase.partition(" ")
    wanted = Composition.parse(formula).formula_key
    found = [
        energy
        for atoms in structures
        if atoms.info.get(records.SPACE_GROUP) == group
        and Composition.of(atoms).formula_key == wanted
        and (energy := _energy(atoms)) is not None
    ]
    return {**NOTHING, "value": min(found, default=None), "n": len(found)}


def name_of_phase(label: str, phase: str) -> str:
    """Of its measure."""
    return f"{label}: E_d of {phase}"


def _is_symmetric(ended: Atoms | None, part: Part) -> bool:
    number = None if ended is None else ended.info.get(records.SPACE_GROUP_NUMBER)
    return number is not None and int(number) not in part.system.low


def energies_of(structures: Sequence[Atoms]) -> Iterator[float]:
    """E_d of what converged, eV/atom."""
    yield from (energy for atoms in structures if (energy := _energy(atoms)) is not None)


def _energy(atoms: Atoms) -> float | None:
    """E_d of what converged, eV/atom."""
    return None if records.failed(atoms.info) else records.above_hull(atoms.info)
