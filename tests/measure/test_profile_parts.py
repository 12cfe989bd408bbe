"""The profile names functions of the package, which move: it must name those that are there."""

import importlib
import runpy
from operator import attrgetter
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "profile_runs.py"


@pytest.mark.parametrize(("part", "module", "names"), runpy.run_path(str(SCRIPT))["PARTS"])
def test_profiled_functions_exist(part: str, module: str, names: tuple[str, ...]) -> None:
    home = importlib.import_module(module)
    assert all(callable(attrgetter(name)(home)) for name in names), part
