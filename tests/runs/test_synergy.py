"""``synergy``: what is searched twice, what is compared, and that it goes on where it was left."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import own_alloys
import pytest
from ase import Atoms

import gencsp
from gencsp.composition import Composition
from gencsp.errors import DeckError, GencspError, RequestError
from gencsp.io.structures import write_extxyz
from gencsp.measure.synergy import Columns
from gencsp.runs import novelty
from gencsp.runs.discover_decks import SynergyDeck
from gencsp.runs.synergy import open_synergy
from gencsp.runs.synergy_model import Model, ModelResult
from gencsp.runs.synergy_report import (
    column_rows,
    draw_traces,
    report,
    structures_of,
    write_comparisons,
    write_traces,
)
from gencsp.runs.synergy_traces import distinct, is_same
from gencsp.searches.loop import Search


def pool(folder: Path) -> Path:
    """Alloys of four compositions, the first of which is too loose to converge."""
    some = own_alloys.alloys(24)
    some[0].set_cell(some[0].cell * 1.3, scale_atoms=True)
    return write_extxyz(folder / "pool.extxyz", some)


@pytest.fixture(scope="module", autouse=True)
def _without_aflow() -> Iterator[None]:
    """Its library takes ten seconds to load."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(novelty, "PROTOTYPES", ("prototypes",))
        yield


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("pools")
    cheap = own_alloys.settings(folder)
    return {
        **cheap,
        "filters": ("distances:minimum=2.0",),
        "model": (str(pool(folder)),),
        "n": 4,
        "method": "hop",
        "moves": ("rattle", "strain"),
        "budget": 10,
    }


@pytest.fixture(scope="module")
def whole(words: dict[str, Any]) -> ModelResult:
    """The comparison that nothing stopped."""
    (result,) = gencsp.synergy(**words)
    return result


def story(result: ModelResult) -> list[str]:
    """All that came of it, with every number in full."""
    return [
        repr(
            [
                one.comparison,
                [
                    (name, a.positions.tolist(), sorted(a.info.items()))
                    for name, found in one.minima.items()
                    for a in found
                ],
            ]
        )
        for one in result.compared
    ]


def test_half_of_the_compositions_are_filtered_and_all_differ(whole: ModelResult) -> None:
    halves = [whole.comparisons(filtered=filtered) for filtered in (True, False)]
    assert [len(half) for half in halves] == [2, 2]
    assert len({one.formula for half in halves for one in half}) == 4
    # The first of all are as good as drawn from them.
    assert [one.structure_id for one in halves[1]] == ["g0000", "g0001"]
    assert [one.structure_id for one in halves[0]] == ["g0002", "g0003"]


def test_a_generated_structure_that_does_not_converge_is_counted(whole: ModelResult) -> None:
    loose = whole.comparisons(filtered=False)
    assert [one.generated is None for one in loose] == [True, False]
    assert Columns.of(loose).f == 1
    assert Columns.of(whole.comparisons(filtered=True)).f == 0


