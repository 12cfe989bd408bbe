"""The example notebooks run as a reader runs them, at small size, and show what they say."""

from __future__ import annotations

import json
import os
import re
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from gencsp.composition import Composition
from gencsp.convex_hull.crystals import reference_crystal
from gencsp.convex_hull.hull import Hull
from gencsp.io.res import parse_res
from gencsp.measure.statistics import wilson_interval

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))
#: GENCSP_NOTEBOOK_SIZE of each.
SIZES = {"search": 3, "seed_airss": 2, "benchmark": 2}
#: Seconds for a cell: other programs share the processors.
LONGEST = 600


class Ran:
    """A notebook that was executed in a folder of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        notebook = nbformat.read(ROOT / "examples" / "notebooks" / f"{name}.ipynb", as_version=4)
        resources = {"metadata": {"path": str(folder)}}
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
            patch.setenv("GENCSP_NOTEBOOK_SIZE", str(SIZES[name]))
            patch.setenv(
                "PYTHONPATH", os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))
            )
            patch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "runtime"))
            patch.setenv("IPYTHONDIR", str(folder / "ipython"))
            # Of Jupyter's own, about its sockets.
            warnings.simplefilter("ignore")
            client = NotebookClient(notebook, timeout=LONGEST, resources=resources)
            client.execute()
        self.folder = folder
        self.cells = [cell for cell in notebook.cells if cell.cell_type == "code"]

    def cell(self, text: str) -> list[Any]:
        """The outputs of the one cell whose code has this text."""
        (found,) = [cell for cell in self.cells if text in cell.source]
        outputs: list[Any] = found.outputs
        return outputs

    def said(self, text: str) -> str:
        """What the cell with this text printed."""
        return "".join(one.text for one in self.cell(text) if one.output_type == "stream")

    def shown(self, text: str, kind: str = "text/html") -> list[str]:
        """What the cell with this text shows, in one form."""
        outputs = (one for one in self.cell(text) if "data" in one)
        return [one.data[kind] for one in outputs if kind in one.data]


def rows_of(html: str) -> list[list[str]]:
    """The cells of a table, without markup."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", html, re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [[re.sub("<[^>]+>", "", cell).strip() for cell in row] for row in cells]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_stored_without_outputs(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.outputs for cell in code] == [[]] * len(code)
    assert {cell.execution_count for cell in code} == {None}
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert 'os.environ.get("GENCSP_NOTEBOOK_SIZE"' in code[0].source
    # As an editor writes it, so that saving it unchanged changes nothing.
    assert text == json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n"


def test_every_notebook_is_executed_here() -> None:
    assert {path.stem for path in NOTEBOOKS} == set(SIZES)


