"""Random structures with all that a store keeps, and whether two are the same."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

from gencsp.provenance import Provenance, Stage
from gencsp.store.base import Manifest

MANIFEST: Manifest = {
    "formula": "Li5Si2",
    "seed": 3,
    "guests": ["Li"],
    "pressure": 0.0,
    "hull": None,
}


def crystal(seed: int, **info: str | int | float | bool) -> Atoms:
    """A random structure with energy, forces, stress, provenance and a constraint."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 6))
    atoms = Atoms(
        numbers=rng.integers(1, 84, n),
        positions=rng.normal(size=(n, 3)),
        cell=rng.normal(size=(3, 3)) * 4,
        pbc=True,
    )
    atoms.calc = SinglePointCalculator(
        atoms,
        energy=float(rng.normal()),
        forces=rng.normal(size=(n, 3)),
        stress=rng.normal(size=6),
    )
    atoms.set_constraint(FixAtoms([0]))
    Provenance(
        structure_id=f"r{seed}", proposer="fake", stage=Stage.RELAXED, model="123456789012"
    ).write(atoms)
    atoms.info.update(info)
    return atoms


def same(one: Atoms, other: Atoms) -> bool:
    return (
        np.array_equal(one.numbers, other.numbers)
        and np.array_equal(one.positions, other.positions)
        and np.array_equal(one.cell.array, other.cell.array)
        and np.array_equal(one.pbc, other.pbc)
        and one.info == other.info
        and [type(v) for v in one.info.values()] == [type(v) for v in other.info.values()]
        and (one.calc is None) == (other.calc is None)
        and (
            one.calc is None
            or (
                one.calc.results.keys() == other.calc.results.keys()
                and all(
                    np.array_equal(v, other.calc.results[k]) for k, v in one.calc.results.items()
                )
            )
        )
    )
