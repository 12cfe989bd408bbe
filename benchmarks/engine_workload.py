"""Structures that the engine's benchmarks share: 6-24 atoms of eight compositions.

Random crystals of any space group, and proposals of the default proposer.
"""

from __future__ import annotations

import warnings

import numpy as np
from ase import Atoms
from numpy.random import Generator

COMPOSITIONS = (
    ({"Li": 2, "O": 1}),
    ({"Na": 1, "Cl": 1}),
    ({"Si": 1, "O": 2}),
    ({"Ti": 1, "O": 2}),
    ({"Ca": 1, "Ti": 1, "O": 3}),
    ({"Li": 3, "P": 1, "S": 4}),
    ({"Zn": 1, "S": 1}),
    ({"Al": 2, "O": 3}),
)
SMALLEST, LARGEST = 6, 24  # atoms
CLOSEST = 0.9  # Å


def random_crystals(count: int, *, rng: Generator) -> list[Atoms]:
    """Crystals from pyxtal, primitive cells where they are large enough, none with close atoms."""
    crystals: list[Atoms] = []
    while len(crystals) < count:
        atoms = _draw(COMPOSITIONS[len(crystals) % len(COMPOSITIONS)], rng)
        if atoms is not None:
            crystals.append(atoms)
    return crystals


def _draw(formula: dict[str, int], rng: Generator) -> Atoms | None:
    from pymatgen.io.ase import AseAtomsAdaptor
    from pyxtal import pyxtal
    from pyxtal.msg import Comp_CompatibilityError, VolumeError

    size = sum(formula.values())
    units = int(rng.integers(-(-SMALLEST // size), LARGEST // size + 1))
    group, seed = int(rng.integers(1, 231)), int(rng.integers(2**31))
    crystal = pyxtal()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            crystal.from_random(
                3,
                group,
                list(formula),
                [n * units for n in formula.values()],
                factor=1.1,
                random_state=seed,
            )
        except (Comp_CompatibilityError, VolumeError):
            return None
        if not crystal.valid:
            return None
        structure = crystal.to_pymatgen()
        primitive = structure.get_primitive_structure()
    chosen = primitive if SMALLEST <= len(primitive) <= LARGEST else structure
    atoms: Atoms = AseAtomsAdaptor.get_atoms(chosen)
    atoms = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
    distances = atoms.get_all_distances(mic=True) + 10.0 * np.eye(len(atoms))
    sized = SMALLEST <= len(atoms) <= LARGEST
    return atoms if sized and distances.min() >= CLOSEST else None


def proposals(count: int, *, seed: int) -> list[Atoms]:
    """What the default proposer makes of the same compositions, in cells of the same sizes."""
    from gencsp.composition import Composition
    from gencsp.proposers.base import Request
    from gencsp.proposers.registry import get_proposer

    proposer = get_proposer("mixed")
    made: list[list[Atoms]] = []
    for k, formula in enumerate(COMPOSITIONS):
        size = sum(formula.values())
        request = Request(
            composition=Composition.from_counts(formula),
            n=-(-(count - k) // len(COMPOSITIONS)),
            units=tuple(range(-(-SMALLEST // size), LARGEST // size + 1)),
        )
        if request.n > 0:
            rng = np.random.default_rng([seed, k])
            made.append(list(proposer.propose(request, rng=rng)))
    # The compositions in turn, so that every part of the list has them all.
    longest = max(map(len, made), default=0)
    return [part[i] for i in range(longest) for part in made if i < len(part)]
