"""Makes the tables that the filters ship with, from the OQMD-ICSD crystals on PyPI.

    python tools/build_filter_tables.py pairs formulas structures prototypes [--data WHEEL_OR_DB]

writes ``pair_potential.npz``, ``reference_formulas.txt.gz``, ``reference_structures.npz`` and
``prototypes.npz`` to ``gencsp/data``; ``card`` then writes ``filters.md`` beside them. What each
holds, and how it is read, stands in ``gencsp/filters``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path

from filter_card import write_card
from filter_prototypes import build_prototypes
from filter_tables import build_pairs, build_structures
from oqmd_icsd import Crystal, crystals

from gencsp.filters.compositional_novelty import formula_key

DATA = Path(__file__).parents[1] / "gencsp" / "data"
Facts = dict[str, object]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("tables", nargs="+", choices=[*BUILDERS, "card"])
    parser.add_argument("--data", type=Path, help="the wheel or database; else pip fetches it")
    parser.add_argument("--facts", type=Path, default=Path("filter-facts.json"))
    options = parser.parse_args()
    facts: dict[str, Facts] = {}
    if options.facts.exists():
        facts = json.loads(options.facts.read_text("utf-8"))
    wanted = [name for name in options.tables if name != "card"]
    rows = list(crystals(options.data)) if wanted else []
    for name in wanted:
        facts[name] = BUILDERS[name](rows, DATA)
        options.facts.write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
        sys.stdout.write(f"{name}: {json.dumps(facts[name])}\n")
    if "card" in options.tables:
        write_card(DATA / "filters.md", facts)


def build_formulas(rows: list[Crystal], folder: Path) -> Facts:
    """Reduced formulas, one a line."""
    keys = sorted({formula_key(row.formula) for row in rows})
    text = "\n".join(keys) + "\n"
    target = folder / "reference_formulas.txt.gz"
    target.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))
    return {"formulas": len(keys), "crystals": len(rows)}


BUILDERS: dict[str, Callable[[list[Crystal], Path], Facts]] = {
    "pairs": build_pairs,
    "formulas": build_formulas,
    "structures": build_structures,
    "prototypes": build_prototypes,
}

if __name__ == "__main__":
    main()
