"""Calls take objects as well as names, and say what they accept where they do not."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import own_parts
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from own_parts import Shaken, alloy, shaken

import gencsp
from gencsp.errors import DeckError, GencspError, RequestError
from gencsp.executors import ThisProcess, named
from gencsp.potentials import get_potential
from gencsp.proposers.base import Request
from gencsp.runs.decks import CycleDeck, SearchDeck
from gencsp.runs.objects import Carried
from gencsp.runs.settings import saved_deck, search_settings

WORDS: dict[str, Any] = {
    "seeds": (),
    "atoms": 4,
    "budget": 3,
    "ahead": 2,
    "fmax": 0.05,
    "workers": 1,
}


@pytest.fixture(scope="module")
def hull(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return own_parts.entries(tmp_path_factory.mktemp("hull"))


def energies(found: list[Atoms]) -> list[str]:
    return [repr(atoms.info["decomposition_energy"]) for atoms in found]


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("given", [EMT(), own_parts.calculator], ids=["calculator", "function"])
def test_a_calculator_in_every_call(given: Any, hull: Path) -> None:
    (relaxed,) = gencsp.relax(alloy(), potential=given, fmax=0.01)
    (judged,) = gencsp.hull(relaxed.atoms, potential=given, hull=hull)
    assert judged.info["energy_model"] == "emt"
    atoms = relaxed.atoms.copy()
    atoms.calc = EMT()
    assert judged.get_potential_energy() == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
    found = gencsp.search("CuAu", potential=given, hull=hull, background=shaken, out=None, **WORDS)
    assert found
    assert {atoms.info["energy_model"] for atoms in found} == {"emt"}
    best = found[0].copy()
    best.calc = EMT()
    assert found[0].get_potential_energy() == pytest.approx(best.get_potential_energy(), abs=1e-6)


def test_an_engine_is_taken_as_it_is(hull: Path) -> None:
    engine = get_potential(EMT())
    assert get_potential(engine) is engine
    (judged,) = gencsp.hull(alloy(), potential=engine, hull=hull)
    assert judged.info["energy_per_atom"] == engine.evaluate([alloy()])[0].energy / 4


def test_proposers_as_objects_and_functions() -> None:
    for given, name in ((Shaken(), "mine"), (shaken, "shaken")):
        first, second = (list(gencsp.propose("CuAu", n=3, proposer=given)) for _ in range(2))
        assert [a.info["structure_id"] for a in first] == [f"CuAu-{name}-0-0000{k}" for k in "012"]
        assert all(
            np.array_equal(a.positions, b.positions) for a, b in zip(first, second, strict=True)
        )


def test_a_function_may_yield_and_wrong_compositions_are_left_out() -> None:
    def several(_: object, *, rng: np.random.Generator) -> Iterator[Atoms]:
        yield bulk("Cu")
        yield from map(alloy, rng.integers(100, size=9))

    assert len(list(gencsp.propose("CuAu", n=4, proposer=several))) == 4


def test_objects_reach_workers_and_the_result_is_that_of_names(
    hull: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A calculator and a proposer object, in other processes and in this, as by their names."""
    words = {**WORDS, "hull": hull, "seed_share": 0.5}
    own = gencsp.search(
        "CuAu",
        **{**words, "workers": 2, "seeds": [Shaken(1.02)]},
        potential=EMT(),
        background=shaken,
    )
    assert {"mine", "shaken"} & {str(a.info["proposer"]) for a in own}
    monkeypatch.setattr(named, "LocalProcesses", lambda workers: ThisProcess())  # noqa: ARG005
    again = gencsp.search(
        "CuAu",
        **{**words, "seeds": Shaken(1.02)},
        potential=own_parts.calculator,
        background=shaken,
    )
    assert energies(own) == energies(again)


@pytest.mark.usefixtures("in_this_process")
def test_structures_as_seeds(hull: Path) -> None:
    words = {**WORDS, "hull": hull, "potential": EMT(), "background": shaken, "seed_share": 1.0}
    starts = [alloy(k) for k in range(3)]
    found = gencsp.search("CuAu", **{**words, "seeds": starts})
    assert {str(atoms.info["parents"]) for atoms in found} == {"atoms:0", "atoms:1", "atoms:2"}


def test_what_cannot_be_pickled_stays_here_or_is_refused(hull: Path, tmp_path: Path) -> None:
    calls = []

    def here(request: object, *, rng: np.random.Generator) -> Atoms:
        calls.append(request)
        return alloy(int(rng.integers(1000)))

    words = {**WORDS, "hull": hull, "potential": EMT(), "background": here}
    assert gencsp.search("CuAu", **words)
    assert calls
    out = tmp_path / "run"
    with pytest.raises(RequestError, match=r"'here' cannot be sent to worker .*workers=1\.$"):
        gencsp.search("CuAu", **{**words, "workers": 2}, out=out)
    assert not out.exists()


def test_carried_objects_are_equal_where_their_bytes_are() -> None:
    one, same, other = Carried.of(Shaken()), Carried.of(Shaken()), Carried.of(Shaken(2.0))
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert pickle.loads(pickle.dumps(one)) == one
    assert one.open().scale == 1.0
    assert one.open() is not one.open()


