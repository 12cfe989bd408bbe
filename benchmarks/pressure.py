"""Known phases under pressure with CHGNet: their order, transitions, and their predicted volumes.

python benchmarks/pressure.py
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from known_phases import OTHERS, SYSTEMS, KnownPhase, KnownSystem

from gencsp.composition import Composition
from gencsp.convex_hull.crystals import shipped_crystals
from gencsp.convex_hull.hull import Hull
from gencsp.convex_hull.under_pressure import default_cache, references_at
from gencsp.measure.record import record
from gencsp.minimise.settings import RelaxSettings
from gencsp.potentials import get_potential
from gencsp.potentials.base import Engine
from gencsp.proposers.crystals.compression import bulk_modulus, volume_under
from gencsp.proposers.crystals.lattice import scaled
from gencsp.runs.references import likely_volume
from gencsp.symmetry.refinement import space_group
from gencsp.symmetry.tolerances import ANGLE_TOLERANCE

#: eV/Å, steps.
FMAX, STEPS = 0.02, 500
#: eV/atom: phases whose enthalpies are this near are the same within the relaxations.
SAME = 5e-4
#: Å: tolerance of space groups; the CaCl2 type is a small distortion of stishovite.
EXACT = 0.01
#: At which volumes are compared, GPa, and of what.
VOLUMES_AT = (0.0, 25.0, 50.0, 100.0)
#: Atoms in the cells that are compared.
MOST_ATOMS = 12
VOLUMES_OF = ("MgO", "SiO2", "MgSiO3", "C", "Si", "NaCl", "Fe2O3")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/pressure.json"))
    options = parser.parse_args()
    potential = get_potential("chgnet")
    results = {
        "systems": {system.formula: measured(system, potential) for system in SYSTEMS},
        "volumes": volumes(potential),
    }
    n_phases = sum(len(system.phases) for system in SYSTEMS)
    record(
        options.out,
        measured="enthalpy (eV/atom) and volume (Å³/atom) of known phases against pressure (GPa), "
        "relaxed with CHGNet; pressures of transitions between them, CHGNet's at no temperature "
        "beside those of experiments; relative errors of volumes predicted for compositions under "
        "pressure",
        sample_size={"phases": n_phases, "compositions of volumes": len(VOLUMES_OF)},
        seed=None,
        intervals=(),
        protocol={
            "potential": potential.model,
            "weights": potential.digest,
            "fmax": FMAX,
            "steps": STEPS,
            "start": "published parameters (benchmarks/known_phases.py), at the volume that was "
            "relaxed at the pressure before",
            "space_group": f"spglib at {EXACT:g} Å",
            "transition": "where the difference of two enthalpies, interpolated linearly between "
            "the pressures computed, passes zero; temperature and vibrations are left out",
            "volumes": "of the lowest phase at each pressure among the known ones and the crystals "
            f"of at most {MOST_ATOMS} atoms that ship with gencsp; the fit of the equation of "
            "state has seen none of the formulas and the references of a compound are those "
            "without it; errors are of the compounds",
            "in_sample": "CHGNet was trained on Materials Project data at no pressure, which hold "
            "most of these phases",
            "sources": {
                phase.name: phase.source
                for phase in (*(p for s in SYSTEMS for p in s.phases), *OTHERS)
            },
        },
        results=results,
    )


def measured(system: KnownSystem, potential: Engine) -> dict[str, Any]:
    """Enthalpies of the phases of a system, and where they cross."""
    phases = {}
    for phase in system.phases:
        phases[phase.name] = followed(phase, system.pressures, potential)
        print(system.formula, phase.name, phases[phase.name]["space_group"], flush=True)
    lowest = {}
    for k, pressure in enumerate(system.pressures):
        there = {n: row["enthalpy"][k] for n, row in phases.items() if k < len(row["enthalpy"])}
        floor = min(there.values())
        lowest[f"{pressure:g}"] = [n for n, value in there.items() if value - floor < SAME]
    return {
        "pressures": system.pressures,
        "expected_space_groups": {phase.name: phase.space_group for phase in system.phases},
        "phases": phases,
        "lowest": lowest,
        "transitions": [
            {
                "from": before,
                "to": after,
                "chgnet": crossing(system.pressures, phases[before], phases[after]),
                "experiment": low_high,
                "source": source,
            }
            for (before, after), (low_high, source) in system.transitions.items()
        ],
    }


def followed(
    phase: KnownPhase, pressures: Sequence[float], potential: Engine
) -> dict[str, list[float]]:
    """Enthalpy, volume and space group of a phase at rising pressures, as far as it converges."""
    found: dict[str, list[float]] = {"enthalpy": [], "volume": [], "space_group": []}
    start = phase.atoms()
    for pressure in pressures:
        if pressure > phase.up_to:
            break
        # Always from the published coordinates: what relaxed to a higher symmetry at one pressure
        # must be able to leave it at the next.
        atoms = phase.atoms()
        atoms.set_cell(scaled(atoms.cell, start.cell.volume), scale_atoms=True)
        settings = RelaxSettings(fmax=FMAX, steps=STEPS, pressure=pressure, keep_symmetry=True)
        result = next(potential.relax([atoms], settings))
        if not result.converged:
            break
        start = atoms = result.atoms
        group = space_group(atoms, symprec=EXACT, angle_tolerance=ANGLE_TOLERANCE)
        found["enthalpy"].append(result.enthalpy_per_atom)
        found["volume"].append(atoms.cell.volume / len(atoms))
        found["space_group"].append(group.number)
    return found


def crossing(
    pressures: Sequence[float], before: Mapping[str, Any], after: Mapping[str, Any]
) -> float | str:
    """Where the second phase becomes the lower one, GPa; in words where it does not."""
    both = list(zip(pressures, before["enthalpy"], after["enthalpy"], strict=False))
    differences = [(pressure, second - first) for pressure, first, second in both]
    if differences[0][1] < -SAME:
        return f"lower at {pressures[0]:g} GPa"
    for (low, one), (high, other) in pairwise(differences):
        # Phases that relax into each other have no difference: the first real one counts.
        if other < -SAME:
            share = one / (one - other) if one > 0 else 0.0
            return low + share * (high - low)
    return f"not up to {differences[-1][0]:g} GPa"


def volumes(potential: Engine) -> dict[str, Any]:
    """Volumes of the lowest phase at pressures, and what is predicted for the composition."""
    rows = []
    errors: dict[str, list[float]] = {name: [] for name in PREDICTIONS}
    for formula in VOLUMES_OF:
        composition = Composition.parse(formula).reduced
        for pressure in VOLUMES_AT:
            starts = crystals_of(composition, pressure)
            truth = lowest_volume(starts, pressure, potential)
            row: dict[str, Any] = {"formula": formula, "pressure": pressure, "chgnet": truth}
            for name, predict in PREDICTIONS.items():
                row[name] = predict(composition, pressure, potential)
                if pressure and len(composition.elements) > 1:
                    errors[name].append(row[name] / truth - 1)
            rows.append(row)
            print(row, flush=True)
    return {
        "rows": rows,
        "bulk_modulus": {f: bulk_modulus(Composition.parse(f).reduced)[0] for f in VOLUMES_OF},
        "errors": {
            name: {
                "mean_absolute": float(np.abs(values).mean()),
                "median_absolute": float(np.median(np.abs(values))),
                "mean": float(np.mean(values)),
                "largest": float(np.abs(values).max()),
            }
            for name, values in errors.items()
        },
    }


def crystals_of(composition: Composition, pressure: float) -> list[Atoms]:
    """Known phases of a composition at a pressure, and the crystals that ship with gencsp."""
    phases: list[KnownPhase] = [*OTHERS, *(p for s in SYSTEMS for p in s.phases)]
    known = [phase.atoms() for phase in phases if pressure <= phase.up_to]
    return [
        atoms
        for atoms in (*known, *shipped_crystals(composition.elements))
        if len(atoms) <= MOST_ATOMS
        and Composition.of(atoms).reduced.formula_key == composition.formula_key
    ]


def lowest_volume(starts: Sequence[Atoms], pressure: float, potential: Engine) -> float:
    """Volume of the crystal of lowest enthalpy, Å³/atom."""
    settings = RelaxSettings(fmax=0.05, steps=STEPS, pressure=pressure)
    done = [result for result in potential.relax(starts, settings) if result.converged]
    best = min(done, key=lambda result: result.enthalpy_per_atom)
    return float(best.atoms.cell.volume / len(best.atoms))


def without_pressure(composition: Composition, pressure: float, potential: Engine) -> float:  # noqa: ARG001
    return volume_under(composition, 0.0)


def equation_of_state(composition: Composition, pressure: float, potential: Engine) -> float:  # noqa: ARG001
    return volume_under(composition, pressure)


def of_references(composition: Composition, pressure: float, potential: Engine) -> float:
    """Mean volume of what the other phases decompose into at the pressure."""
    hull = _others(composition, pressure, potential)
    return _mean_volume(hull, composition)


def scaled_by_references(composition: Composition, pressure: float, potential: Engine) -> float:
    """The volume at no pressure, shrunk as that of what the other phases decompose into."""
    now = _mean_volume(_others(composition, pressure, potential), composition)
    before = _mean_volume(_others(composition, 0.0, potential), composition)
    return volume_under(composition, 0.0) * now / before


def denser_of_both(composition: Composition, pressure: float, potential: Engine) -> float:
    """What searches take."""
    return likely_volume(_others(composition, pressure, potential), composition)


#: Ways to predict a volume.
PREDICTIONS = {
    "without pressure": without_pressure,
    "equation of state": equation_of_state,
    "scaled by the references": scaled_by_references,
    "of the references": of_references,
    "denser of both": denser_of_both,
}
_HULLS: dict[tuple[str, float], Hull] = {}


def _others(composition: Composition, pressure: float, potential: Engine) -> Hull:
    """References at a pressure less the composition itself; an element keeps its other crystals."""
    key = composition.formula_key, pressure
    if key not in _HULLS:
        found = references_at(pressure, [composition.elements], potential, cache=default_cache())
        hull = Hull(found.entries, model=found.model, pressure=pressure)
        _HULLS[key] = hull if len(composition.elements) == 1 else hull.without([composition])
    return _HULLS[key]


def _mean_volume(hull: Hull, composition: Composition) -> float:
    return sum(
        product.fraction * (product.entry.volume_per_atom or np.nan)
        for product in hull.decomposition(composition)
    )


if __name__ == "__main__":
    main()
