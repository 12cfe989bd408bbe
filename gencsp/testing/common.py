"""Parts that all checks share."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from ase import Atoms


def require(condition: object, sentence: str) -> None:
    """Raise ``AssertionError`` with a sentence, also where Python runs without assertions."""
    if not condition:
        raise AssertionError(sentence)


def same_atoms(one: Atoms, other: Atoms, *, atol: float = 0.0) -> bool:
    """Whether species, positions (Å), cell (Å) and periodicity agree, atom by atom."""
    return (
        len(one) == len(other)
        and bool((one.numbers == other.numbers).all())
        and np.allclose(one.positions, other.positions, rtol=0, atol=atol)
        and np.allclose(one.cell.array, other.cell.array, rtol=0, atol=atol)
        and bool((one.pbc == other.pbc).all())
    )


def require_crystal(atoms: Atoms, who: str) -> None:
    """A fully periodic crystal whose numbers are finite."""
    require(isinstance(atoms, Atoms), f"{who} gives a {type(atoms).__name__} and no Atoms.")
    require(atoms.pbc.all(), f"{who} gives a structure that is not periodic in all directions.")
    finite = np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()
    require(finite, f"{who} gives positions or a cell that are not finite.")
    require(atoms.cell.volume > 1e-6, f"{who} gives a cell without volume.")


@contextmanager
def untouched(structures: Sequence[Atoms], who: str) -> Iterator[None]:
    """Structures, and the global random generators, are as before when the block ends."""
    before = [(atoms.copy(), dict(atoms.info), atoms.calc) for atoms in structures]
    python, numpy, torches = random.getstate(), _numpy_state(), torch.random.get_rng_state()
    yield
    changed = random.getstate() != python or _numpy_state() != numpy
    changed |= not torch.equal(torch.random.get_rng_state(), torches)
    require(not changed, f"{who} draws from a global random generator: draw from 'rng' alone.")
    for atoms, (copy, info, calc) in zip(structures, before, strict=True):
        arrays = set(atoms.arrays) == set(copy.arrays)
        same = same_atoms(atoms, copy) and arrays and _same_info(atoms.info, info)
        same = same and atoms.calc is calc and len(atoms.constraints) == len(copy.constraints)
        require(same, f"{who} changes a structure that it was given: work on a copy.")


def _numpy_state() -> str:
    return repr(np.random.get_state(legacy=False))  # noqa: NPY002  # looked at, not drawn from


def _same_info(one: dict[str, object], other: dict[str, object]) -> bool:
    return set(one) == set(other) and all(repr(one[key]) == repr(other[key]) for key in one)
