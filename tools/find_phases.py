"""Search known phases of which only formula and space group are at hand.

    python tools/find_phases.py everyday_compounds.csv --folder hull

The file has the columns ``formula`` and ``space_group`` (number). Of each phase that the shipped
table of references does not hold, crystals are proposed in that space group and relaxed as the
references are. The lowest that keeps it is taken, unless it lies ``TOO_HIGH`` above another
reference of the formula, and goes to ``phases.jsonl``, with which ``build_references.py export``
adds it to the hull. A crystal of the right formula and space group need not be the known phase: the
table says of such rows that gencsp found them.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
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
    """Search the phases that neither the table in ``data`` nor the checkpoint holds."""
    groups, energies = _known(data)
    done = {line["source_id"] for line in open_checkpoint(checkpoint, protocol())}
    with checkpoint.open("a", encoding="utf-8") as file:
        for formula, group in wanted:
            composition = Composition.parse(formula).reduced
            source_id = f"found-{composition.formula}-{group}"
            if composition.size > MAX_ATOMS or group in groups[composition] or source_id in done:
                continue
            lowest = search_one(formula, group)
            highest = min(energies[composition], default=float("inf")) + TOO_HIGH
            accepted = lowest is not None and lowest.energy_per_atom <= highest
            line = {"source_id": source_id, "formula": formula, "accepted": accepted}
            save_line(file, line if lowest is None else line | crystal_line(lowest), sync=True)


def _known(data: Path) -> tuple[dict[Composition, set[int]], dict[Composition, list[float]]]:
    """Space groups, before and after relaxation, and energies of the references of a formula."""
    groups: dict[Composition, set[int]] = defaultdict(set)
    energies: dict[Composition, list[float]] = defaultdict(list)
    for row in read_table(data, DEFAULT_MODEL).rows.values():
        formula = Composition.parse(row["formula"]).reduced
        groups[formula] |= {int(row[name] or 0) for name in ("space_group", "space_group_start")}
        energies[formula].append(float(row["energy_per_atom"]))
    return groups, energies


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
