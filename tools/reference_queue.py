"""The order in which candidates for the hull are relaxed, and the file that holds them in it.

What users meet first comes first: every polymorph of the everyday formulas, then one crystal for
each formula that has no reference, those on their source's hull before the others, then other
polymorphs, then what repeats a formula and space group that is there already, and last what has a
row but no crystal. Within each part
elements come before binaries, before ternaries of common elements, before the rest, and small cells
before large ones.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from reference_sources import LICENCES, Candidate

from gencsp.composition import Composition
from gencsp.symmetry.refinement import space_group

Key = Composition

#: Elements of the earth's crust and of everyday technology.
COMMON = frozenset(
    re.findall(
        "[A-Z][a-z]?",
        "HLiBeBCNOFNaMgAlSiPSClKCaScTiVCrMnFeCoNiCuZnGaGeAsSeBrRbSrYZrNbMoAgCdInSnSbTeI"
        "CsBaLaCeWPtAuHgPbBi",
    )
)
#: eV/atom: as far above its source's hull a crystal may lie and count as stable.
STABLE = 1e-3
#: Order of sources where all else is equal: those whose crystals may be passed on come first.
SOURCES = tuple(LICENCES)


@dataclass(frozen=True, slots=True)
class Queued:
    """A candidate with its reduced formula and space group at the start (``SYMPREC``)."""

    candidate: Candidate
    formula: Composition
    space_group: int


def examine(candidates: Iterable[Candidate], max_atoms: int) -> Iterator[Queued]:
    """Formula and space group of each candidate of at most ``max_atoms`` atoms."""
    for candidate in candidates:
        if len(candidate.atoms) <= max_atoms:
            formula = Composition.of(candidate.atoms)
            yield Queued(candidate, formula, space_group(candidate.atoms).number)


def ordered(
    queued: Iterable[Queued],
    *,
    known: Iterable[tuple[Key, int]],
    first: frozenset[Key],
    have_row: Collection[str] = (),
) -> list[Queued]:
    """The order in which to relax.

    Args:
        queued: the candidates, in any order.
        known: formula and space group of the references that are there already.
        first: formulas that come before all others.
        have_row: ids of candidates whose energies are there, and whose crystals are not.
    """
    phases = set(known)
    formulas = {formula for formula, _ in phases}
    ranks: list[tuple[tuple[Any, ...], Queued]] = []
    for item in sorted(queued, key=_preference):
        formula = item.formula.reduced
        phase = (formula, item.space_group)
        if item.candidate.source_id in have_row:
            part = 5
        elif phase in phases:
            part = 4
        elif formula in first:
            part = 0
        elif formula in formulas:
            part = 3
        else:
            part = 1 if _stability(item) <= STABLE else 2
        phases.add(phase)
        formulas.add(formula)
        ranks.append(((part, *_everyday_first(part, item)), item))
    return [item for _, item in sorted(ranks, key=lambda pair: pair[0])]


def write_queue(path: Path, queue: Iterable[Queued]) -> None:
    """One JSON line a candidate; gzipped without a time, so that equal queues are equal files."""
    lines = (json.dumps(_as_json(item), separators=(",", ":")) for item in queue)
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0))


def read_queue(path: Path) -> Iterator[Queued]:
    """The candidates in their order."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield _from_json(json.loads(line))


def _stability(item: Queued) -> float:
    """A mineral is counted as stable: nature made it."""
    stability = item.candidate.stability
    return 0.0 if stability is None else stability


def _preference(item: Queued) -> tuple[Any, ...]:
    """Of the crystals of one formula the most stable one is relaxed first."""
    candidate = item.candidate
    stable = max(_stability(item), STABLE)
    return stable, len(candidate.atoms), SOURCES.index(candidate.source), candidate.source_id


def _everyday_first(part: int, item: Queued) -> tuple[Any, ...]:
    elements = item.formula.elements
    n = len(elements)
    common = COMMON.issuperset(elements)
    kind = n if n <= 2 or (n == 3 and common) else 4
    size = len(item.candidate.atoms)
    name = item.formula.formula
    # Everyday formulas are few: size alone orders them.
    return (0 if part == 0 else kind, size, not common, name, item.candidate.source_id)


def _as_json(item: Queued) -> dict[str, Any]:
    atoms = item.candidate.atoms
    return {
        "source": item.candidate.source,
        "source_id": item.candidate.source_id,
        "formula": item.formula.formula,
        "space_group": item.space_group,
        "stability": item.candidate.stability,
        "numbers": atoms.numbers.tolist(),
        "cell": np.round(atoms.cell.array, 8).tolist(),
        "fractional": np.round(atoms.get_scaled_positions(), 8).tolist(),
    }


def _from_json(line: dict[str, Any]) -> Queued:
    atoms = Atoms(line["numbers"], scaled_positions=line["fractional"], cell=line["cell"], pbc=True)
    candidate = Candidate(line["source"], line["source_id"], atoms, line["stability"])
    return Queued(candidate, Composition.parse(line["formula"]), int(line["space_group"]))
