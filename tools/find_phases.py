"""Search known phases of which only formula and space group are at hand.

    python tools/find_phases.py everyday_compounds.csv --folder hull

The file has the columns ``formula`` and ``space_group`` (number). Of each phase that the shipped
table of references does not hold, or whose crystal may not be passed on, crystals are proposed in
that space group and relaxed as the references are. The lowest that keeps it is taken, unless it
lies ``TOO_HIGH`` above another reference of the formula, or ``OTHER`` above the phase itself, and
goes to ``phases.jsonl``, with which ``build_references.py export`` adds it to the hull. A crystal
of the right formula and space group need not be the known phase: the table says of such rows that
gencsp found them.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from find_references import MAX_ATOMS
from reference_checkpoint import FMAX, MINIMISER, STEPS, open_checkpoint, protocol, save_line
from reference_table import crystal_line, read_table

from gencsp.composition import Composition
from gencsp.convex_hull.entries import DEFAULT_MODEL
from gencsp.minimise.result import Relaxed
from gencsp.proposers.call import propose
from gencsp.runs.relaxing import relax
from gencsp.symmetry.refinement import space_group

DATA = Path(__file__).parents[1] / "gencsp" / "data"
PROPOSALS = 24
#: eV/atom: so far above the lowest reference of its formula a crystal is not the known phase.
TOO_HIGH = 0.05
#: eV/atom: so far above the phase that the table has an energy of, a crystal is another one.
OTHER = 2e-3
#: Skeletons of known crystals and no others, whatever formula they come from.
PROPOSER = "symmetric:novelty=0"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("phases", type=Path)
    parser.add_argument("--folder", type=Path, required=True, help="of phases.jsonl")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the table")
    options = parser.parse_args()
    with options.phases.open(encoding="utf-8", newline="") as file:
        wanted = [(row["formula"], int(row["space_group"])) for row in csv.DictReader(file)]
    search(wanted, options.data, options.folder / "phases.jsonl")


def search(wanted: list[tuple[str, int]], data: Path, checkpoint: Path) -> None:
    """Search the phases of which neither the table in ``data`` nor the checkpoint has a crystal."""
    known = _known(data)
    done = {line["source_id"] for line in open_checkpoint(checkpoint, protocol())}
    with checkpoint.open("a", encoding="utf-8") as file:
        for formula, group in wanted:
            composition = Composition.parse(formula).reduced
            source_id = f"found-{composition.formula}-{group}"
            there = known[composition]
            if composition.size > MAX_ATOMS or there.have(group) or source_id in done:
                continue
            lowest = search_one(formula, group)
            accepted = lowest is not None and lowest.energy_per_atom <= there.highest(group)
            line = {"source_id": source_id, "formula": formula, "accepted": accepted}
            save_line(file, line if lowest is None else line | crystal_line(lowest), sync=True)


@dataclass(slots=True)
class _Known:
    """What the table has of a formula: energies by space group, eV/atom, and where crystals are."""

    energies: dict[int, float] = field(default_factory=dict)
    crystals: set[int] = field(default_factory=set)

    def have(self, group: int) -> bool:
        return group in self.crystals

    def highest(self, group: int) -> float:
        """The energy up to which a crystal of the space group may be the phase, eV/atom."""
        if group in self.energies:
            return self.energies[group] + OTHER
        return min(self.energies.values(), default=float("inf")) + TOO_HIGH


def _known(data: Path) -> dict[Composition, _Known]:
    """By reduced formula; space groups are those after and before relaxation."""
    table = read_table(data, DEFAULT_MODEL)
    found: dict[Composition, _Known] = defaultdict(_Known)
    for source_id, row in table.rows.items():
        one = found[Composition.parse(row["formula"]).reduced]
        for name in ("space_group", "space_group_start"):
            group, energy = int(row[name] or 0), float(row["energy_per_atom"])
            one.energies[group] = min(energy, one.energies.get(group, energy))
            if source_id in table.crystals:
                one.crystals.add(group)
    return found


def search_one(formula: str, group: int, *, proposals: int = PROPOSALS) -> Relaxed | None:
    """The lowest crystal of a formula that was proposed and relaxed in a space group.

    ``None`` where none converged in it.
    """
    structures = propose(
        formula,
        n=proposals,
        max_atoms=MAX_ATOMS,
        proposer=PROPOSER,
        space_groups=(group,),
        seed=0,
    )
    results = [
        result
        for result in relax(structures, fmax=FMAX, steps=STEPS, minimiser=MINIMISER)
        if result.converged and space_group(result.atoms).number == group
    ]
    return min(results, key=lambda r: (r.energy_per_atom, r.index), default=None)


if __name__ == "__main__":
    main()
