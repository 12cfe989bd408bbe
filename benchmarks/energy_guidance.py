"""What the pull of a potential does to the energies of proposals of the joint model.

    python benchmarks/energy_guidance.py VALIDATION.extxyz.gz -n 200

Compositions are drawn from validation crystals; each is proposed once with every strength, from the
same random numbers. E_d is measured of the proposal as it is and after CHGNet relaxation, and
compared pair by pair with that of no guidance. Proposals and relaxations are kept in a folder, so
that the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import ase.io
import numpy as np
import torch
from ase import Atoms
from filter_energies import Relaxations
from joint_options import add_model_options, add_sampler_options, network_of, settings_of
from joint_rows import folder_of

from gencsp.composition import Composition
from gencsp.diffusion.joint.guidance import ClassifierFree, Denoiser, EnergyGuided
from gencsp.diffusion.joint.model import JointModel
from gencsp.diffusion.joint.sampler import JointSamplerSettings, sample
from gencsp.diffusion.pull import EnginePotential
from gencsp.diffusion.training.data import stream_extxyz
from gencsp.errors import HullReferenceError
from gencsp.filters.hull_energy import load_hull
from gencsp.measure.record import record
from gencsp.measure.statistics import BOOTSTRAP, WILSON, bootstrap_interval, share
from gencsp.potentials.chgnet.select import get_engine

#: 1/kT, 1/eV.
STRENGTHS = (0.0, 1.0, 4.0, 16.0)
#: eV/atom above the hull that count as near.
NEAR = 0.1
BATCH = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="validation crystals (extxyz, gzipped or not)")
    parser.add_argument("-n", type=int, default=200, help="proposals with each strength")
    parser.add_argument("--strengths", type=float, nargs="+", default=list(STRENGTHS))
    parser.add_argument("--folder", type=Path, default=Path("runs/energy_guidance"))
    parser.add_argument("--name", default="energy_guidance", help="of the result")
    add_model_options(parser)
    add_sampler_options(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    model = network_of(options)
    terms = (options.steps, options.renewal, options.correctors)
    folder = folder_of(options.folder, model, terms)
    formulas = _formulas(options.data, options.n, options.seed)
    relaxations = Relaxations(folder / "relaxed.jsonl")
    results: dict[str, object] = {}
    before: list[np.ndarray] = []
    for strength in sorted({0.0, *options.strengths}):
        path = folder / f"{strength:g}-{options.seed}.extxyz"
        made = _proposed(model, formulas, strength, settings_of(options), options.seed, path)
        energies = [_as_proposed(made), np.array([one.above for one in relaxations.of(made)])]
        before = before or energies
        results[f"{strength:g}"] = {
            "processor_seconds_per_proposal": round(
                float(np.mean([a.info["processor_seconds"] for a in made])), 3
            ),
            "as_proposed": _compared(energies[0], before[0]),
            "relaxed": _compared(energies[1], before[1]),
        }
        print(strength, results[f"{strength:g}"], flush=True)
        record(
            Path(__file__).parent / "results" / f"{options.name}.json",
            measured="by strength of the pull (1/kT in 1/eV): E_d in eV/atom of proposals for "
            "validation crystals' compositions, as proposed and relaxed, and its difference from "
            "no pull, pair by pair",
            command=f"python benchmarks/{Path(__file__).name} VALIDATION -n {options.n} "
            f"--steps {options.steps} --renewal {options.renewal} --seed {options.seed} "
            f"--strengths {' '.join(f'{one:g}' for one in options.strengths)}",
            sample_size={"proposals with each strength": len(formulas)},
            seed=options.seed,
            intervals=(WILSON, BOOTSTRAP),
            protocol={
                "weights": model.digest,
                "pull": "forces and stress of CHGNet 0.3.0 at the denoised crystal, below t = 0.4",
                "E_d": "CHGNet's energy above a hull of CHGNet energies, to which the compositions "
                "may belong; a proposal that cannot be evaluated, or whose relaxation does not "
                "end, is not near the hull and has no median",
            },
            results=results,
        )


def _formulas(data: Path, n: int, seed: int) -> list[str]:
    """Cells of n validation crystals, drawn."""
    known = [atoms.get_chemical_formula() for atoms in stream_extxyz(data)]
    order = np.random.default_rng(seed).permutation(len(known))
    return [known[k] for k in order[:n]]


def _proposed(
    model: JointModel,
    formulas: list[str],
    strength: float,
    settings: JointSamplerSettings,
    seed: int,
    path: Path,
) -> list[Atoms]:
    denoiser: Denoiser = ClassifierFree(model)
    if strength > 0:
        denoiser = EnergyGuided(denoiser, EnginePotential(get_engine()), temperature=1 / strength)
    done = list(ase.io.iread(path, format="extxyz")) if path.exists() else []
    while len(done) < len(formulas):
        begun = time.process_time()
        places = range(len(done), min(len(formulas), len(done) + BATCH))
        starts = [
            Atoms(formulas[k], positions=np.zeros((len(Atoms(formulas[k])), 3)), cell=np.eye(3),
                  pbc=True)
            for k in places
        ]  # fmt: skip
        rngs = [np.random.default_rng([seed, k]) for k in places]
        made = sample(denoiser, starts, settings=settings, rngs=rngs)
        for atoms in made:
            atoms.wrap()
            atoms.info["processor_seconds"] = (time.process_time() - begun) / len(made)
        ase.io.write(path, made, format="extxyz", append=True)
        done += made
    return done[: len(formulas)]


def _as_proposed(made: list[Atoms]) -> np.ndarray:
    """E_d without relaxation, eV/atom; not a number where it cannot be evaluated."""
    hull, found = load_hull(None), []
    for atoms, one in zip(made, get_engine().evaluate(made), strict=True):
        try:
            composition = Composition.of(atoms)
            found.append(hull.decomposition_energy(composition, one.energy / len(atoms)))
        except HullReferenceError:
            found.append(float("nan"))
    return np.array(found)


def _compared(above: np.ndarray, before: np.ndarray) -> dict[str, object]:
    both = ~(np.isnan(above) | np.isnan(before))
    return {
        "median": _median(above[~np.isnan(above)]),
        "within_0.1": share(int((above <= NEAR).sum()), len(above)),
        "median_difference": _median((above - before)[both]),
        "lower": share(int((above < before)[both].sum()), int(both.sum())),
        "pairs": int(both.sum()),
    }


def _median(values: np.ndarray) -> list[float] | None:
    if not len(values):
        return None
    low, high = bootstrap_interval(list(values), rng=np.random.default_rng(0))
    return [round(float(x), 4) for x in (np.median(values), low, high)]


if __name__ == "__main__":
    main()
