"""The suite of seeded searches: its columns are those of what its folders hold, and it resumes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ase.db
import pytest
from ase import Atoms
from ase.build import bulk
from small_suite import run_suite, small_suite

from gencsp.errors import GencspError
from gencsp.io.structures import write_extxyz
from gencsp.measure.synergy import PAPER
from gencsp.runs import novelty
from gencsp.suites.outcome import Outcome
from gencsp.suites.suite import Suite

#: eV/atom: differences of energies that do not count.
SAME = 0.002


@pytest.fixture(scope="module", autouse=True)
def _without_aflow() -> Iterator[None]:
    """Its library takes ten seconds to load."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(novelty, "PROTOTYPES", ("prototypes",))
        yield


@pytest.fixture(scope="module", autouse=True)
def _here(module_in_this_process: None) -> None:
    """All tasks run in the process of the test."""


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("suite")
    salts = [bulk("NaCl", "rocksalt", a=5.6), bulk("CuZn", "cesiumchloride", a=2.9)]
    # Its atoms are too far apart to converge in so few steps.
    loose = bulk("LiF", "zincblende", a=5.2)
    loose.set_scaled_positions([(0, 0, 0), (0.31, 0.22, 0.4)])
    pool = write_extxyz(folder / "pool.extxyz", [salts[0], loose, salts[1], salts[0]])
    settings = {
        "n": 4,
        "generate": 10,
        "filters": ["distances"],
        "method": "random",
        "budget": 2,
        "steps": 12,
    }
    suite = small_suite(folder, "pigen-seeding", **settings)
    return {"suite": suite, "proposer": str(pool), "workers": 1}


def read(folder: Path) -> list[Atoms]:
    return [
        row.toatoms(add_additional_information=True)
        for row in ase.db.connect(folder / "run.db").select()
    ]


def lowest(folder: Path) -> float:
    """Of all trials that a search has stored."""
    infos = [atoms.info["data"]["info"] for atoms in read(folder)]
    return min(
        (one["energy_per_atom"] for one in infos if one.get("outcome") == "converged"),
        default=float("inf"),
    )


def test_columns_are_those_of_the_stored_structures(whole: tuple[Outcome, Path]) -> None:
    outcome, out = whole
    (model,) = (folder for folder in (out / "seed-0").iterdir() if folder.is_dir())
    infos = [atoms.info["data"]["info"] for atoms in read(model)]
    generated = {
        one["parents"]: one["energy_per_atom"] if one["outcome"] == "converged" else None
        for one in infos
        if one.get("stage") == "relaxed" and one["parents"].startswith("g0")
    }
    assert len(generated) == 3  # the fourth is of a composition that was there before
    expected: dict[str, list[float]] = {"below": [], "b": [], "higher": [], "f": []}
    for identity, energy in generated.items():
        seeded, unseeded = (lowest(model / f"{identity}-{n}") for n in ("seeded", "unseeded"))
        found = min(seeded, unseeded)
        expected["b"].append(seeded < unseeded - SAME)
        expected["higher"].append(unseeded < seeded - SAME)
        expected["below"].append(energy is None or found <= energy - SAME)
        expected["f"].append(energy is None)
    numbers = outcome.numbers()
    for name, values in (
        ("all: b", expected["b"]),
        ("all: f", expected["f"]),
        ("seeded search ends higher", expected["higher"]),
        ("searches end below the generated structure", expected["below"]),
    ):
        assert numbers[name]["n"] == 3
        assert numbers[name]["value"] == pytest.approx(sum(values) / 3), name
    assert outcome.tables["generated"]["pool, seed 0"]["structures"] == 4
    assert outcome.protocol["missing"] == {"pool, seed 0": 1}
    assert numbers["pool, filtered: b"]["n"] == 1
    assert numbers["pool, unfiltered: b"]["n"] == 2


def test_it_goes_on_where_it_was_left(
    words: dict[str, Any], whole: tuple[Outcome, Path], tmp_path: Path
) -> None:
    run_suite(words, tmp_path / "run", 12)
    again = run_suite(words, tmp_path / "run")
    assert again is not None
    assert again.rows == whole[0].rows
    assert again.tables == whole[0].tables


def test_other_searches_are_another_run(words: dict[str, Any], whole: tuple[Outcome, Path]) -> None:
    with pytest.raises(GencspError, match="another run"):
        run_suite({**words, "method": "hop"}, whole[1])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"proposer": "random"}, "'random' chooses no compositions by itself: give pigen, or"),
        ({"proposer": "no/such.extxyz"}, "there is no file no/such.extxyz"),
        ({"proposer": "pigen", "weights": "none.safetensors"}, "no score-model weights at none"),
        ({"compositions": 1}, "greater than or equal to 2"),
        ({"executor": "dask"}, "leave out --executor"),
    ],
)
def test_wrong_input_is_told_before_anything_begins(
    words: dict[str, Any], wrong: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(GencspError, match=message):
        run_suite({**words, **wrong}, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_file_without_structures_and_an_unknown_target(
    words: dict[str, Any], tmp_path: Path
) -> None:
    empty = tmp_path / "empty.extxyz"
    empty.touch()
    with pytest.raises(GencspError, match=r"empty\.extxyz"):
        run_suite({**words, "proposer": str(empty)}, tmp_path / "run")
    suite = small_suite(tmp_path, "pigen-seeding", models=["hardness=3"])
    with pytest.raises(GencspError, match="'hardness' is no property"):
        run_suite({"suite": suite}, tmp_path / "run")


def test_published_columns_are_those_of_the_paper() -> None:
    suite = Suite.open("pigen-seeding")
    values = suite.published[0].values
    texts = {"compactness": "compactness=0.7", "m_led": "m_led=9", "e_hull": "e_hull=0"}
    texts["complexity"] = "complexity=3"
    for key, (_, *halves) in PAPER.items():
        order = ("m_led", "complexity", "compactness", "e_hull")
        model = ",".join(texts[name] for name in order if name in key) or "plain"
        for half, columns in zip(("filtered", "unfiltered"), halves, strict=True):
            for name, value in columns._asdict().items():
                if name != "compositions":
                    per = 1 if name in "cd" else columns.compositions
                    assert values[f"{model}, {half}: {name}"] == pytest.approx(value / per)