def test_places_as_objects() -> None:
    cell = bulk("Cu", a=4.0, cubic=True)
    for given in (cell, cell.cell, cell.cell.array.tolist()):
        deck = SearchDeck.make(
            formula="CuAu", cell=given, formula_units=2, space_groups=range(195, 231)
        )
        space = search_settings(deck).space
        assert space.cell is not None
        assert np.array_equal(space.cell, cell.cell.array)
        assert deck.formula_units == (2,)
        assert deck.space_groups == tuple(range(195, 231))
        asked: list[Request] = []

        def kept(request: Request, *, rng: np.random.Generator) -> list[Atoms]:  # noqa: ARG001
            asked.append(request)  # noqa: B023  # called before the next round
            return []

        assert list(gencsp.propose("CuAu", n=1, formula_units=2, cell=given, proposer=kept)) == []
        assert asked[0].cell is not None
        assert np.array_equal(asked[0].cell, cell.cell.array)
        assert asked[0].units == (2,)


@pytest.mark.parametrize(
    ("call", "accepted"),
    [
        (lambda: gencsp.relax(3), "give an ase.Atoms or several"),
        (lambda: list(gencsp.relax([3])), "number 0 of structures is a int"),
        (lambda: gencsp.relax("salt.cif"), "read_structures"),
        (lambda: gencsp.hull(3), "give an ase.Atoms"),
        (lambda: gencsp.filter(3), "give an ase.Atoms"),
        (lambda: gencsp.dedup(3), "give an ase.Atoms"),
        (lambda: gencsp.export(3, "x", to="airss"), "give an ase.Atoms"),
        (lambda: gencsp.refine(3), "give an ase.Atoms"),
        (lambda: gencsp.propose("TiO2", proposer=3), "a function of a request"),  # type: ignore[arg-type]
        (lambda: gencsp.propose("TiO2", cell="a.cif"), "three vectors"),
        (lambda: gencsp.search(3), "give a text such as"),  # type: ignore[arg-type]
        (lambda: gencsp.search("TiO2", potential=3), "give a name, an ASE calculator"),
        (lambda: gencsp.search("TiO2", potential=EMT), "the class EMT, not an object"),
        (lambda: gencsp.search("TiO2", background=3), "a function of a request"),
        (lambda: gencsp.search("TiO2", seeds=[3]), "give files, ase.Atoms, and proposers"),
        (lambda: gencsp.search("TiO2", cell=3), "three vectors"),
        (lambda: gencsp.search("TiO2", cell=np.zeros((3, 3))), "no volume"),
        (lambda: gencsp.search("TiO2", formula="TiO2"), "given twice"),
        (lambda: gencsp.cycle(3), "give a text such as"),  # type: ignore[arg-type]
        (lambda: gencsp.cycle("TiO2", proposer=3), "a function of a request"),
        (lambda: gencsp.cycle("TiO2", potential=3), "give a name, an ASE calculator"),
        (lambda: gencsp.refine(alloy(), potential=3), "give a name, an ASE calculator"),
        (lambda: gencsp.train_score(3, "x", held_out=()), "give an extxyz file"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_type_ends_in_one_sentence(
    call: Any, accepted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RequestError) as error:
        call()
    assert accepted in str(error.value)
    assert str(error.value).endswith(".")
    assert list(tmp_path.iterdir()) == []


def test_wrong_potentials_and_unknown_settings() -> None:
    for wrong in (3, EMT):
        with pytest.raises(RequestError, match="give a name, an ASE calculator"):
            gencsp.relax(alloy(), potential=wrong)
    with pytest.raises(DeckError, match="unknown key 'budgets'"):
        gencsp.search("TiO2", budgets=3)
    with pytest.raises(DeckError, match="'budget' is 0"):
        gencsp.search("TiO2", budget=0)


@pytest.mark.usefixtures("in_this_process")
def test_a_run_with_objects_resumes_by_the_same_call_alone(hull: Path, tmp_path: Path) -> None:
    words = {**WORDS, "hull": hull, "out": tmp_path / "run", "potential": EMT()}
    whole = gencsp.search("CuAu", **{**words, "out": None, "budget": 5}, background=Shaken())
    first = gencsp.search("CuAu", **words, background=Shaken())
    database = tmp_path / "run" / "run.db"
    assert database.exists()
    assert len(first) <= 3
    more = gencsp.search("CuAu", **{**words, "budget": 5}, background=Shaken())
    assert energies(more) == energies(whole)
    with pytest.raises(GencspError, match="holds another run"):
        gencsp.search("CuAu", **words, background=Shaken(1.1))
    with pytest.raises(RequestError, match="begun by a script with the object 'mine'"):
        saved_deck(tmp_path / "run")


@pytest.mark.usefixtures("in_this_process")
def test_a_cycle_in_memory_and_in_a_folder(hull: Path, tmp_path: Path) -> None:
    words: dict[str, Any] = {
        "guests": ["Cu"], "n": 2, "atoms": 4, "inpaintings": 1, "workers": 1, "fmax": 0.05,
        "levels": 5,
        "potential": EMT(), "hull": hull, "proposer": Shaken(),
    }  # fmt: skip
    told: list[object] = []
    memory = gencsp.cycle("CuAu", **words, report=told.append)
    assert memory
    assert told
    deck = CycleDeck.make(formula="CuAu", **words)

    class Stop(Exception):
        pass

    def stop(_: object) -> None:
        raise Stop

    with pytest.raises(Stop):
        gencsp.cycle(deck, out=tmp_path / "run", report=stop)
    went_on = gencsp.cycle(deck, out=tmp_path / "run")
    assert energies(went_on) == energies(memory)
    assert gencsp.cycle(deck, out=tmp_path / "run") is not went_on
