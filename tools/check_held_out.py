"""Count the training crystals of the shipped weights whose formulas are held out, and say so.

    python tools/check_held_out.py --data TRAIN --held-out FORMULAS

Training refuses data that hold a formula on the list of held-out formulas. The list may grow
afterwards; this looks at the same training crystals with today's list and writes what it finds to
``gencsp/weights/*.card.json`` (``held_out / checked``). ``tools/write_results.py`` then carries it
to the readable cards. Where training crystals have held-out formulas the cards say how many, and
the command ends with an error: such weights have to be trained again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
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
    found: int

    def agree_with(self, data: Mapping[str, Any]) -> bool:
        """Whether the ``data`` of a card name as many crystals, in all and by database."""
        return (self.crystals, self.from_materials_project) == (
            data["crystals"],
            data["from_materials_project"],
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="training crystals, extxyz")
    parser.add_argument("--held-out", type=Path, required=True, help="formulas, one a line")
    options = parser.parse_args()
    held_out = excluded_formulas(options.held_out)
    counts = count(options.data, held_out)
    checked = {
        **held_out_list(held_out),
        "date": today(),
        "crystals": counts.crystals,
        "found": counts.found,
    }
    for path in sorted(WEIGHTS.glob("*.card.json")):
        card = json.loads(path.read_text("utf-8"))
        if not counts.agree_with(card["data"]):
            sys.exit(f"{options.data} is not what {card['name']} was trained on: {counts}")
        card["held_out"]["checked"] = checked
        path.write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", "utf-8")
    sys.stdout.write(json.dumps(checked) + "\n")
    if counts.found:
        sys.exit(f"{counts.found} training crystals have held-out formulas")


def count(data: Path, held_out: frozenset[Composition]) -> Counts:
    """Read the crystals of an extxyz file and count them.

    Raises:
        StructureFileError: the file cannot be read.
    """
    crystals = from_materials_project = found = 0
    for atoms in stream_extxyz(data):
        crystals += 1
        from_materials_project += atoms.info.get("source") == "Materials Project"
        found += Composition.of(atoms).reduced in held_out
    return Counts(crystals, from_materials_project, found)


if __name__ == "__main__":
    main()
