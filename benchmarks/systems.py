"""``gencsp cycle`` on whole systems, as CHGGen: Li-Si and ZnS-P2S5 (Fig. 5a, Fig. 6).

    python benchmarks/systems.py
    python benchmarks/systems.py --systems Li-Si --n 40 --name systems_short

Each run is kept under ``runs/systems``, as the command keeps it, and the same command goes on where
it was stopped. For each composition there is the lowest structure with E_d, and whether it is the
phase of the hull or lies below it; and the paper's success rates over all compositions. The figures
of formation energies are written beside the record.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gencsp import records
from gencsp.cli.by_composition import Findings
from gencsp.composition import Composition
from gencsp.convex_hull.plots import draw_found
from gencsp.measure.record import record
from gencsp.measure.statistics import WILSON, share
from gencsp.runs.decks import CycleDeck
from gencsp.runs.system_cycle import open_system_cycle
from gencsp.searches.system_cycle import SystemCycle
from gencsp.symmetry.ladder import LOW_SYMMETRY, LOW_SYMMETRY_LI_SI

#: System: most atoms in a cell, and groups that the paper does not count as symmetric.
SYSTEMS = {"Li-Si": (14, LOW_SYMMETRY_LI_SI), "ZnS-P2S5": (22, LOW_SYMMETRY)}
#: eV/atom: E_d up to which the lowest structure counts as the phase of the hull, or as good.
FOUND = 0.005
#: What the paper found in Li-Si (Section III.D): E_d by r²SCAN, eV/atom.
PAPER = {
    "Li5Si2": {"R-3m": -0.007, "C2/m": -0.006},
    "Li2Si": {"C2/m": 0.003},
    "Li4Si": {"C2/m": 0.010},
}


def summary(run: SystemCycle, findings: Findings, low: frozenset[int]) -> dict[str, Any]:
    """Of a run that has ended."""
    counts = findings.counts
    lowest = {one.composition: one for one in findings.lowest}
    with_phase = [c for c, one in lowest.items() if _has_reference(one.atoms.info)]
    reached = [c for c in with_phase if lowest[c].decomposition_energy < FOUND]
    stages = {
        stage: [atoms for atoms in findings.ranked if atoms.info[records.STAGE] == stage]
        for stage in ("relaxed", "refined")
    }
    made = {
        "relaxed": sum(one.generated for one in counts.values()),
        "refined": sum(one.inpainted for one in counts.values()),
    }
    return {
        "compositions": len(counts),
        "with_a_structure": len(lowest),
        "with_a_phase_on_the_hull": share(len(reached), len(with_phase)),
        "on_the_new_hull": sorted(c.formula for c, one in lowest.items() if one.on_hull),
        "symmetric": {
            stage: share(sum(_group(a) not in low for a in structures), made[stage])
            for stage, structures in stages.items()
        },
        "median_lowest_decomposition_energy": statistics.median(
            one.decomposition_energy for one in lowest.values()
        ),
        "failures": dict(run.failures()),
        "lowest": [
            {**one.as_dict(), "has_reference": one.composition in with_phase}
            | asdict(counts[one.composition])
            for one in findings.lowest
        ],
    }


def _has_reference(info: dict[str, Any]) -> bool:
    return records.shown_reference(info) != "none"


def _group(atoms: Any) -> int:
    return int(atoms.info[records.SPACE_GROUP_NUMBER])


def beside_the_paper(findings: Findings) -> dict[str, Any]:
    """Of the paper's metastable and new phases: the lowest of the same space group here."""
    found: dict[str, Any] = {}
    for formula, groups in PAPER.items():
        mine = [a for a in findings.ranked if _is(a, formula)]
        for group, energy in groups.items():
            same = [a for a in mine if a.info[records.SPACE_GROUP] == group]
            energies = [records.number(a.info, records.DECOMPOSITION_ENERGY) for a in same]
            found[f"{formula} {group}"] = {
                "paper": energy,
                "here": min((e for e in energies if e is not None), default=None),
                "structures": len(same),
            }
    return found


def _is(atoms: Any, formula: str) -> bool:
    return Composition.of(atoms).formula_key == Composition.parse(formula).formula_key


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), default=list(SYSTEMS))
    parser.add_argument("--n", type=int, default=200, help="structures to generate in each")
    parser.add_argument("--compositions", type=int, help="most of a system; n / 4 if not given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("runs/systems"))
    parser.add_argument("--name", default="systems", help="of the result")
    options = parser.parse_args()
    out = Path(__file__).parent / "results"
    results: dict[str, Any] = {}
    decks = {}
    for system in options.systems:
        most_atoms, low = SYSTEMS[system]
        deck = CycleDeck.make(
            formula=system,
            atoms=most_atoms,
            n=options.n,
            compositions=options.compositions,
            seed=options.seed,
            workers=options.workers,
            out=options.folder / f"{system}-{options.seed}-{options.n}",
        )
        decks[system] = deck.model_dump(mode="json", exclude={"out", "workers"})
        with open_system_cycle(deck) as run:
            for step in run.irun():
                if step.done == step.total:
                    print(system, step.stage, step.total, flush=True)
            findings = Findings.of(run.ranking(), run.hull, run.members, run.counts())
            results[system] = summary(run, findings, low)
        if system == "Li-Si":
            results[system]["beside_the_paper"] = beside_the_paper(findings)
        figures = draw_found(
            findings.found, findings.lowest, findings.grown, deck.folder / "formation_energy"
        )
        (drawn,) = (file for file in figures if file.suffix == ".svg")
        name = f"{options.name}_{system.lower().replace('-', '_')}.svg"
        shutil.copyfile(drawn, out / name)
        print(system, {k: v for k, v in results[system].items() if k != "lowest"}, flush=True)
    record(
        out / f"{options.name}.json",
        measured="lowest structure of each composition of a system, eV/atom above the hull, and "
        "shares of symmetric structures among those generated and inpainted",
        sample_size={"structures generated in each system": options.n},
        seed=options.seed,
        intervals=(WILSON,),
        protocol={
            "decks": decks,
            "found": f"E_d below {FOUND} eV/atom, of compositions with a reference on the hull",
            "in_sample": "CHGNet was trained on Materials Project data, which holds the known "
            "phases of both systems; so do the references of the hull",
            "paper": "CHGGen, Section III.D: r2SCAN after CHGNet, hull of the Materials Project; "
            "numbers of structures not said",
        },
        results=results,
    )


if __name__ == "__main__":
    main()
