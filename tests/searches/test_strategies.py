"""The pieces of strategies (bandit, acceptance, population, seed schedule) and the whole."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st

from gencsp.errors import RequestError
from gencsp.searches.acceptance import Metropolis
from gencsp.searches.bandit import Bandit
from gencsp.searches.basin_hopping import BasinHopping
from gencsp.searches.moves import get_move
from gencsp.searches.population import Niches, Population
from gencsp.searches.random_search import RandomSearch
from gencsp.searches.starts import SeedSchedule
from gencsp.searches.trial import RANDOM, SEED_STRUCTURE, TrialResult


def point(energy: float, name: str = "") -> Atoms:
    return Atoms("Si", info={"energy": energy, "structure_id": name or f"p{energy}"})


def energy(atoms: Atoms) -> float:
    return float(atoms.info["energy"])


def result(number: int, fitness: float, move: str = RANDOM, *, duplicate: str = "") -> TrialResult:
    return TrialResult(
        number=number,
        move=move,
        atoms=point(fitness),
        fitness=fitness,
        seen_as=duplicate,
    )


def test_the_bandit_finds_the_better_arm() -> None:
    """Two Bernoulli arms, 0.6 and 0.2: the better one gets most of the pulls."""
    pulls: Counter[str] = Counter()
    for seed in range(10):
        rng = np.random.default_rng(seed)
        bandit = Bandit(["good", "bad"])
        for _ in range(150):
            arm = bandit.choose(rng=rng)
            pulls[arm] += 1
            bandit.reward(arm, success=rng.random() < (0.6 if arm == "good" else 0.2), new=True)
    assert pulls["good"] > 0.75 * pulls.total()


def test_the_bandit_forgets() -> None:
    bandit = Bandit(["a", "b"])
    for _ in range(100):
        bandit.reward("a", success=True, new=True)
        bandit.reward("b", success=False, new=False)
    before = {line.move: line.share for line in bandit.move_stats()}
    for _ in range(200):
        bandit.reward("a", success=False, new=False)
        bandit.reward("b", success=True, new=True)
    after = {line.move: line.share for line in bandit.move_stats()}
    assert before["a"] > 0.99
    assert after["b"] > 0.99
    (line,) = [line for line in bandit.move_stats() if line.move == "a"]
    assert (line.tried, line.new, line.improved) == (300, 100, 100)


def test_untried_arms_share_evenly_and_only_allowed_ones_are_chosen() -> None:
    bandit = Bandit(["a", "b", "c", "d"])
    assert all(line.share == pytest.approx(0.25, abs=0.05) for line in bandit.move_stats())
    rng = np.random.default_rng(0)
    assert {bandit.choose(rng=rng, among={"b", "d"}) for _ in range(50)} == {"b", "d"}
    bandit.reward("unknown", success=True, new=True)
    assert sum(line.tried for line in bandit.move_stats()) == 0


def test_metropolis_is_boltzmann_at_a_fixed_temperature() -> None:
    rng = np.random.default_rng(1)
    metropolis = Metropolis(temperature=0.05, factor=1.0)
    n = 4000
    accepted = sum(metropolis.accept(0.04, new=True, rng=rng) for _ in range(n))
    expected = math.exp(-0.04 / 0.05)
    assert accepted / n == pytest.approx(expected, abs=4 * math.sqrt(expected / n))
    assert metropolis.accept(-0.1, new=True, rng=rng)
    assert not metropolis.accept(-0.1, new=False, rng=rng)
    assert not metropolis.accept(math.inf, new=True, rng=rng)


def test_the_temperature_settles_where_the_target_is_accepted() -> None:
    """Steps of random height: the share accepted goes to the target, wherever it starts."""
    for start in (0.002, 0.9):
        rng = np.random.default_rng(2)
        metropolis = Metropolis(temperature=start, target=0.4)
        steps = rng.exponential(0.1, size=3000)
        accepted = [metropolis.accept(float(step), new=True, rng=rng) for step in steps]
        assert np.mean(accepted[1000:]) == pytest.approx(0.4, abs=0.05)


@given(
    energies=st.lists(st.floats(-5, 5).map(lambda x: round(x, 3)), unique=True, max_size=30),
    size=st.integers(2, 6),
)
@settings(deadline=None, max_examples=30)
def test_a_population_without_niches_holds_the_lowest(energies: list[float], size: int) -> None:
    population = Population(size=size, fitness=energy, alike=lambda *_: False)
    for value in energies:
        population.add(point(value))
    assert sorted(map(energy, population.members)) == sorted(energies)[:size]


@given(energies=st.lists(st.integers(0, 200), unique=True, min_size=1, max_size=30))
@settings(deadline=None, max_examples=30)
def test_a_niche_has_one_member_its_lowest(energies: list[int]) -> None:
    """Niches of ten: with room for all of them each holds the lowest that came."""
    population = Population(
        size=50, fitness=energy, alike=lambda a, b: energy(a) // 10 == energy(b) // 10
    )
    for value in energies:
        population.add(point(value))
    lowest: dict[int, int] = {}
    for value in energies:
        lowest[value // 10] = min(value, lowest.get(value // 10, value))
    assert sorted(map(energy, population.members)) == sorted(lowest.values())


def test_lower_members_are_chosen_more_often_and_never_twice() -> None:
    population = Population(size=8, fitness=energy, alike=lambda *_: False)
    for value in range(8):
        population.add(point(value))
    rng = np.random.default_rng(0)
    chosen: Counter[float] = Counter()
    for _ in range(400):
        one, other = population.choose(2, rng=rng)
        assert one is not other
        chosen.update([energy(one), energy(other)])
    counts = [chosen[k] for k in range(8)]
    assert counts[0] > counts[3] > counts[7] > 0


def test_niches_are_of_one_formula_and_near() -> None:
    niches = Niches()
    rng = np.random.default_rng(0)
    cell = Atoms("Si2", scaled_positions=[(0, 0, 0), (0.5, 0.5, 0.5)], cell=[3] * 3, pbc=True)
    near, far, other = cell.copy(), cell.copy(), cell.copy()
    near.positions += rng.normal(scale=0.02, size=(2, 3))
    far.positions[1] = (1.5, 0, 0)
    other.symbols[1] = "Ge"
    for name, atoms in zip("abcd", (cell, near, far, other), strict=True):
        atoms.info["structure_id"] = name
    assert niches(cell, near)
    assert not niches(cell, far)
    assert not niches(cell, other)


@given(share=st.floats(0, 1), n=st.integers(1, 60))
@settings(deadline=None, max_examples=40)
def test_turns_are_even(share: float, n: int) -> None:
    schedule = SeedSchedule(share=share, seeded=True)
    kinds = [schedule.next() for _ in range(n)]
    assert abs(kinds.count(SEED_STRUCTURE) - share * n) <= 1
    if share > 1e-6:
        assert kinds[0] == SEED_STRUCTURE
    assert set(kinds) <= set(schedule.kinds)


def test_turns_without_seeds() -> None:
    schedule = SeedSchedule(share=0.9, seeded=False)
    assert {schedule.next() for _ in range(9)} == {RANDOM}
    assert schedule.kinds == (RANDOM,)
    with pytest.raises(RequestError, match="share"):
        SeedSchedule(share=1.5, seeded=True)


def test_random_search_shakes_what_is_near_the_lowest() -> None:
    rng = np.random.default_rng(0)
    search = RandomSearch(schedule=SeedSchedule(share=0, seeded=False), shakes=2)
    assert search.ask(0, rng=rng).move == RANDOM
    search.tell(result(0, 1.0), rng=rng)
    search.tell(result(1, 0.5), rng=rng)
    search.tell(result(2, 0.55, duplicate="p0.5"), rng=rng)
    search.tell(result(3, 0.9), rng=rng)
    asked = [search.ask(k, rng=rng) for k in range(4, 9)]
    assert [trial.move for trial in asked] == ["rattle"] * 4 + [RANDOM]
    assert [energy(trial.parents[0]) for trial in asked[:4]] == [1.0, 1.0, 0.5, 0.5]


def test_poor_seeds_lose_their_share_of_a_random_search() -> None:
    for better, worse in ((RANDOM, SEED_STRUCTURE), (SEED_STRUCTURE, RANDOM)):
        rng = np.random.default_rng(0)
        search = RandomSearch(schedule=SeedSchedule(share=0.75, seeded=True))
        asked = []
        for k in range(120):
            asked.append(search.ask(k, rng=rng).move)
            mean = 0.0 if asked[-1] == better else 2.0
            search.tell(result(k, float(rng.normal(mean)), asked[-1]), rng=rng)
        assert {move: asked[:12].count(move) for move in (SEED_STRUCTURE, RANDOM)} == {
            SEED_STRUCTURE: 9,
            RANDOM: 3,
        }
        assert asked[40:].count(better) > 0.75 * len(asked[40:])
        assert search.move_stats()[0].move == better
        assert worse in asked[40:]


def test_a_stuck_walker_starts_anew() -> None:
    rng = np.random.default_rng(0)
    hop = BasinHopping(
        moves=[get_move("strain")],
        schedule=SeedSchedule(share=0, seeded=False),
        walkers=2,
        patience=3,
    )
    hop.tell(result(0, 0.0), rng=rng)
    hop.tell(TrialResult(number=1, move=RANDOM, failure="exploded"), rng=rng)
    assert hop.ask(3, rng=rng).move == RANDOM  # nothing came of the other walker's start
    for k in (2, 4, 6):
        assert hop.ask(k, rng=rng).move in ("strain", RANDOM)
        hop.tell(result(k, 0.0, "strain", duplicate="p0.0"), rng=rng)
    trial = hop.ask(8, rng=rng)
    assert (trial.move, trial.parents) == (RANDOM, ())