def test_search(tmp_path: Path) -> None:
    ran = Ran("search", tmp_path)
    (bar,) = ran.shown("gencsp.search(")
    assert '<progress value="3" max="3"' in bar
    assert re.search(r"3 of 3, best 0\.\d{4} eV/atom, \d crystals, \d new minima", bar)
    assert len(ran.shown("gencsp.search(", "image/png")) == 1

    (table,) = [cell for cell in ran.cells if cell.source == "found"]
    titles, *rows = rows_of(table.outputs[0].data["text/html"])
    assert titles[:3] == ["", "formula", "E_d (eV/atom)"]
    energies = [float(row[2]) for row in rows]
    assert energies == sorted(energies)
    assert {row[1] for row in rows} <= {"TiO2", "Ti2O4"}
    assert sum(int(row[3]) for row in rows) == 3
    assert f"best {rows[0][2]} eV/atom" in bar

    best = dict(line.split(maxsplit=1) for line in ran.said("best.info.get").splitlines())
    assert best["structure_id"] == rows[0][-1]
    (frame,) = ran.shown("view(best)")
    assert f"{best['structure_id']}&gt;" in frame
    assert "<iframe srcdoc=" in frame
    phases = rows_of(ran.shown("hull_of_system")[0])
    assert {"Ti", "O", "TiO2"} <= {row[0] for row in phases}
    for text in ("plot_hull(report)", "plot_trace(report)"):
        assert len(ran.shown(text, "image/png")) == 1
    assert (tmp_path / "trace.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "TiO2" / "run.db").is_file()


def test_seed_airss(tmp_path: Path) -> None:
    ran = Ran("seed_airss", tmp_path)
    bar, pool = ran.shown('what="propose"')
    assert '<progress value="2" max="2"' in bar
    assert len(rows_of(pool)) == 1 + 2
    found = re.fullmatch(r"(\d) of 2 converged\n", ran.said('what="relax"'))
    assert found is not None
    seeds = rows_of(ran.shown("gencsp.dedup(")[0])[1:]
    assert sum(int(row[3]) for row in seeds) == int(found[1])
    written = ran.said("gencsp.export(").splitlines()
    assert written[0] == f"{len(seeds)} seeds, 0 left out"
    files = {str(path.relative_to(tmp_path)) for path in (tmp_path / "seeded").rglob("*.*")}
    assert files == set(written[1:])

    # What the notebook shows of a seed is a file that our reader of AIRSS's results takes.
    shown = parse_res(ran.said('"TiO2-seed0001.res"').rstrip("\n") + "\n", where="the notebook")
    assert Composition.of(shown.atoms) == Composition.parse("TiO2")
    assert shown.enthalpy is not None
    assert shown.enthalpy < 0
    assert "#MINSEP=" in ran.said('"TiO2.cell"')
    assert "crud.pl" in ran.said("export.start")
    # Every file that is explained is there.
    text = "".join(cell.source for cell in nbformat.read(NOTEBOOKS[2], as_version=4).cells)
    explained = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    assert len(explained) == 5
    assert {f"seeded/{name}" for name in explained} <= files


def test_benchmark(tmp_path: Path) -> None:
    ran = Ran("benchmark", tmp_path)
    known = rows_of(ran.shown("table(known)")[0])
    assert len(known) == 1 + 2
    (bar,) = ran.shown("gencsp.propose(")
    assert '<progress value="2" max="2"' in bar
    rows = [row[1:] for row in rows_of(ran.shown("pd.DataFrame(rows)")[0])[1:]]
    assert [row[0] for row in rows] == _formulas()[:2]
    for _, atoms, converged, hits, lowest, one in rows:
        assert 0 < int(atoms) <= 6
        assert int(hits) <= int(converged) <= 2
        assert (one == "True") == (int(hits) > 0)
        assert one == "True" or lowest == "False"
    for line, column in zip(ran.said("wilson_interval(").splitlines(), (4, 5), strict=True):
        number = sum(row[column] == "True" for row in rows)
        low, high = wilson_interval(number, 2)
        assert line.endswith(f"{number} of 2: {number / 2:.0%} ({low:.0%} to {high:.0%})")
    assert len(ran.shown("plt.subplots", "image/png")) == 1


def test_the_compositions_of_the_benchmark_were_not_chosen_by_hand() -> None:
    """They are those that the notebook says: by one rule, in an order that was drawn."""
    drawn = json.loads((ROOT / "tools" / "reported_formulas.json").read_text())
    hull, found = Hull.load(), []
    for formula in drawn["parts"]["mp20_reported"]:
        composition = Composition.parse(formula)
        lowest = next(iter(hull.references(composition)), None)
        if lowest is None or lowest.source != "OQMD-ICSD":
            continue
        crystal = reference_crystal(lowest)
        if crystal is not None and len(crystal) <= 6:
            found.append(composition.reduced.conventional.formula)
    assert _formulas() == found[:12]


def test_what_is_said_beside_the_published_number() -> None:
    text = " ".join("".join(cell.source for cell in _benchmark().cells).split())
    assert "CHGNet was trained on data of the Materials Project" in text
    assert "The numbers are not of one protocol" in text
    assert text.count("59.2") == 2


@cache
def _benchmark() -> Any:
    return nbformat.read(NOTEBOOKS[0], as_version=4)


def _formulas() -> list[str]:
    """The compositions of the benchmark, in their order."""
    (source,) = [cell.source for cell in _benchmark().cells if "FORMULAS = [" in cell.source]
    return re.findall(r'"([A-Za-z0-9]+)"', source[source.index("FORMULAS = [") : source.index("]")])
