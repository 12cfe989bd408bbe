"""PIGEN's Extended Data Tables 1 and 2 (A' to E, K; A to E in sequence) and Fig. 3d on real pools.

    python benchmarks/filters.py POOLS --crystals FILE... --checkpoint relaxed.jsonl

POOLS is a folder with one folder of CIF files for each generator (files that end in
``_symmetrized.cif`` are left out, so that no structure counts twice). Beside them stand known
crystals and pseudo-random structures made as the paper's baseline. M_LED is slow on cells without
symmetry, so that alone it judges at most ``--diverse`` structures of a set; in sequence it judges
all that pass A to C. Likewise CHGNet relaxes ``--relaxed`` structures of the other sets, all of a
pool, and all that pass A to D. Fig. 3d: the share of structures that match none of the first N
prototypes. An interrupted run goes on where it was.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from filter_energies import FMAX, STEPS, Ended, Relaxations

from gencsp.composition import ELEMENTS
from gencsp.descriptors.local_diversity import local_diversity
from gencsp.filters import get_filter
from gencsp.filters.pair_potential import PAPER_THRESHOLD, shipped_potential
from gencsp.filters.plots import draw_curves
from gencsp.filters.prototypes import unmatched_shares
from gencsp.filters.summary import HULL_THRESHOLDS
from gencsp.io.structures import read_structures
from gencsp.measure.distributions import greatest_of_stable
from gencsp.measure.pseudo_random import pseudo_random
from gencsp.measure.record import record
from gencsp.measure.statistics import WILSON, share
from gencsp.measure.sun import count_sun

#: Column of the paper, filter.
COLUMNS = {
    "A'": "distances",
    "A": "pair_potential",
    "B": "compositional_novelty",
    "C": "compactness",
    "D": "local_diversity",
    "K": "complexity",
}
#: Extended Data Table 1 (A' to K alone) and Table 2 (A-D, and A-E at 100/50/35/25 meV/atom), %.
PAPER: dict[str, dict[str, object]] = {
    "pseudo-random": {
        "A'": 100.0,
        "A": 5.1,
        "B": 90.6,
        "C": 11.2,
        "D": 76.6,
        "K": 14.5,
        "A-D": 0.03,
        "A-E": [0, 0, 0, 0],
    },
    "DiffCSP": {
        "A'": 99.9,
        "A": 82.8,
        "B": 73.6,
        "C": 61.8,
        "D": 47.0,
        "K": 34.0,
        "A-D": 15.6,
        "A-E": [4.0, 1.3, 0.7, 0.5],
    },
    "MatterGen": {
        "A'": 100.0,
        "A": 87.9,
        "B": 65.2,
        "C": 67.4,
        "D": 37.8,
        "K": 27.7,
        "A-D": 16.4,
        "A-E": [3.4, 1.2, 0.7, 0.4],
    },
    "PIGEN | (M_LED = 9, C = 0.7)": {
        "A'": 99.8,
        "A": 78.4,
        "B": 75.1,
        "C": 89.2,
        "D": 69.7,
        "K": 32.1,
        "A-D": 42.0,
        "A-E": [8.7, 3.8, 2.3, 1.5],
    },
}
#: Ranks that the prototype curve looks at, and those that are recorded.
TOP = 100
RANKS = (0, 1, 5, *range(10, TOP + 1, 10))
RANDOM = "pseudo-random"


@dataclass(frozen=True, slots=True)
class Samples:
    """Structures of a set that a slow filter judges alone.

    Attributes:
        diverse: for D.
        relaxed: for E.
    """

    diverse: list[int]
    relaxed: list[int]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("pools", type=Path)
    parser.add_argument("--crystals", type=Path, nargs="+", required=True, help="known, extxyz")
    parser.add_argument("--most", type=int, default=500, help="known crystals of a file")
    parser.add_argument("--random", type=int, default=500, help="pseudo-random structures")
    parser.add_argument("--diverse", type=int, default=50, help="structures for D alone")
    parser.add_argument("--relaxed", type=int, default=20, help="the same for E, pools whole")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", type=Path, required=True, help="file of relaxations")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/filters.json"))
    parser.add_argument("--plot", type=Path, help="PNG of the prototype curve")
    options = parser.parse_args()
    relaxations = Relaxations(options.checkpoint)
    protocol = _protocol()
    sample_size = {
        "known crystals of a file, at most": options.most,
        "pseudo-random structures": options.random,
        "for D alone, at most": options.diverse,
        "for E alone, of sets that are no pool": options.relaxed,
    }
    results: dict[str, object] = _done(options.out, protocol, _command(options))
    curves = {}
    for name, (structures, samples) in gather(options, done=results):
        row, curve = judge(structures, samples, relaxations)
        if curve:
            curves[name] = curve
            row["unmatched_after_prototypes"] = {str(n): curve[n] for n in RANKS}
        results[name] = {"structures": len(structures), **row}
        shown = {key: _percent(row[key]) for key in (*COLUMNS, "A-D")}
        print(name, shown, row["E"], row["A-E"], row["S.U.N."], flush=True)
        record(
            options.out,
            measured="shares of structures that pass PIGEN's filters A' to E and K, alone and in "
            "sequence, that are stable, unique and novel, and that match no prototype",
            command=_command(options),
            sample_size=sample_size,
            seed=options.seed,
            intervals=(WILSON,),
            protocol=protocol,
            results=results,
        )
    if options.plot:
        draw_curves(
            {name: [100 * v for v in curve] for name, curve in curves.items()},
            options.plot,
            xlabel="first N prototypes",
            ylabel="not matched (%), of those that pass A-C",
        )


def gather(
    options: argparse.Namespace, *, done: Collection[str]
) -> Iterator[tuple[str, tuple[list[Atoms], Samples]]]:
    """The sets that are left, and what slow filters judge of them; each set has its own random
    numbers, so that it does not matter which are left."""
    folders = sorted(options.pools.iterdir())
    names = [
        *(folder.name for folder in folders),
        *(file.name.split(".")[0] for file in options.crystals),
        RANDOM,
    ]
    for number, name in enumerate(names):
        if name in done:
            continue
        rng = np.random.default_rng([options.seed, number])
        if number < len(folders):
            structures = _pool(folders[number])
        elif name == RANDOM:
            structures = [pseudo_random(rng) for _ in range(options.random)]
        else:
            file = options.crystals[number - len(folders)]
            structures = _drawn(_known(file), options.most, rng)
        # Drawn, because files are in order of composition.
        order = rng.permutation(len(structures)).tolist()
        relaxed = order if number < len(folders) else order[: options.relaxed]
        yield name, (structures, Samples(order[: options.diverse], relaxed))


def judge(
    structures: Sequence[Atoms], samples: Samples, relaxations: Relaxations | None
) -> tuple[dict[str, object], list[float]]:
    """Counts of each filter alone and in sequence, and the prototype curve of one set, empty where
    nothing passes A to C. Without ``relaxations``, E is left out."""
    passed: dict[str, list[bool]] = {}
    for column, name in COLUMNS.items():
        some = [structures[k] for k in samples.diverse] if column == "D" else structures
        passed[column] = _passes(name, some)
    row: dict[str, object] = {
        column: share(sum(verdicts), len(verdicts)) for column, verdicts in passed.items()
    }
    left = [k for k in range(len(structures)) if all(passed[c][k] for c in "ABC")]
    row["A-C"] = share(len(left), len(structures))
    diverse = [k for k in left if get_filter(COLUMNS["D"]).judge(structures[k]).passed]
    row["A-D"] = share(len(diverse), len(structures))
    if relaxations is not None:
        row |= _stable(structures, samples.relaxed, diverse, relaxations)
    prototypes = get_filter("prototypes", {"top": TOP})
    ranks = [prototypes.judge(structures[k]).value for k in left]
    row["prototype_matched"] = share(sum(rank < inf for rank in ranks), len(ranks))
    row["charge_balance"] = share(sum(_passes("charge_balance", structures)), len(structures))
    return row, unmatched_shares(ranks, top=TOP) if ranks else []


def _stable(
    structures: Sequence[Atoms], sample: list[int], left: list[int], relaxations: Relaxations
) -> dict[str, object]:
    """E alone on a sample; A to E on the whole set; S.U.N. of the sample."""
    ended = relaxations.of([structures[k] for k in sample])
    in_sequence = dict(zip(left, relaxations.of([structures[k] for k in left]), strict=True))
    counts = count_sun(
        [one.atoms for one in ended], [one.above for one in ended], threshold=HULL_THRESHOLDS[0]
    )
    greatest = greatest_of_stable(
        [local_diversity(structures[k]) for k in left], [one.above for one in in_sequence.values()]
    )
    return {
        "E": _at_thresholds(ended, len(sample)),
        "E_undefined": _reasons(ended),
        "A-E": _at_thresholds(in_sequence.values(), len(structures)),
        "greatest_M_LED_in_A-E_at_0.05": None if greatest is None else round(greatest, 2),
        "unique": share(counts.unique, len(sample)),
        "stable_and_novel": share(counts.stable_and_novel, len(sample)),
        "S.U.N.": share(counts.sun, len(sample)),
    }


def _at_thresholds(ended: Iterable[Ended], trials: int) -> dict[str, dict[str, float]]:
    above = [one.above for one in ended]
    return {str(e): share(sum(a <= e for a in above), trials) for e in HULL_THRESHOLDS}


def _reasons(ended: Sequence[Ended]) -> dict[str, int]:
    reasons = [one.outcome for one in ended if np.isnan(one.above)]
    return {reason: reasons.count(reason) for reason in sorted(set(reasons))}


def _done(path: Path, protocol: dict[str, object], command: str) -> dict[str, object]:
    """What an interrupted run of the same command and protocol recorded."""
    if not path.exists():
        return {}
    recorded = json.loads(path.read_text("utf-8"))
    same = (recorded["command"], recorded["protocol"]) == (
        command,
        json.loads(json.dumps(protocol)),
    )
    return dict(recorded["results"]) if same else {}


def _command(options: argparse.Namespace) -> str:
    files = " ".join(file.name for file in options.crystals)
    return (
        f"python benchmarks/filters.py POOLS --crystals {files} --most {options.most} "
        f"--random {options.random} --diverse {options.diverse} --relaxed {options.relaxed} "
        f"--seed {options.seed} --checkpoint FILE"
    )


def _protocol() -> dict[str, object]:
    return {
        "spp_threshold": shipped_potential().threshold,
        "spp_threshold_paper": PAPER_THRESHOLD,
        "reference": "OQMD-ICSD for A and B (the paper: ICSD for A, Alex-MP-20 for B); formulas "
        "held out from training have no part in A, and are among those of B, N and the hull",
        "E": f"CHGNet relaxation (fmax {FMAX} eV/Å, {STEPS} steps), then CHGNet's energy above a "
        "hull of CHGNet energies; the paper takes that energy from DFT. CHGNet was trained on "
        "Materials Project data: in-sample for known crystals. A relaxation that does not end "
        "counts as not passed.",
        "E_sample": "pools: all; other sets: some, drawn; A-E: all that pass A-D",
        "S.U.N.": "of that sample, relaxed: within 0.1 eV/atom of the hull, first of its kind, and "
        "no crystal of OQMD-ICSD of at most 20 atoms",
        "pseudo_random": (pseudo_random.__doc__ or "").split("\n")[0],
        "paper_percent": PAPER,
    }


def _pool(folder: Path) -> list[Atoms]:
    files: Iterable[Path] = sorted(folder.glob("*.cif"))
    return [ase.io.read(file) for file in files if not file.stem.endswith("_symmetrized")]


def _known(file: Path) -> list[Atoms]:
    crystals = read_structures([file])
    return [atoms for atoms in crystals if set(atoms.get_chemical_symbols()) <= set(ELEMENTS)]


def _drawn(structures: list[Atoms], most: int, rng: np.random.Generator) -> list[Atoms]:
    if len(structures) <= most:
        return structures
    return [structures[k] for k in rng.choice(len(structures), most, replace=False)]


def _passes(name: str, structures: Sequence[Atoms]) -> list[bool]:
    one = get_filter(name)
    return [one.judge(atoms).passed for atoms in structures]


def _percent(counts: object) -> str:
    assert isinstance(counts, dict)
    return f"{100 * counts['share']:.1f} ({counts['successes']}/{counts['trials']})"


if __name__ == "__main__":
    main()
