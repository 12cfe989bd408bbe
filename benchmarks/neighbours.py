"""New minima from neighbours in the latent space of DP-CDVAE, and from rattles of equal size.

    python benchmarks/neighbours.py WEIGHTS
    python benchmarks/neighbours.py dp-cdvae-carbon-24 --cells C:6 C:8 C:10 C:12 C:16

Relaxed crystals of five compositions, or sizes of cells, are moved and relaxed again. Every
neighbour has a rattle of the same parent as its counterpart, whose atoms are displaced by as much
on average. What counts is how many different minima, not seen before, come of so many relaxations.
Runs that the file of results has already are not made again.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms

from gencsp.composition import Composition
from gencsp.descriptors.flaws import MOVED_SHARE
from gencsp.diffusion.dp_cdvae.model import load_dp_cdvae
from gencsp.measure.displacement import mean_displacement
from gencsp.measure.record import record
from gencsp.measure.statistics import BOOTSTRAP, WILSON, bootstrap_interval, share
from gencsp.minimise import RelaxSettings
from gencsp.minimise.result import Relaxed
from gencsp.proposers import Request, get_proposer
from gencsp.proposers.checks import keeps_apart
from gencsp.runs.relaxing import relax
from gencsp.searches.moves import Move, Tools, get_move
from gencsp.searches.worker import CHILDREN
from gencsp.similarity import StructureIndex

#: Compositions, and atoms in their cells; held out from the training of gencsp's own weights.
CELLS = ("TiO2:12", "SiO2:9", "CaTiO3:10", "Al2O3:10", "Li3N:8")
MOVES = ("neighbours", "rattles")
#: eV/atom: minima that are no further above the lowest start are worth finding.
LOW = 0.1


@dataclass(frozen=True, slots=True)
class Pair:
    """A neighbour and a rattle of one parent; what no attempt gave is ``None``.

    Attributes:
        sizes: mean displacement of the neighbour, Å, and that of the rattle, measured alike.
    """

    neighbour: Atoms | None
    rattle: Atoms | None
    sizes: tuple[float, float]


def starts(cell: str, seed: int, n: int) -> list[Relaxed]:
    """Random structures, relaxed; the lowest first, each minimum once."""
    formula, _, atoms = cell.partition(":")
    composition = Composition.parse(formula)
    units = (int(atoms) // composition.size,)
    rng = np.random.default_rng([seed, 0])
    made = get_proposer("random").propose(
        Request(composition=composition, n=n, units=units), rng=rng
    )
    done = [one for one in relax(made) if one.converged]
    index = StructureIndex()
    lowest = sorted(done, key=lambda one: (one.energy_per_atom, one.index))
    return [one for one in lowest if index.add(one.atoms, one.energy_per_atom) is None]


def tried(make: Callable[[], Atoms | None]) -> Atoms | None:
    """A structure whose atoms keep apart, with as many attempts as a search makes."""
    for _ in range(CHILDREN):
        made = make()
        if made is not None and keeps_apart(made, separation=MOVED_SHARE):
            return made
    return None


def rattled(parent: Atoms, size: float, rng: np.random.Generator) -> Atoms:
    """Normal displacements about their mean, scaled to a mean length of ``size``, Å."""
    moved = Atoms(parent.numbers, positions=parent.positions, cell=parent.cell, pbc=True)
    off = rng.normal(size=(len(parent), 3))
    off -= off.mean(axis=0)
    moved.positions += off * size / np.linalg.norm(off, axis=1).mean()
    return moved


def pair(parent: Atoms, move: Move, rng: np.random.Generator) -> Pair | None:
    """A neighbour and its counterpart; ``None`` where they cannot be compared."""
    neighbour = tried(lambda: move([parent], rng=rng, tools=Tools()))
    if neighbour is None:
        return Pair(None, None, (float("nan"), float("nan")))
    size = mean_displacement(parent, neighbour)
    if not np.isfinite(size):
        return None
    rattle = tried(lambda: rattled(parent, size, rng))
    found = float("nan") if rattle is None else mean_displacement(parent, rattle)
    return Pair(neighbour, rattle, (size, found))


def minima(children: Sequence[Atoms], known: Sequence[Relaxed]) -> dict[str, int]:
    """How many relaxations of children end in minima that were not there before."""
    index = StructureIndex()
    for one in known:
        index.add(one.atoms, one.energy_per_atom)
    lowest = min(one.energy_per_atom for one in known)
    counts = {"relaxations": len(children), "converged": 0, "new": 0, "new_and_low": 0, "lower": 0}
    for one in sorted(relax(children), key=lambda one: one.index):
        if not one.converged:
            continue
        counts["converged"] += 1
        if index.add(one.atoms, one.energy_per_atom) is None:
            counts["new"] += 1
            counts["new_and_low"] += one.energy_per_atom <= lowest + LOW
            counts["lower"] += one.energy_per_atom < lowest
    return counts


def run(cell: str, seed: int, move: Move, args: argparse.Namespace) -> dict[str, Any]:
    """One composition and seed."""
    known = starts(cell, seed, args.starts)
    pairs = [
        pair(parent.atoms, move, np.random.default_rng([seed, 1, k, child]))
        for k, parent in enumerate(known[: args.parents])
        for child in range(args.children)
    ]
    compared = [one for one in pairs if one is not None]
    both = [one for one in compared if one.neighbour is not None and one.rattle is not None]
    sizes = np.array([one.sizes for one in both]).reshape(-1, 2)
    return {
        "cell": cell,
        "seed": seed,
        "parents": len(known[: args.parents]),
        "cells_too_far_to_compare": len(pairs) - len(compared),
        "no_neighbour": sum(one.neighbour is None for one in compared),
        "no_rattle": sum(one.neighbour is not None and one.rattle is None for one in compared),
        "sizes": {
            name: [size if np.isfinite(size) else None for size in column]
            for name, column in zip(MOVES, sizes.T.tolist(), strict=True)
        },
        "neighbours": minima([one.neighbour for one in both if one.neighbour], known),
        "rattles": minima([one.rattle for one in both if one.rattle], known),
    }


def summary(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Shares over all runs, and the difference, with runs drawn anew."""
    found: dict[str, Any] = {}
    for move in MOVES:
        counts = [one[move] for one in runs]
        relaxations = sum(count["relaxations"] for count in counts)
        found[move] = {
            key: share(sum(count[key] for count in counts), relaxations)
            for key in ("converged", "new", "new_and_low", "lower")
        }
        # The record has null for a rattle that does not compare with its own parent.
        sizes = [size for one in runs for size in one["sizes"][move] if size is not None]
        found[move]["median_size"] = float(np.median(sizes)) if sizes else None
    found["neighbours_ahead_in"] = share(
        sum(one["neighbours"]["new"] > one["rattles"]["new"] for one in runs),
        sum(one["neighbours"]["new"] != one["rattles"]["new"] for one in runs),
    )
    usable = [one for one in runs if one["neighbours"]["relaxations"]]
    if usable:
        found["difference_of_new"] = dict(
            zip(("value", "low", "high"), difference(usable), strict=True)
        )
    return found


