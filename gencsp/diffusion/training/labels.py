"""The properties of training crystals, computed by the project's own filters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp import records
from gencsp.descriptors.compactness import compactness
from gencsp.descriptors.complexity import complexity
from gencsp.descriptors.local_diversity import local_diversity
from gencsp.diffusion.joint.conditions import PROPERTIES, Property

#: Structures that a worker takes at a time.
CHUNK = 64


def properties_of(atoms: Atoms, *, e_hull: float = np.nan) -> dict[Property, float]:
    """C, M_LED (bits), K (bits/atom) and, as given, the energy above the hull (eV/atom)."""
    return {
        "compactness": compactness(atoms),
        "m_led": local_diversity(atoms),
        "e_hull": e_hull,
        "complexity": complexity(atoms),
    }


def label_crystals(structures: Iterable[Atoms], *, workers: int = 1) -> Iterator[tuple[float, ...]]:
    """Rows of labels in the order of :data:`PROPERTIES`, NaN where unknown.

    The energy above the hull is that of ``info["energy_above_hull"]`` (eV/atom), where there is
    one.
    """
    source = iter(structures)
    if workers <= 1:
        for atoms in source:
            yield _row(atoms)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        while chunk := list(islice(source, CHUNK * workers * 4)):
            yield from pool.map(_row, chunk, chunksize=CHUNK)


def energies_above_hull(structures: Iterable[Atoms]) -> NDArray[np.float64]:
    """``info["energy_above_hull"]`` of crystals, eV/atom, shape (b,), NaN where there is none."""
    return np.array([_energy(atoms) for atoms in structures], dtype=np.float64)


def by_property(**known: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of labels, shape (b, 4), from those of some properties, shape (b,); NaN elsewhere."""
    labels = np.full((len(next(iter(known.values()))), len(PROPERTIES)), np.nan)
    for name, values in known.items():
        labels[:, [one == name for one in PROPERTIES]] = values[:, None]
    return labels


def _energy(atoms: Atoms) -> float:
    return float(atoms.info.get(records.ENERGY_ABOVE_HULL, np.nan))


def _row(atoms: Atoms) -> tuple[float, ...]:
    found = properties_of(atoms, e_hull=_energy(atoms))
    return tuple(found[name] for name in PROPERTIES)


def as_array(rows: Iterable[tuple[float, ...]]) -> NDArray[np.float64]:
    """Rows of labels as an array, shape (b, 4)."""
    return np.array(list(rows), dtype=np.float64).reshape(-1, len(PROPERTIES))
