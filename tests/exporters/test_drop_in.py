"""Ordinary ASE scripts become generative by changing three lines, and run."""

from __future__ import annotations

import difflib
import runpy
from pathlib import Path

import ase.db
import ase.io
import numpy as np
import pytest

import gencsp

EXAMPLES = Path(gencsp.__file__).parent.parent / "examples"
SCRIPTS = ("optimise", "langevin", "genetic")
MOST_LINES = 3


@pytest.mark.parametrize("script", SCRIPTS)
def test_at_most_three_lines_change(script: str) -> None:
    before, after = (
        (EXAMPLES / f"{script}_{when}.py").read_text().splitlines() for when in ("before", "after")
    )
    blocks = difflib.SequenceMatcher(a=before, b=after, autojunk=False).get_opcodes()
    changed = sum(max(i2 - i1, j2 - j1) for kind, i1, i2, j1, j2 in blocks if kind != "equal")
    assert 0 < changed <= MOST_LINES
    assert not any("gencsp" in line for line in before)


@pytest.fixture(params=["before", "after"])
def ran(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, Path]:
    monkeypatch.chdir(tmp_path)
    return request.param, tmp_path


def test_optimise(ran: tuple[str, Path]) -> None:
    when, here = ran
    runpy.run_path(str(EXAMPLES / f"optimise_{when}.py"))
    relaxed = ase.io.read(here / "relaxed.extxyz", ":")
    formula = "Cu" if when == "before" else "AuCu3"
    assert {a.get_chemical_formula(empirical=True) for a in relaxed} == {formula}
    energies = [a.get_potential_energy() / len(a) for a in relaxed]
    assert energies == sorted(energies)
    assert all(("proposer" in a.info) == (when == "after") for a in relaxed)


def test_langevin(ran: tuple[str, Path]) -> None:
    """The shaken atoms move apart, by the forces of EMT as by those of the score."""
    when, here = ran
    runpy.run_path(str(EXAMPLES / f"langevin_{when}.py"))
    walk = ase.io.read(here / "langevin.traj", ":")
    upper = np.triu_indices(len(walk[0]), 1)
    closest = [a.get_all_distances(mic=True)[upper].min() for a in (walk[0], walk[-1])]
    assert closest[0] < 1.8 < 2.0 < closest[1]


def test_genetic(ran: tuple[str, Path]) -> None:
    pytest.importorskip("ase_ga", reason="ase-ga is not installed")
    when, here = ran
    runpy.run_path(str(EXAMPLES / f"genetic_{when}.py"))
    db = ase.db.connect(here / "gadb.db")
    assert db.count(relaxed=1) == 5
    assert {row.formula for row in db.select(relaxed=1)} == {"AuCu3"}


def test_interface_of_two_solids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sample, two steps of relaxation: both slabs are there, and guests only between them."""
    script = (EXAMPLES / "interface.py").read_text()
    for old, new in (("SAMPLES, SEED = 8, 0", "SAMPLES, SEED = 1, 0"), ("steps=400", "steps=2")):
        assert script.count(old) == 1
        script = script.replace(old, new)
    short = tmp_path / "interface.py"
    short.write_text(script)
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(short))
    found = ase.io.read(tmp_path / "interfaces.extxyz", ":")
    energies = [a.info["interface_energy"] for a in found]
    assert energies == sorted(energies)
    formulas = [a.get_chemical_formula() for a in found]
    assert sorted(formulas) == ["Br4Li12S4"] * 4 + ["Br6Li18S6"]
    filled = found[formulas.index("Br6Li18S6")]
    lower, upper = filled[:12], filled[12:20]
    tops = [slab.positions[:, 2].max() for slab in (lower, upper)]
    bottoms = [slab.positions[:, 2].min() for slab in (lower, upper)]
    heights = filled.positions[20:, 2]
    assert tops[0] < bottoms[1]
    for top, bottom in zip(tops, bottoms, strict=True):
        assert not ((heights > bottom + 1.5) & (heights < top - 1.5)).any()
