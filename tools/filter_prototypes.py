"""Frameworks of OQMD-ICSD, most frequent first, for ``build_filter_tables.py``."""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from oqmd_icsd import Crystal
from pair_tables import as_atoms

from gencsp.descriptors.orbits import orbits
from gencsp.filters.frameworks import FAR, Framework
from gencsp.io.packed import pack

#: Prototypes shipped; crystals looked at for each label; crystals that a label needs; largest
#: primitive cell.
SHIPPED, SAMPLED, LEAST, MOST_ATOMS = 1000, 3, 3, 40
#: Fingerprints of one label nearer than this are one framework without asking the matcher.
SAME = 0.03
#: Fingerprints of different labels further apart than this are not compared.
NEAR = 0.05


@dataclass
class Found:
    """A framework, a crystal of it, and how many crystals it stands for."""

    framework: Framework
    cell: Atoms
    label: str
    count: float


def build_prototypes(rows: list[Crystal], folder: Path) -> dict[str, object]:
    """Group crystals by label, split labels into frameworks, merge frameworks across labels."""
    labels: dict[str, list[Crystal]] = defaultdict(list)
    for row in rows:
        labels[row.prototype].append(row)
    several = sorted(
        ((label, members) for label, members in labels.items() if len(members) >= LEAST),
        key=lambda item: (-len(item[1]), item[0]),
    )
    split = []
    for number, (label, members) in enumerate(several):
        split.extend(_split(label, members))
        if number % 500 == 0:
            sys.stderr.write(f"{number} of {len(several)} labels\n")
    merged = _merge(sorted(split, key=lambda found: (-found.count, found.label)))
    shipped = sorted(merged, key=lambda found: (-found.count, found.label))[:SHIPPED]
    cells: dict[str, Any] = pack([found.cell for found in shipped])
    np.savez_compressed(
        folder / "prototypes.npz",
        **cells,
        counts=np.array([round(found.count) for found in shipped], dtype=np.int32),
        labels=np.array([found.label for found in shipped]),
    )
    counts = np.array([found.count for found in shipped])
    return {
        "crystals": len(rows),
        "labels": len(labels),
        "labels_of_several": len(several),
        "frameworks": len(merged),
        "shipped": len(shipped),
        "share_of_top_20_percent": round(100 * float(counts[:20].sum()) / len(rows), 1),
        "share_of_top_100_percent": round(100 * float(counts[:100].sum()) / len(rows), 1),
        "share_of_shipped_percent": round(100 * float(counts.sum()) / len(rows), 1),
    }


def _split(label: str, members: list[Crystal]) -> list[Found]:
    """The frameworks of one label: the sites of a label may have free coordinates."""
    places = np.unique(np.linspace(0, len(members) - 1, SAMPLED).astype(int))
    weight = len(members) / len(places)
    found: list[Found] = []
    for place in places:
        cell = orbits(as_atoms(members[place])).atoms
        if len(cell) > MOST_ATOMS:
            continue
        one = Found(Framework.of_primitive(cell), cell, label, weight)
        _add(one, found, same=SAME, far=FAR)
    return found


def _merge(split: list[Found]) -> list[Found]:
    by_size: dict[int, list[Found]] = defaultdict(list)
    for found in split:
        _add(found, by_size[len(found.framework)], same=0.0, far=NEAR)
    return [found for group in by_size.values() for found in group]


def _add(one: Found, known: list[Found], *, same: float, far: float) -> None:
    """Count ``one`` towards the framework that it is, or as a new one."""
    for other in known:
        if len(one.framework) != len(other.framework):
            continue
        apart = np.abs(one.framework.fingerprint - other.framework.fingerprint).max()
        if apart < same or (apart < far and one.framework.matches(other.framework)):
            other.count += one.count
            return
    known.append(one)
