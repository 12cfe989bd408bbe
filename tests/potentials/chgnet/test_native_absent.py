"""gencsp without its extension: it installs, imports and falls back to the torch engine."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

BLOCKED = """
import sys
sys.modules["gencsp.potentials.chgnet._native"] = None  # as if it had not been built
import gencsp
assert "torch" not in sys.modules
from gencsp.potentials.chgnet.select import engine_status, get_engine
assert engine_status().name == "torch", engine_status()
assert "_native" in engine_status().reason, engine_status()
from gencsp.errors import EngineError
try:
    get_engine("native")
except EngineError as error:
    assert "compiler" in str(error)
else:
    raise AssertionError("the native engine is not there")
from ase.build import bulk
atoms = bulk("Si")
from gencsp.calculators.potential import CHGNetCalculator
atoms.calc = CHGNetCalculator()
assert atoms.calc.engine.name == "torch"
assert -12 < atoms.get_potential_energy() < -10
"""


def test_without_the_extension_torch_does_the_work() -> None:
    done = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not (ROOT / "CMakeLists.txt").exists(), reason="not run from a checkout")
def test_wheel_is_built_without_a_compiler(tmp_path: Path) -> None:
    pytest.importorskip("scikit_build_core", reason="needs the build backend")
    pytest.importorskip("nanobind", reason="needs the build backend's requirements")
    nowhere = str(tmp_path / "no-compiler")
    command = [sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-build-isolation"]
    done = subprocess.run(
        [*command, "--no-deps", "--no-index", "-w", str(tmp_path)],
        env={**os.environ, "CC": nowhere, "CXX": nowhere},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.name.endswith("-none-any.whl")
    assert "gencsp/potentials/chgnet/native.py" in names
    assert not [name for name in names if name.endswith(".so")]
