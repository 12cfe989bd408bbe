"""Where the time of whole runs goes: ``gencsp cycle`` and ``gencsp search``, part by part.

    python benchmarks/profile_runs.py

Every run is a fresh process that does all its work itself, on one thread, so that nothing is lost
between processes. Times are processor time and exclude what a part spends in another part: the
graph is no part of the network that asks for it, nor an import of what needs it. ``--label`` keeps
what was recorded under other labels, so that two versions of gencsp stand beside each other;
``--runs`` repeats some of the runs. The runs ``pyxtal`` and ``torch`` take the makers of random
crystals and the engine that ``random`` and ``native`` replaced.
"""

from __future__ import annotations

import argparse
import builtins
import functools
import importlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: Parts of a run: label, module, and the functions or methods in it that belong to the part.
PARTS: list[tuple[str, str, tuple[str, ...]]] = [
    ("propose: network", "gencsp.diffusion.networks.density", ("DensityNetwork.forward",)),
    ("propose: network", "gencsp.diffusion.networks.joint", ("JointNetwork.forward",)),
    ("propose: graph", "gencsp.diffusion.networks.density", ("radius_graph", "density_cutoff")),
    ("propose: graph", "gencsp.diffusion.networks.density", ("expand",)),
    ("propose: projection", "gencsp.diffusion.projection", ("Projection.__call__",)),
    (
        "propose: projection",
        "gencsp.diffusion.positions.run",
        ("build_projection", "read_constraints"),
    ),
    ("propose: noise", "gencsp.diffusion.positions.run", ("standard_normal",)),
    ("propose: skeletons", "gencsp.proposers.symmetric", ("SymmetricProposer._start",)),
    ("random crystals", "gencsp.proposers.random", ("draw_crystals",)),
    ("random crystals", "gencsp.proposers.pyxtal_random", ("pyxtal_crystal",)),
    ("propose: rest", "gencsp.searches.tasks", ("propose",)),
    ("moves", "gencsp.searches.worker", ("_start",)),
    ("relaxation", "gencsp.runs.parts", ("_relax",)),
    ("symmetry", "gencsp.records", ("name_space_group",)),
    ("symmetry", "gencsp.records.writing", ("name_space_group",)),
    ("symmetry", "gencsp.searches.tasks", ("refine", "framework")),
    ("symmetry", "gencsp.searches.cycle", ("choose_guests",)),
    (
        "hull",
        "gencsp.convex_hull.hull",
        ("Hull.load", "Hull.decomposition_energy", "Hull.energy_above"),
    ),
    ("fingerprints and duplicates", "gencsp.searches.duplicates", ("IndexedDuplicates.add",)),
    ("fingerprints and duplicates", "gencsp.searches.cycle", ("rank",)),
    ("store: write", "gencsp.store.disk", ("DiskStore.finish_all", "DiskStore.__init__")),
    ("store: read", "gencsp.store.disk", ("DiskStore.get", "DiskStore.load", "DiskStore.tasks")),
    ("models loaded", "gencsp.runs.cycle", ("identify_models",)),
    ("models loaded", "gencsp.runs.search", ("_identify_models",)),
]

#: Runs by name: what is run, and its deck.
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "cycle": ("cycle", {"formula": "Li5Si2", "guests": ("Li",), "atoms": 14, "n": 4}),
    "search random": ("search", {"formula": "CaTiO3", "atoms": 10, "budget": 40}),
    "search hop": ("search", {"formula": "CaTiO3", "atoms": 10, "budget": 40, "method": "hop"}),
    "search genetic": (
        "search",
        {"formula": "CaTiO3", "atoms": 10, "budget": 40, "method": "genetic"},
    ),
    "random crystals only": (
        "search",
        {"formula": "CaTiO3", "atoms": 10, "budget": 40, "seeds": ()},
    ),
    "random crystals only, pyxtal": (
        "search",
        {"formula": "CaTiO3", "atoms": 10, "budget": 16, "seeds": (), "background": "pyxtal"},
    ),
    "random crystals only, torch": (
        "search",
        {"formula": "CaTiO3", "atoms": 10, "budget": 6, "seeds": (), "engine": "torch"},
    ),
}


