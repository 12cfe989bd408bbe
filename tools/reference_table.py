"""One line for each relaxed crystal, and the table and crystals that are made of the lines."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Composition as PymatgenComposition
from reference_queue import Queued, read_queue
from reference_sources import LICENCES, SHIPPED

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
    "stability",
    "outcome",
    "steps",
    "fmax",
)

CARD = """\
# More hull references: {model}, growing

Crystals relaxed with {model} for the hull, from more sources than the shipped table holds
(`gencsp/data/references_{model}.csv.gz`), and not yet merged into it: the work goes on. Made by
`tools/relax_references.py`; the order in which it relaxes is in `tools/reference_queue.py`.

| source | licence | relaxed so far | queued |
|---|---|---|---|
{sources}

| | |
|---|---|
| weights | {digest} |
| relaxation | {minimiser}, fmax {fmax} eV/Å, at most {steps} steps, starting symmetry not imposed |
| formulas with a converged row | {formulas} |
| outcomes | {outcomes} |

`references_growing.csv.gz`, one row a crystal, also those that did not converge (no energy, and the
reason in `outcome`): `formula`; `energy_per_atom` (eV/atom); `volume_per_atom` (Å³/atom);
`space_group` after and `space_group_start` before the relaxation (spglib at 0.1 Å and 10 degrees);
`n_atoms` in the primitive cell; `source` and `source_id`; `stability` (distance to the hull of the
source, eV/atom; OQMD's without the phase itself); `outcome`; `steps`; `fmax` (eV/Å).
`references_growing.npz` holds the relaxed crystals of {shipped} alone.

These are references of a hull, not training data: formulas that are held out from training are
among them, and `Hull.without` takes one out. CHGNet was trained on Materials Project data, so its
energies here are in-sample.
"""

#: Steps that an edge of a cell is divided into in the file of crystals.
GRID = 65536


def record(item: Queued, result: Relaxed) -> dict[str, Any]:
    """What is kept of a relaxation; energies and space group only where it converged.

    Energies are in eV/atom, volumes in Å³/atom, fmax in eV/Å; ``cell`` in Å and ``fractional`` are
    those of the relaxed crystal, its atoms in the order of ``numbers``.
    """
    atoms, converged = result.atoms, result.converged
    return {
        "source": item.candidate.source,
        "source_id": item.candidate.source_id,
        "formula": item.formula.formula,
        "n_atoms": len(atoms),
        "space_group_start": item.space_group,
        "space_group": space_group(atoms).number if converged else None,
        "energy_per_atom": round(result.energy_per_atom, 7) if converged else None,
        "volume_per_atom": round(atoms.get_volume() / len(atoms), 5) if converged else None,
        "outcome": str(result.outcome),
        "steps": result.steps,
        "fmax": round(result.fmax, 5) if np.isfinite(result.fmax) else None,
        "stability": item.candidate.stability,
        "numbers": atoms.numbers.tolist() if converged else None,
        "cell": np.round(atoms.cell.array, 6).tolist() if converged else None,
        "fractional": np.round(atoms.get_scaled_positions(), 6).tolist() if converged else None,
    }


def export(checkpoint: Path, queue: Path, folder: Path) -> dict[str, Any]:
    """Write ``references_growing`` into ``folder``: ``.csv.gz``, ``.npz`` and the card, ``.md``.

    The table holds every crystal so far, those that did not converge with the reason; the second
    file the relaxed crystals of the sources in ``SHIPPED``. Both depend on the lines of the
    checkpoint, not on their order. Returns how far the work is.
    """
    first, *lines = checkpoint.read_text(encoding="utf-8").splitlines()
    records: list[dict[str, Any]] = sorted(
        ({**line, "formula": _name(line["formula"])} for line in map(json.loads, lines)),
        key=lambda line: (line["formula"], line["energy_per_atom"] or 0.0, line["source_id"]),
    )
    _write_table(folder / "references_growing.csv.gz", json.loads(first), records)
    ships = [r for r in records if r["outcome"] == "converged" and r["source"] in SHIPPED]
    _write_crystals(folder / "references_growing.npz", ships)
    facts = {
        "queued": dict(Counter(item.candidate.source for item in read_queue(queue))),
        "done": dict(Counter(r["source"] for r in records)),
        "outcomes": dict(Counter(r["outcome"] for r in records)),
        "formulas": len({r["formula"] for r in records if r["outcome"] == "converged"}),
    }
    (folder / "references_growing.md").write_text(_card(json.loads(first), facts), encoding="utf-8")
    return facts


def _card(protocol: dict[str, Any], facts: dict[str, Any]) -> str:
    done, queued = facts["done"], facts["queued"]
    sources = "\n".join(
        f"| {source} | {licence} | {done.get(source, 0)} | {queued.get(source, 0)} |"
        for source, licence in LICENCES.items()
    )
    outcomes = ", ".join(f"{n} {outcome}" for outcome, n in sorted(facts["outcomes"].items()))
    facts = {**facts, "sources": sources, "outcomes": outcomes}
    return CARD.format(**protocol, **facts, shipped=", ".join(sorted(SHIPPED)))


def _name(formula: str) -> str:
    return str(PymatgenComposition(formula).get_integer_formula_and_factor()[0])


def _write_table(path: Path, protocol: dict[str, Any], records: list[dict[str, Any]]) -> None:
    """Header lines, then CSV; gzipped without a time, so that equal tables are equal files."""
    text = io.StringIO()
    for name, value in protocol.items():
        text.write(f"# {'weights' if name == 'digest' else name}: {value}\n")
    for source, licence in LICENCES.items():
        text.write(f"# licence of {source}: {licence}\n")
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(_rounded, records))
    path.write_bytes(gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0))


def _rounded(line: dict[str, Any]) -> dict[str, Any]:
    digits = {"energy_per_atom": 6, "volume_per_atom": 3, "stability": 4, "fmax": 4}
    numbers = {name: f"{line[name]:.{n}f}" for name, n in digits.items() if line[name] is not None}
    return {**line, **numbers}


def _write_crystals(path: Path, records: list[dict[str, Any]]) -> None:
    """Arrays of all crystals in one row: ``source_id`` (n,), ``size`` (n,) atoms of each, ``cell``
    (n, 3, 3) in Å, ``number`` (atoms,), and ``fractional`` (atoms, 3) in units of 1/65536."""
    places = np.concatenate(
        [np.zeros((0, 3)), *(np.array(r["fractional"]).reshape(-1, 3) for r in records)]
    )
    np.savez_compressed(
        path,
        source_id=np.array([r["source_id"] for r in records], dtype=np.str_),
        size=np.array([r["n_atoms"] for r in records], dtype=np.uint16),
        cell=np.array([r["cell"] for r in records], dtype=np.float32).reshape(-1, 3, 3),
        number=np.array([z for r in records for z in r["numbers"]], dtype=np.uint8),
        fractional=(np.round(places * GRID).astype(np.int64) % GRID).astype(np.uint16),
    )
