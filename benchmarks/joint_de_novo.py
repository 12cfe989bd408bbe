"""PIGEN's Extended Data Tables 1 and 2 for gencsp's own joint model, de novo.

    python benchmarks/joint_de_novo.py --samples 1000

For each target (and for none) the model generates crystals, which are judged as
``benchmarks/filters.py`` judges pools; nothing is dropped beforehand. F, S.U.N. and the share
outside the first N prototypes (Fig. 3d, Extended Data Fig. 3b) are of the same crystals. Sampled
crystals are kept under ``runs/joint_de_novo``, so that the same command goes on where it was.
``--sizes training`` draws numbers of atoms without targets, as the paper does. ``--weights`` judges
another network, such as one trained without the compactness loss, whose guided row stands beside
the paper's DiffCSP+CFG.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from filter_energies import Relaxations
from filters import COLUMNS, RANKS, Samples, judge
from joint_options import add_model_options, add_sampler_options, network_of, settings_of
from joint_rows import ROWS, folder_of, generated, paper_percent

from gencsp.diffusion.joint.conditions import PROPERTIES, Property
from gencsp.diffusion.joint.model import JointModel
from gencsp.diffusion.training.labels import as_array, label_crystals
from gencsp.measure.record import record
from gencsp.measure.statistics import BOOTSTRAP, WILSON, bootstrap_interval


def moved(
    structures: list[Atoms], base: list[Atoms], targets: dict[Property, float], n: int
) -> dict[str, object]:
    """Medians of the properties aimed at, of the row and without targets, on the first n."""
    found: dict[str, object] = {}
    rows, others = (as_array(label_crystals(some[:n])) for some in (structures, base))
    for name, target in targets.items():
        column = PROPERTIES.index(name)
        entry: dict[str, object] = {"target": target}
        for label, values in (("median", rows), ("median_unconditional", others)):
            known = values[:, column][~np.isnan(values[:, column])]
            if not len(known):
                continue
            low, high = bootstrap_interval(list(known), rng=np.random.default_rng(0))
            entry[label] = [round(float(np.median(known)), 4), round(low, 4), round(high, 4)]
        found[name] = entry
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", type=int, default=1000, help="of each row")
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--sizes", choices=("training", "targets"), default="targets")
    parser.add_argument("--diverse", type=int, default=300, help="structures for D alone")
    parser.add_argument("--relaxed", type=int, default=60, help="structures for E alone")
    parser.add_argument("--folder", type=Path, default=Path("runs/joint_de_novo"))
    parser.add_argument("--name", default="joint_de_novo", help="of the result")
    add_model_options(parser)
    add_sampler_options(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    model = network_of(options)
    terms = (options.steps, options.renewal, options.correctors)
    folder = folder_of(options.folder, model, terms)
    settings = settings_of(options)
    results: dict[str, object] = {}
    order = np.random.default_rng(options.seed).permutation(options.samples).tolist()
    samples = Samples(order[: options.diverse], order[: options.relaxed])
    relaxations = Relaxations(folder / "relaxed.jsonl")
    base: list[Atoms] = []
    for name in options.rows:
        targets, weight = ROWS[name]
        given = bool(targets)
        arm = ("both" if options.sizes == "targets" else "guidance") if given else "none"
        made = generated(
            model, name, arm, options.samples, settings=settings, seed=options.seed, folder=folder
        )
        base = base or made
        counted, curve = judge(made, samples, relaxations)
        row: dict[str, Any] = {**counted}
        row["F"] = row["greatest_M_LED_in_A-E_at_0.05"]
        if curve:
            row["unmatched_after_prototypes"] = {str(n): curve[n] for n in RANKS}
        spent = np.mean([a.info["processor_seconds"] for a in made])
        results[name] = {
            "targets": targets,
            "weight": weight,
            "structures": len(made),
            "samples_per_minute_of_a_core": round(60 / float(spent), 1),
            "properties": moved(made, base, targets, options.diverse),
            **row,
            "paper_percent": paper_percent(name, model),
        }
        out = Path(__file__).parent / "results" / f"{options.name}.json"
        record(
            out,
            measured="per row of targets: shares of crystals made de novo that pass the filters "
            "A' to E and K, alone and in sequence, that are S.U.N., and that match none of the "
            "first N prototypes; the greatest M_LED of those near the hull (F); medians of the "
            "properties aimed at",
            command=_command(options),
            sample_size={
                "crystals of each row": options.samples,
                "for D alone and medians": options.diverse,
                "for E alone": options.relaxed,
            },
            seed=options.seed,
            intervals=(WILSON, BOOTSTRAP),
            protocol=_protocol(options, model),
            results=results,
        )
        print(name, {c: f"{100 * row[c]['share']:.1f}" for c in (*COLUMNS, "A-D")}, flush=True)


def _command(options: argparse.Namespace) -> str:
    return (
        f"python benchmarks/{Path(__file__).name} --samples {options.samples} "
        f"--steps {options.steps} --renewal {options.renewal} --correctors {options.correctors} "
        f"--sizes {options.sizes} --diverse {options.diverse} --relaxed {options.relaxed} "
        f"--seed {options.seed}"
    )


def _protocol(options: argparse.Namespace, model: JointModel) -> dict[str, object]:
    return {
        "weights": model.digest,
        "compiled": options.compiled,
        "compactness_loss": model.objective.weights.compactness,
        "sizes": "numbers of atoms drawn "
        + ("given the targets" if options.sizes == "targets" else "as in training, like the paper"),
        "guidance": "weight w = 1 + g of PIGEN's eq. 7",
        "paper": "10,000 samples of networks trained on 607,684 structures (Alex-MP-20); here one "
        "network for all targets, trained on 20,429; filters as in benchmarks/filters.py; E by "
        "CHGNet (the paper: DFT), which was trained on Materials Project data",
    }


if __name__ == "__main__":
    main()
