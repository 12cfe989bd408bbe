"""Paths of relaxations, kept on request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase.calculators.emt import EMT
from typer.testing import CliRunner

import gencsp
from gencsp.cli import app
from gencsp.errors import RequestError, StoreError
from gencsp.executors import ThisProcess, named
from gencsp.exporters.dataset import DatasetReport
from gencsp.io.structures import read_structures

SETTINGS: dict[str, Any] = {
    "potential": EMT(), "hull": "none", "seeds": [], "workers": 1, "atoms": 4, "budget": 4,
    "seed": 2, "steps": 40,
}  # fmt: skip


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("how", [{}, {"keep_symmetry": True, "rattle": 0.05}])
def test_a_path_leads_from_the_start_to_the_result(tmp_path: Path, how: dict[str, Any]) -> None:
    found = gencsp.search("CuAu", **SETTINGS, **how, keep_paths=True, out=tmp_path)
    assert found
    for atoms in found:
        path = ase.io.read(tmp_path / "paths" / f"{atoms.info['structure_id']}.traj", ":")
        assert len(path) >= 2
        first, last = path[0], path[-1]
        np.testing.assert_allclose(last.positions, atoms.positions, atol=1e-9)
        np.testing.assert_allclose(last.cell.array, atoms.cell.array, atol=1e-9)
        assert last.get_potential_energy() == pytest.approx(atoms.get_potential_energy())
        assert last.get_potential_energy() < first.get_potential_energy()
        for frame in path:
            live = frame.copy()
            live.calc = EMT()
            assert frame.get_potential_energy() == pytest.approx(live.get_potential_energy())
            np.testing.assert_allclose(frame.get_forces(), live.get_forces(), atol=1e-8)
            np.testing.assert_allclose(frame.get_stress(), live.get_stress(), atol=1e-8)
            assert frame.info["energy_model"] == atoms.info["energy_model"]


@pytest.mark.usefixtures("in_this_process")
def test_results_are_the_same_with_and_without_paths(tmp_path: Path) -> None:
    kept = gencsp.search("CuAu", **SETTINGS, keep_paths=True, out=tmp_path / "a")
    not_kept = gencsp.search("CuAu", **SETTINGS, out=tmp_path / "b")
    assert [a.info for a in kept] == [b.info for b in not_kept]
    assert not (tmp_path / "b" / "paths").exists()


@pytest.mark.usefixtures("in_this_process")
def test_paths_are_data_to_train_on(tmp_path: Path) -> None:
    gencsp.search("CuAu", **SETTINGS, keep_paths=True, out=tmp_path / "run")
    frames = read_structures([tmp_path / "run" / "paths"])
    report = gencsp.export(frames, tmp_path / "data", to="dataset:split=structure")
    assert isinstance(report, DatasetReport)
    assert report.train + report.valid == len(frames) > 8
    assert report.model == "emt"


def test_chgnet_in_workers_and_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["search", "LiF", "--no-seeds", "--budget", "2", "--atoms", "2", "--workers", "2"]
    said = CliRunner().invoke(app, [*words, "--keep-paths", "--out", "run", "--no-report"])
    assert said.exit_code == 0, said.output
    before = sorted(path.name for path in (tmp_path / "run" / "paths").iterdir())
    assert before == ["s00000.traj", "s00001.traj"]
    monkeypatch.setattr(named, "LocalProcesses", lambda workers: ThisProcess())  # noqa: ARG005
    said = CliRunner().invoke(app, ["resume", "run", "--budget", "3", "--no-report"])
    assert said.exit_code == 0, said.output
    after = sorted(path.name for path in (tmp_path / "run" / "paths").iterdir())
    assert after == [*before, "s00002.traj"]


def test_without_a_folder_there_is_no_place_for_them() -> None:
    with pytest.raises(RequestError, match="give 'out'"):
        gencsp.search("CuAu", **SETTINGS, keep_paths=True)


@pytest.mark.usefixtures("in_this_process")
def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "paths").touch()
    with pytest.raises(StoreError):
        gencsp.search("CuAu", **SETTINGS, keep_paths=True, out=tmp_path)
