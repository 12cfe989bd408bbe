"""Runs in an executor that their caller opens: all their tasks go there, and nothing changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any, NoReturn, ParamSpec, TypeVar

import numpy as np
import own_alloys
import pytest
from ase import Atoms
from ase.build import bulk

from gencsp.executors import ThisProcess
from gencsp.proposers.base import Request
from gencsp.runs import cycle, discover, intercalating, novelty, parts, refining, synergy
from gencsp.runs.decks import CycleDeck
from gencsp.runs.discover_decks import DiscoverDeck, SynergyDeck
from gencsp.runs.host_cycle import open_host_cycle, plan_host_cycle
from gencsp.runs.host_decks import IntercalateDeck
from gencsp.runs.pool_decks import RefineDeck
from gencsp.runs.system_cycle import open_system_cycle

P = ParamSpec("P")
T = TypeVar("T")


class Counting(ThisProcess):
    """This process, which counts what it is given, and whether it was closed."""

    def __init__(self) -> None:
        self.tasks = 0
        self.closed = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        assert not self.closed
        self.tasks += 1
        return super().submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        self.closed = True


class Guests:
    """Makes whole crystals, and puts guests into hosts, anywhere."""

    name = "guests"
    failures = 0
    inpaints = True

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        for _ in range(request.n):
            if request.host is None:
                atoms = own_alloys.any_alloy(request, rng=rng)
                stretch = (own_alloys.VOLUME * len(atoms) / atoms.cell.volume) ** (1 / 3)
                atoms.set_cell(atoms.cell * stretch, scale_atoms=True)
                yield atoms
                continue
            whole = request.host.copy()
            missing = Counter(request.composition.symbols(request.units[0]))
            missing -= Counter(whole.get_chemical_symbols())
            for symbol in missing.elements():
                whole += Atoms(symbol, positions=[rng.random(3) @ whole.cell.array])
            yield whole


@pytest.fixture
def cheap(tmp_path: Path) -> dict[str, Any]:
    """Parts of copper-gold alloys; function and engine stay in this process."""
    return {
        "potential": own_alloys.HereEngine(),
        "hull": own_alloys.entries(tmp_path),
        "workers": 1,
        "steps": 1,
    }


def gold_in_copper() -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.symbols[0] = "Au"
    atoms.info["structure_id"] = "a"
    return atoms


def of_cycle(words: dict[str, Any], folder: Path, executor: Executor | None) -> list[Atoms]:  # noqa: ARG001
    deck = CycleDeck.make(
        formula="CuAu", n=4, atoms=4, guests=["Au"], proposer=Guests(), inpainter=Guests(), **words
    )
    with cycle.open_cycle(deck, in_memory=True, executor=executor) as run:
        return run.run()


def of_system(words: dict[str, Any], folder: Path, executor: Executor | None) -> list[Atoms]:  # noqa: ARG001
    deck = CycleDeck.make(
        formula="Cu-Au", n=4, atoms=4, guests=["Au"], proposer=Guests(), inpainter=Guests(), **words
    )
    with open_system_cycle(deck, in_memory=True, executor=executor) as run:
        list(run.irun())
        return run.ranking()


def of_host(words: dict[str, Any], folder: Path, executor: Executor | None) -> list[Atoms]:  # noqa: ARG001
    host = gold_in_copper()
    deck = CycleDeck.make(host=host, guests=["Au"], n=3, inpainter=Guests(), **words)
    with open_host_cycle(plan_host_cycle(deck), in_memory=True, executor=executor) as run:
        return run.run()


def of_discovery(words: dict[str, Any], folder: Path, executor: Executor | None) -> list[Atoms]:
    settings = {**own_alloys.settings(folder), **words}
    pool = own_alloys.pool(folder)
    deck = DiscoverDeck.make(**settings, pool=(pool,), n=8, within=0.5, top=2)
    with discover.open_discovery(deck, in_memory=True, executor=executor) as run:
        list(run.irun())
        found = run.result()
        assert len(found.searched) == 2
        return list(found.crystals)


def of_synergy(words: dict[str, Any], folder: Path, executor: Executor | None) -> list[Atoms]:
    settings = {**own_alloys.settings(folder), **words}
    pool = own_alloys.pool(folder)
    deck = SynergyDeck.make(**settings, model=(str(pool),), n=2, moves=("rattle",))
    run = synergy.open_synergy(deck, in_memory=True, executor=executor)
    list(run.irun())
    (result,) = run.results
    return [one for pair in result.compared for some in pair.minima.values() for one in some]


def of_intercalation(words: dict[str, Any], folder: Path, executor: Executor | None) -> list[Atoms]:  # noqa: ARG001
    deck = IntercalateDeck.make(guest="Au", x="0:1/3:1/3", unit="Cu3", n=1, charge=1, **words)
    host = gold_in_copper()
    with intercalating.open_intercalation(host, deck, in_memory=True, executor=executor) as run:
        list(run.irun())
        return run.structures()


def of_refinement(words: dict[str, Any], folder: Path, executor: Executor | None) -> list[Atoms]:  # noqa: ARG001
    deck = RefineDeck.make(guests=["Au"], inpaintings=1, inpainter=Guests(), **words)
    return refining.refine_pool([gold_in_copper()], deck, executor=executor).structures


RUNS = {
    "cycle": of_cycle,
    "cycle of a system": of_system,
    "cycle in a host": of_host,
    "discover": of_discovery,
    "synergy": of_synergy,
    "intercalate": of_intercalation,
    "refine": of_refinement,
}


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_a_given_executor_does_everything_and_stays_open(
    run: Callable[..., list[Atoms]],
    cheap: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Its library takes ten seconds to load.
    monkeypatch.setattr(novelty, "PROTOTYPES", ("prototypes",))
    expected = run(cheap, tmp_path, None)
    given = Counting()

    def opened(*_: object, **__: object) -> NoReturn:
        raise AssertionError("another executor was opened")

    monkeypatch.setattr(parts, "open_executor", opened)
    monkeypatch.setattr(parts, "ThisProcess", opened)
    found = run(cheap, tmp_path, given)
    assert given.tasks > 1
    assert not given.closed
    assert expected
    assert [str(one.info) for one in found] == [str(one.info) for one in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.positions, other.positions)
        np.testing.assert_array_equal(one.cell.array, other.cell.array)
