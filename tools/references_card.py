"""Writes the table of hull references and its card from a checkpoint of ``build_references.py``."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cards import write_card
from oqmd_icsd import SOURCE
from pymatgen.core import Composition as PymatgenComposition

from gencsp.composition import ELEMENTS

COLUMNS = (
    "formula",
    "energy_per_atom",
    "space_group",
    "n_atoms",
    "source_id",
    "oqmd_stability",
    "converged",
)

BESIDE = "standard crystals of the elements (`standard-…`, `tools/standard_elements.py`)"
CARD = """\
# Hull references: {model}

Phases relaxed (atoms and cell) with {model}, so that candidates and references are on one footing.
One row a structure, all polymorphs kept, in `references_{model}.csv.gz`.

| | |
|---|---|
| model, weights | {model}, {weights} |
| crystals from | {source} |
| beside them | {beside} |
| relaxation | {minimiser}, fmax {fmax} eV/Å, at most {steps} steps, starting symmetry not imposed |
| rows | {rows} ({formulas} reduced formulas, {elements} elements) |
| largest cell | {largest} atoms; {large} rows have more than 20 |
| did not converge, left out | {failed} |
| selection | {selection} |
| made | {date}, gencsp {version} |
| licence | CC-BY-4.0, as the OQMD data |

OQMD: Saal et al., JOM 65, 1501 (2013); Kirklin et al., npj Comput. Mater. 1, 15010 (2015).

Columns: `formula`; `energy_per_atom` (eV/atom); `space_group` (number, spglib at 0.1 Å and 10
degrees); `n_atoms` in the cell; `source_id` (OQMD calculation and ICSD entry, or the standard
crystal); `oqmd_stability` (OQMD's own distance to its hull without the row, eV/atom; empty for
standard crystals); `converged`.

To be known:

- These are references of a hull, not training data. They include formulas that are held out from
  training and used in benchmarks; `Hull.without` takes such a formula out.
- CHGNet was trained on Materials Project data that hold most of these crystals: its energies here
  are in-sample.
- Phases with larger cells than the selection are missing, so a hull may lie too high where such a
  phase is stable.
- CHGNet's energies follow the Materials Project's corrected ones
  (MaterialsProject2020Compatibility); OQMD's own energies served only to select.

Made again, or extended, with

    python tools/build_references.py relax --checkpoint refs.jsonl --within 0.05 --max-atoms 20
    python tools/build_references.py export --checkpoint refs.jsonl
"""


def export(checkpoint: Path, folder: Path, selection: str) -> None:
    """Write ``references_<model>.csv.gz``, ``.card.json`` and ``.md`` into ``folder``.

    Raises:
        ValueError: an element has no converged reference.
    """
    first, *lines = checkpoint.read_text(encoding="utf-8").splitlines()
    protocol: dict[str, Any] = json.loads(first)
    records = {r["source_id"]: r for r in map(json.loads, lines)}
    rows = sorted(
        (_row(r) for r in records.values() if r["outcome"] == "converged"),
        key=lambda row: (row["formula"], float(row["energy_per_atom"]), row["source_id"]),
    )
    formulas = {row["formula"] for row in rows}
    found = {formula for formula in formulas if PymatgenComposition(formula).is_element}
    missing = set(ELEMENTS) - {str(PymatgenComposition(f).elements[0]) for f in found}
    if missing:
        raise ValueError(f"no reference for {', '.join(sorted(missing))}: relax the elements.")
    model = protocol["model"]
    _write_table(folder / f"references_{model}.csv.gz", protocol, rows)
    failed = Counter(r["outcome"] for r in records.values() if r["outcome"] != "converged")
    card = write_card(
        folder / f"references_{model}.card.json",
        what=f"phases relaxed with {model} as references of the convex hull, one row a structure, "
        "all polymorphs kept",
        files=[f"references_{model}.csv.gz"],
        data={"source": SOURCE, "beside": BESIDE, "selection": selection},
        held_out={
            "formulas": 0,
            "why": "references of a hull are no training data; `Hull.without` takes a formula out",
        },
        licence={"this": "CC-BY-4.0", "data": "CC-BY-4.0"},
        command="python tools/build_references.py export --checkpoint refs.jsonl",
        facts={
            **{"weights" if key == "digest" else key: value for key, value in protocol.items()},
            "rows": len(rows),
            "formulas": len(formulas),
            "elements": len(found),
            "largest": max(int(row["n_atoms"]) for row in rows),
            "large": sum(int(row["n_atoms"]) > 20 for row in rows),
            "failed": ", ".join(f"{n} ({why})" for why, n in failed.items()) or "none",
        },
    )
    (folder / f"references_{model}.md").write_text(card_text(card), encoding="utf-8")


def card_text(card: Mapping[str, Any]) -> str:
    """The readable card."""
    return CARD.format(
        **card["facts"],
        **card["data"],
        date=card["made"]["date"],
        version=card["made"]["gencsp"],
    )


def _row(record: dict[str, Any]) -> dict[str, str]:
    stability = record["oqmd_stability"]
    return {
        "formula": PymatgenComposition(record["formula"]).get_integer_formula_and_factor()[0],
        "energy_per_atom": f"{record['energy_per_atom']:.6f}",
        "space_group": str(record["space_group"]),
        "n_atoms": str(record["n_atoms"]),
        "source_id": record["source_id"],
        "oqmd_stability": "" if stability is None else f"{stability:.4f}",
        "converged": "1",
    }


def _write_table(path: Path, protocol: dict[str, Any], rows: list[dict[str, str]]) -> None:
    """Header lines, then CSV; gzipped without a time, so that equal tables are equal files."""
    text = io.StringIO()
    for key, value in {**protocol, "source": SOURCE, "licence": "CC-BY-4.0"}.items():
        text.write(f"# {'weights' if key == 'digest' else key}: {value}\n")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0))