class Watch:
    """Time by part, each without the parts inside it."""

    def __init__(self) -> None:
        self.cpu: defaultdict[str, float] = defaultdict(float)
        self.wall: defaultdict[str, float] = defaultdict(float)
        self._open = ["start-up and imports"]
        # What the interpreter itself took counts as start-up.
        self._since = (0.0, time.perf_counter())

    @contextmanager
    def part(self, label: str) -> Iterator[None]:
        """Time the block as this part."""
        self._switch()
        self._open.append(label)
        try:
            yield
        finally:
            self._switch()
            self._open.pop()

    def _switch(self) -> None:
        cpu, wall = self._since
        now = (time.process_time(), time.perf_counter())
        self.cpu[self._open[-1]] += now[0] - cpu
        self.wall[self._open[-1]] += now[1] - wall
        self._since = now

    def timed(self, label: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed; iterators that it returns are used up within."""

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self.part(label):
                made = function(*args, **kwargs)
                return iter(list(made)) if isinstance(made, Iterator) else made

        return call


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", nargs="+", default=list(RUNS), choices=list(RUNS))
    parser.add_argument("--label", default="after", help="of this version of gencsp")
    parser.add_argument("--scale", type=float, default=1.0, help="of numbers of structures")
    parser.add_argument("--one", choices=list(RUNS), help=argparse.SUPPRESS)
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "profile_runs.json"
    )
    options = parser.parse_args()
    if options.one:
        kind, deck = RUNS[options.one]
        number = "n" if kind == "cycle" else "budget"
        fewer = {number: max(2, round(options.scale * deck[number]))}
        json.dump({**fewer, **profiled(kind, {**deck, **fewer})}, sys.stdout)
        return
    from gencsp.measure.record import record

    kept = json.loads(options.out.read_text())["results"] if options.out.exists() else {}
    for name in options.runs:
        load = os.getloadavg()[0]
        found = in_process(name, options.scale)
        found["load"] = [round(load, 1), round(os.getloadavg()[0], 1)]
        kept.setdefault(name, {})[options.label] = found
        print(name, options.label, json.dumps(found, indent=1))
        protocol = {
            "time": "processor time, exclusive, of one process of one thread; wall time beside it",
            "load": "runnable tasks on the machine's cores before and after each run",
            "runs": {run: {"kind": kind, **deck} for run, (kind, deck) in RUNS.items()},
        }
        record(
            options.out,
            measured="processor seconds of whole cycles and searches, part by part",
            sample_size={"runs of each kind": 1},
            seed=0,
            intervals=(),
            protocol=protocol,
            results=kept,
        )


def in_process(name: str, scale: float) -> dict[str, Any]:
    """The profile of a run, from a process of its own."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, __file__, "--one", name, "--scale", str(scale)],
        env={**os.environ, **threads},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def profiled(kind: str, deck: dict[str, Any]) -> dict[str, Any]:
    """Seconds by part of one run in this process, and how many structures it handled."""
    watch = Watch()
    time_imports(watch)
    for label, module, names in PARTS:
        time_functions(watch, label, module, names)
    with tempfile.TemporaryDirectory() as folder, watch.part("rest"):
        counts = run_cycle(deck, folder) if kind == "cycle" else run_search(deck, folder)
    with watch.part("rest"):
        pass
    total = sum(watch.cpu.values())
    relaxed = max(1, counts["relaxations"])
    return {
        "cpu_seconds": round(total, 2),
        "wall_seconds": round(sum(watch.wall.values()), 1),
        **counts,
        "parts": {
            part: {
                "cpu_seconds": round(seconds, 3),
                "share": round(seconds / total, 4),
                "ms_per_relaxation": round(1000 * seconds / relaxed, 2),
            }
            for part, seconds in sorted(watch.cpu.items(), key=lambda item: -item[1])
        },
    }


def time_imports(watch: Watch) -> None:
    """Count imports as start-up, wherever they happen."""
    plain = builtins.__import__

    def timed(name: str, *args: Any, **kwargs: Any) -> Any:
        if name in sys.modules:
            return plain(name, *args, **kwargs)
        with watch.part("start-up and imports"):
            return plain(name, *args, **kwargs)

    builtins.__import__ = timed
    load = watch.timed("start-up and imports", importlib.import_module)
    importlib.metadata.import_module = load  # type: ignore[attr-defined]


def time_functions(watch: Watch, label: str, module: str, names: tuple[str, ...]) -> None:
    """Replace functions and methods by timed ones."""
    with watch.part("start-up and imports"):
        home = importlib.import_module(module)
    for name in names:
        owner_name, _, attribute = name.rpartition(".")
        owner = getattr(home, owner_name) if owner_name else home
        found = vars(owner)[attribute]
        if isinstance(found, classmethod):
            setattr(owner, attribute, classmethod(watch.timed(label, found.__func__)))
        else:
            setattr(owner, attribute, watch.timed(label, found))


def run_cycle(deck: dict[str, Any], folder: str) -> dict[str, Any]:
    """A whole cycle, its tasks in this process."""
    from gencsp.executors import ThisProcess
    from gencsp.provenance import Stage
    from gencsp.runs import cycle as assembly
    from gencsp.runs.decks import CycleDeck

    vars(assembly)["run_executor"] = lambda *_, **__: ThisProcess()
    with assembly.open_cycle(CycleDeck.make(out=Path(folder) / "run", **deck)) as cycle:
        ranked = cycle.run()
        made = {stage: len(cycle.structures(stage)) for stage in Stage}
    return {
        "relaxations": made[Stage.RELAXED] + made[Stage.REFINED],
        "structures": {str(stage): n for stage, n in made.items()},
        "ranked": len(ranked),
        "best": round(min(float(a.info["decomposition_energy"]) for a in ranked), 4)
        if ranked
        else None,
    }


def run_search(deck: dict[str, Any], folder: str) -> dict[str, Any]:
    """A whole search, its tasks in this process."""
    from gencsp.executors import ThisProcess
    from gencsp.runs import search as assembly_search
    from gencsp.runs.decks import SearchDeck

    vars(assembly_search)["run_executor"] = lambda *_, **__: ThisProcess()
    with assembly_search.open_search(SearchDeck.make(out=Path(folder) / "run", **deck)) as search:
        ranked = search.run()
    return {
        "relaxations": search.ledger.relaxed,
        "ranked": len(ranked),
        "different": sum(search.ledger.new.values()),
        "moves": dict(search.ledger.moves),
        "best": round(float(search.ledger.best.info["decomposition_energy"]), 4)
        if search.ledger.best is not None
        else None,
    }


if __name__ == "__main__":
    main()
