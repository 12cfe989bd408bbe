"""The commands on real parts: what they print, write and refuse."""

from __future__ import annotations

import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ase.io
import pytest
from ase.build import bulk
from typer.main import get_command
from typer.testing import CliRunner

import gencsp
from gencsp.cli import LATE, app
from gencsp.cli.console import PARTLY
from gencsp.minimise import Relaxed
from gencsp.potentials import get_potential

pytestmark = pytest.mark.usefixtures("in_this_process")
RUNNER = CliRunner()
TIGHT = ("--fmax", "0.005")
COMMANDS = ("cycle", "propose", "relax", "refine", "hull", "info")


def test_version_is_that_of_the_package() -> None:
    result = RUNNER.invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"gencsp {gencsp.__version__}\n")


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


@pytest.fixture
def salt(here: Path) -> Path:
    """Slightly strained rock salt, and a made-up hull of its elements."""
    atoms = bulk("NaCl", "rocksalt", a=5.75)
    atoms.rattle(0.02, seed=1)
    ase.io.write(here / "salt.cif", atoms)
    (here / "entries.csv").write_text(
        "# model: chgnet-0.3.0\nformula,energy_per_atom\nNa,-1.0\nCl,-2.0\n"
    )
    return here / "salt.cif"


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str) -> None:
    result = RUNNER.invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert command in result.output


@pytest.mark.parametrize(
    ("words", "heavy"),
    [
        ([], "'torch', 'ase', 'pymatgen', 'numpy'"),
        # Their options are the fields of decks, which speak of cells, compositions and calculators.
        *(([name], "'torch', 'ase', 'pymatgen', 'numpy'") for name in ("relax", "cycle", "search")),
        (["dft", "write"], "'torch', 'ase', 'pymatgen', 'numpy'"),
    ],
)
def test_help_loads_nothing_heavy(words: list[str], heavy: str) -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from gencsp.cli import app\n"
        f"assert CliRunner().invoke(app, {[*words, '--help']}).exit_code == 0\n"
        f"print({{{heavy}}} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_commands_that_are_imported_late_have_the_help_of_the_list() -> None:
    for name, (_, line) in LATE.items():
        found = get_command(app).whole(name)  # type: ignore[attr-defined]
        assert (found.help or "").splitlines()[0] == line


def test_train_is_handed_on() -> None:
    result = RUNNER.invoke(app, ["train", "--help"])
    assert result.exit_code == 0
    assert "score" in result.output


def test_info() -> None:
    result = RUNNER.invoke(app, ["info"])
    assert result.exit_code == 0
    for word in (
        "gencsp",
        gencsp.__version__,
        "torch",
        "engine",
        "score model",
        "pigen",
        "hull",
        "device",
    ):
        assert word in result.stdout


def test_propose(here: Path) -> None:
    arguments = ["propose", "NaCl", "--n", "3", "--atoms", "4", "--proposer", "random"]
    first = RUNNER.invoke(app, [*arguments, "--seed", "2"])
    assert first.exit_code == 0, first.output
    proposals = ase.io.read(here / "proposals" / "proposals.extxyz", ":")
    assert [a.get_chemical_formula(empirical=True) for a in proposals] == ["ClNa"] * 3
    assert len(list((here / "proposals" / "cif").iterdir())) == 3
    assert "wrote 3 structures to proposals/proposals.extxyz" in first.stdout
    assert "earlier pool" not in first.stderr
    again = RUNNER.invoke(app, [*arguments, "--seed", "2"])
    assert again.stdout == first.stdout
    assert "they take the place of an earlier pool in proposals" in again.stderr


def test_a_cell_is_proposed_as_it_is_written(here: Path) -> None:
    arguments = ["propose", "Na4Cl4", "--n", "3", "--atoms", "8", "--proposer", "random"]
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    proposals = ase.io.read(here / "proposals" / "proposals.extxyz", ":")
    assert [a.get_chemical_formula() for a in proposals] == ["Cl4Na4"] * 3
    small = RUNNER.invoke(app, [*arguments[:-4], "--atoms", "7"])
    assert small.exit_code == 2
    assert "raise the limit to at least 8" in small.stderr


def test_relax_then_hull_agree(salt: Path, here: Path) -> None:
    relaxed = RUNNER.invoke(app, ["relax", str(salt), *TIGHT, "--hull", "entries.csv"])
    assert relaxed.exit_code == 0, relaxed.output
    assert "Fm-3m (225)" in relaxed.stdout
    atoms = ase.io.read(here / "relaxed" / "relaxed.extxyz")
    assert atoms.info["outcome"] == "converged"
    judged = RUNNER.invoke(app, ["hull", "relaxed/relaxed.extxyz", "--hull", "entries.csv"])
    assert judged.exit_code == 0, judged.output
    again = ase.io.read(here / "hull" / "hull.extxyz")
    assert again.info["decomposition_energy"] == pytest.approx(
        atoms.info["decomposition_energy"], abs=1e-4
    )
    # E_d = E - (E_Na + E_Cl)/2 with the entries made up above
    assert atoms.info["decomposition_energy"] == pytest.approx(
        atoms.get_potential_energy() / 2 + 1.5, abs=1e-6
    )


def test_relax_counts_what_failed(salt: Path, here: Path) -> None:
    result = RUNNER.invoke(app, ["relax", str(salt), "--steps", "0", "--hull", "entries.csv"])
    assert result.exit_code == PARTLY, result.output
    assert "failed: 1 step limit reached" in result.stdout
    assert not (here / "relaxed" / "cif").exists()


