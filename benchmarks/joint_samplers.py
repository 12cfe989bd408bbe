"""What the joint model's sampler is worth by its settings: matches, plausible distances, calls.

    python benchmarks/joint_samplers.py VALIDATION.extxyz.gz

Validation crystals, whose compositions are given; the samplers share their random numbers' seeds.
Matching is that of ``joint_matches.py``; A is PIGEN's filter of pair distances, which about 95 % of
known crystals pass. The defaults were chosen by trials of this kind, on 48 crystals and with a
network that was not trained to its end.
"""

from __future__ import annotations

import argparse
import time
import warnings
from itertools import islice
from pathlib import Path

import torch
from joint_matches import distances, samples_of, summary
from joint_options import add_model_options, network_of

from gencsp.diffusion.joint.sampler import JointSamplerSettings
from gencsp.diffusion.training.data import stream_extxyz
from gencsp.filters.pair_potential import PairPotential
from gencsp.measure.record import record
from gencsp.measure.statistics import BOOTSTRAP, WILSON, share

RESULT = Path(__file__).parent / "results" / "joint_samplers.json"
ANCESTRAL = "predictor-corrector:corrector_steps=0"
#: Calls of the model, and settings.
SAMPLERS = {
    "ancestral, 50 steps": (50, JointSamplerSettings(sampler=ANCESTRAL, steps=50)),
    "ancestral, 50 steps, a Langevin step each": (
        99,
        JointSamplerSettings(sampler="predictor-corrector", steps=50),
    ),
    "ancestral, 100 steps": (100, JointSamplerSettings(sampler=ANCESTRAL, steps=100)),
    "renewal 0, 100 steps": (100, JointSamplerSettings(sampler="ddim:renewal=0", steps=100)),
    "renewal 0.5, 100 steps": (100, JointSamplerSettings(sampler="ddim:renewal=0.5", steps=100)),
    "renewal 1, 25 steps": (25, JointSamplerSettings(steps=25)),
    "renewal 1, 50 steps": (50, JointSamplerSettings(steps=50)),
    "renewal 1, 100 steps": (100, JointSamplerSettings(steps=100)),
    "renewal 1, 200 steps": (200, JointSamplerSettings(steps=200)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="validation crystals")
    parser.add_argument("--first", type=int, default=200, help="place of the first of them")
    parser.add_argument("--structures", type=int, default=96)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--trial", action="store_true", help="print, and record nothing")
    add_model_options(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    model = network_of(options)
    last = options.first + options.structures
    truths = list(islice(stream_extxyz(options.data), options.first, last))
    plausible = PairPotential(threshold=None, unknown="class")
    results: dict[str, object] = {}
    for name, (calls, settings) in SAMPLERS.items():
        begun = time.process_time()
        made = [
            each
            for place in range(0, len(truths), 8)
            for each in samples_of(
                model, truths[place : place + 8], place, options.samples, settings, options.seed
            )
        ]
        spent = time.process_time() - begun
        rows = [distances(truth, each) for truth, each in zip(truths, made, strict=True)]
        passed = [plausible.judge(atoms).passed for each in made for atoms in each]
        found = [d is not None for row in rows for d in row]
        results[name] = {
            "calls": calls,
            "processor_seconds_per_sample": round(spent / len(found), 4),
            "samples_that_match": share(sum(found), len(found)),
            f"k = {options.samples}": summary(rows, options.samples),
            "A": share(sum(passed), len(passed)),
        }
        print(name, results[name], flush=True)
    if not options.trial:
        record(
            RESULT,
            measured="samples of validation crystals' compositions that match them, crystals "
            "matched within the samples of each, and samples that pass filter A, by sampler",
            command=f"python benchmarks/{Path(__file__).name} VALIDATION --first {options.first} "
            f"--structures {options.structures} --samples {options.samples} --seed {options.seed}",
            sample_size={"crystals": len(truths), "samples of each": options.samples},
            seed=options.seed,
            intervals=(WILSON, BOOTSTRAP),
            protocol={"weights": model.digest, "compiled": options.compiled},
            results=results,
        )


if __name__ == "__main__":
    main()
