"""A package of somebody else: every kind of plug-in found, checked, and used by the commands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from plugin_packages import THIRD_PARTY
from typer.testing import CliRunner

from gencsp.cli import app
from gencsp.composition import Composition
from gencsp.diffusion.positions.sampler import SamplerSettings, sample
from gencsp.exporters import get_exporter
from gencsp.filters import get_filter
from gencsp.minimise.calculator import relax_with
from gencsp.minimise.settings import RelaxSettings
from gencsp.plugins import Choice
from gencsp.potentials import AseEngine, get_potential
from gencsp.proposers import Request, get_proposer
from gencsp.searches.moves import get_move
from gencsp.searches.strategy import STRATEGIES
from gencsp.store.disk import read_manifest
from gencsp.testing import (
    WrappedMixture,
    check_exporter,
    check_filter,
    check_move,
    check_potential,
    check_proposer,
    check_strategy,
)

FILES = [THIRD_PARTY / "pyproject.toml", *THIRD_PARTY.rglob("[!_]*.py")]
DOCS = Path(__file__).parents[2] / "docs" / "extending.md"


def salt() -> Atoms:
    atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    atoms.rattle(0.1, seed=2)
    return atoms


def toycode(folder: Path) -> None:
    """What toycode leaves: each seed, a little larger, with an energy."""
    for path in folder.glob("seed*.xyz"):
        atoms = ase.io.read(path)
        atoms.set_cell(atoms.cell * 1.01, scale_atoms=True)
        atoms.info["toy_energy"] = -1.0 * len(atoms)
        ase.io.write(folder / f"relaxed-{path.name}", atoms, format="extxyz")


@pytest.mark.usefixtures("installed")
def test_theirs_pass_the_checks(tmp_path: Path) -> None:
    request = Request(composition=Composition.parse("NaCl"), n=6, units=(1, 2))
    check_proposer(get_proposer("grid:shake=0.2"), request)
    check_move(get_move("twist"), [salt()])
    check_strategy(STRATEGIES.configure("greedy:fresh=2"))
    check_filter(get_filter("room"), [salt(), bulk("Si")])
    pool = [salt() for _ in range(2)]
    for number, atoms in enumerate(pool):
        atoms.info["structure_id"] = f"n{number}"
    check_exporter(get_exporter("toycode:cycles=3"), pool, tmp_path / "out", toycode)
    assert (tmp_path / "out" / "deck.txt").read_text() == "cycles 3\n"
    check_potential(get_potential("morse:2.6"), [salt(), bulk("Cu") * (2, 1, 1)])


@pytest.mark.usefixtures("installed")
def test_their_minimiser_and_sampler_do_their_work() -> None:
    morse = get_potential("morse:2.6")
    assert isinstance(morse, AseEngine)
    settings = RelaxSettings(fmax=0.05, steps=400, minimiser="descent:rate=0.03")
    ends = [
        relax_with(morse.calculator, salt(), settings),
        relax_with(morse.calculator, salt(), RelaxSettings(fmax=0.05)),
    ]
    assert all(end.converged for end in ends)
    assert ends[0].energy == pytest.approx(ends[1].energy, abs=0.02)
    # On the numbers of a batched engine, too.
    (end,) = get_potential("chgnet").relax(
        [bulk("MgO", "rocksalt", a=4.4)], RelaxSettings(fmax=0.05, minimiser="descent")
    )
    assert end.converged
    assert end.energy_per_atom == pytest.approx(-6.314, abs=0.005)
    # The flow of a narrow normal shrinks displacements by the ratio of its widths, to 0.006 Å here.
    centre = np.array([[1.0, 2.0, 3.0]])
    found = Atoms("Na", positions=centre, cell=np.eye(3) * 4.0, pbc=True)
    model = WrappedMixture.around([found], spread=0.01)
    noisy = found.copy()
    noisy.positions += 0.1
    euler = SamplerSettings(sampler="euler", steps=40, sigma_max=0.3)
    (made,) = sample(model, [noisy], settings=euler, rngs=[np.random.default_rng(0)])
    assert np.linalg.norm(made.positions - centre) < 0.03


@pytest.mark.usefixtures("installed")
def test_a_search_with_all_of_them_through_the_commands(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search in a process of its own, which has the path alone; what is around it in this."""
    monkeypatch.chdir(tmp_path)
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH", "")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}

    def gencsp(*arguments: str) -> str:
        done = CliRunner().invoke(app, list(arguments))
        assert done.exit_code == 0, done.output
        return done.stdout

    def gencsp_elsewhere(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", "from gencsp.cli import app; app()", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    gencsp("references", "Ag-Cu", "--potential", "morse", "--out", "hull.csv")
    sampler = 'score:sampler={sampler = "euler:share=0.9", steps = 4}'
    told = gencsp_elsewhere(
        *(
            "search",
            "AgCu",
            "--atoms",
            "4",
            "--budget",
            "10",
            "--workers",
            "1",
            "--ahead",
            "2",
            "--no-report",
            "--same",
            "close",
        ),
        *(
            "--method",
            "greedy:fresh=2",
            "--moves",
            "twist:angle=20,rattle",
            "--steps",
            "60",
            "--fmax",
            "0.5",
        ),
        *("--background", "grid", "--seeds", sampler, "--seeds", "grid:shake=0.2:0.5"),
        *("--potential", "morse", "--hull", "hull.csv", "--minimiser", "descent", "--out", "run"),
    )
    assert "the budget of 10 trials was used" in told
    assert "twist" in told
    ranked = ase.io.read(tmp_path / "run" / "ranked.extxyz", ":")
    manifest = read_manifest(tmp_path / "run")
    assert manifest is not None
    assert str(manifest["potential"]).startswith("morse-")
    assert manifest["relax_minimiser"] == "descent"
    assert manifest["moves"] == ["twist:angle=20.0", "rattle"]
    told_to = str(manifest["options"]).split("; ")
    assert [Choice.read(one) for one in told_to] == [
        Choice.read(sampler),
        Choice.read("grid:shake=0.2"),
    ]
    assert {"grid", "score"} <= {atoms.info["proposer"] for atoms in ranked}
    (tmp_path / "deck.toml").write_text('filters = [{name = "room", high = 200.0}]\n')
    assert "room" in gencsp("filter", "run/ranked.extxyz", "--deck", "deck.toml", "--out", "kept")
    gencsp("export", "run/ranked.extxyz", "seeds", "--to", "toycode:cycles=7")
    assert (tmp_path / "seeds" / "deck.txt").read_text() == "cycles 7\n"
    toycode(tmp_path / "seeds")
    back = gencsp("import", "seeds", "--from", "toycode", "--out", "back")
    assert "relaxed-seed" in back


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_docs_show_these_very_files(path: Path) -> None:
    kind = {".py": "python", ".toml": "toml"}[path.suffix]
    assert f"```{kind}\n{path.read_text()}```" in DOCS.read_text()


@pytest.mark.usefixtures("installed", "in_this_process")
def test_a_suite_of_searches_with_theirs(tmp_path: Path) -> None:
    """Benchmarked by name: their method, seeded by their proposer, on their potential."""
    ase.io.write(tmp_path / "salt.extxyz", bulk("NaCl", "rocksalt", a=5.6))
    (tmp_path / "little.toml").write_text(
        'title = "Little"\ntask = "searches"\nsource = "here"\nabout = "nothing"\n'
        '[truths]\nfile = "salt.extxyz"\ncrystals = 1\nwhere = "here"\n[settings]\nbudget = 4\n'
    )
    words = ["bench", str(tmp_path / "little.toml"), "--truth", str(tmp_path / "salt.extxyz")]
    words += ["--proposer", "grid:shake=0.2", "--method", "greedy:fresh=2"]
    words += ["--potential", "morse:2.6", "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "known structure or a lower one" in result.stdout
    manifest = read_manifest(tmp_path / "run")
    assert manifest is not None
    assert manifest["method"].startswith("greedy")
    assert manifest["proposer"] == "grid:shake=0.2"
    assert "morse" in manifest["potential"]
