"""Quantum ESPRESSO and GPAW themselves on one small crystal, and their results on a hull."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ase.build import bulk
from client_environments import environment
from typer.testing import CliRunner

from gencsp.cli import app
from gencsp.composition import Composition
from gencsp.convex_hull.hull import Hull
from gencsp.io.structures import read_structures, write_extxyz

pytestmark = pytest.mark.clients

RUNNER = CliRunner()

#: Where Debian's package quantum-espresso-data puts pseudopotentials.
PSEUDOS = Path("/usr/share/espresso/pseudo")


def computed(here: Path, code: str, *options: str, command: str = "") -> Path:
    """Silicon, compressed and not, from a pool to a file of results."""
    pool = [bulk("Si", "diamond", a=a) for a in (5.3, 5.5)]
    write_extxyz(here / "si.extxyz", pool)
    write = ["dft", "write", str(here / "si.extxyz"), str(here / "runs"), "--code", code, *options]
    result = RUNNER.invoke(app, write)
    assert result.exit_code == 0, result.output
    how = ["--command", command] if command else []
    result = RUNNER.invoke(app, ["dft", "run", str(here / "runs"), "--hours", "0.1", *how])
    assert result.exit_code == 0, result.output
    assert "2 of 2 calculations ran" in result.stdout
    result = RUNNER.invoke(app, ["dft", "read", str(here / "runs"), "--out", str(here / "dft")])
    assert result.exit_code == 0, result.output
    return here / "dft"


def check_hull(folder: Path) -> None:
    """The lower of the two is the hull, on a level of theory of its own."""
    first, second = read_structures([folder / "dft.extxyz"])
    hull = Hull.load(folder / "entries.csv")
    assert hull.model == first.info["energy_model"] == second.info["energy_model"]
    above = hull.decomposition_energy(
        Composition.parse("Si"), second.info["energy_per_atom"], model=hull.model
    )
    gap = second.info["energy_per_atom"] - first.info["energy_per_atom"]
    assert 0 < gap < 0.2
    assert above == pytest.approx(gap, abs=1e-5)


@pytest.fixture
def espresso(tmp_path: Path) -> Path:
    if shutil.which("pw.x") is None:
        pytest.skip("pw.x is not installed: apt-get install quantum-espresso")
    file = Path(os.environ.get("GENCSP_PSEUDOS", PSEUDOS)) / "Si.pz-vbc.UPF"
    if not file.exists():
        pytest.skip(f"{file} is not there: apt-get install quantum-espresso-data")
    folder = tmp_path / "pseudos"
    folder.mkdir()
    shutil.copy(file, folder)
    return folder


def test_espresso_single_points(tmp_path: Path, espresso: Path) -> None:
    options = ("--cutoff", "200", "--spacing", "0.5")
    folder = computed(tmp_path, f"espresso:{espresso}", *options)
    check_hull(folder)
    found = read_structures([folder / "dft.extxyz"])
    # By pw.x's own last word, in Ry for two atoms.
    text = (tmp_path / "runs" / "0001" / "espresso.pwo").read_text()
    line = next(line for line in text.splitlines() if line.startswith("!"))
    total = float(line.split("=")[1].split()[0]) * 13.605693
    energies = [a.info["energy_per_atom"] for a in found if a.info["parents"] == 0]
    assert energies == [pytest.approx(total / 2, abs=1e-4)]


def test_espresso_relaxes_silicon(tmp_path: Path, espresso: Path) -> None:
    options = ("--cutoff", "250", "--spacing", "0.5")
    folder = computed(tmp_path, f"espresso:{espresso}", "--kind", "relax", *options)
    for atoms in read_structures([folder / "dft.extxyz"]):
        edge = (4 * atoms.cell.volume) ** (1 / 3)
        assert edge == pytest.approx(5.39, abs=0.02)  # LDA: 5.38 to 5.40 Å


def test_espresso_that_fails(tmp_path: Path, espresso: Path) -> None:
    (espresso / "Si.pz-vbc.UPF").write_text("not a pseudopotential\n")
    write_extxyz(tmp_path / "si.extxyz", [bulk("Si")])
    write = ["dft", "write", str(tmp_path / "si.extxyz"), str(tmp_path / "runs")]
    options = ["--code", f"espresso:{espresso}"]
    assert RUNNER.invoke(app, [*write, *options]).exit_code == 0
    result = RUNNER.invoke(app, ["dft", "run", str(tmp_path / "runs"), "--retries", "0"])
    assert result.exit_code == 1
    assert "0 of 1 calculations ran" in result.stdout
    assert "0001" in result.stderr


@pytest.fixture
def gpaw() -> Path:
    if shutil.which("g++") is None:
        pytest.skip("GPAW needs a C++ compiler")
    config = Path(__file__).parent / "gpaw_siteconfig.py"
    return environment(
        "gpaw",
        "gpaw==26.7.0",
        "gpaw-data==1.2.1",
        variables={"GPAW_CONFIG": str(config)},
    )


def test_gpaw_single_points(tmp_path: Path, gpaw: Path) -> None:
    options = ("--cutoff", "250", "--spacing", "0.6")
    folder = computed(tmp_path, "gpaw", *options, command=f"'{gpaw / 'python'}' run_gpaw.py")
    check_hull(folder)
    said = subprocess.run(
        [gpaw / "python", "-c", "import gpaw; print(gpaw.__version__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    version = (tmp_path / "runs" / "0001" / "gpaw.txt").read_text()
    assert said.stdout.strip() in version
