"""The package as a whole: quick to import, its calls there whatever was imported before."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gencsp

ROOT = Path(gencsp.__file__).parent


def fresh(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("module", ["gencsp", "gencsp.cli", "gencsp.decks", "gencsp.store"])
def test_importing_loads_no_torch(module: str) -> None:
    assert fresh(f"import sys, {module}; print('torch' in sys.modules)") == "False"


def test_import_gencsp_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'numpy', 'ase', 'pymatgen', 'scipy'}"
    assert fresh(f"import sys, gencsp; print({heavy} & set(sys.modules))") == "set()"


@pytest.mark.parametrize(
    "before",
    ["", "import gencsp.relax.result", "from gencsp.relax import relax", "import gencsp.api"],
)
def test_calls_are_there_whatever_was_imported_before(before: str) -> None:
    calls = "[gencsp.propose, gencsp.refine, gencsp.hull, gencsp.relax.relax]"
    code = f"{before}\nimport gencsp\nprint([type(call).__name__ for call in {calls}])"
    assert fresh(code) == str(["function"] * 4)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = gencsp.nothing
    assert {"hull", "propose", "refine", "relax"} <= set(dir(gencsp))


# Who may import whom: a layer may import those before it.
LAYERS = (
    {"composition", "provenance", "errors", "deck_base", "plugins", "programs"},
    {"least_distances"},
    {"descriptors"},
    {
        "diffusion",
        "calculators",
        "symmetry",
        "near_symmetry",
        "frameworks",
        "similarity",
        "convex_hull",
        "references",
        "filters",
        "engine",
        "volume",
        "records",
    },
    {"proposers", "relax", "store", "execute", "io", "pools"},
    {"potentials", "dft", "sources", "second_opinion"},
    {"search", "export", "benchmark", "report", "testing"},
    {
        "decks",
        "assembly",
        "assembly_search",
        "search_settings",
        "run_status",
        "search_strategies",
        "api",
    },
    {"cli"},
)
# Engines return what the relaxation package names: one thing in two packages.
TOGETHER = {("engine", "relax"), ("calculators", "relax")}


def test_who_imports_whom() -> None:
    layer = {name: level for level, names in enumerate(LAYERS) for name in names}
    wrong = []
    for path in ROOT.rglob("*.py"):
        here = path.relative_to(ROOT).with_suffix("").parts[0]
        if here == "__init__":
            continue
        assert here in layer, f"{here} has no layer"
        for name in _imported(path):
            if layer.get(name, 0) > layer[here] and (here, name) not in TOGETHER:
                wrong.append(f"{path.relative_to(ROOT)} imports gencsp.{name}")
    assert wrong == []


def _imported(path: Path) -> set[str]:
    """First-level names of the package that a file imports, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            modules = [node.module]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        else:
            continue
        names |= {m.split(".")[1] for m in modules if m.startswith("gencsp.")}
    return names
