"""Generation, filters and searches from a deck, to copy and change: python discover.py FILE.toml"""

from __future__ import annotations

import sys

import gencsp
from gencsp.errors import GencspError
from gencsp.io.structures import write_extxyz
from gencsp.runs.candidates import StageProgress
from gencsp.runs.discover_decks import DiscoverDeck
from gencsp.runs.discover_report import report


def show(step: StageProgress) -> None:
    print(f"{step.stage}: {step.done}/{step.total} {step.note}")


def main(path: str) -> None:
    deck = DiscoverDeck.read(path)
    found = gencsp.discover(deck, out=deck.folder, report=show)
    (deck.folder / "report.md").write_text(report(found), encoding="utf-8")
    if found.crystals:
        print(write_extxyz(deck.folder / "discovered.extxyz", found.crystals))
    print(found.empty or deck.folder / "report.md")


# Workers import this file again: without the guard each would start a run of its own.
if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else "discover.toml")
    except GencspError as error:
        sys.exit(f"discover: {error}")
