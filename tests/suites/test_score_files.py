"""Structures of files, scored: against pymatgen's matcher, and against the run that made them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from own_suite import METALS, SUITE, rows_of, run_suite, write_suite, wrong
from pymatgen.analysis.structure_matcher import StructureMatcher
from typer.testing import CliRunner

from gencsp.cli import app
from gencsp.errors import GencspError, StructureFileError, SuiteError
from gencsp.measure.match_rate import match_everyone, match_rate_at
from gencsp.similarity.matching import STANDARD, as_structure
from gencsp.suites.compare import compare
from gencsp.suites.given import energy_per_atom, sort_out
from gencsp.suites.outcome import Outcome
from gencsp.suites.run import RESULT
from gencsp.suites.scoring import score
from gencsp.suites.truths import named

SALT, CAESIUM = bulk("NaCl", "rocksalt", a=5.64), bulk("NaCl", "cesiumchloride", a=3.4)
OXIDE, SILICON = bulk("MgO", "rocksalt", a=4.21), bulk("Si")
KNOWN = [SALT, CAESIUM, OXIDE, SILICON]


def shaken(atoms: Atoms, by: float, seed: int) -> Atoms:
    made = atoms.copy()
    made.rattle(by, seed=seed)
    return made


def scored(folder: Path, made: list[Atoms], **settings: Any) -> Outcome:
    """Score structures against the four known crystals, in this process."""
    ase.io.write(folder / "known.extxyz", KNOWN)
    ase.io.write(folder / "made.extxyz", made)
    return score(
        [folder / "made.extxyz"],
        **{
            "truth": folder / "known.extxyz",
            "out": folder / "scored",
            "potential": "ase.calculators.emt:EMT",
            "workers": 1,
            **settings,
        },
    )


def value(outcome: Outcome, name: str) -> Any:
    return outcome.numbers()[name]["value"]


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("matcher", ["pymatgen", "cdvae"])
def test_the_measures_are_those_of_the_public_functions(tmp_path: Path, matcher: Any) -> None:
    """Structures of three compositions in any order, some wrong, some far off, none of Si."""
    rng = np.random.default_rng(2)
    groups = {
        "NaCl": [wrong("NaCl"), shaken(CAESIUM, 0.25, 1), shaken(CAESIUM, 0.6, 2)],
        "MgO": [shaken(OXIDE, 0.9, 3), wrong("MgO"), shaken(OXIDE, 0.2, 4), OXIDE],
    }
    # Shuffled over compositions; the order in each stays.
    order = rng.permutation(["NaCl"] * 3 + ["MgO"] * 4)
    left = {name: iter(some) for name, some in groups.items()}
    made = [next(left[str(name)]) for name in order]
    outcome = scored(tmp_path, made, k=(1, 3), matcher=matcher)
    tolerances = {"tolerances": STANDARD} if matcher == "pymatgen" else {}
    samples = [groups["NaCl"], groups["NaCl"], groups["MgO"], []]
    for k in (1, 3):
        rate = match_rate_at(k, KNOWN, samples, **tolerances)
        assert value(outcome, f"matched, k = {k}, as proposed") == rate.share
        mine = value(outcome, f"RMSE, k = {k}, as proposed")
        assert mine == (None if np.isnan(rate.rms) else pytest.approx(rate.rms))
    every = match_everyone(KNOWN, made, **tolerances)
    assert value(outcome, "METRe") == every.share
    assert value(outcome, "cRMSE") == pytest.approx(every.corrected_rms)
    assert outcome.sample_size["known crystals without structures"] == 1


@pytest.mark.usefixtures("in_this_process")
def test_a_run_scored_again_comes_to_the_same(tmp_path: Path) -> None:
    """Its database has proposals and relaxed ones, and names the crystals that they are for."""
    suite = write_suite(tmp_path)
    run = run_suite(suite, "shaken", out=tmp_path / "run")
    again = score(
        [tmp_path / "run" / "run.db"],
        suite=str(suite),
        truth=tmp_path / "two_metals.extxyz",
        out=tmp_path / "scored",
        workers=1,
    )
    assert rows_of(again) == rows_of(run)
    found = compare(tmp_path / "run", tmp_path / "scored")
    assert len(found.differences) == 6
    assert all(one.value == 0 and one.n == 2 and one.p == 1 for one in found.differences)
    record = json.loads((tmp_path / "scored" / RESULT).read_text())
    assert record["command"].startswith("gencsp bench score run.db --suite metals.toml")
    assert record["seed"] == "none"


def test_which_crystal_a_structure_counts_for() -> None:
    """By its name, by the size of its cell, by its formula; others are counted."""
    known = named([SALT, SALT.repeat((1, 1, 2)), CAESIUM, OXIDE])
    labelled, mislabelled = CAESIUM.copy(), OXIDE.copy()
    labelled.info["known_crystal"] = "ClNa-2"
    mislabelled.info["known_crystal"] = "ClNa-1"
    made = [SALT, SALT * (2, 1, 1), SALT * (3, 1, 1), labelled, mislabelled, SILICON, bulk("Ge")]
    given = sort_out(made, known)
    assert (given.total, given.others) == (7, 2)
    of = {key: [made.index(one) for one in some] for key, some in given.of.items()}
    assert of == {"ClNa-1": [0, 2], "Cl2Na2-1": [1, 2], "ClNa-2": [0, 2, 3], "MgO-1": [4]}


@pytest.mark.usefixtures("in_this_process")
def test_orders(tmp_path: Path) -> None:
    """In the file the second is right; by energy the last, by the model's own number the first."""
    numbers = [(-1.0, 3.0), (-2.0, 1.0), (-3.0, 2.0)]
    made = [wrong("MgO"), OXIDE.copy(), wrong("MgO")]
    for atoms, (energy, doubt) in zip(made, numbers, strict=True):
        atoms.info["doubt"] = doubt
        atoms.calc = SinglePointCalculator(atoms, energy=energy)
    outcome = scored(tmp_path, made, k=(1, 2), by="energy")
    found = [value(outcome, f"matched, k = {k}, as proposed") for k in (1, 2)]
    assert found == [0, 0.25]
    by_energy = [value(outcome, f"matched, k = {k}, as proposed, by energy") for k in (1, 2)]
    assert by_energy == [0, 0.25]
    outcome = scored(tmp_path, made, k=(1,), by="doubt", relaxed=True, out=tmp_path / "2")
    assert value(outcome, "matched, k = 1, relaxed, by doubt") == 0.25
    assert value(outcome, "matched, k = 1, relaxed") == 0
    del made[1].info["doubt"]
    outcome = scored(tmp_path, made, k=(1, 3), by="doubt", out=tmp_path / "3")
    assert value(outcome, "matched, k = 1, as proposed, by doubt") == 0  # what has none is last
    assert value(outcome, "matched, k = 3, as proposed, by doubt") == 0.25


