"""A setting out of its range ends a command in one sentence, before anything is made."""

from __future__ import annotations

from pathlib import Path

import ase.io
import pytest
from ase.build import bulk
from typer.testing import CliRunner

from gencsp.cli import app

SEARCH = ("search", "TiO2", "--no-seeds", "--budget", "2")
RELAX = ("relax", "salt.cif")
REFINE = ("refine", "salt.cif")
REFERENCES = ("references", "Li-Si")
CYCLE = ("cycle", "Li5Si2", "-n", "2")
WRITE = ("dft", "write", "salt.cif", "campaign", "--code", "gpaw")
PROPOSE = ("propose", "TiO2", "--proposer", "random")


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    ase.io.write("salt.cif", bulk("NaCl", "rocksalt", a=5.64))
    Path("mine").write_text("a file of my own\n")
    return tmp_path


def refused(words: tuple[str, ...]) -> str:
    """What the command says; it is one sentence, and no file is new or changed."""
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code != 0
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert result.stderr.startswith("gencsp: ")
    assert len(result.stderr.splitlines()) == 1
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before
    assert not [path for path in Path().rglob("*") if path.is_dir()]
    return result.stderr


@pytest.mark.parametrize("command", [SEARCH, RELAX, REFINE, REFERENCES, CYCLE], ids=lambda c: c[0])
@pytest.mark.parametrize("fmax", ["0", "-1", "nan", "inf"])
def test_fmax(command: tuple[str, ...], fmax: str) -> None:
    assert "fmax" in refused((*command, "--fmax", fmax))


@pytest.mark.parametrize("command", [SEARCH, RELAX, CYCLE, WRITE], ids=lambda c: c[0])
@pytest.mark.parametrize("pressure", ["inf", "nan", "1e9", "-1e9"])
def test_pressure(command: tuple[str, ...], pressure: str) -> None:
    assert "pressure" in refused((*command, "--pressure", pressure))


@pytest.mark.parametrize(
    "words",
    [
        ("--volume", "1e308"),
        ("--volume", "0"),
        ("--volume-spread", "nan"),
        ("--formula-units", "0"),
        ("--formula-units", "2,0"),
        ("--formula-units", "5000"),
        ("--atoms", "1000000000"),
        ("--separations", "Ti-O=99"),
        ("--separations", "Ti-O=nan"),
        ("--moves", "nope"),
        ("--method", "nope"),
        ("--background", "nope"),
        ("--potential", "nope"),
        ("--rattle", "inf"),
        ("--seed", "-1"),
        ("--seed", "99999999999999999999"),
        ("--seed-share", "nan"),
        ("--workers", "0"),
        ("--workers", "100000"),
        ("--minutes", "nan"),
        ("--budget", "0"),
        ("--batch", "9", "--ahead", "8"),
        ("--out", "mine"),
        ("--out", "mine/below"),
    ],
    ids=" ".join,
)
def test_search(words: tuple[str, ...]) -> None:
    refused((*SEARCH, *words))


@pytest.mark.parametrize(
    "words",
    [
        (*CYCLE, "--atoms", "100000"),
        (*CYCLE, "--steps", "-1"),
        (*CYCLE, "--workers", "0"),
        (*CYCLE, "--potential", "nope"),
        (*CYCLE, "--proposer", "nope"),
        (*REFINE, "--inpaintings", "0"),
        (*REFINE, "--workers", "100000"),
        (*RELAX, "--steps", "99999999999"),
        (*RELAX, "--potential", "nope"),
        (*PROPOSE, "-n", "0"),
        (*PROPOSE, "--atoms", "1000000000"),
        (*PROPOSE, "--seed", "-1"),
        (*PROPOSE, "--guidance", "nan"),
        ("propose", "--de-novo", "-n", "0"),
        ("propose", "--de-novo", "--atoms", "0"),
        ("dedup", "salt.cif", "--same-energy", "nan"),
        (*WRITE, "--cutoff", "nan"),
        (*WRITE, "--spacing", "inf"),
        ("hull", "salt.cif", "--workers", "0"),
        (*RELAX, "--workers", "0"),
        (*REFERENCES, "--workers", "0"),
        ("filter", "salt.cif", "--workers", "100000"),
    ],
    ids=lambda words: " ".join((words[0], *words[-2:])),
)
def test_other_commands(words: tuple[str, ...]) -> None:
    refused(words)


@pytest.mark.parametrize(
    "words",
    [
        RELAX,
        REFINE,
        CYCLE,
        PROPOSE,
        ("hull", "salt.cif"),
        ("filter", "salt.cif"),
        ("dedup", "salt.cif"),
        ("analyse", "salt.cif"),
        ("import", ".", "--from", "airss"),
    ],
    ids=lambda words: words[0],
)
@pytest.mark.parametrize("out", ["mine", "mine/below"])
def test_a_file_is_no_folder_for_results(words: tuple[str, ...], out: str) -> None:
    assert "mine is a file" in refused((*words, "--out", out))


def test_a_folder_is_no_file_for_references(here: Path) -> None:
    assert "is a folder" in refused_beside(here / "folder")


def refused_beside(folder: Path) -> str:
    folder.mkdir()
    result = CliRunner().invoke(app, [*REFERENCES, "--out", str(folder)])
    assert result.exit_code != 0
    assert list(folder.iterdir()) == []
    return result.stderr
