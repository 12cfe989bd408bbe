"""The suite of CHGGen's systems: its rates are those of what it stored, and it resumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_suite import run_suite, small_suite, stored

from gencsp.composition import Composition
from gencsp.convex_hull.hull import Hull
from gencsp.errors import GencspError
from gencsp.suites.deck import BenchDeck
from gencsp.suites.outcome import Outcome
from gencsp.suites.run import open_bench
from gencsp.suites.suite import Suite
from gencsp.suites.tasks.chggen import Chggen, ChggenSettings
from gencsp.suites.tasks.cycle_values import measures_of

PHASES = ("Li2Si Fm-3m", "Li2Si P6_3/mmc")
SYSTEM: dict[str, Any] = {
    "name": "Li-Si",
    "atoms": 6,
    "formulas": ["Li2Si", "LiSi"],
    "compositions": 2,
    "guests": ["Li"],
    "low": [1, 2, 6],
    "phases": PHASES,
}
CHEAP = {"levels": 6, "steps": 60}
ROWS = [
    {
        "name": "free",
        "settings": {"proposer": "score", "inpainter": "score", "inpaintings": 1, **CHEAP},
    },
    {"name": "symmetric", "settings": {"proposer": "symmetric", **CHEAP}, "inpaint": False},
]


@pytest.fixture(scope="module", autouse=True)
def _here(module_in_this_process: None) -> None:
    """All tasks run in the process of the test."""


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    settings = {"systems": [SYSTEM], "rows": ROWS, "n": 2, "block": 1}
    suite = small_suite(tmp_path_factory.mktemp("suite"), "chggen", **settings)
    return {"suite": suite, "workers": 1}


def test_rates_and_energies_are_those_of_the_stored_structures(
    whole: tuple[Outcome, Path],
) -> None:
    outcome, out = whole
    numbers, hull, every = outcome.numbers(), Hull.load(None), stored(out)
    assert len({atoms.info["structure_id"] for atoms in every}) == len(every)
    for row in ("free", "symmetric"):
        own = [a for a in every if f"-{row}-seed0" in a.info["structure_id"]]
        for made, stage, after in (
            ("generated", "generated", "relaxed"),
            ("inpainted", "inpainted", "refined"),
        ):
            some = [a for a in own if a.info["stage"] == stage]
            ended = [
                a for a in own if a.info["stage"] == after and a.info["outcome"] == "converged"
            ]
            name = f"Li-Si, {row}: {made}, symmetric"
            if row == "symmetric" and made == "inpainted":
                assert not some
                assert name not in numbers
                continue
            assert {a.info["parents"] for a in ended} <= {a.info["structure_id"] for a in some}
            symmetric = sum(a.info["space_group_number"] not in (1, 2, 6) for a in ended)
            assert numbers[name]["value"] == pytest.approx(symmetric / len(some))
            assert numbers[name]["n"] == len(some)
        assert sum(a.info["stage"] == "generated" for a in own) == 4
        lowest: dict[object, float] = {}
        for atoms in own:
            if atoms.info.get("outcome") == "converged":
                formula = Composition.of(atoms).formula_key
                energy = hull.decomposition_energy(
                    Composition.of(atoms), atoms.info["energy_per_atom"]
                )
                lowest[formula] = min(lowest.get(formula, 9.0), energy)
        found = {
            Composition.parse(one["formula"]).formula_key: one["E_d"]
            for one in outcome.tables["lowest"]
            if one["row"] == f"Li-Si, {row}" and one["E_d"] is not None
        }
        assert found == pytest.approx(lowest, abs=1e-6)
        known = numbers[f"Li-Si, {row}: known phase reached"]
        assert known["n"] == sum(
            bool(hull.references(Composition.parse(formula))) for formula in ("Li2Si", "LiSi")
        )


def test_a_phase_is_looked_for_by_formula_and_space_group(whole: tuple[Outcome, Path]) -> None:
    outcome, out = whole
    for row in ("free", "symmetric"):
        for phase in PHASES:
            formula, group = phase.split()
            energies = [
                a.info["decomposition_energy"]
                for a in stored(out)
                if f"-{row}-" in a.info["structure_id"]
                and a.info.get("outcome") == "converged"
                and a.info["space_group"] == group
                and Composition.of(a).formula_key == Composition.parse(formula).formula_key
            ]
            found = outcome.numbers()[f"Li-Si, {row}: E_d of {phase}"]
            assert found["n"] == len(energies)
            assert found["value"] == min(energies, default=None)


def test_it_goes_on_where_it_was_left(
    words: dict[str, Any], whole: tuple[Outcome, Path], tmp_path: Path
) -> None:
    run_suite(words, tmp_path / "run", 4)
    again = run_suite(words, tmp_path / "run")
    assert again is not None
    one, other = (
        [{k: v for k, v in row.values.items() if "seconds" not in k} for row in outcome.rows]
        for outcome in (again, whole[0])
    )
    assert one == other


def test_a_proposer_takes_the_place_of_the_rows(words: dict[str, Any]) -> None:
    deck = BenchDeck.make(**words, proposer="random")
    with open_bench(deck, in_memory=True) as opened:
        assert {part.label for part in opened.task.compared()} == {"Li-Si, random"}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"only": ["fre"]}, "there is no row 'fre'"),
        ({"rows": [ROWS[0], ROWS[0]]}, "two rows of the suite have one name"),
        ({"rows": [{"name": "a", "settings": {"n": 3}}]}, "has 'n', which the suite sets"),
        ({"rows": [{"name": "a", "settings": {"proposer": "no-such"}}]}, "no-such"),
        ({"rows": [{"name": "a", "settings": {"ladderr": "chggen"}}]}, "unknown key 'ladderr'"),
        ({"systems": [{**SYSTEM, "formulas": ["Lq3Si"]}]}, "Lq"),
    ],
)
def test_wrong_settings_are_told(wrong: dict[str, Any], message: str, tmp_path: Path) -> None:
    settings = {"systems": [SYSTEM], "rows": ROWS, **wrong}
    suite = small_suite(tmp_path, "chggen", **settings)
    with pytest.raises(GencspError, match=message):
        run_suite({"suite": suite, "workers": 1}, tmp_path / "run")


def test_weights_that_are_not_there_are_told(words: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(GencspError, match=r"none\.safetensors"):
        run_suite({**words, "weights": "none.safetensors"}, tmp_path / "run")


def test_what_was_published_is_of_measures_that_there_are() -> None:
    suite = Suite.open("chggen")
    settings = ChggenSettings.make(**suite.settings)
    task = Chggen(settings, BenchDeck.make(suite="chggen"), settings.rows)
    measures = {one.name for part in task.compared() for one in measures_of(part)}
    assert {key for one in suite.published for key in one.values} <= measures
    formulas = {part.key for part in task.compared()}
    assert {"ZnS-P2S5 ZnP2S6", "ZnS-P2S5 Zn2P2S7", "Li-Si Li5Si2"} <= formulas