def difference(runs: Sequence[dict[str, Any]]) -> tuple[float, float, float]:
    """New minima per relaxation of neighbours less that of rattles, with its interval."""

    def of(chosen: np.ndarray) -> float:
        some = [runs[int(k)] for k in chosen]
        one, other = (
            sum(r[m]["new"] for r in some) / sum(r[m]["relaxations"] for r in some) for m in MOVES
        )
        return float(one - other)

    everything = range(len(runs))
    low, high = bootstrap_interval(everything, of, rng=np.random.default_rng(0))
    return of(np.array(everything)), low, high


def missing(args: argparse.Namespace, runs: Sequence[dict[str, Any]]) -> Iterator[tuple[str, int]]:
    """Compositions and seeds to run, seed by seed."""
    done = {(one["cell"], one["seed"]) for one in runs}
    for seed in range(args.seeds):
        for cell in args.cells:
            if (cell, seed) not in done:
                yield cell, seed


def earlier(args: argparse.Namespace, protocol: dict[str, Any]) -> list[dict[str, Any]]:
    """The runs of the file of results.

    Raises:
        SystemExit: they were made in another way.
    """
    if not args.out.exists():
        return []
    content = json.loads(args.out.read_text("utf-8"))
    differ = [key for key in protocol if content["protocol"].get(key) != protocol[key]]
    if differ:
        raise SystemExit(
            f"{args.out} was made with another {', '.join(differ)}: give another --out."
        )
    runs: list[dict[str, Any]] = content["results"]["runs"]
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path, help="of a DP-CDVAE: a file, or the name of some")
    parser.add_argument(
        "--cells", nargs="+", default=CELLS, help="compositions, and atoms in their cells"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--starts", type=int, default=12, help="random structures to relax at first"
    )
    parser.add_argument("--parents", type=int, default=4, help="the lowest of them")
    parser.add_argument("--children", type=int, default=10, help="of each parent and move")
    parser.add_argument(
        "--options", default="", help="of the move latent-neighbour, such as noise=0.1,most=0.5"
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/neighbours.json"))
    args = parser.parse_args()

    warnings.filterwarnings("ignore", category=UserWarning)
    torch.set_num_threads(1)
    model = load_dp_cdvae(args.weights)
    named = f"latent-neighbour:{args.options}" if args.options else "latent-neighbour"
    move = get_move(named, {"weights": args.weights})
    protocol = protocol_of(args, model.digest)
    runs = earlier(args, protocol)
    for cell, seed in missing(args, runs):
        found = run(cell, seed, move, args)
        runs.append(found)
        print(cell, seed, *(found[name] for name in MOVES), flush=True)
        save(args, protocol, runs)
    save(args, protocol, runs)


def protocol_of(args: argparse.Namespace, digest: str) -> dict[str, Any]:
    return {
        "weights": digest,
        "options": args.options or "the defaults of latent-neighbour",
        "starts": args.starts,
        "parents": f"the {args.parents} lowest minima of random structures, relaxed",
        "children": args.children,
        "new": "converged, and by StructureIndex no minimum of the starts or of an earlier child "
        f"of the same move; low: at most {LOW} eV/atom above the lowest start",
        "equal size": "the same mean displacement of atoms about their mean, in the cell of the "
        "parent, matched by pymatgen's StructureMatcher; a rattle keeps the cell of its parent, a "
        "neighbour has the one that is read from z, at the parent's volume; a rattle is made with "
        "the size of its neighbour, and measures less where its atoms change places",
        "left out": "pairs of which one member could not be made in so many attempts as a search "
        "makes, and neighbours in cells that do not compare with the parent's",
        "in_sample": "CHGNet was trained on Materials Project data, which hold known crystals of "
        "these compositions; the formulas were held out from DP-CDVAE if it was trained with the "
        "list of held-out formulas, and not from weights for Carbon-24",
        "settings": asdict(RelaxSettings()),
        "threads": 1,
    }


def save(
    args: argparse.Namespace, protocol: dict[str, Any], runs: Sequence[dict[str, Any]]
) -> None:
    record(
        args.out,
        measured="new minima per relaxation (CHGNet, quasi-Newton, fmax 0.1 eV/Å, 200 steps) of "
        "neighbours in the latent space of DP-CDVAE and of rattles of equal size; sizes in Å",
        sample_size={
            "compositions, or sizes of cells": len(args.cells),
            "seeds": args.seeds,
            "children of a composition and seed, at most": args.parents * args.children,
        },
        seed=range(args.seeds),
        intervals=(WILSON, f"{BOOTSTRAP}, compositions and seeds drawn anew"),
        protocol=protocol,
        results={"summary": summary(runs), "runs": runs},
    )


if __name__ == "__main__":
    main()
