"""PIGEN's Extended Data Tables 1 and 2 for gencsp's own joint model, de novo.

    python benchmarks/joint_de_novo.py --samples 1000

For each target (and for none) the model generates crystals, which are judged as
``benchmarks/filters.py`` judges pools; nothing is dropped beforehand. Sampled crystals are kept
under ``runs/joint_de_novo``, so that the same command goes on where it was. ``--weights`` judges
another network, such as one trained without the compactness loss.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import torch
from ase import Atoms
from filter_energies import Relaxations
from filters import COLUMNS, Samples, judge
from joint_options import add_model_options, add_sampler_options, network_of, settings_of

from gencsp.diffusion.joint.conditions import PROPERTIES, Property, as_labels
from gencsp.diffusion.joint.guidance import ClassifierFree
from gencsp.diffusion.joint.model import JointModel
from gencsp.diffusion.joint.sampler import JointSamplerSettings, sample
from gencsp.diffusion.joint.sizes import draw_size
from gencsp.diffusion.training.labels import as_array, label_crystals
from gencsp.measure.record import record
from gencsp.measure.statistics import BOOTSTRAP, WILSON, bootstrap_interval

#: Name of a row: targets and weight w = 1 + g of eq. 7; weight 1 is the ablation without guidance.
ROWS: dict[str, tuple[dict[Property, float], float]] = {
    "unconditional": ({}, 0.0),
    "C = 0.7": ({"compactness": 0.7}, 2.0),
    "M_LED = 9": ({"m_led": 9.0}, 2.0),
    "E_hull = 0": ({"e_hull": 0.0}, 2.0),
    "K = 3": ({"complexity": 3.0}, 2.0),
    "M_LED = 9, C = 0.7": ({"m_led": 9.0, "compactness": 0.7}, 2.0),
    "C = 0.7, without guidance": ({"compactness": 0.7}, 1.0),
}
#: Extended Data Table 1 (A' to K alone) and 2 (A-D; A-E at 100/50/35/25 meV/atom), per cent.
PAPER: dict[str, dict[str, object]] = {
    "DiffCSP+PI loss": {
        **dict(zip(COLUMNS, (99.8, 84.6, 72.5, 64.4, 42.4, 28.3), strict=True)),
        "A-D": 17.8,
        "A-E": [5.1, 2.5, 1.6, 1.0],
    },
    "DiffCSP": {
        **dict(zip(COLUMNS, (99.9, 82.8, 73.6, 61.8, 47.0, 34.0), strict=True)),
        "A-D": 15.6,
        "A-E": [4.0, 1.3, 0.7, 0.5],
    },
    "C = 0.7": {
        **dict(zip(COLUMNS, (99.9, 83.0, 69.2, 98.3, 41.3, 29.5), strict=True)),
        "A-D": 27.9,
        "A-E": [6.8, 2.2, 1.4, 1.0],
    },
    "M_LED = 9": {
        **dict(zip(COLUMNS, (99.6, 80.0, 81.6, 67.6, 72.9, 37.3), strict=True)),
        "A-D": 33.7,
        "A-E": [6.7, 2.7, 1.5, 1.0],
    },
    "E_hull = 0": {
        **dict(zip(COLUMNS, (99.6, 85.3, 68.4, 60.9, 43.1, 30.1), strict=True)),
        "A-D": 14.7,
        "A-E": [2.0, 1.0, 0.7, 0.5],
    },
    "K = 3": {
        **dict(zip(COLUMNS, (99.6, 78.4, 81.1, 38.9, 52.0, 60.2), strict=True)),
        "A-D": 14.8,
        "A-E": [1.4, 0.7, 0.4, 0.2],
    },
    "M_LED = 9, C = 0.7": {
        **dict(zip(COLUMNS, (99.8, 78.4, 75.1, 89.2, 69.7, 32.1), strict=True)),
        "A-D": 42.0,
        "A-E": [8.7, 3.8, 2.3, 1.5],
    },
}
BATCH = 32


def generated(
    model: JointModel, name: str, n: int, settings: JointSamplerSettings, seed: int, folder: Path
) -> list[Atoms]:
    """n crystals of a row; what a file of the folder holds already is not made again."""
    targets, weight = ROWS[name]
    shares = model.sizes.shares(targets, weight)
    path = folder / f"{name.replace(' ', '').replace(',', '_')}-{seed}.extxyz"
    done = list(ase.io.iread(path, format="extxyz")) if path.exists() else []
    while len(done) < n:
        begun = time.process_time()
        places = range(len(done), min(n, len(done) + BATCH))
        # Draws follow from seed and place, the same ones for every row.
        rngs = [np.random.default_rng([seed, k]) for k in places]
        counts = [draw_size(shares, rng) for rng in rngs]
        starts = [Atoms(f"X{c}", np.zeros((c, 3)), cell=np.eye(3), pbc=True) for c in counts]
        labels = as_labels([targets] * len(starts))
        denoiser = ClassifierFree(model, model.objective.properties.encode(labels), weight)
        made = sample(denoiser, starts, settings=settings, rngs=rngs)
        spent = (time.process_time() - begun) / len(made)
        for atoms in made:
            atoms.wrap()
            atoms.info["processor_seconds"] = spent
        ase.io.write(path, made, format="extxyz", append=True)
        done += made
        print(name, len(done), f"{60 / spent:.0f} a minute of a core", flush=True)
    return done[:n]


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
    terms = (model.digest, options.steps, options.renewal, options.correctors)
    folder = options.folder / "-".join(map(str, terms))
    folder.mkdir(parents=True, exist_ok=True)
    settings = settings_of(options)
    results: dict[str, object] = {}
    order = np.random.default_rng(options.seed).permutation(options.samples).tolist()
    samples = Samples(order[: options.diverse], order[: options.relaxed])
    relaxations = Relaxations(folder / "relaxed.jsonl")
    base: list[Atoms] = []
    for name in options.rows:
        targets, weight = ROWS[name]
        made = generated(model, name, options.samples, settings, options.seed, folder)
        base = base or made
        row: dict[str, Any] = judge(made, samples, relaxations)[0]
        spent = np.mean([a.info["processor_seconds"] for a in made])
        results[name] = {
            "targets": targets,
            "weight": weight,
            "structures": len(made),
            "samples_per_minute_of_a_core": round(60 / float(spent), 1),
            "properties": moved(made, base, targets, options.diverse),
            **row,
            "paper_percent": PAPER.get(name, PAPER["DiffCSP+PI loss"]),
        }
        out = Path(__file__).parent / "results" / f"{options.name}.json"
        record(
            out,
            measured="per row of targets: shares of crystals made de novo that pass the filters "
            "A' to E and K, alone and in sequence, and medians of the properties aimed at",
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
        f"--diverse {options.diverse} --relaxed {options.relaxed} --seed {options.seed}"
    )


def _protocol(options: argparse.Namespace, model: JointModel) -> dict[str, object]:
    return {
        "weights": model.digest,
        "compiled": options.compiled,
        "compactness_loss": model.objective.weights.compactness,
        "guidance": "weight w = 1 + g of PIGEN's eq. 7",
        "paper": "10,000 samples of networks trained on 607,684 structures (Alex-MP-20); here one "
        "network for all targets, trained on 20,429; filters as in benchmarks/filters.py; E by "
        "CHGNet (the paper: DFT), which was trained on Materials Project data",
    }


if __name__ == "__main__":
    main()
