"""The suite of DP-CDVAE: its numbers are those of what it stored, and it resumes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import tables_of_dp_cdvae
from ase import Atoms
from ase.build import bulk
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor
from scipy.stats import wasserstein_distance
from small_suite import run_suite, small_suite, stored

from gencsp.diffusion.dp_cdvae.sampler import decode
from gencsp.errors import GencspError
from gencsp.runs.reconstructing import reconstruct
from gencsp.suites.deck import BenchDeck
from gencsp.suites.outcome import Outcome
from gencsp.suites.suite import Suite, suite_names
from gencsp.suites.tasks import dp_cdvae_blocks
from gencsp.suites.tasks.dp_cdvae import DpCdvae
from gencsp.suites.tasks.dp_cdvae_values import DpCdvaeSettings, measures_of

SUITES = ("dp-cdvae", "dp-cdvae-carbon24", "dp-cdvae-mp20")


@pytest.fixture(scope="module", autouse=True)
def _here(module_in_this_process: None) -> None:
    """All tasks run in the process of the test."""


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory, dp_cdvae_weights: Path) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("suite")
    known = [
        bulk("NaCl", "rocksalt", a=5.64),
        bulk("MgO", "rocksalt", a=4.21),
        bulk("Cu"),
        bulk("C", "diamond", a=3.567),
    ]
    ase.io.write(folder / "known.extxyz", known, format="extxyz")
    settings = {
        "rules": ["modified", "ancestral"],
        "generated": 6,
        "ground_states": 2,
        "levels": 3,
        "generated_levels": 2,
        "block": 3,
        "steps": 5,
        "fmax": 0.1,
        "pressure": 0.0,
    }
    suite = small_suite(folder, "dp-cdvae", **settings)
    return {
        "suite": suite,
        "truth": folder / "known.extxyz",
        "weights": dp_cdvae_weights,
        "workers": 1,
    }


@pytest.fixture(scope="module", autouse=True)
def _some_are_right() -> Any:
    """Random weights reconstruct nothing: the first crystal of a block comes back, shaken."""
    with pytest.MonkeyPatch.context() as patch:

        def shaken(structures: list[Atoms], **settings: Any) -> list[Atoms]:
            assert settings["levels"] == 3
            made = list(reconstruct(structures, **settings))
            made[0] = structures[0].copy()
            rng = np.random.default_rng(settings["seed"] % 2**32)
            made[0].positions += rng.normal(scale=0.02, size=made[0].positions.shape)
            return made

        def sound(model: Any, z: Any, **settings: Any) -> list[Atoms]:
            assert settings["sampling"].steps == 2
            made = decode(model, z, **settings)
            made[0] = bulk("NaCl", "rocksalt", a=5.5 + 0.01 * len(made))
            return made

        patch.setattr(dp_cdvae_blocks, "reconstruct", shaken)
        patch.setattr(dp_cdvae_blocks, "decode", sound)
        yield


def test_matches_are_those_of_pymatgen(whole: tuple[Outcome, Path], words: dict[str, Any]) -> None:
    outcome, out = whole
    matcher = StructureMatcher(stol=0.5, angle_tol=10, ltol=0.3)
    known = dict(
        zip(("ClNa-1", "MgO-1", "Cu-1", "C2-1"), ase.io.read(words["truth"], ":"), strict=True)
    )
    numbers = outcome.numbers()
    for rule in ("modified", "ancestral"):
        made = [
            a for a in stored(out) if a.info["structure_id"].startswith(f"reconstructed-{rule}")
        ]
        assert len(made) == 4
        found = []
        for atoms in made:
            one = known[atoms.info["known_crystal"]]
            rms = matcher.get_rms_dist(*map(AseAtomsAdaptor.get_structure, (atoms, one)))
            if rms is not None and sorted(atoms.numbers) == sorted(one.numbers):
                found.append(rms[0])
        assert len(found) == 2
        assert numbers[f"{rule}: matched"]["value"] == pytest.approx(len(found) / 4)
        assert numbers[f"{rule}: rms"]["value"] == pytest.approx(np.mean(found))


def test_generation_is_counted(whole: tuple[Outcome, Path], words: dict[str, Any]) -> None:
    outcome, out = whole
    numbers = outcome.numbers()
    made = [
        a
        for a in stored(out)
        if a.info["structure_id"].startswith("generated") and "outcome" not in a.info
    ]
    assert len(made) == 6
    close = [
        (a.get_all_distances(mic=True) + 9 * np.eye(len(a))).min() > 0.5 and a.cell.volume >= 0.1
        for a in made
    ]
    # Images of an atom count as well, so that not all of these are valid.
    structure = numbers["structure"]["value"]
    assert structure is not None
    assert 2 / 6 <= structure <= np.mean(close)
    valid = [
        a
        for a in made
        if a.info["valid_structure"]
        and a.info["valid_composition"]
        and "structure_fingerprint" in a.info
    ]
    assert numbers["valid"]["value"] == pytest.approx(len(valid) / 6)
    known = ase.io.read(words["truth"], ":")
    sides = [
        [a.get_masses().sum() / a.cell.volume / 0.602214 for a in some] for some in (valid, known)
    ]
    assert numbers["density"]["value"] == pytest.approx(wasserstein_distance(*sides), rel=1e-4)
    assert numbers["density"]["n"] == len(valid)
    assert numbers["COV-P"]["n"] == 6
    # Rock salt covers rock salt.
    covered = numbers["COV-R"]["value"]
    assert covered is not None
    assert covered >= 0.25


def test_ground_states_are_those_of_the_relaxed(whole: tuple[Outcome, Path]) -> None:
    outcome, out = whole
    numbers, every = outcome.numbers(), stored(out)
    relaxed = {a.info["parents"]: a for a in every if "outcome" in a.info}
    starts = {a.info["structure_id"]: a for a in every}
    converged = {k: a for k, a in relaxed.items() if a.info["outcome"] == "converged"}
    assert converged
    volumes = [(a.cell.volume - starts[k].cell.volume) / len(a) for k, a in converged.items()]
    energies = [
        starts[k].info["energy_per_atom"] - a.info["energy_per_atom"] for k, a in converged.items()
    ]
    for name, values in (("volume", volumes), ("energy", energies)):
        expected = np.sqrt(np.mean(np.square(values)))
        assert numbers[f"ground state: {name}"]["value"] == pytest.approx(expected)
    assert numbers["ground state: matched"]["n"] == 2


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
    assert again.wholes == whole[0].wholes


def test_the_best_of_several_decodings_is_measured_under_its_own_name(
    words: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def watched(structures: list[Atoms], **settings: Any) -> list[Atoms]:
        asked.append(settings["attempts"])
        return list(reconstruct(structures, **settings))

    monkeypatch.setattr(dp_cdvae_blocks, "reconstruct", watched)
    few = {"rules": ["modified"], "generated": 0, "levels": 3, "block": 3, "attempts": 2}
    suite = small_suite(tmp_path, "dp-cdvae", **few)
    outcome = run_suite({**words, "suite": suite}, tmp_path / "run")
    assert outcome is not None
    assert asked == [2, 2]
    numbers = outcome.numbers()
    assert numbers["modified, best of 2: matched"]["n"] == 4
    assert "modified: matched" not in numbers


def test_without_weights_a_suite_takes_those_of_its_set(
    words: dict[str, Any], tmp_path: Path
) -> None:
    suite = Suite.open("dp-cdvae")
    deck = BenchDeck.make(**{**words, "weights": None})
    task = DpCdvae.open(suite, deck, DpCdvaeSettings.model_validate(suite.settings))
    assert task.how.model.weights == Path("dp-cdvae-perov-5")
    unknown = {**words, "suite": small_suite(tmp_path, "dp-cdvae-mp20"), "weights": None}
    with pytest.raises(GencspError, match=r"dp-cdvae-mp-20: train one on .* of mp_20"):
        run_suite(unknown, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_one_rule_needs_no_list() -> None:
    assert DpCdvaeSettings(data="perov_5", rules="ancestral").rules == ("ancestral",)
    assert DpCdvaeSettings(data="perov_5", rules="modified,renewal").rules == (
        "modified",
        "renewal",
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"weights": Path("none.safetensors")}, r"none\.safetensors"),
        ({"truth": Path("none.extxyz")}, r"there is no file or folder none\.extxyz.*cdvae"),
        ({"proposer": "random"}, "leave out --proposer"),
    ],
)
def test_wrong_input_is_told_before_anything_begins(
    words: dict[str, Any], wrong: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(GencspError, match=message):
        run_suite({**words, **wrong}, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_crystals_that_the_model_has_no_room_for_are_told(
    words: dict[str, Any], tmp_path: Path
) -> None:
    ase.io.write(tmp_path / "large.extxyz", bulk("Cu", cubic=True) * (3, 3, 3), format="extxyz")
    with pytest.raises(GencspError, match="108 atoms, and this model knows up to"):
        run_suite({**words, "truth": tmp_path / "large.extxyz"}, tmp_path / "run")


@pytest.mark.parametrize("name", SUITES)
def test_what_was_published_is_of_measures_that_there_are(name: str) -> None:
    suite = Suite.open(name)
    measures = {one.name for one in measures_of(DpCdvaeSettings.make(**suite.settings))}
    assert {key for one in suite.published for key in one.values} <= measures
    assert any("modified: matched" in one.values for one in suite.published)
    DpCdvaeSettings.make(**{**suite.settings, **suite.quick})


def test_tables_without_records_say_how_to_make_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables_of_dp_cdvae, "RESULTS", tmp_path)
    for write in tables_of_dp_cdvae.TABLES.values():
        words = write().split("`")[1].split()
        assert words[:2] == ["gencsp", "bench"]
        assert words[2] in suite_names()


def test_tables_hold_what_the_records_say(
    whole: tuple[Outcome, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome, _ = whole
    published = [one.model_dump() for one in Suite.open("dp-cdvae-carbon24").published]
    numbers = outcome.numbers()
    first = {name: found for name, found in numbers.items() if name.startswith("modified")}
    rest = {name: found for name, found in numbers.items() if name not in first}
    # The parts of one variant were run by themselves.
    for name, some in (("base", numbers), ("gine", first), ("gine__rest", rest)):
        (tmp_path / f"suite_dp-cdvae-carbon24_{name}.json").write_text(
            json.dumps({"results": {"measures": some, "published": published}})
        )
    monkeypatch.setattr(tables_of_dp_cdvae, "RESULTS", tmp_path)
    ours = {name: float(found["value"] or 0) for name, found in outcome.numbers().items()}
    tables = {name: write() for name, write in tables_of_dp_cdvae.TABLES.items()}
    lines = tables["DP-CDVAE reconstruction"].splitlines()
    assert len(lines) == 4
    cells = [cell.strip() for cell in lines[3].split("|")[1:-1]]
    assert cells[:2] == ["Carbon-24, `test_dev`", "DP-CDVAE+GINE"]
    assert cells[2].startswith(f"{100 * ours['modified: matched']:.1f} (")
    assert cells[2].endswith("[49.0]")
    assert cells[5].startswith(f"{ours['ancestral: rms']:.4f} (")
    assert cells[5].endswith("[0.2683]")
    assert cells[6:] == []  # nothing else was measured
    lines = tables["DP-CDVAE generation"].splitlines()
    assert [line.split("|")[2].strip() for line in lines[2:5]] == [
        "DP-CDVAE",
        "DP-CDVAE in the paper",
        "CDVAE in the paper",
    ]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:5]]
    assert rows[0][2].startswith(f"{100 * ours['structure']:.2f} (")
    assert rows[0][6].startswith(f"{ours['density']:.4f} (")
    assert (rows[1][2], rows[1][3], rows[1][6]) == ("99.92", "-", "0.1109")
    assert rows[2][5] == "83.08"
    lines = tables["DP-CDVAE ground state"].splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:5]]
    assert rows[0][1].startswith(f"{100 * ours['ground state: matched']:.0f} (")
    assert rows[1] == ["DP-CDVAE in the paper, DFT", "64", "0.0141", "0.0158", "400.7"]
