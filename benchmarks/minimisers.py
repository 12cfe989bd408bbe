"""The choice of the minimiser: force calls, processor time and final energies, and which minima.

    python benchmarks/minimisers.py

Starts and ends are kept in ``runs/minimisers``, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.data import covalent_radii
from ase.neighborlist import primitive_neighbor_list
from relax_workload import FORMULAS, LARGEST, MORE_FORMULAS, SEED, SMALLEST, workload
from scipy.stats import binomtest, wilcoxon

from gencsp.measure.record import record
from gencsp.measure.statistics import BOOTSTRAP, WILSON, bootstrap_interval, share
from gencsp.minimise import RelaxSettings
from gencsp.minimise.crystals import Crystals, Values
from gencsp.minimise.inflight import relax_in_flight
from gencsp.minimise.settings import TRUST_REGION, TrustRegionSettings
from gencsp.potentials.chgnet.native import NativeEngine
from gencsp.similarity import Tolerances, as_structure, structure_matcher

FMAX, STEPS = 0.1, 200
TIGHT_FMAX, TIGHT_STEPS = 0.01, 500
#: Random crystals are symmetric, and symmetry is never lost but by rounding: a minimiser that goes
#: straight ends on a saddle point, one that takes long leaves it. Displaced starts have none.
KINDS = ("random", "random, displaced", "proposals")
DISPLACEMENT = 0.01  # Å, standard deviation
SAME_MINIMUM = 1e-3  # eV/atom
#: Relaxed to 0.01 eV/Å, two structures of one minimum differ by much less than this.
SAME_STRUCTURE = structure_matcher(
    Tolerances(ltol=0.05, stol=0.1, angle_tol=2, scale=False), primitive_cell=False
)

Ends = list[Atoms]


def relax(
    starts: Sequence[Atoms],
    settings: RelaxSettings,
    trust_region: TrustRegionSettings = TRUST_REGION,
) -> tuple[Ends, float]:
    """Ends with their numbers in ``info``, and processor seconds on one thread."""
    engine = _engine()
    begun = time.process_time()
    results = sorted(
        engine.relax(starts, settings, trust_region=trust_region), key=lambda r: r.index
    )
    seconds = time.process_time() - begun
    ends = []
    for r in results:
        end = Atoms(r.atoms.numbers, r.atoms.positions, cell=r.atoms.cell, pbc=True)
        end.info = {
            "energy_per_atom": r.energy_per_atom,
            "calls": r.steps + 1,
            "outcome": r.outcome.name,
        }
        ends.append(end)
    return ends, seconds


@cache
def _engine() -> NativeEngine:
    return NativeEngine()


def varied(**changes: float) -> Callable[[Sequence[Atoms]], tuple[Ends, float]]:
    """The quasi-Newton with other constants."""
    settings = RelaxSettings(fmax=FMAX, steps=STEPS, minimiser="quasi-newton")
    defaults = {name: getattr(TRUST_REGION, name) for name in TRUST_REGION.__dataclass_fields__}
    return lambda starts: relax(starts, settings, TrustRegionSettings(**(defaults | changes)))


def by_fire(starts: Sequence[Atoms]) -> tuple[Ends, float]:
    return relax(starts, RelaxSettings(fmax=FMAX, steps=STEPS, minimiser="fire"))


def atoms_first(starts: Sequence[Atoms]) -> tuple[Ends, float]:
    """A coarse first stage: atoms alone, at most 20 steps to 1 eV/Å; then everything."""
    coarse = RelaxSettings(fmax=1.0, steps=20, fixed_cell=True, minimiser="quasi-newton")
    first, seconds = relax(starts, coarse)
    usable = [
        b if np.isfinite(b.info["energy_per_atom"]) else a
        for a, b in zip(starts, first, strict=True)
    ]
    ends, more = varied()(usable)
    for end, before in zip(ends, first, strict=True):
        end.info["calls"] += before.info["calls"] - 1  # the last point is evaluated again
    return ends, seconds + more


def pushed_apart(starts: Sequence[Atoms]) -> tuple[Ends, float]:
    """A cheap pre-relaxation: springs between atoms closer than 0.9 of their covalent radii.

    Its own time is not counted: compiled, it would be nothing beside a force call.
    """
    settings = RelaxSettings(fmax=0.5, steps=30, minimiser="quasi-newton")
    results = relax_in_flight(starts, settings, _repulsion, max_atoms=500)
    apart = [r.atoms for r in sorted(results, key=lambda r: r.index)]
    return varied()([Atoms(a.numbers, a.positions, cell=a.cell, pbc=True) for a in apart])


def _repulsion(crystals: Crystals, *, stiffness: float = 20.0, touch: float = 0.9) -> Values:
    energies, forces, stresses = [], [], []
    ends = np.cumsum(crystals.sizes)
    for size, end, cell in zip(crystals.sizes, ends, crystals.cells, strict=True):
        rows = slice(end - size, end)
        radii = touch * covalent_radii[crystals.numbers[rows]]
        i, j, vectors, distances = primitive_neighbor_list(
            "ijDd", (True, True, True), cell, crystals.positions[rows], list(radii)
        )
        overlaps = radii[i] + radii[j] - distances
        pulls = -stiffness * overlaps[:, None] * vectors / distances[:, None]  # on i, from j
        force = np.zeros((size, 3))
        np.add.at(force, i, pulls)
        energies.append(0.25 * stiffness * float(overlaps @ overlaps))
        forces.append(force)
        stresses.append(0.5 * vectors.T @ pulls / abs(np.linalg.det(cell)))
    return Values(
        np.array(energies),
        np.concatenate(forces),
        np.array(stresses),
        np.full(len(crystals), 2.0),
        [None] * len(crystals),
    )


#: Those that are compared on all starts, and those tried on every other one.
MAIN = {"FIRE": by_fire, "quasi-Newton": varied()}
VARIANTS = {
    "first radius 0.2 Å, at most 0.5 Å": varied(first_radius=0.2, most_radius=0.5),
    "first radius 0.4 Å, at most 1.5 Å": varied(first_radius=0.4, most_radius=1.5),
    "atom stiffness 15 eV/Å²": varied(atom_stiffness=15.0),
    "atom stiffness 60 eV/Å²": varied(atom_stiffness=60.0),
    "cell stiffness 0.3 eV/Å³": varied(cell_stiffness=0.3),
    "cell stiffness 3 eV/Å³": varied(cell_stiffness=3.0),
    "rise of 0.1 eV/√atom allowed": varied(uphill=0.1),
    "atoms first, to 1 eV/Å": atoms_first,
    "pushed apart first": pushed_apart,
}


def kept(
    path: Path, make: Callable[[Sequence[Atoms]], tuple[Ends, float]], starts: Sequence[Atoms]
) -> tuple[Ends, float]:
    """The ends and seconds of one contender, from the file where they have been made."""
    if not path.exists():
        ends, seconds = make(starts)
        for end in ends:
            end.info["seconds_of_all"] = seconds
        ase.io.write(path, ends, format="extxyz")
        print(path.stem, f"{seconds:.1f} s", flush=True)
    ends = list(ase.io.iread(path, format="extxyz"))
    return ends, float(ends[0].info["seconds_of_all"])


def tightened(ends: Sequence[Atoms]) -> tuple[Ends, float]:
    settings = RelaxSettings(fmax=TIGHT_FMAX, steps=TIGHT_STEPS, minimiser="quasi-newton")
    return relax(ends, settings)


def summary(ends: Ends, seconds: float) -> dict[str, object]:
    calls = np.array([end.info["calls"] for end in ends])
    return {
        "structures": len(ends),
        "force_calls": int(calls.sum()),
        "median_force_calls": float(np.median(calls)),
        "processor_seconds": round(seconds, 2),
        "structures_per_minute_of_one_thread": round(60 * len(ends) / seconds, 1),
        "converged": share(sum(e.info["outcome"] == "CONVERGED" for e in ends), len(ends)),
        "mean_energy_eV_per_atom": round(float(np.nanmean(_energies(ends))), 5),
    }


def _energies(ends: Sequence[Atoms]) -> np.ndarray:
    return np.array([end.info["energy_per_atom"] for end in ends], dtype=float)


def lower_or_higher(one: np.ndarray, other: np.ndarray) -> dict[str, object]:
    """Whether ``one`` lies above ``other`` systematically; differences beyond 1 meV/atom count."""
    difference = (one - other)[np.isfinite(one - other)]
    apart = difference[np.abs(difference) > SAME_MINIMUM]
    higher = int((apart > 0).sum())
    sign = binomtest(higher, len(apart)) if len(apart) else None
    rng = np.random.default_rng(0)
    interval = bootstrap_interval(list(apart), rng=rng) if len(apart) else (0.0, 0.0)
    return {
        "pairs": len(difference),
        "within_1_meV": share(len(difference) - len(apart), len(difference)),
        "higher": higher,
        "lower": len(apart) - higher,
        "share_higher": share(higher, len(apart)),
        "sign_test_p": None if sign is None else round(float(sign.pvalue), 4),
        "wilcoxon_p": round(float(wilcoxon(apart).pvalue), 4) if len(apart) > 9 else None,
        "median_of_those_apart_meV": round(1e3 * float(np.median(apart)), 2) if len(apart) else 0.0,
        "its_interval_meV": [round(1e3 * x, 2) for x in interval],
        "mean_of_all_meV": round(1e3 * float(difference.mean()), 2),
    }


def basins(loose: tuple[Ends, Ends], tight: tuple[Ends, Ends]) -> dict[str, object]:
    """The second minimiser against the first, where both ended in one minimum and where not."""
    sound = [
        k
        for k in range(len(loose[0]))
        if all(ends[k].info["outcome"] == "CONVERGED" for ends in (*loose, *tight))
    ]
    same = [k for k in sound if _match(tight[0][k], tight[1][k])]
    differ = [k for k in sound if k not in set(same)]

    def compared(pair: tuple[Ends, Ends], chosen: list[int]) -> dict[str, object]:
        return lower_or_higher(_energies(pair[1])[chosen], _energies(pair[0])[chosen])

    return {
        "pairs_that_converge_both_ways": len(sound),
        "same_minimum": share(len(same), len(sound)),
        "same_minimum, ends at 0.1 eV/Å": compared(loose, same),
        "same_minimum, ends at 0.01 eV/Å": compared(tight, same),
        "different_minima, ends at 0.1 eV/Å": compared(loose, differ),
        "different_minima, ends at 0.01 eV/Å": compared(tight, differ),
        "all, ends at 0.1 eV/Å": compared(loose, sound),
        "energy_gained_from_0.1_to_0.01_meV_per_atom": {
            name: [
                round(1e3 * float(q), 2)
                for q in np.percentile(_energies(a)[sound] - _energies(b)[sound], [50, 90, 99])
            ]
            for name, a, b in zip(MAIN, loose, tight, strict=True)
        },
    }


def _match(one: Atoms, other: Atoms) -> bool:
    structures = (as_structure(atoms) for atoms in (one, other))
    return bool(SAME_STRUCTURE.fit(*structures))


def against_chgnet(starts: Sequence[Atoms], ends: Ends) -> dict[str, object]:
    """chgnet's own forces in ASE's FIRE from the same starts."""
    rows = [(end, *found) for end, found in zip(ends, map(_relax_with_chgnet, starts), strict=True)]
    same = [row for row in rows if _match(row[0], row[1])]
    apart = [abs(end.info["energy_per_atom"] - energy) for end, _, energy, _ in same]
    return {
        "structures": len(rows),
        "same_minimum": share(len(same), len(rows)),
        "same_number_of_steps": sum(end.info["calls"] == calls for end, _, _, calls in rows),
        "within_1_meV_where_the_minimum_is_the_same": share(
            sum(d < SAME_MINIMUM for d in apart), len(apart)
        ),
        "largest_difference_there_meV_per_atom": round(1e3 * max(apart), 4),
        "differences_elsewhere_meV_per_atom": [
            round(1e3 * (end.info["energy_per_atom"] - energy), 2)
            for end, other, energy, _ in rows
            if not _match(end, other)
        ],
    }


def _relax_with_chgnet(start: Atoms) -> tuple[Atoms, float, int]:
    from ase.filters import FrechetCellFilter
    from ase.optimize import FIRE

    atoms = start.copy()
    atoms.calc = _chgnet()
    optimiser = FIRE(FrechetCellFilter(atoms), logfile=None)
    optimiser.run(fmax=FMAX, steps=STEPS)
    energy = float(atoms.get_potential_energy()) / len(atoms)
    return atoms, energy, optimiser.nsteps + 1


@cache
def _chgnet() -> Calculator:
    from chgnet.model.dynamics import CHGNetCalculator

    return CHGNetCalculator(use_device="cpu")


def starts_of(name: str, count: int, folder: Path) -> list[Atoms]:
    starts = workload(name.partition(",")[0], count, folder=folder)
    if name.endswith("displaced"):
        for k, atoms in enumerate(starts):
            rng = np.random.default_rng([SEED, k])
            atoms.positions += DISPLACEMENT * rng.normal(size=atoms.positions.shape)
    return starts


def contenders(name: str, count: int, folder: Path) -> Iterator[tuple[str, tuple[Ends, float]]]:
    starts = starts_of(name, count, folder)
    for label, make in MAIN.items():
        yield label, kept(folder / f"{name}_{label}.extxyz", make, starts)
    yield "FIRE, half", _half(kept(folder / f"{name}_FIRE.extxyz", by_fire, starts))
    half = kept(folder / f"{name}_quasi-Newton.extxyz", varied(), starts)
    yield "quasi-Newton, half", _half(half)
    for k, (label, make) in enumerate(VARIANTS.items()):
        yield label, kept(folder / f"{name}_variant{k}.extxyz", make, starts[::2])


def _half(found: tuple[Ends, float]) -> tuple[Ends, float]:
    """Every other end; the seconds by force calls."""
    ends, seconds = found
    calls = [sum(e.info["calls"] for e in part) for part in (ends[::2], ends)]
    return ends[::2], seconds * calls[0] / calls[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--structures", type=int, default=210, help="of each kind")
    parser.add_argument("--small", type=int, default=12, help="of each kind, for chgnet's forces")
    parser.add_argument("--folder", type=Path, default=Path("runs/minimisers"))
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    folder: Path = options.folder
    protocol = {
        "starts": f"{options.structures} random crystals (proposer 'random') over "
        f"{len(FORMULAS + MORE_FORMULAS)} formulas and as many proposals (proposer 'mixed') "
        f"over {len(FORMULAS)} formulas, {SMALLEST}-{LARGEST} atoms, seed {SEED}",
        "relaxation": f"atoms and cell, fmax {FMAX} eV/Å, at most {STEPS} steps, one thread",
        "random, displaced": f"the same random crystals, atoms displaced by {DISPLACEMENT} Å, "
        "which ends their symmetry",
        "variants": "on every other start; compare them with the rows that say 'half', whose "
        "seconds are in proportion to force calls",
        "same_minimum": f"both ends relaxed on to {TIGHT_FMAX} eV/Å match (StructureMatcher, "
        "ltol 0.05, stol 0.1, angle_tol 2, cells and volumes as they are); energies play no "
        "part in it",
        "higher, lower": "of the quasi-Newton (or a variant) against FIRE, where they are "
        "more than 1 meV/atom apart",
    }
    results: dict[str, object] = {}
    for name in KINDS:
        found = dict(contenders(name, options.structures, folder))
        fire = {
            len(found[label][0]): _energies(found[label][0]) for label in found if "FIRE" in label
        }
        rows = {}
        for label, (ends, seconds) in found.items():
            rows[label] = summary(ends, seconds)
            if "FIRE" not in label:
                rows[label]["against_FIRE"] = lower_or_higher(_energies(ends), fire[len(ends)])
        loose = found["FIRE"][0], found["quasi-Newton"][0]
        tight = (
            kept(folder / f"{name}_FIRE_tight.extxyz", tightened, loose[0])[0],
            kept(folder / f"{name}_quasi-Newton_tight.extxyz", tightened, loose[1])[0],
        )
        starts = starts_of(name, options.structures, folder)
        small = sorted(range(len(starts)), key=lambda k: (len(starts[k]), k))[: options.small]
        results[name] = {
            "minimisers": rows,
            "minima": basins(loose, tight),
            "against_chgnet_forces": against_chgnet(
                [starts[k] for k in small], [found["FIRE"][0][k] for k in small]
            ),
        }
    path = record(
        Path(__file__).parent / "results" / "minimisers.json",
        measured="force calls, processor seconds, final energies (eV/atom) and minima of FIRE, of "
        "the quasi-Newton minimiser and of its variants",
        sample_size={"structures of each kind": options.structures},
        seed=SEED,
        intervals=(WILSON, BOOTSTRAP),
        protocol=protocol,
        results=results,
    )
    print(path.read_text("utf-8"))


if __name__ == "__main__":
    main()
