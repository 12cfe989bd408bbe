"""What the searches of ``find_references.py`` found: the record, and what is kept of them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gencsp.composition import Composition
from gencsp.measure.record import record
from gencsp.measure.statistics import WILSON, share

#: What is kept of a line; nothing from which the table's energy could be told.
KEPT_KEYS = (
    "formula",
    "round",
    "accepted",
    "criterion",
    "found_at",
    "relaxations",
    "seconds",
    "space_group",
)
Line = dict[str, Any]


def read_kept(path: Path, protocol: Mapping[str, Any]) -> list[Line]:
    """The lines of ``references_found.jsonl.gz``; none where there is no such file.

    Raises:
        SystemExit: they were made with another protocol.
    """
    if not path.exists():
        return []
    first, *rest = map(json.loads, gzip.decompress(path.read_bytes()).splitlines())
    if first != protocol:
        raise SystemExit(f"{path} was made with {first}: move it away to begin anew.")
    return rest


def write_report(lines: Iterable[Line], protocol: Mapping[str, Any], kept: Path, out: Path) -> None:
    """Record what was found, and add what was searched to what is kept."""
    merged = {(line["formula"], line["round"]): line for line in read_kept(kept, protocol)}
    merged |= {(line["formula"], line["round"]): line for line in lines}
    ordered = [merged[key] for key in sorted(merged)]
    rows = [protocol, *({key: line[key] for key in KEPT_KEYS} for line in ordered)]
    text = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
    kept.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))
    record(
        out,
        measured="share of formulas for which a short search finds a structure whose formation "
        f"energy is at most {protocol['close']} eV/atom above the lowest of the Materials Project, "
        "or above the one that CHGNet may be expected to give that phase, or below either",
        sample_size={"formulas": len({line["formula"] for line in ordered})},
        seed=None,
        intervals=(WILSON,),
        protocol={
            **protocol,
            "formulas": "on the hull of the Materials Project's formation energies, of at most "
            f"{protocol['max_atoms']} atoms, without a crystal in any source of references: the "
            "most everyday first, so that this is no random sample until all are done",
            "expected": "the table's plus CHGNet's mean difference by element, "
            "benchmarks/results/formation_offsets.json",
            "in_sample": "CHGNet was trained on Materials Project data, which hold these phases",
            "seeds": "of the proposals: the number of the round",
        },
        results=report(ordered),
    )


def report(lines: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Shares found, with 95 % intervals (Wilson), and relaxations needed.

    By number of elements and by atoms in the reduced formula, each by the last round so far.
    """
    last: dict[str, dict[str, Any]] = {}
    every = list(lines)
    for line in every:
        if line["formula"] not in last or line["round"] >= last[line["formula"]]["round"]:
            last[line["formula"]] = line
    groups: dict[str, list[dict[str, Any]]] = {}
    for line in last.values():
        composition = Composition.parse(line["formula"])
        low = (composition.size - 1) // 5 * 5 + 1
        for group in (
            "all",
            f"{len(composition.elements)} elements",
            f"{low:02d}-{low + 4:02d} atoms in the formula",
        ):
            groups.setdefault(group, []).append(line)
    facts: dict[str, Any] = {group: _share(groups[group]) for group in sorted(groups)}
    facts["processor hours"] = round(sum(line["seconds"] for line in every) / 3600, 2)
    return facts


def _share(lines: list[Line]) -> dict[str, Any]:
    firsts = [line["found_at"] for line in lines if line["accepted"]]
    return {
        **share(len(firsts), len(lines)),
        "close to the table itself": sum(line["criterion"] == "table" for line in lines),
        "median relaxations where found": float(np.median(firsts)) if firsts else None,
        "within 4 relaxations": sum(first <= 4 for first in firsts),
        "within 20 relaxations": sum(first <= 20 for first in firsts),
    }
