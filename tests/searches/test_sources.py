"""Seeds: wrong ones are named, pools run out, proposers come in blocks; what spaces hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import product
from math import gcd
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from cheap_parts import Backwards
from cheap_search import SETTINGS, cheap_search, story

from gencsp.composition import Composition
from gencsp.descriptors.distances import pair_distances
from gencsp.descriptors.least_distances import LeastDistances
from gencsp.errors import RequestError
from gencsp.executors import ThisProcess
from gencsp.proposers import Request
from gencsp.proposers.checks import keeps_apart
from gencsp.proposers.scatter import ScatterProposer
from gencsp.searches.loop import Search
from gencsp.searches.runner import TaskRunner
from gencsp.searches.space import Space
from gencsp.searches.starts import PoolStarts, ProposerStarts, StartSupply, pool_source
from gencsp.searches.trial import RANDOM, SEED_STRUCTURE
from gencsp.store import MemoryStore

LISI2 = SETTINGS.space


def crystal(symbols: str = "LiSi2", a: float = 4.5) -> Atoms:
    places = [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0, 0.5), (0, 0.5, 0.5), (0.5, 0.5, 0), (0.2,) * 3]
    atoms = Atoms(symbols)
    atoms.set_cell([a] * 3)
    atoms.set_scaled_positions(places[: len(atoms)])
    atoms.pbc = True
    return atoms


def test_wrong_seeds_are_named_by_reason() -> None:
    good, named = crystal(), crystal("Li2Si2")
    named.info["structure_id"] = "mine"
    pool = pool_source("pool", [good, named, crystal("Li2Si4"), crystal(a=2.0)], LISI2, seed=3)
    assert [a.info["structure_id"] for a in pool.structures] == ["pool:0"]
    assert pool.skipped == {
        "wrong composition or size": ("mine (Li2Si2)", "2 (Li2Si4)"),
        "atoms too close": ("3 (LiSi2)",),
    }
    assert pool.structures[0].info["seed"] == 3
    assert good.info == {}
    fixed = Space.fixed(Composition.parse("LiSi2"), units=(1,), cell=crystal(a=4.6).cell)
    assert list(pool_source("pool", [good], fixed, seed=0).skipped) == ["another cell"]


def test_the_digest_of_a_pool_is_of_its_structures() -> None:
    one = pool_source("a", [crystal()], LISI2, seed=0)
    same = pool_source("b", [crystal()], LISI2, seed=1)
    moved = crystal()
    moved.positions += 0.01
    assert one.digest == same.digest != pool_source("a", [moved], LISI2, seed=0).digest


@dataclass(frozen=True)
class Few:
    """Makes a proposer that has so many structures in a block of each."""

    n: int

    def __call__(self) -> Few:
        return self

    @property
    def name(self) -> str:
        return "few"

    failures = 0

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        for _ in range(min(self.n, request.n)):
            yield crystal(a=4.5 + rng.random())


def supply(*sources: PoolStarts | ProposerStarts, background: int = 4) -> StartSupply:
    return StartSupply(
        sources,
        ProposerStarts(name="other", make=Few(background)),
        LISI2,
        runner=TaskRunner(MemoryStore(), ThisProcess(), prepare=lambda finished: finished),
        seed=0,
        block=4,
    )


def taken(supply: StartSupply, kind: str, *, needed: int) -> tuple[str, Any]:
    start = supply.take(kind, needed=needed)
    assert start is not None
    assert (start.kind == RANDOM) == (start.source == "other")
    return start.source, start.atoms


def test_sources_take_turns_by_weight_and_the_background_fills_in() -> None:
    pool = pool_source("pool", [crystal(a=4.5 + k) for k in range(3)], LISI2, seed=0)
    made = supply(pool, ProposerStarts(name="few", make=Few(4), weight=3.0))
    names = [taken(made, SEED_STRUCTURE, needed=20)[0] for _ in range(8)]
    assert names.count("pool") == 2
    assert names.count("few") == 6
    empty = supply(PoolStarts(name="empty", structures=()))
    assert [taken(empty, SEED_STRUCTURE, needed=9)[0] for _ in range(3)] == ["other"] * 3
    nothing = supply(ProposerStarts(name="none", make=Few(0)), background=0)
    assert nothing.take(SEED_STRUCTURE, needed=3) is None
    assert nothing.take(RANDOM, needed=3) is None


def test_blocks_are_the_same_however_much_is_needed() -> None:
    few, many = supply(), supply()
    for k in range(10):
        one, other = taken(few, RANDOM, needed=10 - k), taken(many, RANDOM, needed=1000)
        assert one[1].info["structure_id"] == other[1].info["structure_id"] == f"other-{k:05d}"
        assert (one[1].positions == other[1].positions).all()


@dataclass(frozen=True)
class Ordered(Few):
    """Its structures say how many of their composition were asked for before, and which one."""

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:  # noqa: ARG002
        for k in range(request.n):
            atoms = crystal()
            atoms.info["proposer"] = f"{request.composition} {request.offset + k}"
            yield atoms


@pytest.mark.parametrize("space", [LISI2, Space.system(["Li", "Si"], max_atoms=4)])
def test_a_proposer_with_an_order_goes_on_in_each_composition(space: Space) -> None:
    made = StartSupply(
        [ProposerStarts(name="ordered", make=Ordered(4))],
        ProposerStarts(name="other", make=Few(4)),
        space,
        runner=TaskRunner(MemoryStore(), ThisProcess(), prepare=lambda finished: finished),
        seed=0,
        block=8,
    )
    seen: Counter[str] = Counter()
    for _ in range(80):
        start = made.take(SEED_STRUCTURE, needed=100)
        assert start is not None
        composition, place = start.atoms.info["proposer"].split()
        assert int(place) == seen[composition]
        seen[composition] += 1
    assert (len(seen) > 2) == space.variable
    assert max(seen.values()) > 8


def test_a_search_with_an_empty_pool_is_the_unseeded_one_but_for_names() -> None:
    empty = PoolStarts(name="pool", structures=())
    searches = []
    for seeds in ((), (empty,)):
        search = cheap_search("random", MemoryStore(), ThisProcess(), seeds=seeds, budget=12)
        search.run()
        searches.append([line[2:] for line in story(search)])
    assert searches[0] == searches[1]


@pytest.mark.parametrize("method", ["random", "hop", "genetic"])
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_seeds_that_are_used_up_are_a_move_no_longer(method: str, share: float) -> None:
    """What the background proposer makes in their place is not counted, or learned, as theirs."""

    def ended(store: MemoryStore, executor: Executor, budget: int = 60) -> Search:
        pool = pool_source("pool", [crystal(a=4.0 + 0.2 * k) for k in range(3)], LISI2, seed=0)
        search = cheap_search(
            method, store, executor, seeds=(pool,), budget=budget, seed_share=share
        )
        search.run()
        return search

    search = ended(MemoryStore(), ThisProcess())
    moves = [result.move for result in search.results]
    parents = search.supply.taken
    assert (moves.count("seed"), moves.count("random")) == (parents["pool"], parents["other"])
    assert parents["pool"] == 3
    assert parents["other"] > 1
    # As many trials as run at once may still have asked for a seed.
    assert sum(result.seeds_ended for result in search.results) <= SETTINGS.ahead
    shares = {line.move: line for line in search.strategy.move_stats()}
    assert sum(line.share for line in shares.values()) == pytest.approx(1)
    assert "seed" not in shares or shares["seed"].share == 0
    assert "seed" not in shares or shares["seed"].tried <= 3
    # Neither the order in which trials end nor an interruption changes what is asked for.
    assert story(ended(MemoryStore(), Backwards())) == story(search)
    store = MemoryStore()
    for budget in (5, 9, 60):
        last = ended(store, ThisProcess(), budget)
    assert story(last) == story(search)


def test_a_system_holds_every_compound_that_fits() -> None:
    space = Space.system(("Li", "Si", "O"), max_atoms=6)
    found = {
        tuple(sorted((s, n * u) for s, n in c.counts))
        for c, units in space.compositions
        for u in units
    }
    expected = {
        tuple(sorted((s, n) for s, n in zip(("Li", "Si", "O"), counts, strict=True) if n))
        for counts in product(range(7), repeat=3)
        if 2 <= sum(counts) <= 6 and sum(n > 0 for n in counts) >= 2
    }
    assert found == expected
    assert all(gcd(*(n for _, n in c.counts)) == 1 for c, _ in space.compositions)
    assert space.allows(crystal("Li2Si2"))
    assert not space.allows(bulk("Si", cubic=True))
    drawn = {str(r.composition) for r in space.requests(40, rng=np.random.default_rng(0))}
    assert len(drawn) > 5
    assert sum(r.n for r in space.requests(10, rng=np.random.default_rng(0))) == 10


@pytest.mark.parametrize(
    ("elements", "atoms"), [(("Li",), 8), (("Li", "Xx"), 8), (("Li", "Si"), 1)]
)
def test_no_system(elements: tuple[str, ...], atoms: int) -> None:
    with pytest.raises(RequestError):
        Space.system(elements, max_atoms=atoms)


def apart(distance: float) -> LeastDistances:
    return LeastDistances((("Li", "Si", distance),))


def test_separations_are_checked_against_all_images() -> None:
    atoms = crystal(a=4.5)
    nearest = pair_distances(atoms)[0, 1:].min()
    assert keeps_apart(atoms, separation=0.1, separations=apart(nearest - 1e-6))
    assert not keeps_apart(atoms, separation=0.1, separations=apart(nearest + 1e-6))
    atoms.positions[0] = np.nan
    assert not keeps_apart(atoms, separation=0.1)


def test_scattered_atoms_keep_their_cell_and_distance() -> None:
    cell = crystal(a=6.0).cell
    request = Request(composition=Composition.parse("LiSi2"), n=6, units=(1, 2), cell=cell)
    proposer = ScatterProposer(separations=apart(2.4))
    made = list(proposer.propose(request, rng=np.random.default_rng(0)))
    assert len(made) == 6
    for atoms in made:
        assert (atoms.cell.array == cell.array).all()
        assert LISI2.compositions[0][0].matches(atoms)
        assert keeps_apart(atoms, separation=0.7, separations=apart(2.4))
    again = list(
        ScatterProposer(separations=apart(2.4)).propose(request, rng=np.random.default_rng(0))
    )
    assert all((a.positions == b.positions).all() for a, b in zip(made, again, strict=True))
    with pytest.raises(RequestError, match="given cell"):
        proposer.propose(
            Request(composition=Composition.parse("Si"), n=1), rng=np.random.default_rng(0)
        )
    tight = Request(composition=Composition.parse("LiSi2"), n=1, cell=crystal(a=2.0).cell)
    assert list(proposer.propose(tight, rng=np.random.default_rng(0))) == []
    assert proposer.failures > 0
