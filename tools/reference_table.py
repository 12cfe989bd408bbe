"""The shipped table of hull references and the file of their crystals: read, merged, written.

The table, ``references_<model>.csv.gz``, has one row a crystal, all polymorphs kept: ``formula``,
``energy_per_atom`` (eV/atom), ``volume_per_atom`` (Å³/atom), ``space_group`` (spglib at 0.1 Å and
10 degrees) and ``space_group_start``, that before the relaxation, ``n_atoms`` in the primitive
cell, ``source`` and ``source_id``. The crystals, relaxed,
are in ``hull_phases_<model>.npz`` for the sources in ``SHIPPED``, packed by :mod:`gencsp.io.packed`
with their ``source_id`` beside them.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from pymatgen.core import Composition as PymatgenComposition
from reference_queue import Queued
from reference_sources import FOUND, LICENCES, SHIPPED

from gencsp.composition import Composition
from gencsp.io.packed import PackedStructures, pack
from gencsp.minimise.result import Relaxed
from gencsp.symmetry.refinement import space_group

COLUMNS = (
    "formula",
    "energy_per_atom",
    "volume_per_atom",
    "space_group",
    "space_group_start",
    "n_atoms",
    "source",
    "source_id",
)
Row = dict[str, str]
#: eV/atom: no compound has a formation energy outside (ThF4 has -4.4, and what lies far above its
#: elements is nothing that a hull needs): there a potential has left what it was trained on.
PLAUSIBLE = (-6.0, 1.0)
#: eV/atom: two relaxations of a crystal into one minimum differ by less.
ONE_MINIMUM = 1e-3


@dataclass(slots=True)
class ReferenceTable:
    """Rows of the table and relaxed crystals, both by ``source_id``."""

    header: dict[str, str] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    crystals: dict[str, Atoms] = field(default_factory=dict)

    def whole(self) -> Iterator[str]:
        """Ids of the rows that need no further relaxation: crystals are there, or may not be."""
        for source_id, row in self.rows.items():
            if source_id in self.crystals or row["source"] not in SHIPPED:
                yield source_id

    def add(self, line: Mapping[str, Any], source: str, source_id: str) -> None:
        """Add what one line of a checkpoint says, unless its crystal was lower before.

        Soft crystals may end in several minima, by how far rounding takes them.
        """
        former = float(self.rows.get(source_id, {}).get("energy_per_atom", "inf"))
        if former < line["energy_per_atom"] - ONE_MINIMUM:
            return
        atoms = Atoms(
            line["numbers"], scaled_positions=line["fractional"], cell=line["cell"], pbc=True
        )
        name, _ = PymatgenComposition(line["formula"]).get_integer_formula_and_factor()
        self.rows[source_id] = {
            "formula": name,
            "energy_per_atom": f"{line['energy_per_atom']:.6f}",
            "volume_per_atom": f"{atoms.get_volume() / len(atoms):.3f}",
            "space_group": str(line["space_group"]),
            "space_group_start": str(line.get("space_group_start", "")),
            "n_atoms": str(len(atoms)),
            "source": source,
            "source_id": source_id,
        }
        if source in SHIPPED:
            self.crystals[source_id] = atoms


def record(item: Queued, result: Relaxed) -> dict[str, Any]:
    """What is kept of a relaxation; crystal and energy only where it converged.

    Energies are in eV/atom, fmax in eV/Å; ``cell`` in Å and ``fractional`` are those of the relaxed
    crystal, its atoms in the order of ``numbers``.
    """
    line = {
        "source": item.candidate.source,
        "source_id": item.candidate.source_id,
        "formula": item.formula.formula,
        "space_group_start": item.space_group,
        "outcome": str(result.outcome),
        "steps": result.steps,
        "fmax": round(result.fmax, 5) if np.isfinite(result.fmax) else None,
    }
    return line | crystal_line(result) if result.converged else line


def crystal_line(result: Relaxed) -> dict[str, Any]:
    """Energy, space group and crystal of a relaxation that converged."""
    atoms = result.atoms
    return {
        "space_group": space_group(atoms).number,
        "energy_per_atom": round(result.energy_per_atom, 7),
        "numbers": atoms.numbers.tolist(),
        "cell": np.round(atoms.cell.array, 6).tolist(),
        "fractional": np.round(atoms.get_scaled_positions(), 6).tolist(),
    }


def read_table(folder: Path, model: str) -> ReferenceTable:
    """The table and crystals in ``folder``; an empty table where there is none."""
    table = ReferenceTable()
    path = folder / f"references_{model}.csv.gz"
    if not path.exists():
        return table
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").splitlines()
    while lines[0].startswith("#"):
        key, _, value = lines.pop(0).lstrip("# ").partition(": ")
        table.header[key] = value
    table.rows = {row["source_id"]: row for row in csv.DictReader(lines)}
    crystals = folder / f"hull_phases_{model}.npz"
    if crystals.exists():
        with np.load(crystals, allow_pickle=False) as file:
            packed, ids = PackedStructures(dict(file)), file["source_id"].tolist()
        table.crystals = {source_id: packed[n] for n, source_id in enumerate(ids)}
    return table


def merge(
    table: ReferenceTable,
    relaxed: Iterable[Mapping[str, Any]],
    found: Iterable[Mapping[str, Any]],
) -> dict[str, str]:
    """Add what checkpoints hold to a table; returns why crystals are not in it, by their id.

    Args:
        table: what is there already.
        relaxed: lines of ``build_references.py relax``.
        found: lines of ``find_references.py`` and ``find_phases.py``, of which the accepted ones
            are added.
    """
    failed: dict[str, str] = {}
    for line in relaxed:
        if line["outcome"] == "converged":
            table.add(line, line["source"], line["source_id"])
        else:
            failed[line["source_id"]] = line["outcome"]
    for line in found:
        if line["accepted"]:
            table.add(line, FOUND, line.get("source_id", f"found-{line['formula']}"))
    return failed


def drop_implausible(table: ReferenceTable) -> dict[str, str]:
    """Take out rows whose formation energy is not ``PLAUSIBLE``; returns why, by their id."""
    formulas = {row["formula"]: Composition.parse(row["formula"]) for row in table.rows.values()}
    elements: dict[str, float] = {}
    for row in table.rows.values():
        symbols = formulas[row["formula"]].elements
        if len(symbols) == 1:
            energy = float(row["energy_per_atom"])
            elements[symbols[0]] = min(energy, elements.get(symbols[0], energy))
    dropped = {}
    for source_id, row in list(table.rows.items()):
        formula = formulas[row["formula"]]
        if not elements.keys() >= set(formula.elements):
            continue
        parts = sum(n * elements[symbol] for symbol, n in formula.counts) / formula.size
        if not PLAUSIBLE[0] <= float(row["energy_per_atom"]) - parts <= PLAUSIBLE[1]:
            dropped[source_id] = "implausible formation energy"
            del table.rows[source_id]
            table.crystals.pop(source_id, None)
    return dropped


def write_table(table: ReferenceTable, folder: Path, protocol: Mapping[str, Any]) -> None:
    """Write the table and its crystals, in an order that does not depend on that of the work."""
    rows = sorted(
        table.rows.values(),
        key=lambda r: (r["formula"], float(r["energy_per_atom"]), r["source_id"]),
    )
    model = protocol["model"]
    header = {"weights" if key == "digest" else key: value for key, value in protocol.items()}
    sources = {row["source"] for row in rows}
    header |= {f"licence of {s}": licence for s, licence in LICENCES.items() if s in sources}
    text = io.StringIO()
    for name, value in header.items():
        text.write(f"# {name}: {value}\n")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    # Without a time, so that equal tables are equal files.
    content = gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0)
    (folder / f"references_{model}.csv.gz").write_bytes(content)
    ids = [row["source_id"] for row in rows if row["source_id"] in table.crystals]
    crystals: dict[str, Any] = pack([table.crystals[source_id] for source_id in ids])
    crystals["source_id"] = np.array(ids, dtype=np.str_)
    np.savez_compressed(folder / f"hull_phases_{model}.npz", **crystals)


def read_failed(path: Path) -> dict[str, str]:
    """Why crystals have no row, by their id; nothing where there is no file."""
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def write_failed(path: Path, failed: Mapping[str, str]) -> None:
    """Write what :func:`read_failed` reads."""
    path.write_text(json.dumps(failed, indent=0, sort_keys=True) + "\n", "utf-8")
