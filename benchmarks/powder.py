"""Whether a measured powder pattern finds the right crystal among proposals.

    python benchmarks/powder.py CRYSTALS.extxyz.gz --formulas-of tools/reported_formulas.json \
        --part mp20_reported

For each known crystal a pattern is simulated as an instrument might have measured it: the cell
strained within its symmetry, lines broadened, counts with noise, an amorphous hump, and lines of an
impurity. Proposals of its composition are relaxed and ranked by energy, by the similarity of the
patterns, and by both; counted is how often the first is the known crystal. The known crystal is
never put among the proposals. Relaxed proposals are kept in a folder, so that the same command goes
on where it was.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import torch
from ase import Atoms
from reported import add_options, chosen

import gencsp
from gencsp import records
from gencsp.diffusion.training.data import stream_extxyz
from gencsp.measure.record import record
from gencsp.measure.statistics import WILSON, share
from gencsp.powder.measured import MeasuredPattern, wavelength_of
from gencsp.powder.reflections import Reflections
from gencsp.powder.similarity import PatternComparison, SimilaritySettings, strains_of
from gencsp.similarity import same_crystal

#: Degrees.
GRID = np.arange(10.0, 80.0, 0.02)
WAVELENGTH = wavelength_of("CuKa")
#: Largest strain of the measured cell along any direction.
STRAIN = 0.02
#: Full width of lines at half height, degrees; counts of the strongest line; of the hump; lines of
#: the impurity, and the strongest of them as a share of the strongest line.
WIDTH, COUNTS, HUMP, IMPURITIES, IMPURITY = 0.15, 2000, 300, 5, 0.15
#: eV/atom that equal patterns count in the ranking by both.
WEIGHT = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("crystals", type=Path, help="known crystals (extxyz, gzipped or not)")
    parser.add_argument("-n", type=int, default=30, help="known crystals")
    parser.add_argument("--proposals", type=int, default=40, help="of each composition")
    parser.add_argument("--atoms", type=int, default=14, help="most atoms of a known crystal")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("runs/powder"))
    add_options(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    known = [atoms for atoms in chosen(stream_extxyz(options.crystals), options)
             if 2 < len(atoms) <= options.atoms][: options.n]  # fmt: skip
    rows = []
    for number, truth in enumerate(known):
        rows.append(_row(truth, number, options))
        print(rows[-1], flush=True)
        _record(rows, options)


def _row(truth: Atoms, number: int, options: argparse.Namespace) -> dict[str, Any]:
    pool = _pool(truth, number, options)
    pattern = measured(truth, rng=np.random.default_rng([options.seed, number, 1]))
    right = np.array([same_crystal(atoms, truth) for atoms in pool])
    energy = np.array([atoms.info[records.ENERGY_PER_ATOM] for atoms in pool])
    row: dict[str, Any] = {
        "formula": truth.get_chemical_formula(),
        "converged": len(pool),
        "known among them": int(right.sum()),
        "known by its own pattern": PatternComparison(pattern)(truth).similarity,
    }
    for name, settings in (("breathing", SimilaritySettings()),
                           ("stiff", SimilaritySettings(breathing=0.0))):  # fmt: skip
        compare = PatternComparison(pattern, settings)
        alike = np.array([compare(atoms).similarity for atoms in pool])
        row[f"first by pattern, {name}"] = _first(right, -alike)
        row[f"first by both, {name}"] = _first(right, energy - WEIGHT * alike)
    row["first by energy"] = _first(right, energy)
    return row


def _first(right: np.ndarray, values: np.ndarray) -> bool:
    return bool(len(values) and right[values.argmin()])


def _pool(truth: Atoms, number: int, options: argparse.Namespace) -> list[Atoms]:
    """Relaxed proposals of the composition, kept in a file."""
    formula = truth.get_chemical_formula()
    path = options.folder / f"{number:02d}-{formula}-{options.proposals}-{options.seed}.extxyz"
    if not path.exists():
        proposals = gencsp.propose(
            formula, n=options.proposals, max_atoms=len(truth), seed=options.seed + number
        )
        relaxed = [records.record(result) for result in gencsp.relax(proposals) if result.converged]
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f"{path.name}.new")
        ase.io.write(aside, relaxed, format="extxyz")
        aside.replace(path)
    found = ase.io.read(path, ":", format="extxyz")
    assert isinstance(found, list), "all of a file"
    return found


def measured(truth: Atoms, *, rng: np.random.Generator) -> MeasuredPattern:
    """A pattern of a crystal as an instrument might have measured it."""
    basis = strains_of(truth)
    strain = np.tensordot(rng.uniform(-1, 1, len(basis)), basis, axes=1)
    strain *= STRAIN / np.abs(np.linalg.eigvalsh(strain)).max()
    angles, strengths = Reflections.of(truth, longest=1.0).lines(WAVELENGTH, strain)
    inside = (angles > GRID[0]) & (angles < GRID[-1])
    angles, strengths = angles[inside], strengths[inside] / strengths[inside].max()
    foreign = rng.uniform(15, 75, IMPURITIES)
    angles = np.concatenate([angles, foreign])
    strengths = np.concatenate([strengths, IMPURITY * rng.uniform(0.2, 1, IMPURITIES)])
    shapes = np.exp(-0.5 * np.square((GRID[:, None] - angles) / (WIDTH / 2.3548)))
    mean = COUNTS * (shapes @ strengths) + HUMP * np.exp(-0.5 * np.square((GRID - 25) / 8)) + 100
    return MeasuredPattern.of(GRID, rng.poisson(mean).astype(float), wavelength=WAVELENGTH)


def _record(rows: Sequence[dict[str, Any]], options: argparse.Namespace) -> None:
    there = [row for row in rows if row["known among them"]]
    names = [name for name in rows[0] if name.startswith("first by")]
    record(
        Path(__file__).parent / "results" / "powder.json",
        measured="share of known crystals that stand first among relaxed proposals of their "
        "composition, ranked by energy, by the similarity with a simulated measured pattern, and "
        "by both",
        sample_size={
            "crystals": len(rows),
            "crystals that are among their proposals": len(there),
            "proposals of each": options.proposals,
        },
        seed=options.seed,
        intervals=(WILSON,),
        protocol={
            "crystals": "of MP-20's test set, on whose formulas nothing was tuned; CHGNet was "
            "trained on crystals of the Materials Project",
            "proposals": "of 'mixed', relaxed by CHGNet 0.3.0 to 0.1 eV/Å",
            "pattern": f"CuKa, 10 to 80 degrees, strain {STRAIN:g} within the symmetry, full width "
            f"{WIDTH:g} degrees, Poisson noise at {COUNTS} counts of the strongest line, a hump of "
            f"{HUMP}, {IMPURITIES} lines of an impurity up to {IMPURITY:g} of the strongest",
            "both": f"energy less {WEIGHT:g} eV/atom times the similarity, fixed beforehand",
            "stiff": "the same without breathing of the cell",
            "the same crystal": "pymatgen's StructureMatcher at its defaults",
        },
        results={
            "of all": {name: share(sum(row[name] for row in rows), len(rows)) for name in names},
            "of those among their proposals": {
                name: share(sum(row[name] for row in there), len(there)) for name in names
            },
            "similarity of the known crystal with its own pattern, median": float(
                np.median([row["known by its own pattern"] for row in rows])
            ),
            "crystals": list(rows),
        },
    )


if __name__ == "__main__":
    main()
