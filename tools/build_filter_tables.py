"""Makes the tables that the filters ship with, from the OQMD-ICSD crystals on PyPI.

    python tools/build_filter_tables.py pairs formulas structures prototypes --exclude HELD_OUT \
        [--data WHEEL_OR_DB]

writes ``pair_potential.npz``, ``reference_formulas.txt.gz``, ``reference_structures.npz`` and
``prototypes.npz`` to ``gencsp/data``, and their card beside them (``filters.card.json``,
``filters.md``). What the card says of tables that are not made again stays; ``card`` in place of
tables writes the card alone, after a new choice of the settings. What each table holds, and how it
is read, stands in ``gencsp/filters``. Pairs are a fit, so that crystals of the formulas in
``--exclude`` have no part in them; the other tables say what is known, and hold all.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path

from cards import held_out_list, today
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
    options = parser.parse_args()
    facts: dict[str, Facts] = {}
    held_out: Facts = {}
    card = DATA / "filters.card.json"
    if card.exists():
        former = json.loads(card.read_text("utf-8"))
        facts, held_out = former["facts"], former["held_out"]
    wanted = [name for name in options.tables if name != "card"]
    rows = list(crystals(options.data)) if wanted else []
    excluded = excluded_formulas(options.exclude)
    for name in wanted:
        used = rows
        if name in FITS:
            used = [row for row in rows if row.formula.reduced not in excluded]
            held_out = {**held_out_list(excluded), "crystals": len(rows) - len(used)}
        facts[name] = BUILDERS[name](used, DATA) | {"made": today()}
        sys.stdout.write(f"{name}: {json.dumps(facts[name])}\n")
    write_cards(DATA, facts, held_out, CHOICE)


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
