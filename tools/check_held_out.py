"""Count the training crystals of the shipped weights whose formulas are held out, and say so.

    python tools/check_held_out.py --data TRAIN --held-out FORMULAS

Training refuses data that hold a formula on the list of held-out formulas. The list may grow
afterwards; this looks at the same training crystals with today's list and writes what it finds to
those of ``gencsp/weights/*.card.json`` whose weights were trained on as many crystals
(``held_out / checked``). ``tools/write_results.py`` then carries it to the readable cards. Where
training crystals have held-out formulas the cards say how many, and the command ends with an error:
such weights have to be trained again. Formulas that a card lets through (``held_out /
let_through``) do not count for it: Carbon-24 has no other than carbon.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cards import held_out_list, today
from oqmd_icsd import excluded_formulas
from record_values import ROOT

from gencsp.composition import Composition
from gencsp.diffusion.training.data import stream_extxyz

WEIGHTS = ROOT / "gencsp" / "weights"


@dataclass(frozen=True, slots=True)
class Counts:
    """Crystals of a file, those from the Materials Project, and those of held-out formulas."""

    crystals: int
    from_materials_project: int
    found: Mapping[Composition, int]

    def agree_with(self, data: Mapping[str, Any]) -> bool:
        """Whether the ``data`` of a card name as many crystals, in all and by database."""
        return (self.crystals, self.from_materials_project) == (
            data["crystals"],
            data.get("from_materials_project", 0),
        )

    def held_out(self, let_through: Iterable[str]) -> int:
        """Crystals of held-out formulas but of those let through."""
        kept = {Composition.parse(formula).reduced for formula in let_through}
        return sum(n for formula, n in self.found.items() if formula not in kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="training crystals, extxyz")
    parser.add_argument("--held-out", type=Path, required=True, help="formulas, one a line")
    options = parser.parse_args()
    held_out = excluded_formulas(options.held_out)
    counts = count(options.data, held_out)
    every = {path: json.loads(path.read_text("utf-8")) for path in WEIGHTS.glob("*.card.json")}
    cards = {path: card for path, card in every.items() if counts.agree_with(card["data"])}
    if not cards:
        sys.exit(f"no weights were trained on {counts.crystals} crystals as in {options.data}")
    wrong: dict[str, int] = {}
    for path, card in sorted(cards.items()):
        found = counts.held_out(card["held_out"].get("let_through", ()))
        card["held_out"]["checked"] = {
            **held_out_list(held_out),
            "date": today(),
            "crystals": counts.crystals,
            "found": found,
        }
        path.write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", "utf-8")
        sys.stdout.write(f"{card['name']}: {json.dumps(card['held_out']['checked'])}\n")
        wrong |= {card["name"]: found} if found else {}
    if wrong:
        sys.exit(f"{max(wrong.values())} training crystals of {', '.join(wrong)} are held out")


def count(data: Path, held_out: frozenset[Composition]) -> Counts:
    """Read the crystals of an extxyz file and count them.

    Raises:
        StructureFileError: the file cannot be read.
    """
    crystals = from_materials_project = 0
    found: Counter[Composition] = Counter()
    for atoms in stream_extxyz(data):
        crystals += 1
        from_materials_project += atoms.info.get("source") == "Materials Project"
        formula = Composition.of(atoms).reduced
        if formula in held_out:
            found[formula] += 1
    return Counts(crystals, from_materials_project, found)


if __name__ == "__main__":
    main()
