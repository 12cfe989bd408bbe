"""``discover``: the funnel, what it ranks, and that it goes on wherever it was stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import own_alloys
import pytest
from ase import Atoms
from killing import run_and_kill

import gencsp
from gencsp import records
from gencsp.composition import Composition
from gencsp.errors import DeckError, GencspError, RequestError, StoreError
from gencsp.runs import novelty
from gencsp.runs.discover import open_discovery
from gencsp.runs.discover_decks import DiscoverDeck
from gencsp.runs.discover_report import report
from gencsp.runs.discovered import Discovered
from gencsp.searches.runner import TaskOutput, TaskRunner
from gencsp.store import DiskStore

SCRIPT = """
import sys
from pathlib import Path

sys.path.insert(0, {tests!r})
import own_alloys
import gencsp

def main():
    base = Path({base!r})
    words = own_alloys.settings(base, here=False)
    found = gencsp.discover(
        pool=[base / "alloys.extxyz"], n=20, within=0.5, top=2, out=base / "run",
        report=lambda step: print(step, flush=True), **words,
    )

if __name__ == "__main__":
    main()
"""


@pytest.fixture(scope="module", autouse=True)
def _without_aflow() -> Iterator[None]:
    """Its library takes ten seconds to load."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(novelty, "PROTOTYPES", ("prototypes",))
        yield


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("alloys")
    return {
        **own_alloys.settings(folder),
        "pool": (own_alloys.pool(folder),),
        "n": 20,
        "within": 0.5,
        "top": 2,
    }


@pytest.fixture(scope="module")
def whole(words: dict[str, Any]) -> Discovered:
    """The run that nothing stopped."""
    return gencsp.discover(**words)


def story(found: Discovered) -> list[object]:
    """All that a run came to, with every number in full."""
    rows = [
        (dict(sorted(a.info.items())), a.positions.tolist(), a.cell.array.tolist())
        for a in found.crystals
    ]
    searched = [(one.composition.formula, len(one.structures)) for one in found.searched]
    return [found.funnel, found.failures, searched, repr(rows)]


def test_the_funnel_counts_what_each_step_leaves(whole: Discovered) -> None:
    left = dict(whole.funnel)
    names = list(left)
    assert names[:3] == ["generated", "distances", "uniqueness"]
    assert left["generated"] == 20
    assert left["distances"] == 16  # every fifth of the pool is too dense
    counts = list(left.values())[:-2]
    assert counts == sorted(counts, reverse=True)
    assert left["compositions searched"] == len(whole.searched) == 2
    assert left["compositions of these"] >= 2
    fallen = whole.summary.as_dict()["filters"][0]
    assert (fallen["judged"], fallen["passed_alone"]) == (20, 16)


def test_energies_are_those_of_the_crystals(whole: Discovered) -> None:
    """Against the potential's own energies and a hull of the two metals at zero."""
    for atoms in whole.crystals:
        expected = own_alloys.energy(atoms) / len(atoms)
        assert atoms.info["decomposition_energy"] == pytest.approx(expected, abs=1e-9)


def test_the_ranking_is_by_nearness_novelty_and_energy(whole: Discovered) -> None:
    order = ("new framework", "new crystal", "known crystal")
    keys = [
        (
            atoms.info["decomposition_energy"] > 0.5,
            order.index(atoms.info["novelty"]),
            atoms.info["decomposition_energy"],
        )
        for atoms in whole.crystals
    ]
    assert keys == sorted(keys)
    assert len({atoms.info["structure_id"] for atoms in whole.crystals}) == len(whole.crystals)


def test_every_searched_composition_ends_no_higher_than_its_survivor(whole: Discovered) -> None:
    for one in whole.searched:
        lowest = min(
            atoms.info["decomposition_energy"]
            for atoms in whole.crystals
            if Composition.of(atoms) == one.composition and atoms.info["trials"]
        )
        assert lowest <= one.lowest + 1e-3


def test_global_optima_are_survivors_that_no_search_went_below(whole: Discovered) -> None:
    kept = []
    for one in whole.searched:
        energies = [
            atoms.info["decomposition_energy"]
            for atoms in whole.crystals
            if Composition.of(atoms) == one.composition and atoms.info["trials"]
        ]
        kept.append(min(energies) > one.lowest - 1e-3)
    assert whole.global_optima == sum(kept)
    # Survivors raised by more than two relaxations differ are no optima, and lowered ones are.
    for shift, expected in ((0.002, 0), (-0.002, len(kept))):
        others = []
        for one in whole.searched:
            best = whole.best_of(one)
            assert best is not None
            start = one.structures[0].copy()
            start.info["decomposition_energy"] = best.info["decomposition_energy"] + shift
            others.append(replace(one, structures=(start,)))
        assert replace(whole, searched=tuple(others)).global_optima == expected
    text = report(whole)
    assert f"of {sum(kept)} of {len(kept)} compositions no search went below" in text


def test_parents_lead_back_to_what_was_generated(whole: Discovered) -> None:
    starts = {a.info["structure_id"] for one in whole.searched for a in one.structures}
    parents = {
        parent
        for atoms in whole.crystals
        if atoms.info["trials"]
        for parent in str(atoms.info.get("parents", "")).split(";")
    }
    assert parents & starts
    formulas = tuple(f"{one.composition.formula}:" for one in whole.searched)
    assert all(parent in starts or parent.startswith(formulas) for parent in parents)