def test_an_interrupted_relaxation_keeps_what_it_has(
    salt: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    potential = get_potential()
    whole = potential.relax

    def interrupted(*args: Any, **options: Any) -> Iterator[Relaxed]:
        yield next(whole(*args, **options))
        raise KeyboardInterrupt

    monkeypatch.setattr(potential, "relax", interrupted)
    result = RUNNER.invoke(app, ["relax", str(salt), str(salt), "--hull", "entries.csv"])
    assert "stopped after 1 structures" in result.stderr
    assert len(ase.io.read(here / "relaxed" / "relaxed.extxyz", ":")) == 1


def test_a_host_that_disagrees(salt: Path, here: Path) -> None:
    before = sorted(here.iterdir())
    result = RUNNER.invoke(app, ["propose", "Li5Si2", "--host", str(salt), "--proposer", "score"])
    assert result.exit_code == 2
    assert "host" in result.stderr
    assert sorted(here.iterdir()) == before


def test_refine_names_what_it_was_given(here: Path) -> None:
    """A framework that stays as it is, and one of another composition, in one call."""
    salt, mixed = bulk("NaCl", "rocksalt", a=5.6), bulk("LiF", "rocksalt", a=4.0)
    salt.info["structure_id"], mixed.info["structure_id"] = "mine-1", "mine-2"
    ase.io.write(here / "pool.extxyz", [salt, mixed])
    (here / "entries.csv").write_text(
        "# model: chgnet-0.3.0\nformula,energy_per_atom\nNa,-1\nCl,-2\nLi,-1\nF,-2\n"
    )
    options = ["--inpaintings", "1", "--steps", "500", "--workers", "1", "--hull", "entries.csv"]
    result = RUNNER.invoke(app, ["refine", "pool.extxyz", *options])
    assert result.exit_code == 0, result.output
    refined = ase.io.read(here / "refined" / "refined.extxyz", ":")
    assert {atoms.info["parents"] for atoms in refined} == {"mine-1", "mine-2"}
    assert {str(atoms.info["structure_id"]) for atoms in refined} == {"x0000.1", "x0001.1"}


def test_refine_refuses_guests_that_are_not_there(salt: Path) -> None:
    result = RUNNER.invoke(app, ["refine", str(salt), "--guests", "Li", "--hull", "entries.csv"])
    assert result.exit_code == 2
    assert "Li is not in" in result.stderr


def test_refine_goes_on_past_what_has_no_such_guest(here: Path) -> None:
    pool = [bulk("NaCl", "rocksalt", a=5.6), bulk("LiF", "rocksalt", a=4.0)]
    pool[0].info["structure_id"], pool[1].info["structure_id"] = "salt", "fluoride"
    ase.io.write(here / "pool.extxyz", pool)
    options = ["--inpaintings", "1", "--steps", "500", "--workers", "1", "--guests", "Li"]
    result = RUNNER.invoke(app, ["refine", "pool.extxyz", *options])
    assert result.exit_code == PARTLY, result.output
    assert "left out: salt: Li is not in ClNa" in result.stderr
    refined = ase.io.read(here / "refined" / "refined.extxyz", ":")
    assert {atoms.info["parents"] for atoms in refined} == {"fluoride"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--weights", "none.safetensors"], "weights"),
        (["--hull", "no_chlorine.csv"], "Cl"),
        (["--hull", "other_model.csv"], "other-1"),
    ],
)
@pytest.mark.usefixtures("salt")
def test_missing_models_leave_no_folder(here: Path, options: list[str], says: str) -> None:
    (here / "no_chlorine.csv").write_text(
        "# model: chgnet-0.3.0\nformula,energy_per_atom\nNa,-1.0\n"
    )
    (here / "other_model.csv").write_text(
        "# model: other-1\nformula,energy_per_atom\nNa,-1.0\nCl,-2.0\n"
    )
    hull = [] if "--hull" in options else ["--hull", "entries.csv"]
    result = RUNNER.invoke(app, ["cycle", "NaCl", "--guests", "Na", *options, *hull])
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith("gencsp: ")
    assert says in result.stderr
    assert not (here / "runs").exists()


@pytest.mark.usefixtures("salt")
def test_the_whole_cycle_and_its_driver(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One random proposal and one inpainting, with the models that ship."""
    settings = ["--n", "1", "--inpaintings", "1", "--atoms", "2", "--proposer", "random"]
    parts = ["--hull", "entries.csv", "--workers", "1", "--out", "a"]
    result = RUNNER.invoke(app, ["cycle", "NaCl", "--guests", "Na", *settings, *parts])
    assert result.exit_code == 0, result.output
    (here / "deck.toml").write_text(
        'formula = "NaCl"\nguests = ["Na"]\nn = 1\ninpaintings = 1\natoms = 2\nworkers = 1\n'
        'proposer = "random"\nhull = "entries.csv"\nout = "a"\n'
    )
    driver = Path(gencsp.__file__).parents[1] / "drivers" / "cycle.py"
    # The driver goes on with the run of the command: nothing is left to do but to report.
    monkeypatch.setattr(sys, "argv", [str(driver), "deck.toml"])
    runpy.run_path(str(driver), run_name="__main__")
    ranked = ase.io.read(here / "a" / "ranked.extxyz", ":")
    # Rock salt lies far below these elements, and they are the whole of this hull.
    assert ranked[0].info["decomposition_energy"] < -1
    assert f"no reference  {ranked[0].info['space_group']} " in (capsys.readouterr().out)
    assert (here / "a" / "best.cif").exists()
    monkeypatch.setattr(sys, "argv", [str(driver), "none.toml"])
    # Python prints what a program exits with, and ends with status 1.
    with pytest.raises(SystemExit, match=r"^cycle: the deck none\.toml cannot be read"):
        runpy.run_path(str(driver), run_name="__main__")
