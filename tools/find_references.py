"""Search crystals of stable formulas that no source of hull references holds.

    python tools/find_references.py list --energies formation.csv.gz --tables a.csv.gz b.csv.gz \\
        --queue hull/queue.jsonl.gz --folder hull
    nice -n 19 python tools/find_references.py search --folder hull
    python tools/find_references.py report --folder hull

``list`` takes a table of formation energies (``formula``, ``e_form_per_atom`` in eV/atom, elements
at zero) and writes the formulas that lie on its hull and have a row in none of the tables and none
in the queue of ``build_references.py``: ``missing.csv``, in the order in which users meet them.
``search`` gives each a short search, in rounds (``ROUNDS``): structures are proposed and relaxed as
the references are, and a formula is found with the first round that holds one whose formation
energy is within ``CLOSE`` of the table's or below, or of that which CHGNet may be expected to give
the table's phase (``formation_offsets.py``), if not by more than ``HOLE`` below. Only its formation
energy is taken from the table; the structures are gencsp's own. What was not found comes again in
the next round, after all others had the first: most are found by the first, which costs least. One
line a formula and round is appended to ``found.jsonl`` as it ends; killed and started again it goes
on and does nothing twice. ``report`` records what share was found, by number of elements and size,
and after how many relaxations, and writes ``references_found.jsonl.gz`` beside this file: what was
searched, without structures and without the energies of the table, so that ``search`` goes on with
it on any machine.
The structures enter the shipped hull by ``build_references.py export``.

Everything that is drawn depends on the formula and the round alone.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from formation_offsets import CLOSE, element_hull, offset_of, read_offsets
from reference_checkpoint import FMAX, MINIMISER, STEPS, open_checkpoint, save_line
from reference_coverage import ON_HULL, lowest_energies, read_phases
from reference_queue import COMMON
from reference_search_record import read_kept, write_report
from reference_table import crystal_line

from gencsp.composition import ELEMENTS, Composition
from gencsp.convex_hull.entries import HullEntry
from gencsp.convex_hull.hull import Hull
from gencsp.minimise.result import Relaxed
from gencsp.potentials.chgnet.select import get_engine
from gencsp.proposers.call import propose
from gencsp.runs.relaxing import relax

#: What was searched so far, for those who go on.
KEPT = Path(__file__).with_name("references_found.jsonl.gz")
RECORD = Path(__file__).parents[1] / "benchmarks" / "results" / "reference_search.json"
#: eV/atom: a structure so far below the table's is a hole of the potential, and no crystal.
HOLE = 0.3
#: Atoms up to which structures are proposed: those of the score model's training.
MAX_ATOMS = 20


@dataclass(frozen=True, slots=True)
class Round:
    """Structures of a formula that are proposed and relaxed together."""

    proposer: str
    n: int


#: The likeliest skeletons of known crystals, in their order.
LIKELIEST = "symmetric:novelty=0,likeliest=true"
#: Likely known skeletons cost no call of a network where they have no free coordinate, so they come
#: first; what they do not reach, unconditional samples may.
ROUNDS: tuple[Round, ...] = (
    Round(LIKELIEST, 4),
    Round("symmetric:novelty=0", 8),
    Round("mixed", 12),
    Round("mixed", 24),
    Round("mixed", 24),
)


@dataclass(frozen=True, slots=True)
class Missing:
    """A formula without a reference.

    Attributes:
        formula: reduced.
        energy: its formation energy in the table, eV/atom.
        expected: the one that CHGNet may be expected to give the table's phase, eV/atom.
    """

    formula: Composition
    energy: float
    expected: float

    def criterion(self, energy: float) -> str | None:
        """Which formation energy a structure comes close enough to, if any.

        Args:
            energy: of formation by CHGNet, eV/atom.

        Returns:
            ``"table"``, or ``"expected"`` where it is the expected one alone, or ``None``.
        """
        if energy - self.energy < -HOLE:
            return None
        if energy - self.energy <= CLOSE:
            return "table"
        return "expected" if energy - self.expected <= CLOSE else None


def main() -> None:
    options = _parser().parse_args()
    if options.action == "list":
        missing = list_missing(options.energies, options.tables, options.queue)
        write_missing(options.folder / "missing.csv", missing)
    elif options.action == "search":
        search(options.folder, until=time.monotonic() + 60.0 * options.minutes, kept=KEPT)
    else:
        lines = open_checkpoint(options.folder / "found.jsonl", search_protocol())
        write_report(lines, search_protocol(), KEPT, RECORD)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["list", "search", "report"])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--energies", type=Path, help="for list")
    parser.add_argument("--tables", type=Path, nargs="+", default=[], help="for list")
    parser.add_argument("--queue", type=Path, help="for list: what will have a row")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="for search")
    return parser


def list_missing(energies: Path, tables: Iterable[Path], queue: Path | None) -> list[Missing]:
    """Formulas on the table's hull that have no reference, in the order of searching."""
    lowest = lowest_energies(energies)
    have: set[Composition] = set()
    for table in tables:
        have.update(read_phases(table))
    if queue is not None:
        with gzip.open(queue, "rt", encoding="utf-8") as file:
            have.update(Composition.parse(json.loads(line)["formula"]).reduced for line in file)
    hull = _hull((c, e) for c, e in lowest.values())
    offsets = read_offsets()
    found = [
        Missing(composition, energy, energy + offset_of(composition, offsets))
        for key, (composition, energy) in lowest.items()
        if len(composition.elements) > 1
        and key not in have
        and composition.size <= MAX_ATOMS
        and hull.decomposition_energy(composition, energy) <= ON_HULL
    ]
    return sorted(found, key=_everyday_first)


