"""The suite of PIGEN's filters: its shares are those of what it stored, and it resumes."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import ase.io
import pytest
from ase import Atoms
from ase.build import bulk
from small_suite import run_suite, small_suite, stored

from gencsp.composition import Composition
from gencsp.convex_hull.hull import Hull
from gencsp.errors import GencspError
from gencsp.filters import get_filter
from gencsp.suites.deck import BenchDeck
from gencsp.suites.outcome import Outcome
from gencsp.suites.run import Bench, open_bench
from gencsp.suites.suite import Suite
from gencsp.suites.tasks.funnel_values import FunnelSettings, measures_of

BOTH = "M_LED = 9, C = 0.7"


@pytest.fixture(scope="module", autouse=True)
def _here(module_in_this_process: None) -> None:
    """All tasks run in the process of the test."""


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two rows of the shipped network, with a few steps of its sampler."""
    settings = {
        "only": ["unconditional", BOTH],
        "n": 4,
        "block": 2,
        "diverse": 1,
        "relaxed": 1,
        "steps": 30,
        "sampler": {"steps": 10},
    }
    suite = small_suite(tmp_path_factory.mktemp("suite"), "pigen-funnel", **settings)
    return {"suite": suite, "workers": 1}


def made_and_relaxed(out: Path) -> tuple[dict[str, Atoms], dict[str, Atoms]]:
    """Generated crystals by id, and relaxed ones by that of their start."""
    every = stored(out)
    relaxed = {a.info["parents"]: a for a in every if a.info["stage"] == "relaxed"}
    made = {a.info["structure_id"]: a for a in every if a.info["stage"] == "generated"}
    return made, relaxed


def passes(name: str, atoms: Atoms) -> bool:
    bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
    return get_filter(name).judge(bare).passed


def test_shares_are_those_of_the_stored_crystals(whole: tuple[Outcome, Path]) -> None:
    outcome, out = whole
    numbers = outcome.numbers()
    made, relaxed = made_and_relaxed(out)
    hull = Hull.load(None)
    plausible = ("pair_potential", "compositional_novelty", "compactness")
    for row in ("unconditional", BOTH):
        own = {k: a for k, a in made.items() if a.info["proposer"] == row}
        assert len(own) == 4
        for column, name in (
            ("A'", "distances"),
            ("B", "compositional_novelty"),
            ("K", "complexity"),
        ):
            share = sum(passes(name, atoms) for atoms in own.values()) / 4
            assert numbers[f"{row}: {column}"]["value"] == pytest.approx(share)
        # D alone is of the first crystal of each block, that of all filters of every one.
        first = [a for a in own.values() if a.info["rank"] % 2 == 0]
        share = sum(passes("local_diversity", atoms) for atoms in first) / 2
        assert numbers[f"{row}: D"] == pytest.approx(
            {**numbers[f"{row}: D"], "value": share, "n": 2}
        )
        through = [
            k for k, a in own.items() if all(passes(f, a) for f in (*plausible, "local_diversity"))
        ]
        assert numbers[f"{row}: A-D"]["value"] == pytest.approx(len(through) / 4)
        near = 0
        for k in through:
            after = relaxed[k]
            if after.info["outcome"] == "converged":
                energy = after.info["energy_per_atom"]
                near += hull.decomposition_energy(Composition.of(after), energy) <= 0.1
        assert numbers[f"{row}: A-E, 100 meV/atom"]["value"] == pytest.approx(near / 4)
        # Relaxed were these, and the first of each block.
        expected = {*through, *(a.info["structure_id"] for a in first)}
        assert {k for k in relaxed if k in own} == expected
        assert numbers[f"{row}: S.U.N."]["n"] == 2


def test_it_goes_on_where_it_was_left(
    words: dict[str, Any], whole: tuple[Outcome, Path], tmp_path: Path
) -> None:
    run_suite(words, tmp_path / "run", 2)
    again = run_suite(words, tmp_path / "run")
    assert again is not None
    timeless = [
        {k: v for k, v in row.values.items() if "seconds" not in k}
        for outcome in (again, whole[0])
        for row in outcome.rows
    ]
    assert timeless[: len(timeless) // 2] == timeless[len(timeless) // 2 :]


def test_a_pool_of_files_is_judged_as_it_is(words: dict[str, Any], tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    pool.mkdir()
    close = bulk("NaCl", "rocksalt", a=5.6)
    close.positions[1] = (0, 0, 0.3)
    for k, atoms in enumerate([bulk("NaCl", "rocksalt", a=5.6), close, bulk("Cu")]):
        ase.io.write(pool / f"{k}.cif", atoms)
    outcome = run_suite({**words, "proposer": str(pool)}, tmp_path / "run")
    assert outcome is not None
    numbers = outcome.numbers()
    assert numbers["pool: A'"] == {**numbers["pool: A'"], "value": pytest.approx(2 / 3), "n": 3}
    assert numbers["pool: B"]["value"] == 0.0
    assert numbers["pool: F"]["value"] is None


def test_parts_are_the_same_on_another_machine(words: dict[str, Any]) -> None:
    """What a part needs and gives goes through pickle, as to worker processes."""
    with open_bench(BenchDeck.make(**words), in_memory=True) as opened:
        assert isinstance(opened, Bench)
        for call in opened.task.parts().values():
            assert pickle.loads(pickle.dumps(call)).keywords["row"] == call.keywords["row"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"proposer": "mixed"}, "'mixed' chooses no compositions by itself"),
        ({"proposer": "none.zip"}, "there is no file none.zip"),
        ({"proposer": "pigen:guidance=3"}, "rows of this suite have targets"),
        ({"weights": "none.safetensors"}, "none.safetensors"),
    ],
)
def test_wrong_input_is_told_before_anything_begins(
    words: dict[str, Any], wrong: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(GencspError, match=message):
        run_suite({**words, **wrong}, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rows": [{"name": "a", "targets": ["hardness=3"]}], "only": []}, "'hardness' is no"),
        ({"rows": [{"name": "a", "targets": ["m_led"]}], "only": []}, "m_led is not understood"),
        ({"rows": [{"name": "a"}, {"name": "a"}], "only": []}, "two rows of the suite"),
        ({"only": ["C = 0.8"]}, "there is no row 'C = 0.8'"),
        ({"sampler": {"stepps": 3}}, "'stepps'"),
    ],
)
def test_wrong_rows_are_told(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    suite = small_suite(tmp_path, "pigen-funnel", **settings)
    with pytest.raises(GencspError, match=message):
        run_suite({"suite": suite, "workers": 1}, tmp_path / "run")


@pytest.mark.parametrize("name", ["pigen-funnel", "pigen-parts"])
def test_suites_are_whole(name: str) -> None:
    """Their rows can be made, and what was published is of measures that there are."""
    suite = Suite.open(name)
    for settings in (suite.settings, {**suite.settings, **suite.quick}):
        rows = FunnelSettings.make(**settings).chosen
        assert [row.aims for row in rows if row.targets]
    measures = {one.name for row in suite.settings["rows"] for one in measures_of(row["name"])}
    measures |= {one.name for one in measures_of("pool")}
    assert {key for one in suite.published for key in one.values} <= measures
