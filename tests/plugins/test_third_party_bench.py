"""A proposer and a potential of somebody else's package benchmarked by name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import ase.io
import pytest
from own_suite import SUITE, write_suite

from gencsp.suites.run import RESULT


@pytest.mark.usefixtures("installed")
def test_by_name_and_without_touching_gencsp(site: Path, tmp_path: Path) -> None:
    """In a process of its own, whose workers find the package as well."""
    write_suite(tmp_path, SUITE.replace("n = 3", "n = 3\nfmax = 1.0"))
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH", "")])]
    words = ["bench", "metals.toml", "--truth", "two_metals.extxyz", "--compositions", "1"]
    options = ["--proposer", "grid:shake=0.2", "--potential", "morse:2.6", "--workers", "1"]
    done = subprocess.run(
        [sys.executable, "-c", "from gencsp.cli import app; app()", *words, *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    record = json.loads((folder / RESULT).read_text())
    run = record["protocol"]["run"]
    assert (run["proposer"], run["proposer_name"]) == ("grid:shake=0.2", "grid")
    assert run["potential"].startswith("morse-")
    assert len(record["results"]["rows"]) == 1
    structures = ase.io.read(folder / "run.db", ":")
    assert {atoms.info["proposer"] for atoms in structures} == {"grid"}
    assert any("outcome" in atoms.info for atoms in structures)
    assert "matched, k = 1, as proposed" in done.stdout
