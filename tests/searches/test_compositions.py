"""Which compositions a search may visit: against enumeration, and without enumerating."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tracemalloc
from collections import Counter
from concurrent.futures import Executor, Future
from dataclasses import replace
from itertools import product
from math import gcd
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from cheap_parts import CheapRelaxerMaker
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from gencsp.composition import Composition
from gencsp.errors import RequestError
from gencsp.executors import ThisProcess
from gencsp.runs.decks import SearchDeck
from gencsp.runs.search import Plan
from gencsp.searches import compositions as module
from gencsp.searches.compositions import ChemicalSystem, OneComposition, draw_below
from gencsp.searches.space import Space
from gencsp.searches.worker import run_trials
from gencsp.store import MemoryStore

ELEMENTS = ("Zn", "Li", "O", "P")
FIVE = ("Li", "Zn", "P", "S", "O")
#: Bytes that a trial may cost to send, parents included.
MOST_SENT = 20_000


def enumerated(elements: tuple[str, ...], least: int, most: int) -> list[tuple[Any, ...]]:
    """Counts and units of every reduced formula that fits, from all tuples of counts."""
    found = []
    for counts in sorted(product(range(most + 1), repeat=len(elements)), key=lambda c: (sum(c), c)):
        size = sum(counts)
        if sum(n > 0 for n in counts) < 2 or gcd(*counts) > 1:
            continue
        units = tuple(u for u in range(1, most + 1) if least <= u * size <= most)
        if units:
            formula = tuple((s, n) for s, n in zip(elements, counts, strict=True) if n)
            found.append((formula, units))
    return found


systems = (
    st.integers(2, 4)
    .flatmap(
        lambda k: st.tuples(
            st.just(ELEMENTS[:k]), st.integers(-1, 9 - k), st.integers(2, {2: 14, 3: 10, 4: 8}[k])
        )
    )
    .filter(lambda case: case[1] <= case[2])
)


@settings(max_examples=40, deadline=None)
@given(systems)
def test_a_system_is_what_enumeration_finds(case: tuple[tuple[str, ...], int, int]) -> None:
    elements, least, most = case
    system = ChemicalSystem.of(elements, min_atoms=least, max_atoms=most)
    expected = enumerated(elements, least, most)
    assert [(c.counts, units) for c, units in system] == expected
    assert system.number == len(expected)
    assert [(c.counts, units) for c, units in map(system.__getitem__, range(system.number))] == (
        expected
    )
    for index in (-1, system.number):
        with pytest.raises(IndexError):
            system[index]
    atoms = {sum(n for _, n in formula) * u for formula, units in expected for u in units}
    assert system.sizes == tuple(sorted(atoms))
    space = Space.system(elements, min_atoms=least, max_atoms=most)
    assert space.variable is (len(expected) > 1)
    assert space.max_atoms == max(atoms)
    allowed = {
        tuple(sorted((s, n * u) for s, n in formula)) for formula, units in expected for u in units
    }
    others = (*elements, "Na")
    for counts in product(range(4), repeat=len(others)):
        present = tuple(sorted((s, n) for s, n in zip(others, counts, strict=True) if n))
        atoms_of = Atoms([s for s, n in present for _ in range(n)])
        assert space.allows_counts(atoms_of) is (present in allowed)


@given(
    st.sampled_from(["LiSi2", "TiO2", "Si", "CaTiO3"]),
    st.sets(st.integers(1, 4), min_size=1),
    st.lists(st.sampled_from(["Li", "Si", "Ti", "O", "Ca"]), min_size=1, max_size=12),
)
def test_one_composition_allows_its_own_units(
    formula: str, units: set[int], symbols: list[str]
) -> None:
    composition = Composition.parse(formula)
    one = OneComposition(composition, tuple(units))
    assert one.number == 1
    assert list(one) == [one[0]] == [(composition, tuple(units))]
    assert one.sizes == tuple(sorted(u * composition.size for u in units))
    for u in range(1, 6):
        assert one.allow(Counter(composition.symbols(u))) is (u in units)
    wanted = [sorted(composition.symbols(u)) for u in units]
    assert one.allow(Counter(symbols)) is (sorted(symbols) in wanted)


@pytest.mark.parametrize("units", [(), (0,), (2, -1)])
def test_units_that_are_none(units: tuple[int, ...]) -> None:
    with pytest.raises(RequestError, match="units is"):
        Space.fixed(Composition.parse("TiO2"), units=units)


def test_every_composition_is_drawn_equally_often() -> None:
    space = Space.system(("Li", "Si", "O"), max_atoms=5)
    drawn = Counter(
        request.composition.formula
        for request in space.requests(4 * 12_000, rng=np.random.default_rng(0))
    )
    formulas = [c.formula for c, _ in space.compositions]
    assert drawn.keys() == set(formulas)
    assert chisquare([drawn[formula] for formula in formulas]).pvalue > 0.01


@given(st.integers(2**63 - 3, 2**70))
def test_draws_among_very_many_stay_below(number: int) -> None:
    drawn = [draw_below(number, rng=np.random.default_rng(seed)) for seed in range(40)]
    assert all(0 <= k < number for k in drawn)
    # Of even draws, as many fall into neither half with a chance of 2e-12.
    assert min(drawn) < number // 2 <= max(drawn)


def test_draws_among_very_many_are_even(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LARGEST_DRAW", 0)
    rng = np.random.default_rng(1)
    drawn = Counter(draw_below(11, rng=rng) for _ in range(11_000))
    assert drawn.keys() == set(range(11))
    assert chisquare(list(drawn.values())).pvalue > 0.01


def test_a_system_larger_than_can_be_listed() -> None:
    space = Space.system(("Li", "Na", "K", "Zn", "P", "S", "O", "F", "Cl", "N"), max_atoms=200)
    assert space.compositions.number > 2**53
    for request in space.requests(8, rng=np.random.default_rng(0)):
        atoms = Atoms(request.composition.symbols(request.units[-1]))
        assert space.allows_counts(atoms)
        assert gcd(*(n for _, n in request.composition.counts)) == 1


def test_nothing_is_listed() -> None:
    tracemalloc.start()
    try:
        space = Space.system(FIVE, max_atoms=20)
        space.requests(40, rng=np.random.default_rng(0))
        assert space.allows_counts(Atoms("Li2ZnPS4O"))
        assert (space.max_atoms, space.variable) == (20, True)
        sizes = space.manifest()["sizes"]
        assert isinstance(sizes, list | tuple)
        assert len(sizes) == 19
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert space.compositions.number == 49_581
    assert peak < 100_000


def test_a_search_starts_without_phase_diagrams() -> None:
    # Importing them alone takes longer than all else before the first trial.
    code = (
        "import sys\nfrom gencsp.runs.search import Plan\n"
        "from gencsp.runs.decks import SearchDeck\n"
        f"Plan.of(SearchDeck.make(system='{'-'.join(FIVE)}', seeds=()))\n"
        "print('pymatgen.analysis.phase_diagram' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


class Recording(Executor):
    """Runs calls at once, and notes how many bytes would have travelled to a worker."""

    def __init__(self) -> None:
        self.inner = ThisProcess()
        self.sent: dict[str, list[int]] = {}
        self.parents: Counter[int] = Counter()

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.sent.setdefault(fn.func.__name__, []).append(len(pickle.dumps((fn, args, kwargs))))
        if fn.func is run_trials:
            self.parents.update(len(job.parents) for job in fn.args[1])
        return self.inner.submit(fn, *args, **kwargs)


def test_a_trial_in_a_system_of_five_elements_is_small_to_send() -> None:
    deck = SearchDeck.make(
        system="-".join(FIVE),
        atoms=20,
        method="genetic:population=3",
        budget=24,
        seeds=(),
        same="close",  # without tight relaxations of what may be one crystal
    )
    executor = Recording()
    search = Plan.of(deck).search(MemoryStore(), executor)
    search.context = replace(search.context, relaxer=CheapRelaxerMaker())
    search.run()
    assert len(search.results) == 24
    assert executor.parents[1]
    assert executor.parents[2]
    assert len(executor.sent["run_trials"]) == 24
    assert max(executor.sent["run_trials"] + executor.sent["propose_block"]) < MOST_SENT