def test_energies_are_per_atom() -> None:
    """Of a cell twice as large twice the energy says the same."""
    large = OXIDE * (1, 1, 2)
    for atoms in (OXIDE.copy(), large):
        atoms.calc = SinglePointCalculator(atoms, energy=-6.0 * len(atoms))
        assert energy_per_atom(atoms) == -6.0
        atoms.calc = None
        atoms.info["energy"] = -5.0 * len(atoms)
        assert energy_per_atom(atoms) == -5.0
        atoms.info["energy_per_atom"] = "-4.0"
        assert energy_per_atom(atoms) == -4.0
    assert energy_per_atom(SALT) is None


@pytest.mark.usefixtures("in_this_process")
def test_relaxed_here_as_the_suite_relaxes(tmp_path: Path) -> None:
    """Relaxed by EMT, whatever order they came in: of each crystal the lowest is the known one."""
    suite = write_suite(tmp_path, SUITE.replace("steps = 30", "steps = 200\nfmax = 0.05"))
    squeezed = [shaken(one, 0.1, k) for k, one in enumerate(METALS)]
    for one in squeezed:
        one.set_cell(one.cell * 0.97, scale_atoms=True)
    ase.io.write(tmp_path / "made.extxyz", [wrong("Cu"), wrong("AuCu"), *squeezed])
    outcome = score(
        [tmp_path / "made.extxyz"],
        suite=str(suite),
        truth=tmp_path / "two_metals.extxyz",
        relax=True,
        potential="ase.calculators.emt:EMT",
        workers=1,
        out=tmp_path / "out",
    )
    kept = ase.io.read(tmp_path / "out" / "run.db", ":")
    ended = [atoms for atoms in kept if atoms.info.get("outcome") == "converged"]
    assert len(ended) >= 2
    matcher = StructureMatcher()
    for key, known in zip(("Cu-1", "AuCu-1"), METALS, strict=True):
        mine = [atoms for atoms in ended if atoms.info["known_crystal"] == key]
        lowest = min(mine, key=lambda one: float(one.info["energy_per_atom"]))
        row = next(row for row in outcome.rows if row.key == key)
        fits = matcher.fit(as_structure(lowest), as_structure(known))
        assert row.values["matched, k = 1, relaxed, by energy"] == float(fits)
        bare = Atoms(lowest.numbers, lowest.positions, cell=lowest.cell, pbc=True)
        bare.calc = EMT()
        energy = bare.get_potential_energy() / len(bare)
        assert lowest.info["energy_per_atom"] == pytest.approx(energy, abs=1e-6)
    assert value(outcome, "matched, k = 1, as proposed") == 0


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"truth": None}, SuiteError, "--truth"),
        ({"quick": True}, SuiteError, "--suite"),
        ({"by": "energy"}, SuiteError, "none of the structures has a number 'energy'"),
        ({"by": "rank"}, SuiteError, "gencsp writes"),
        ({"relax": True, "relaxed": True}, SuiteError, "relaxed already"),
        ({"truth": Path("absent.cif")}, SuiteError, "there is no file or folder absent.cif"),
        ({"suite": "nothing"}, SuiteError, "no suite 'nothing'"),
        ({"k": (0,)}, GencspError, "'k"),
    ],
)
def test_wrong_uses(
    tmp_path: Path, changes: dict[str, Any], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        scored(tmp_path, [OXIDE], **changes)


@pytest.mark.usefixtures("in_this_process")
def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("made").mkdir()
    for name, atoms in {"1": OXIDE, "2": wrong("NaCl"), "3": SILICON, "4": bulk("Ge")}.items():
        ase.io.write(f"made/{name}.cif", atoms)
    Path("made/5.cif").write_text("data_\n_cell_length_a nonsense\n")
    ase.io.write("known.extxyz", KNOWN)
    words = ["bench", "score", "made", "--truth", "known.extxyz", "-k", "1,2", "--workers", "1"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    (first,) = (line for line in lines if line.startswith("matched, k = 1, as proposed"))
    assert "50.0 %" in first
    assert "failed: 1 cannot be read, 1 of no known composition" in done.stdout
    assert "4 structures; of 4 known crystals 0 have none" in done.stdout
    assert (tmp_path / "scored" / RESULT).is_file()
    other = CliRunner().invoke(app, [*words, "--matcher", "cdvae"])
    assert other.exit_code == 1
    assert "another" in " ".join(other.output.split())
    with pytest.raises(StructureFileError):
        score(["nowhere"], truth=Path("known.extxyz"))
