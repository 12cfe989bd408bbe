"""Structures as rows of an ASE database."""

from __future__ import annotations

import json
import os
import sqlite3
import uuid
from collections.abc import Iterable, Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Any

import ase.db.core
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db.row import AtomsRow
from numpy.typing import NDArray

from gencsp.store.base import (
    Finished,
    portable_arrays,
    portable_info,
    portable_results,
    set_mark,
)
from gencsp.store.digests import TaskEntry

#: Per-atom arrays that ASE's databases have columns for, by the same names.
_COLUMNS = ("initial_charges", "initial_magmoms", "masses", "momenta", "tags")
#: The columns that structures are read from, in the order of the arguments of :func:`_written`.
_READ = (
    "numbers",
    "positions",
    "cell",
    "pbc",
    "energy",
    "forces",
    "stress",
    "magmoms",
    "data",
)
#: A query that says which columns there are.
_NO_ROW = "SELECT * FROM systems LIMIT 0"


def write_row(db: Any, task: str, atoms: Atoms) -> int:
    """Write a structure of a task to an ASE database; returns the id of its row."""
    # ASE commits by itself after so many rows.
    db.change_count = 0
    info, arrays = portable_info(atoms), portable_arrays(atoms)
    data: dict[str, Any] = {"info": info}
    if arrays:
        # Text is not an array to ASE's JSON; numpy finds its type again.
        data["arrays"] = {k: v.tolist() if v.dtype.kind == "U" else v for k, v in arrays.items()}
    written = _row(atoms, {"task": task} | _searchable(info), arrays)
    return int(db.write(written, data=data))


def mark_row(db: Any, row: int, key: str, mark: str) -> None:
    """Set a text in the ``info`` and the key-value pairs of a row; empty to take it away."""
    db.change_count = 0
    info = dict(db.get(id=row).data["info"])
    set_mark(info, key, mark)
    pairs = {key: mark} if mark else {}
    db.update(row, delete_keys=[key], data={"info": info}, **pairs)


def _row(atoms: Atoms, pairs: dict[str, Any], arrays: Mapping[str, Any]) -> AtomsRow:
    """What ASE makes of the portable form of atoms, without asking a calculator for its results.

    Key-value pairs that come with a row are written as they are: these have been checked.
    """
    fields = {
        "unique_id": uuid.uuid4().hex,
        "ctime": ase.db.core.now(),
        "user": os.getenv("USER"),
        "numbers": atoms.numbers,
        "positions": atoms.positions,
        "cell": atoms.cell.array,
        "pbc": atoms.pbc,
        "key_value_pairs": pairs,
    }
    fields |= {name: arrays[name] for name in _COLUMNS if name in arrays}
    results = portable_results(atoms)
    if results:
        fields |= {"calculator": "unknown", "calculator_parameters": {}, **results}
    return AtomsRow(fields)


def _searchable(info: Mapping[str, Any]) -> dict[str, Any]:
    """The part of ``info`` that ASE accepts as key-value pairs (a hash of digits only is not)."""
    return {
        key: value
        for key, value in info.items()
        # All numbers are accepted alike.
        if isinstance(value, str | int | float)
        and _accepts(key, value if isinstance(value, str) else 0)
    }


@lru_cache(maxsize=1024)
def _accepts(key: str, value: str | int) -> bool:
    try:
        ase.db.core.check({key: value})
    except ValueError:
        return False
    return True


def read_row(row: Any) -> Atoms:
    """The structure of a row that ASE has read, with its ``info`` and arrays.

    Of a row that gencsp did not write, ``info`` holds the key-value pairs.
    """
    atoms: Atoms = row.toatoms()
    info, arrays = (row.data.get(key) for key in ("info", "arrays"))
    # Other programs keep what they like under these names.
    atoms.info = dict(info if isinstance(info, Mapping) else row.key_value_pairs)
    for name, values in (arrays if isinstance(arrays, Mapping) else {}).items():
        array = np.asarray(values)
        if array.ndim and len(array) == len(atoms) and name not in ("numbers", "positions"):
            atoms.arrays.pop(name, None)
            atoms.set_array(name, array)
    return atoms


def finished_of(
    connection: sqlite3.Connection, tasks: Iterable[tuple[TaskEntry, list[tuple[Any, ...]]]]
) -> dict[str, Finished]:
    """The results of tasks, in the order of their names.

    Args:
        connection: to the database that has the rows.
        tasks: entries, each with its rows, which :func:`write_row` wrote and whose digest is right:
            they are read as they stand, without ASE, which takes several times as long.
    """
    columns = [about[0] for about in connection.execute(_NO_ROW).description]
    values = itemgetter(*(columns.index(name) for name in _READ))
    found = {
        entry.task: Finished(
            structures=tuple(_written(*values(row)) for row in rows),
            failures=json.loads(entry.failures),
        )
        for entry, rows in tasks
    }
    return dict(sorted(found.items()))


def _written(
    numbers: bytes,
    positions: bytes,
    cell: bytes,
    periodic: int,
    energy: float | None,
    forces: bytes | None,
    stress: bytes | None,
    magmoms: bytes | None,
    stored: bytes,
) -> Atoms:
    """The structure that :func:`write_row` was given, from the columns :data:`_READ` of its row."""
    data = _data(stored)
    atoms = Atoms(
        numbers=_array(numbers, np.int32),
        positions=_array(positions).reshape(-1, 3),
        cell=_array(cell).reshape(3, 3),
        # Three directions in a list take as long as all the rest.
        pbc=periodic == 7 or [bool(periodic & bit) for bit in (1, 2, 4)],
    )
    for name, array in data.get("arrays", {}).items():
        atoms.set_array(name, np.asarray(array))
    results: dict[str, Any] = {} if energy is None else {"energy": energy}
    if forces is not None:
        results["forces"] = _array(forces).reshape(-1, 3)
    if stress is not None:
        results["stress"] = _array(stress)
    if magmoms is not None:
        results["magmoms"] = _array(magmoms)
    if results:
        # It keeps a copy of the atoms, for which ``info`` would be copied in vain.
        atoms.calc = SinglePointCalculator(atoms, **results)
    atoms.info = data["info"]
    atoms.info = portable_info(atoms)
    return atoms


def _data(stored: bytes) -> dict[str, Any]:
    """What ASE's ``bytes_to_object`` makes of it; most rows hold no arrays beside the columns."""
    offset = int.from_bytes(stored[:8], "little")
    text = stored[offset:]
    found = ase.db.core.bytes_to_object(stored) if b'"__' in text else json.loads(text)
    return dict(found)


def _array(blob: bytes, dtype: type = np.float64) -> NDArray[Any]:
    """The numbers of a column, which are kept with the least significant byte first."""
    found: NDArray[Any] = np.frombuffer(blob, dtype)
    return found.copy() if np.little_endian else found.byteswap()
