"""What moves crystals towards a target: numbers of atoms, guidance of the network, or symmetry.

    python benchmarks/joint_parts.py --samples 500

For each row of targets, crystals are made de novo in up to five arms: without the targets; with
numbers of atoms drawn given them and no guidance; with guidance alone, at numbers of atoms as in
training, which is what PIGEN does; with both; and in rows of K, with a space group drawn for the
target at numbers of atoms as in training, beside the same without a target. The random numbers of
the arms are the same. Crystals are kept under ``runs/joint_de_novo``, where ``joint_de_novo.py``
keeps its own, and judged rows in the record, so that the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from filter_energies import Relaxations
from filters import Samples, judge
from joint_options import add_model_options, add_sampler_options, network_of, settings_of
from joint_rows import ARMS, ROWS, folder_of, generated, paper_percent

from gencsp.diffusion.joint.conditions import PROPERTIES, Property
from gencsp.diffusion.training.labels import as_array, label_crystals
from gencsp.measure.distributions import what_moved
from gencsp.measure.record import record
from gencsp.measure.statistics import BOOTSTRAP, WILSON, bootstrap_interval, share

#: The column that counts crystals which have what a target asks for.
COLUMN: dict[Property, str] = {
    "compactness": "C",
    "m_led": "D",
    "complexity": "K",
    "e_hull": "E",
}
#: eV/atom up to which a crystal has what E_hull = 0 asks for.
NEAR = 0.05
BASE = ("unconditional", "none")
SYMMETRIC_BASE = ("unconditional", "symmetry")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", type=int, default=500, help="of each row and arm")
    rows = [row for row, (_, weight) in ROWS.items() if weight != 1.0]
    parser.add_argument("--rows", nargs="+", choices=rows[1:], default=rows[1:])
    parser.add_argument("--diverse", type=int, default=300, help="for D alone and medians")
    parser.add_argument("--relaxed", type=int, default=100, help="for E alone, in rows of E_hull")
    parser.add_argument("--folder", type=Path, default=Path("runs/joint_de_novo"))
    parser.add_argument("--name", default="joint_parts", help="of the result")
    add_model_options(parser)
    add_sampler_options(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    model = network_of(options)
    settings = settings_of(options)
    terms = (options.steps, options.renewal, options.correctors)
    folder = folder_of(options.folder, model, terms)
    out = Path(__file__).parent / "results" / f"{options.name}.json"
    protocol: dict[str, object] = {
        "weights": model.digest,
        "guidance": "weight w = 1 + g of PIGEN's eq. 7, 2 in every row",
        "arms": {name: str(arm) for name, arm in ARMS.items()},
        "E": f"within {NEAR} eV/atom of the hull after CHGNet relaxation; in rows of E_hull",
        "moved_by": "the parts whose difference from no targets has a 95 % interval (Newcombe) "
        "without zero; in rows of K, symmetry is compared with symmetry without a target",
    }
    judged = _judged(out, protocol, _command(options))
    order = np.random.default_rng(options.seed).permutation(options.samples).tolist()
    samples = Samples(order[: options.diverse], order[: options.relaxed])
    relaxations = Relaxations(folder / "relaxed.jsonl")
    for row, arm in _cells(options.rows):
        if arm in judged.get(row, {}):
            continue
        made = generated(
            model, row, arm, options.samples, settings=settings, seed=options.seed, folder=folder
        )
        energies = row == BASE[0] or "e_hull" in ROWS[row][0]
        judged.setdefault(row, {})[arm] = _of_arm(made, samples, relaxations if energies else None)
        results = {name: _row(name, judged, paper_percent(name, model)) for name in judged}
        record(
            out,
            measured="per row of targets and part that has them: shares of crystals made de novo "
            "that pass the filters A' to D and K, medians of the properties, and what moved them",
            command=_command(options),
            sample_size={
                "crystals of each row and arm": options.samples,
                "for D alone and medians": min(options.diverse, options.samples),
                "for E alone": min(options.relaxed, options.samples),
            },
            seed=options.seed,
            intervals=(WILSON, BOOTSTRAP, "95 %, Newcombe, of differences of shares"),
            protocol=protocol,
            results=results,
        )
        print(row, arm, results[row].get("moved", {}), flush=True)


def _cells(rows: list[str]) -> list[tuple[str, str]]:
    """Rows and arms in their order: what the others are compared with comes first."""
    with_k = [row for row in rows if "complexity" in ROWS[row][0]]
    cells = [BASE, *([SYMMETRIC_BASE] if with_k else [])]
    for row in rows:
        arms = ["sizes", "guidance", "both", *(["symmetry"] if row in with_k else [])]
        cells += [(row, arm) for arm in arms]
    return cells


def _of_arm(made: list[Atoms], samples: Samples, relaxations: Relaxations | None) -> dict[str, Any]:
    found: dict[str, Any] = judge(made, samples, None)[0]
    labels = as_array(label_crystals(made[k] for k in samples.diverse))
    if relaxations is not None:
        above = [one.above for one in relaxations.of([made[k] for k in samples.relaxed])]
        found["E"] = share(sum(a <= NEAR for a in above), len(above))
        found["medians"] = {"e_hull": _median(np.array(above))}
    medians = found.setdefault("medians", {})
    for name, column in zip(PROPERTIES, labels.T, strict=True):
        if name != "e_hull":
            medians[name] = _median(column)
    found["medians"]["atoms"] = _median(np.array([float(len(atoms)) for atoms in made]))
    found["structures"] = len(made)
    return found


def _median(values: np.ndarray) -> list[float] | None:
    """Median with its interval, of what is known."""
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    low, high = bootstrap_interval(list(known), rng=np.random.default_rng(0))
    return [round(float(x), 4) for x in (np.median(known), low, high)]


def _row(
    row: str, judged: Mapping[str, Mapping[str, Any]], paper: dict[str, object] | None
) -> dict[str, Any]:
    """The arms of a row, and what moved each of its targets once all of them are there."""
    arms = judged[row]
    found: dict[str, Any] = {"targets": ROWS[row][0], "arms": arms, "paper_percent": paper}
    base = judged[BASE[0]]
    columns = {name: COLUMN[name] for name in ROWS[row][0]} | (
        {"all filters": "A-D"} if ROWS[row][0] else {}
    )
    moved: dict[str, Any] = {}
    for name, column in columns.items():
        if {"sizes", "guidance", "both"} <= arms.keys() and "none" in base:
            moved[name] = what_moved(
                *(
                    _counted(one[column])
                    for one in (base["none"], arms["sizes"], arms["guidance"], arms["both"])
                )
            )
        if "symmetry" in arms and "symmetry" in base:
            pair = (base["symmetry"], arms["symmetry"])
            none, symmetry = (_counted(one[column]) for one in pair)
            moved.setdefault(name, {})["symmetry"] = what_moved(none, none, symmetry, symmetry)[
                "guidance"
            ]
    found["moved"] = moved
    return found


def _counted(one: Mapping[str, Any]) -> tuple[int, int]:
    return int(one["successes"]), int(one["trials"])


def _judged(path: Path, protocol: dict[str, object], command: str) -> dict[str, dict[str, Any]]:
    """Arms by row that an interrupted run of the same command and protocol recorded."""
    if not path.exists():
        return {}
    recorded = json.loads(path.read_text("utf-8"))
    same = (recorded["command"], recorded["protocol"]) == (
        command,
        json.loads(json.dumps(protocol)),
    )
    return {row: one["arms"] for row, one in recorded["results"].items()} if same else {}


def _command(options: argparse.Namespace) -> str:
    return (
        f"python benchmarks/{Path(__file__).name} --samples {options.samples} "
        f"--steps {options.steps} --renewal {options.renewal} --correctors {options.correctors} "
        f"--diverse {options.diverse} --relaxed {options.relaxed} --seed {options.seed}"
    )


if __name__ == "__main__":
    main()
