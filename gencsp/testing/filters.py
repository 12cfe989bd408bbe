"""Checks that a filter fulfils its contract."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from copy import deepcopy

import numpy as np
from ase import Atoms
from scipy.spatial.transform import Rotation

from gencsp.filters.base import Filter, Verdict
from gencsp.testing.common import require, untouched


def check_filter(
    judge: Filter, structures: Sequence[Atoms], *, tolerance: float = 1e-6, seed: int = 0
) -> None:
    """Check a filter against :class:`~gencsp.filters.base.Filter`.

    Its verdict on a crystal is finite where it passes, agrees with its own threshold, and stays the
    same whatever the order of the atoms, the origin and the orientation of the crystal, and whether
    atoms are wrapped into the cell. The crystal and global random generators stay as they are.

    Args:
        judge: the filter; one that compares with what it saw is copied before each crystal.
        structures: crystals.
        tolerance: of values, relative and absolute.
        seed: of the disguises.

    Raises:
        AssertionError: what is wrong, in one sentence.
    """
    require(
        isinstance(judge, Filter),
        f"{type(judge).__name__} is no filter: it needs 'name', 'quantity', 'costly', 'ordered' "
        f"and 'judge'.",
    )
    who = f"the filter '{judge.name}'"
    rng = np.random.default_rng(seed)
    for atoms in structures:
        with untouched([atoms], who):
            verdict = deepcopy(judge).judge(atoms)
        _check_verdict(verdict, judge, who)
        sent: Filter = pickle.loads(pickle.dumps(judge))
        _same(sent.judge(atoms), verdict, tolerance, f"{who} judges otherwise in another process")
        for disguise, disguised in _disguises(atoms, rng):
            again = deepcopy(judge).judge(disguised)
            _same(again, verdict, tolerance, f"{who} judges otherwise with {disguise}")


def _check_verdict(verdict: Verdict, judge: Filter, who: str) -> None:
    require(isinstance(verdict, Verdict), f"{who} gives a {type(verdict).__name__}, no Verdict.")
    require(verdict.name == judge.name, f"{who} signs its verdict '{verdict.name}'.")
    require(type(verdict.passed) is bool, f"{who} passes with {verdict.passed!r}: give a bool.")
    low, high = verdict.threshold
    inside = low <= verdict.value <= high
    require(
        inside is verdict.passed or np.isnan(verdict.value),
        f"{who} has the value {verdict.value} and the window {low} to {high}, and says "
        f"passed = {verdict.passed}.",
    )
    require(
        not (verdict.passed and np.isnan(verdict.value)),
        f"{who} passes a crystal whose value is not a number.",
    )


def _same(one: Verdict, other: Verdict, tolerance: float, sentence: str) -> None:
    close = np.isclose(one.value, other.value, rtol=tolerance, atol=tolerance, equal_nan=True)
    require(
        one.passed == other.passed and close,
        f"{sentence}: {one.value} ({one.passed}) where it was {other.value} ({other.passed}).",
    )


def _disguises(atoms: Atoms, rng: np.random.Generator) -> list[tuple[str, Atoms]]:
    """The same crystal, written otherwise."""
    moved = atoms.copy()
    moved.positions += rng.random(3) @ atoms.cell.array
    turned = atoms.copy()
    rotation = Rotation.random(random_state=rng).as_matrix()
    turned.set_cell(atoms.cell.array @ rotation.T)
    turned.positions = atoms.positions @ rotation.T
    wrapped = moved.copy()
    wrapped.wrap()
    return [
        ("its atoms in another order", atoms[rng.permutation(len(atoms))]),
        ("another origin", moved),
        ("another orientation", turned),
        ("its atoms wrapped into the cell", wrapped),
    ]