def test_a_survivor_that_is_a_crystal_of_the_search_is_said_to_be_unchanged(
    whole: Discovered,
) -> None:
    for one in whole.searched:
        mine = [a for a in whole.crystals if Composition.of(a) == one.composition]
        unchanged = [a.info["decomposition_energy"] for a in mine if a.info["unchanged"]]
        others = [a.info["decomposition_energy"] for a in mine if not a.info["unchanged"]]
        survivors = [a.info["decomposition_energy"] for a in one.structures]
        assert min(unchanged) == pytest.approx(one.lowest, abs=1e-6)
        assert all(min(abs(e - s) for s in survivors) < 1e-6 for e in unchanged)
        assert all(min(abs(e - s) for s in survivors) > 1e-6 for e in others)


@pytest.mark.parametrize("steps", [1, 4, 7, 9, 14])
def test_it_goes_on_where_it_was_left(
    words: dict[str, Any],
    whole: Discovered,
    steps: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The result is the same, and no task that was kept is done again."""
    submitted: list[str] = []
    submit = TaskRunner.submit

    def noted(self: TaskRunner, tasks: list[str], call: Callable[[], TaskOutput]) -> None:
        submitted.extend(task for task in tasks if task not in self._ready)
        submit(self, tasks, call)

    monkeypatch.setattr(TaskRunner, "submit", noted)
    deck = DiscoverDeck.make(**words, out=tmp_path)
    with open_discovery(deck) as run:
        list(islice(run.irun(), steps))
    with open_discovery(deck) as run:
        kept = set(run.store.tasks())
        submitted.clear()
        list(run.irun())
        assert not kept & set(submitted)
        assert story(run.result()) == story(whole)
    with open_discovery(deck) as run:
        submitted.clear()
        list(run.irun())
        assert submitted == []
        assert story(run.result()) == story(whole)


@pytest.mark.parametrize("lines", [9])
def test_killed_with_two_workers_it_ends_the_same(
    lines: int, tmp_path: Path, words: dict[str, Any], whole: Discovered
) -> None:
    own_alloys.pool(tmp_path)
    script = tmp_path / "program.py"
    places = {"tests": str(Path(__file__).parents[1]), "base": str(tmp_path)}
    script.write_text(SCRIPT.format(**places))
    assert run_and_kill(script, lines)
    own = {**words, "hull": own_alloys.entries(tmp_path), "pool": (tmp_path / "alloys.extxyz",)}
    with open_discovery(DiscoverDeck.make(**own, out=tmp_path / "run")) as run:
        list(run.irun())
        assert story(run.result()) == story(whole)


def test_a_larger_budget_goes_on(words: dict[str, Any], tmp_path: Path) -> None:
    gencsp.discover(**words, out=tmp_path)
    more = gencsp.discover(**{**words, "budget": 9}, out=tmp_path)
    assert {atoms.info["trials"] for atoms in more.crystals} <= {0, 9}
    alone = gencsp.discover(**{**words, "budget": 9})
    assert story(more) == story(alone)


def test_another_run_in_the_folder_is_refused(words: dict[str, Any], tmp_path: Path) -> None:
    gencsp.discover(**{**words, "top": 1, "budget": 1}, out=tmp_path)
    with pytest.raises(StoreError, match="holds another run"):
        gencsp.discover(**{**words, "seed": 1}, out=tmp_path)


def test_where_nothing_is_left_it_says_what_took_how_many(words: dict[str, Any]) -> None:
    found = gencsp.discover(**{**words, "filters": ("distances:minimum=9", "uniqueness")})
    assert found.searched == ()
    assert found.crystals == ()
    assert "20 fell at 'distances' (left: generated 20, distances 0" in found.empty


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"target": ("hardness=3",)}, "'hardness' is no property to aim at: choose from"),
        ({"target": ("m_led",)}, "write it as compactness=0.7"),
        ({"target": ("m_led=nan",)}, "m_led.* finite number"),
        ({"elements": ("Li", "Xx")}, "no element Xx|no reference for Xx|Xx"),
        ({"n": 0}, "'n' is 0: .*greater than or equal to 1"),
        ({"proposer": "random"}, "makes no structures de novo: use pigen"),
        ({"filters": ("no-such",)}, "no-such"),
        ({"filters": ()}, "at least one filter"),
        ({"hull": "none"}, "need a hull"),
        ({"weights": Path("nowhere.safetensors")}, "nowhere"),
        ({"pool": (Path("nowhere.cif"),)}, "nowhere"),
    ],
)
def test_wrong_input_is_told_before_anything_is_written(
    words: dict[str, Any], wrong: dict[str, Any], message: str, tmp_path: Path
) -> None:
    own = {key: value for key, value in words.items() if key != "pool"}
    with pytest.raises(GencspError, match=message):
        gencsp.discover(**{**own, **wrong}, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_call_says_what_it_accepts() -> None:
    with pytest.raises(RequestError, match="give a DiscoverDeck"):
        gencsp.discover("Li-Nb-N")  # type: ignore[arg-type]
    with pytest.raises(DeckError, match="unknown key 'number'"):
        gencsp.discover(number=3)


def test_its_searches_are_searches(words: dict[str, Any], tmp_path: Path) -> None:
    found = gencsp.discover(**words, out=tmp_path)
    for one in found.searched:
        folder = tmp_path / "searches" / one.composition.formula
        assert (folder / "generated.extxyz").exists()
        assert (folder / "search.json").exists()
    with DiskStore(tmp_path, _manifest(tmp_path)) as store:
        assert any(task.startswith("found-") for task in store.tasks())


def _manifest(folder: Path) -> dict[str, Any]:
    from gencsp.store.disk import read_manifest

    found = read_manifest(folder)
    assert found is not None
    return found


def test_novelty_does_not_outlive_a_relaxation(whole: Discovered) -> None:
    atoms: Atoms = whole.crystals[0].copy()
    records.clear_results(atoms, moved=True)
    assert not {"novelty", "prototype", "trials", "unchanged"} & set(atoms.info)
