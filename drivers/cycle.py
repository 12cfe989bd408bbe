"""The cycle from a deck, to copy and change: python cycle.py cycle.toml"""

from __future__ import annotations

import sys

import gencsp
from gencsp.errors import GencspError
from gencsp.io.structures import write_cif, write_extxyz
from gencsp.records import shown_decomposition_energy
from gencsp.runs.decks import CycleDeck
from gencsp.searches.progress import CycleProgress


def show(step: CycleProgress) -> None:
    print(f"{step.stage}: {step.done}/{step.total} tasks, {step.structures} structures")


def main(path: str) -> None:
    deck = CycleDeck.read(path)
    ranking = gencsp.cycle(deck, out=deck.folder, report=show)
    pool = write_extxyz(deck.folder / "ranked.extxyz", ranking)
    print("E_d (eV/atom)  space group, stage, id, parents")
    for info in (atoms.info for atoms in ranking):
        print(
            f"{shown_decomposition_energy(info):>13}  {info['space_group']:12} "
            f"{info['stage']:8} {info['structure_id']:8} from {info.get('parents', '')} "
            f"{'(duplicate)' if 'duplicate_of' in info else ''}"
        )
    if ranking:
        best = write_cif(deck.folder / "best.cif", ranking[0])
        print(f"wrote {pool} and {best}")


# Workers import this file again: without the guard each would start a run of its own.
if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else "cycle.toml")
    except GencspError as error:
        sys.exit(f"cycle: {error}")
