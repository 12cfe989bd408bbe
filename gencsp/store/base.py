"""What every store of structures offers, and the form in which it keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

#: What a manifest may hold, and ``Atoms.info`` in a store: nothing that JSON would change.
Scalar = str | int | float | bool
Manifest = Mapping[str, Scalar | Sequence[Scalar] | None]

_KEPT_RESULTS = ("energy", "forces", "stress", "magmoms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What one finished task left.

    Attributes:
        structures: in the order in which the task handed them over.
        failures: how many structures failed without leaving anything, by reason.
    """

    structures: tuple[Atoms, ...] = ()
    failures: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


class Store(Protocol):
    """Keeps every structure of a run, task by task.

    A task is finished at once or not at all: after a crash its structures are all there or it is
    run again. Finishing a task twice changes nothing, so tasks are idempotent. There is one
    writer. A store belongs to the run that its manifest describes.
    """

    def finish(self, task: str, finished: Finished) -> None:
        """Keep what a task left, durably, before returning.

        Raises:
            StoreError: it cannot be written, or there is no space left.
        """
        ...

    def finish_all(self, results: Mapping[str, Finished]) -> None:
        """As :meth:`finish` for several tasks at once: all of them are kept, or none.

        One wait for the disk instead of many, where tasks are short.
        """
        ...

    def get(self, task: str) -> Finished | None:
        """What a task left, or ``None`` while it is not finished."""
        ...

    def load(self) -> dict[str, Finished]:
        """What every finished task left, read in one pass."""
        ...

    def tasks(self) -> list[str]:
        """Ids of the finished tasks, sorted."""
        ...

    def close(self) -> None:
        """Let another writer in; the store cannot be used afterwards."""
        ...


def portable(atoms: Atoms) -> Atoms:
    """A copy that holds what every store keeps, exactly, and nothing else.

    That is: species, positions, cell and periodicity; the scalars of ``info``; finite energy,
    forces, stress and magnetic moments. Constraints belong to a step of the search, not to the
    structure, and are left behind.
    """
    copy = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    copy.info = portable_info(atoms)
    results = portable_results(atoms)
    if results:
        copy.calc = SinglePointCalculator(copy, **results)
    return copy


def portable_info(atoms: Atoms) -> dict[str, Scalar]:
    """The scalars of ``info``, as plain Python values."""
    info: dict[str, Scalar] = {}
    for key, value in atoms.info.items():
        plain = value.item() if isinstance(value, np.generic) else value
        if isinstance(plain, str | int | float):
            info[str(key)] = plain
    return info


def portable_results(atoms: Atoms) -> dict[str, Any]:
    """Finite energy, forces, stress and magnetic moments of a single-point calculator, copied."""
    if not isinstance(atoms.calc, SinglePointCalculator):
        return {}
    return {
        key: np.array(value) if np.ndim(value) else float(value)
        for key, value in atoms.calc.results.items()
        if key in _KEPT_RESULTS and value is not None and np.isfinite(value).all()
    }
