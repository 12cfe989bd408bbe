"""The codes themselves take our seeds: a short search each, on a cheap calculator.

Each code lives in an environment of its own (see ``client_environments.py``). Run with
``make test-clients``.
"""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import ase.db
import ase.io
import client_environments
import numpy as np
import pytest
from ase import Atoms
from client_environments import RUN_SECONDS, environment
from pools import NAMES, alloys, same_crystal
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor
from typer.testing import CliRunner

from gencsp.cli import app
from gencsp.io.structures import read_structures, write_extxyz

pytestmark = pytest.mark.clients

RUNNER = CliRunner()
PACKAGES = {
    "ase-ga": ("ase-ga==1.0.3",),
    "cryspy": ("csp-cryspy==1.5.0",),
    "agox": ("agox==3.11.1", "ase==3.27.0"),
}

EMT = "from ase.calculators.emt import EMT\n\n\ndef calculator():\n    return EMT()\n"


def client(code: str) -> Path:
    """The folder of executables of a code's own environment."""
    return environment(code, *PACKAGES[code], layered=True)


def run(code: str, folder: Path, program: str, *arguments: str) -> str:
    """Run a program of a code's environment in a folder; returns what it printed."""
    return client_environments.run(client(code), folder, program, *arguments)


def exported(code: str, here: Path) -> tuple[Path, list[Atoms]]:
    pool = alloys(3)
    write_extxyz(here / "pool.extxyz", pool)
    result = RUNNER.invoke(
        app, ["export", str(here / "pool.extxyz"), str(here / "out"), "--to", code]
    )
    assert result.exit_code == 0, result.output
    return here / "out", pool


def imported(code: str, folder: Path) -> list[Atoms]:
    out = folder.parent / "imported"
    result = RUNNER.invoke(app, ["import", str(folder), "--from", code, "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "3 of" in result.stdout
    return read_structures([out / "imported.extxyz"])


def of_seeds(found: list[Atoms]) -> dict[str, Atoms]:
    return {a.info["parents"]: a for a in found if "parents" in a.info}


def test_ase_ga(tmp_path: Path) -> None:
    folder, pool = exported("ase-ga", tmp_path)
    (folder / "calculator.py").write_text(EMT)
    run("ase-ga", folder, "python", "run_ga.py", "2")
    rows = list(ase.db.connect(folder / "gadb.db").select(relaxed=0, generation=0))
    assert all(same_crystal(row.toatoms(), a) for row, a in zip(rows, pool, strict=True))
    code = (
        "from ase_ga.data import DataConnection as D; "
        "print(sorted(a.info['key_value_pairs']['source'] for a in "
        "D('gadb.db').get_all_relaxed_candidates() if "
        "a.info['key_value_pairs']['generation'] == 0))"
    )
    says = run("ase-ga", folder, "python", "-c", code)
    assert says.strip() == "['seed0001', 'seed0002', 'seed0003']"
    found = imported("ase-ga", folder)
    assert len(found) == 5
    assert set(of_seeds(found)) == set(NAMES[:3])


def test_cryspy(tmp_path: Path) -> None:
    folder, pool = exported("cryspy", tmp_path)
    script = folder / "calc_in" / "ase_in.py"
    text = script.read_text()
    for old, new in (
        ("chgnet.model.dynamics import CHGNetCalculator", "ase.calculators.emt import EMT"),
        ('CHGNetCalculator(use_device="cpu")', "EMT()"),
    ):
        assert old in text
        text = text.replace(old, new)
    script.write_text(text)
    assert "3 seeds handed to CrySPY" in run("cryspy", folder, "python", "load_seeds.py")
    end = time.monotonic() + RUN_SECONDS
    while "Done all structures" not in run("cryspy", folder, "cryspy"):
        assert time.monotonic() < end, (folder / "log_cryspy").read_text()[-2000:]
        time.sleep(2)
    # CrySPY's own coordinate lines end in symbols, which ASE's reader of streams refuses.
    _, *texts = re.split(r"(?m)^(?=ID_)", (folder / "data" / "init_POSCARS").read_text())
    start = [AseAtomsAdaptor.get_atoms(Structure.from_str(text, fmt="poscar")) for text in texts]
    assert all(same_crystal(one, a) for one, a in zip(start, pool, strict=True))
    found = imported("cryspy", folder)
    assert len(found) == 3
    assert set(of_seeds(found)) == set(NAMES[:3])
    assert all(np.isfinite(a.get_potential_energy()) for a in found)


def test_cryspy_takes_no_seeds_once_started(tmp_path: Path) -> None:
    folder, _ = exported("cryspy", tmp_path)
    (folder / "cryspy.stat").touch()
    done = subprocess.run(
        [client("cryspy") / "python", "load_seeds.py"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "takes no more seeds" in done.stderr


def test_agox(tmp_path: Path) -> None:
    folder, pool = exported("agox", tmp_path)
    (folder / "calculator.py").write_text(EMT)
    run("agox", folder, "python", "run_agox.py", "2")
    run("agox", folder, "agox", "convert", "db0.db", "--name", "all.traj")
    theirs = ase.io.read(folder / "all.traj", ":")
    found = imported("agox", folder)
    assert len(found) == len(theirs) == 5
    assert set(of_seeds(found)) == set(NAMES[:3])
    for atoms in pool:  # AGOX relaxes atoms in the seed's own cell
        seeded = of_seeds(found)[atoms.info["structure_id"]]
        np.testing.assert_allclose(seeded.cell.array, atoms.cell.array, atol=1e-6)
        assert any(
            abs(one.get_potential_energy() - seeded.get_potential_energy()) < 1e-6 for one in theirs
        )
