"""The package as a whole: quick to import, its calls there whatever was imported before."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import gencsp
import gencsp.api

ROOT = Path(gencsp.__file__).parent
#: What the commands do, as calls.
VERBS = {
    "analyse",
    "bench",
    "propose",
    "relax",
    "reconstruct",
    "refine",
    "search",
    "cycle",
    "hull",
    "hull_of_formula",
    "hull_of_system",
    "intercalate",
    "interpolate",
    "make_data",
    "neighbours",
    "order",
    "filter",
    "dedup",
    "discover",
    "estimate",
    "export",
    "synergy",
    "train_score",
    "train_dp_cdvae",
    "train_joint",
}


def fresh(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("module", ["gencsp", "gencsp.cli", "gencsp.runs.decks", "gencsp.store"])
def test_importing_loads_no_torch(module: str) -> None:
    assert fresh(f"import sys, {module}; print('torch' in sys.modules)") == "False"


def test_import_gencsp_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'numpy', 'ase', 'pymatgen', 'scipy'}"
    assert fresh(f"import sys, gencsp; print({heavy} & set(sys.modules))") == "set()"


@pytest.mark.parametrize(
    "before",
    ["", "import gencsp.minimise.result", "from gencsp.api import relax"],
)
def test_calls_are_there_whatever_was_imported_before(before: str) -> None:
    calls = [f"gencsp.{name}" for name in VERBS]
    code = f"{before}\nimport gencsp\nprint([type(c).__name__ for c in [{', '.join(calls)}]])"
    assert fresh(code) == str(["function"] * len(VERBS))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = gencsp.nothing
    assert set(dir(gencsp)) >= VERBS
    assert set(gencsp.__all__) == {*VERBS, "__version__"} == {*gencsp.api.__all__, "__version__"}


# Who may import whom: a layer may import those before it, and no other of its own.
LAYERS = (
    {"errors", "provenance"},
    {"composition", "deck", "files", "shipped"},
    {"plugins", "store"},
    {"executors", "programs", "symmetry"},
    {"descriptors", "records"},
    {"units"},
    {"minimise", "powder", "similarity"},
    {"disorder"},
    {"io"},
    {"potentials"},
    {"convex_hull", "diffusion", "intercalation"},
    {"calculators", "dft", "exporters", "filters", "proposers", "sources"},
    {"measure", "searches"},
    {"runs", "testing"},
    {"report", "suites"},
    {"notebook"},
    {"api"},
    {"cli"},
    {"__main__"},
)
#: Modules at the root of the package; everything else lives in a package.
LOOSE = 9


def test_who_imports_whom() -> None:
    layer = {name: level for level, names in enumerate(LAYERS) for name in names}
    wrong = []
    for path in ROOT.rglob("*.py"):
        here = path.relative_to(ROOT).with_suffix("").parts[0]
        if here == "__init__":
            continue
        assert here in layer, f"{here} has no layer"
        for name in _imported(path):
            if name != here and layer.get(name, 0) >= layer[here]:
                wrong.append(f"{path.relative_to(ROOT)} imports gencsp.{name}")
    assert wrong == []


def test_few_modules_lie_loose_at_the_root() -> None:
    loose = sorted(path.stem for path in ROOT.glob("*.py"))
    assert len(loose) <= LOOSE, loose


def test_names_cannot_be_confused() -> None:
    """No two packages differ by a plural alone, and none has the name of a call of gencsp."""
    names = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or path.is_dir()}
    stems = [re.sub(r"(es|s|ers|ions?)$", "", name) for name in sorted(names)]
    assert len(stems) == len(set(stems)), sorted(names)
    assert names.isdisjoint(set(gencsp.__all__))


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
