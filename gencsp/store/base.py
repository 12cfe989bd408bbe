"""The contract of stores of structures, and the form in which structures are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from numpy.typing import NDArray

#: What a manifest may hold: nothing that JSON would change.
Scalar = str | int | float | bool
Manifest = Mapping[str, Scalar | Sequence[Scalar] | None]

#: Key of ``info`` by which structures are marked.
IDENTITY = "structure_id"

#: What is kept as it is.
_PLAIN = {str, int, float, bool, type(None)}
_KEPT_RESULTS = ("energy", "forces", "stress", "magmoms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The result of one finished task.

    Attributes:
        structures: in the order in which the task returned them.
        failures: how many structures failed without leaving anything, by reason.
    """

    structures: tuple[Atoms, ...] = ()
    failures: Mapping[str, int] = field(default_factory=dict)


class Store(Protocol):
    """Keeps every structure of a run, task by task.

    A task is finished at once or not at all: after a crash its structures are all there or it is
    run again. Finishing a task twice changes nothing, so tasks are idempotent. There is one
    writer. A store belongs to the run that its manifest describes.
    """

    def finish(self, task: str, finished: Finished) -> None:
        """Store the result of a task durably before returning.

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
        """The result of a task, or ``None`` while it is not finished."""
        ...

    def load(self) -> dict[str, Finished]:
        """The results of all finished tasks, read in one pass."""
        ...

    def tasks(self) -> list[str]:
        """Ids of the finished tasks, sorted."""
        ...

    def mark(self, key: str, marks: Mapping[str, str]) -> None:
        """Set a text in ``info`` of structures, or take it away; all of them at once, or none.

        It is for what is known only once other tasks have finished, such as ``duplicate_of``.

        Args:
            key: of the text.
            marks: the text by ``structure_id``; empty to take it away. Structures that are not
                named stay as they are.

        Raises:
            StoreError: it cannot be written, or there is no space left.
        """
        ...

    def note(self, notes: Mapping[str, bytes]) -> None:
        """Keep what has been worked out from structures, so that it need not be again.

        Notes may be lost: they are no results, and what lacks one is worked out anew.

        Args:
            notes: by the names that they are asked for; what is kept under a name already stays.

        Raises:
            StoreError: they cannot be written, or there is no space left.
        """
        ...

    def notes(self) -> dict[str, bytes]:
        """All notes that are as they were written."""
        ...

    def close(self) -> None:
        """Release the store for another writer; it cannot be used afterwards."""
        ...


def portable(atoms: Atoms) -> Atoms:
    """A copy that holds what every store keeps, exactly, and nothing else.

    That is: species, positions, cell and periodicity; per-atom arrays (tags, initial magnetic
    moments and charges, and the user's own); of ``info`` what files can hold (see
    :func:`portable_info`); finite energy, forces, stress and magnetic moments. Constraints belong
    to a step of the search, not to the structure, and are left behind.
    """
    copy = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    for name, values in portable_arrays(atoms).items():
        copy.set_array(name, values)
    copy.info = portable_info(atoms)
    results = portable_results(atoms)
    if results:
        copy.calc = SinglePointCalculator(copy, **results)
    return copy


def set_mark(info: dict[str, Any], key: str, mark: str) -> None:
    """Set a text in ``info`` (changed in place), or take it away where it is empty."""
    info.pop(key, None)
    if mark:
        info[key] = mark


def writable(atoms: Atoms) -> Atoms:
    """As :func:`portable`, with the constraints: what ASE's writers accept."""
    copy = portable(atoms)
    copy.set_constraint([deepcopy(constraint) for constraint in atoms.constraints])
    return copy


def portable_info(atoms: Atoms) -> dict[str, Any]:
    """What ``info`` holds that files can keep, as plain Python values.

    Numbers, text, booleans and ``None``; arrays of numbers; lists and dictionaries of all these
    (tuples become lists, keys text). Entries that hold anything else, such as the objects that some
    of ASE's readers leave there, are left out.
    """
    info: dict[str, Any] = {}
    for key, value in atoms.info.items():
        if type(value) in _PLAIN:
            info[str(key)] = value
            continue
        with suppress(_NotPlain):
            info[str(key)] = _plain(value)
    return info


class _NotPlain(Exception):
    """A value that no file of structures keeps."""


def _plain(value: object) -> Any:
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        value = value.item()
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return value.copy()
    if isinstance(value, np.ndarray) and value.dtype.kind == "U":
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    raise _NotPlain


def portable_arrays(atoms: Atoms) -> dict[str, NDArray[Any]]:
    """Per-atom arrays of numbers, booleans or text beside species and positions, copied."""
    return {
        str(name): values.copy()
        for name, values in atoms.arrays.items()
        if name not in ("numbers", "positions") and values.dtype.kind in "biufU"
    }


def portable_results(atoms: Atoms) -> dict[str, Any]:
    """Finite energy, forces, stress and magnetic moments of a single-point calculator, copied."""
    if not isinstance(atoms.calc, SinglePointCalculator):
        return {}
    return {
        key: np.array(value) if np.ndim(value) else float(value)
        for key, value in atoms.calc.results.items()
        if key in _KEPT_RESULTS and value is not None and np.isfinite(value).all()
    }
