"""A pool as seeds of ase-ga, and its results back, to copy and change.

python seed_ase_ga.py seed_ase_ga.toml        writes the seeds
python seed_ase_ga.py seed_ase_ga.toml back   reads what ase-ga made of them
"""

from __future__ import annotations

import sys

from gencsp.errors import GencspError
from gencsp.exporters import get_exporter
from gencsp.exporters.deck import ExportDeck
from gencsp.io.structures import write_extxyz

CODE = "ase-ga"


def hand_over(deck: ExportDeck) -> None:
    report = deck.export(CODE)
    print(f"{len(report.seeds)} seeds of {report.composition} in {report.folder}")
    for one in report.left_out:
        print(f"left out {one.structure_id}: {one.reason}")
    print(f"next: {report.start}")


def bring_back(deck: ExportDeck) -> None:
    found = list(get_exporter(CODE).read_results(deck.folder))
    for atoms in found:
        energy = "" if atoms.calc is None else f"{atoms.calc.results['energy'] / len(atoms):.4f}"
        print(f"{atoms.info['structure_id']:20} {energy:>10} {atoms.info.get('parents', '')}")
    print(f"wrote {write_extxyz(deck.folder / 'results.extxyz', found)}")


if __name__ == "__main__":
    try:
        deck = ExportDeck.read(sys.argv[1] if len(sys.argv) > 1 else "seed_ase_ga.toml")
        (bring_back if sys.argv[2:] == ["back"] else hand_over)(deck)
    except GencspError as error:
        sys.exit(f"seed_ase_ga: {error}")