def _hull(phases: Iterable[tuple[Composition, float]]) -> Hull:
    """A hull of formation energies, elements at zero."""
    entries = [HullEntry(composition=c, energy_per_atom=e, model="table") for c, e in phases]
    entries += [
        HullEntry(composition=Composition(((s, 1),)), energy_per_atom=0.0, model="table")
        for s in ELEMENTS
    ]
    return Hull(entries, model="table")


def _everyday_first(item: Missing) -> tuple[Any, ...]:
    elements = item.formula.elements
    return (
        max(len(elements), 2) if COMMON.issuperset(elements) or len(elements) == 2 else 9,
        item.formula.size,
        item.formula.formula,
    )


def write_missing(path: Path, missing: Iterable[Missing]) -> None:
    """CSV: ``formula``, ``e_form_per_atom`` and ``expected`` (eV/atom)."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("formula", "e_form_per_atom", "expected"))
        writer.writerows((m.formula.formula, m.energy, f"{m.expected:.6f}") for m in missing)


def read_missing(path: Path) -> list[Missing]:
    """What :func:`write_missing` wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Missing(
                Composition.parse(row["formula"]),
                float(row["e_form_per_atom"]),
                float(row["expected"]),
            )
            for row in csv.DictReader(file)
        ]


def search_protocol() -> dict[str, Any]:
    """With what, how far and how often is searched."""
    engine = get_engine()
    rounds = [[one.proposer, one.n] for one in ROUNDS]
    settings = {"model": engine.model, "digest": engine.digest, "fmax": FMAX, "steps": STEPS}
    offsets = hashlib.sha256(json.dumps(read_offsets()).encode()).hexdigest()[:12]
    more = {"close": CLOSE, "offsets": offsets, "max_atoms": MAX_ATOMS, "rounds": rounds}
    return settings | more


def search(folder: Path, *, until: float = float("inf"), kept: Path | None = None) -> None:
    """Search what ``missing.csv`` names and neither ``found.jsonl`` nor ``kept`` holds.

    Args:
        folder: of both files.
        until: no new formula is begun at this ``time.monotonic`` or later.
        kept: what other machines have searched.
    """
    done = open_checkpoint(folder / "found.jsonl", search_protocol())
    if kept is not None:
        done += read_kept(kept, search_protocol())
    found = {line["formula"] for line in done if line["accepted"]}
    rounds = {(line["formula"], line["round"]): line["relaxations"] for line in done}
    missing = read_missing(folder / "missing.csv")
    elements = element_hull()
    with (folder / "found.jsonl").open("a", encoding="utf-8") as out:
        for number, one in enumerate(ROUNDS):
            for item in missing:
                formula = item.formula.formula
                if formula in found or (formula, number) in rounds:
                    continue
                if time.monotonic() >= until:
                    return
                before = rounds.get((formula, number - 1), 0)
                line = search_one(item, one, elements, seed=number, before=before)
                save_line(out, {**line, "round": number}, sync=True)
                rounds[formula, number] = line["relaxations"]
                if line["accepted"]:
                    found.add(formula)


def search_one(
    item: Missing, one: Round, elements: Hull, *, seed: int, before: int = 0
) -> dict[str, Any]:
    """Search one formula for a structure as good as the table's.

    Args:
        item: what is searched.
        one: what is proposed.
        elements: see :func:`~formation_offsets.element_hull`.
        seed: of the proposals.
        before: relaxations of this formula in earlier rounds.

    Returns:
        ``accepted``, and by which ``criterion`` the lowest structure is; ``relaxations`` so far,
        and ``found_at``, the first of them that was close enough; ``seconds`` of processor time of
        this round; and of its lowest structure ``formation_energy`` and ``energy_per_atom``
        (eV/atom), ``space_group``, ``steps``, ``numbers``, ``cell`` (Å) and ``fractional``; all
        ``None`` where nothing converged.
    """
    started = time.process_time()
    composition, formula = item.formula, item.formula.formula
    best: Relaxed | None = None
    relaxations, found_at = before, None
    proposals = propose(formula, n=one.n, max_atoms=MAX_ATOMS, proposer=one.proposer, seed=seed)
    results = relax(proposals, fmax=FMAX, steps=STEPS, minimiser=MINIMISER)
    # In the order of the proposals, so that the line does not depend on what ends first.
    for result in sorted(results, key=lambda r: r.index):
        relaxations += 1
        if not result.converged:
            continue
        energy = elements.decomposition_energy(composition, result.energy_per_atom)
        if energy - item.energy < -HOLE:
            continue
        if best is None or result.energy_per_atom < best.energy_per_atom:
            best = result
        if found_at is None and item.criterion(energy) is not None:
            found_at = relaxations
    structure = _structure(best, composition, elements)
    reached = structure["formation_energy"]
    return {
        "formula": formula,
        "table": item.energy,
        "accepted": found_at is not None,
        "criterion": None if reached is None else item.criterion(reached),
        "found_at": found_at,
        "relaxations": relaxations,
        "seconds": round(time.process_time() - started, 2),
        **structure,
    }


def _structure(best: Relaxed | None, composition: Composition, elements: Hull) -> dict[str, Any]:
    if best is None:
        names = ("formation_energy", "energy_per_atom", "space_group", "steps")
        return dict.fromkeys((*names, "numbers", "cell", "fractional"))
    energy = elements.decomposition_energy(composition, best.energy_per_atom)
    return {"formation_energy": round(energy, 6), "steps": best.steps, **crystal_line(best)}


if __name__ == "__main__":
    main()
