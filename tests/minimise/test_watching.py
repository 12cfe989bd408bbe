"""``trajectory=`` and ``logfile=`` of the call that relaxes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import Trajectory, read

from gencsp.errors import RequestError
from gencsp.potentials.chgnet.select import engine_status
from gencsp.runs.relaxing import relax

ENGINES = ["native", "torch"] if engine_status().name == "native" else ["torch"]


def silicon(seed: int = 0) -> Atoms:
    atoms = bulk("Si")
    atoms.rattle(0.08, seed=seed)
    atoms.info["nested"] = {"a": [1, None]}
    atoms.info["odd"] = object()
    return atoms


@pytest.mark.parametrize("engine", ENGINES)
def test_a_trajectory_holds_every_step(engine: str, tmp_path: Path) -> None:
    steps: list[tuple[int, float]] = []
    (result,) = relax(
        silicon(),
        engine=engine,
        fmax=0.02,
        minimiser="fire",
        trajectory=tmp_path / "path.traj",
        on_step=lambda *told: steps.append((told[1], told[2])),
    )
    frames = read(tmp_path / "path.traj", ":")
    assert len(frames) == result.steps + 1 > 2
    np.testing.assert_allclose(frames[0].positions, silicon().positions, atol=1e-12)
    np.testing.assert_allclose(frames[-1].positions, result.atoms.positions, atol=1e-12)
    energies = [frame.get_potential_energy() for frame in frames]
    np.testing.assert_allclose(energies, [energy for _, energy in steps], atol=1e-9)
    assert frames[-1].info["nested"] == {"a": [1, None]}
    assert frames[-1].get_forces().shape == (2, 3)


def test_many_structures_have_a_file_each(tmp_path: Path) -> None:
    molecule = Atoms("H2", [[0, 0, 0], [0, 0, 0.74]])
    pool = [silicon(1), molecule, silicon(2)]
    results = {r.index: r for r in relax(pool, trajectory=tmp_path / "paths")}
    assert sorted(p.name for p in (tmp_path / "paths").iterdir()) == ["0000.traj", "0002.traj"]
    last = read(tmp_path / "paths" / "0002.traj")
    np.testing.assert_allclose(last.positions, results[2].atoms.positions, atol=1e-12)
    list(relax([silicon(), silicon(1)], trajectory=str(tmp_path / "s-{index:02d}.traj"), steps=1))
    assert (tmp_path / "s-01.traj").exists()


def test_an_open_trajectory_is_written_to(tmp_path: Path) -> None:
    with Trajectory(tmp_path / "own.traj", "w") as own:
        (result,) = relax([silicon()], trajectory=own)
    assert len(read(tmp_path / "own.traj", ":")) >= result.steps


def test_one_file_for_several_structures_is_refused_before_work(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="folder"):
        relax((silicon(k) for k in range(3)), trajectory=tmp_path / "one.traj")
    assert list(tmp_path.iterdir()) == []


def test_the_log_has_a_line_for_each_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = list(relax([silicon(1), silicon(2)], logfile=tmp_path / "relax.log"))
    lines = (tmp_path / "relax.log").read_text().splitlines()
    assert lines[0].split() == ["Structure", "Step", "Time", "Energy", "fmax"]
    for result in results:
        own = [line.split() for line in lines[1:] if line.split()[1] == str(result.index)]
        assert int(own[-1][2]) == result.steps
        assert float(own[-1][4]) == pytest.approx(result.energy, abs=1e-5)
    stream = io.StringIO()
    list(relax(silicon(), logfile=stream, steps=0))
    assert len(stream.getvalue().splitlines()) == 2
    assert capsys.readouterr().out == ""
    list(relax(silicon(), logfile="-", steps=0))
    assert "quasi-newton" in capsys.readouterr().out
