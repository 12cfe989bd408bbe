"""Structures as rows of an ASE database."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import ase.db.core
from ase import Atoms
from ase.db.row import AtomsRow

from gencsp.store.base import portable_arrays, portable_info, portable_results, set_mark

#: Per-atom arrays that ASE's databases have columns for, by the same names.
_COLUMNS = ("initial_charges", "initial_magmoms", "masses", "momenta", "tags")


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