def test_both_searches_have_the_same_budget_and_only_one_the_seed(
    words: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[Search] = []
    irun = Search.irun

    def noted(self: Search) -> Any:
        runs.append(self)
        return irun(self)

    monkeypatch.setattr(Search, "irun", noted)
    (result,) = gencsp.synergy(**words)
    assert len(runs) == 2 * len(result.compared)
    for seeded, unseeded, one in zip(runs[::2], runs[1::2], result.compared, strict=True):
        assert len(seeded.results) == len(unseeded.results) == 10
        assert seeded.settings == unseeded.settings
        assert seeded.supply.taken["generated"] == 1
        assert "generated" not in unseeded.supply.taken
        # What is kept of the searches is what they were.
        for run, trace in ((seeded, one.comparison.seeded), (unseeded, one.comparison.unseeded)):
            fitness = [r.fitness for r in run.results]
            lowest = np.minimum.accumulate(fitness)
            assert trace.trials == 10
            assert [trace.lowest_after(k + 1) for k in range(10)] == pytest.approx(lowest)
            moved = [r.number for r in run.results if r.move in ("rattle", "strain")]
            begun = [r.atoms for r in run.results[: moved[0]] if r.atoms is not None]
            own = [a.info["energy_per_atom"] for a in begun if a.info["move"] != "generated"]
            assert trace.lowest_start == pytest.approx(min(own))


def test_the_seeded_search_is_no_higher_than_its_seed(whole: ModelResult) -> None:
    for one in whole.compared:
        if one.generated is not None:
            energy = own_alloys.energy(one.generated) / len(one.generated)
            assert one.comparison.generated == pytest.approx(energy, abs=1e-9)
            assert one.comparison.seeded.lowest <= energy + 1e-6


def test_unchanged_is_the_lowest_of_both_and_the_seed(whole: ModelResult) -> None:
    for one in whole.compared:
        minima = [found[-1] for found in one.minima.values() if found]
        lowest = min(minima, key=lambda atoms: float(atoms.info["energy_per_atom"]))
        expected = one.generated is not None and is_same(one.generated, lowest)
        assert one.comparison.unchanged is expected


def test_a_structure_is_the_same_as_its_image_and_not_as_another() -> None:
    one, other = own_alloys.alloys(8)[2:4]
    for atoms in (one, other):
        atoms.info["enthalpy_per_atom"] = 0.0
    image = one.copy()
    image.positions += 0.7
    image.wrap()
    assert is_same(one, image)
    image.info["enthalpy_per_atom"] = 0.1
    assert not is_same(one, image)
    assert not is_same(one, other)


@pytest.mark.parametrize("steps", [2, 6, 40])
def test_it_goes_on_where_it_was_left(
    words: dict[str, Any], whole: ModelResult, steps: int, tmp_path: Path
) -> None:
    deck = SynergyDeck.make(**words, out=tmp_path)
    list(islice(open_synergy(deck).irun(), steps))
    run = open_synergy(deck)
    list(run.irun())
    (again,) = run.results
    assert story(again) == story(whole)
    # Everything is there now: no search is opened once more.
    rest = open_synergy(deck)
    stages = [step.stage for step in rest.irun()]
    assert "search" not in stages
    assert story(rest.results[0]) == story(whole)


def test_patience_ends_both_searches(words: dict[str, Any]) -> None:
    (result,) = gencsp.synergy(**{**words, "budget": 60, "patience": 5, "n": 2})
    for one in result.compared:
        for trace in (one.comparison.seeded, one.comparison.unseeded):
            assert 5 <= trace.trials < 60
            assert trace.trials >= trace.minima[-1][0] + 5


def test_where_filters_leave_too_few_it_says_so(words: dict[str, Any]) -> None:
    (result,) = gencsp.synergy(**{**words, "filters": ("distances:minimum=9",)})
    assert result.missing == 2
    assert result.comparisons(filtered=True) == []
    text = report(SynergyDeck.make(**words), [result])
    assert "24 structures were generated: 0 passed distances" in text
    assert "2 filtered compositions are missing" in text


def test_report_tables_and_figure(
    whole: ModelResult, words: dict[str, Any], tmp_path: Path
) -> None:
    deck = SynergyDeck.make(**words)
    text = report(deck, [whole])
    filtered, unfiltered = list(column_rows([whole]))
    assert filtered[0] == f"{words['model'][0]}, filtered"
    assert str(unfiltered[-1]) == "1"
    for row in (filtered, unfiltered):
        assert f"| {' | '.join(map(str, row))} |" in text
    optima = sum(int(str(row[2]).split("/")[0]) for row in (filtered, unfiltered))
    assert f"| {words['model'][0]} | {optima}/4 |" in text
    comparisons = write_comparisons(tmp_path / "c.csv", [whole]).read_text().splitlines()
    assert len(comparisons) == 1 + 4
    traces = write_traces(tmp_path / "t.csv", [whole]).read_text().splitlines()
    minima = sum(len(found) + 1 for one in whole.compared for found in one.minima.values())
    assert len(traces) == 1 + minima
    assert all(float(line.split(",")[-2]) > 0 for line in traces[1:])  # compactness
    ids = [atoms.info["structure_id"] for atoms in structures_of([whole])]
    assert len(ids) == len(set(ids)) == 3 + 8
    figure = draw_traces(whole, tmp_path / "t.png")
    assert figure is not None
    assert figure.stat().st_size > 10_000


def test_models_are_read() -> None:
    assert Model.read("plain") == Model("plain")
    assert Model.read("m_led=9, compactness=0.7").targets == ("m_led=9", "compactness=0.7")
    with pytest.raises(RequestError, match=r"'mattergen\.zip' is neither a file nor targets"):
        Model.read("mattergen.zip")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"model": ("plain", "hardness=3")}, "'hardness' is no property to aim at"),
        ({"model": ()}, "'model' is \\(\\): "),
        ({"n": 1}, "'n' is 1: .*greater than or equal to 2"),
        ({"elements": ("Li", "Xx"), "model": ("plain",)}, "Xx"),
        ({"filters": ("no-such",)}, "no-such"),
    ],
)
def test_wrong_input_of_any_model_is_told_before_the_first_begins(
    words: dict[str, Any], wrong: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(GencspError, match=message):
        gencsp.synergy(**{**words, **wrong}, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_distinct_takes_the_first_of_each_composition() -> None:
    some: list[Atoms] = own_alloys.alloys(12)
    found = distinct(some, 3)
    assert [any(one is other for other in some[:3]) for one in found] == [True] * 3
    others = distinct(some, 9, besides=found)
    assert {Composition.of(one).reduced.formula for one in others} == {"CuAu3"} or len(others) == 1


def test_a_call_says_what_it_accepts() -> None:
    with pytest.raises(RequestError, match="give a SynergyDeck"):
        gencsp.synergy("plain")  # type: ignore[arg-type]
    with pytest.raises(DeckError, match="unknown key 'models'"):
        gencsp.synergy(models=3)
