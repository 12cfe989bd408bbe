"""Makes the tables that the filters ship with, from the OQMD-ICSD crystals on PyPI.

    python tools/build_filter_tables.py pairs formulas structures prototypes --exclude HELD_OUT \
        [--data WHEEL_OR_DB]

writes ``pair_potential.npz``, ``reference_formulas.txt.gz``, ``reference_structures.npz`` and
``prototypes.npz`` to ``gencsp/data``; ``card`` then writes ``filters.md`` beside them. What each
holds, and how it is read, stands in ``gencsp/filters``. Pairs are a fit, so that crystals of the
formulas in ``--exclude`` have no part in them; the other tables say what is known, and hold all.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path

from filter_card import write_cards
from filter_prototypes import build_prototypes
from filter_tables import build_pairs, build_structures
from oqmd_icsd import Crystal, crystals, excluded_formulas

DATA = Path(__file__).parents[1] / "gencsp" / "data"
CHOICE = Path(__file__).parents[1] / "benchmarks" / "results" / "pair_potential_choice.json"
Facts = dict[str, object]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("tables", nargs="+", choices=[*BUILDERS, "card"])
    parser.add_argument("--data", type=Path, help="the wheel or database; else pip fetches it")
    parser.add_argument("--exclude", type=Path, help="formulas that no fit may see, one a line")
    parser.add_argument("--facts", type=Path, default=Path("filter-facts.json"))
    options = parser.parse_args()
    facts: dict[str, Facts] = {}
    if options.facts.exists():
        facts = json.loads(options.facts.read_text("utf-8"))
    wanted = [name for name in options.tables if name != "card"]
    rows = list(crystals(options.data)) if wanted else []
    held_out = excluded_formulas(options.exclude)
    for name in wanted:
        used = [row for row in rows if name not in FITS or row.formula.reduced not in held_out]
        facts[name] = BUILDERS[name](used, DATA)
        facts[name] |= {"held_out": len(rows) - len(used)}
        options.facts.write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
        sys.stdout.write(f"{name}: {json.dumps(facts[name])}\n")
    if "card" in options.tables:
        write_cards(DATA, facts, CHOICE)


def build_formulas(rows: list[Crystal], folder: Path) -> Facts:
    """Reduced formulas, one a line."""
    keys = sorted({row.formula.formula_key for row in rows})
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
#: Tables that are fitted to crystals, not lists of them.
FITS = frozenset({"pairs"})

if __name__ == "__main__":
    main()
