"""What an expert would set from the pool is set: pressure, distances, charges, volumes, order.

The decks are read by the rules of the codes' own readers: buildcell's ``cell.f90``, USPEX's
``createORG_System.m``, XtalOpt's ``cliOptions.cpp``, CrySPY's ``readers/structure.py``, MAGUS's
``utils.py`` and GASP's ``development.py``.
"""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Callable
from itertools import product
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.data import atomic_numbers, covalent_radii
from ase.neighborlist import neighbor_list
from ase.units import GPa
from pools import alloys, quartz
from ruamel.yaml import YAML
from strict_formats import block, key_values, strict_res, uspex_blocks
from typer.testing import CliRunner

import gencsp
from gencsp import records
from gencsp.cli import app
from gencsp.errors import ExportError, RequestError
from gencsp.exporters import exporter_names, get_exporter
from gencsp.io.structures import write_extxyz
from gencsp.runs.airss import read_airss

RUNNER = CliRunner()
Distances = dict[tuple[str, str], float]


def pool(pressure: float = 0.0) -> list[Atoms]:
    """Quartz at three volumes, relaxed under a pressure as far as its info says."""
    made = []
    for number, scale in enumerate((0.96, 1.0, 1.03)):
        atoms = quartz()
        atoms.set_cell(atoms.cell * scale, scale_atoms=True)
        atoms.info[records.STRUCTURE_ID] = f"q{number}"
        atoms.info[records.ENERGY_PER_ATOM] = -7.9
        work = pressure * GPa * atoms.get_volume() / len(atoms)
        atoms.info[records.ENTHALPY_PER_ATOM] = -7.9 + work
        made.append(atoms)
    return made


def shortest(structures: list[Atoms]) -> Distances:
    """By ASE's neighbour lists, Å."""
    found: Distances = {}
    for atoms in structures:
        first, second, distances = neighbor_list("ijd", atoms, 6.0)
        for i, j, d in zip(first, second, distances, strict=True):
            pair = (atoms.symbols[i], atoms.symbols[j])
            found[pair] = min(d, found.get(pair, np.inf))
    return found


def airss(folder: Path) -> Distances:
    """As buildcell reads it: the least distance of all pairs, then those of single pairs."""
    (root,) = folder.glob("*.cell")
    (line,) = [x for x in root.read_text().split("\n") if x.startswith("#MINSEP=")]
    least, *pairs = line.removeprefix("#MINSEP=").split()
    found: Distances = {(a, b): float(least) for a in ("Si", "O") for b in ("Si", "O")}
    for part in pairs:
        names, _, distance = part.partition("=")
        one, other = names.split("-")
        found[one, other] = found[other, one] = float(distance)
    ours = read_airss(root).separations(("Si", "O"))  # gencsp itself takes slack off
    assert ours["Si", "O"] == pytest.approx(0.75 * found["Si", "O"], abs=1e-6)
    return found


def uspex(folder: Path) -> Distances:
    """A square matrix of which the upper triangle counts."""
    blocks, _ = uspex_blocks((folder / "INPUT.txt").read_text())
    names = blocks["atomType"][0]
    matrix = [[float(x) for x in row] for row in blocks["IonDistances"]]
    assert {len(row) for row in matrix} == {len(matrix)} == {len(names)}
    found = {}
    for i, one in enumerate(names):
        for j, other in enumerate(names[i:], start=i):
            found[one, other] = found[other, one] = matrix[i][j]
    return found


def calypso(folder: Path) -> Distances:
    text = (folder / "input.dat").read_text()
    names = key_values(text)["NameOfAtoms"].split()
    lines = text.split("\n")
    rows = lines[lines.index("@DistanceOfIon") + 1 : lines.index("@End")]
    return _square(names, [[float(x) for x in row.split()] for row in rows])


def xtalopt(folder: Path) -> Distances:
    deck = key_values((folder / "xtalopt.in").read_text())
    # One of them alone may be true.
    assert deck["usingCustomIADs"] == "true"
    assert deck["usingRadiiInteratomicDistanceLimit"] == "false"
    found = {}
    for key, value in deck.items():
        if key.lower().startswith("customiad "):
            one, other, distance = (part.strip() for part in value.split(","))
            found[one, other] = found[other, one] = float(distance)
    return found


def cryspy(folder: Path) -> Distances:
    deck = configparser.ConfigParser()
    deck.read(folder / "cryspy.in")
    names = deck["structure"]["atype"].split()
    rows = [deck["structure"][f"mindist_{n + 1}"].split() for n in range(len(names))]
    return _square(names, [[float(x) for x in row] for row in rows])


def gasp(folder: Path) -> Distances:
    deck = YAML(typ="safe").load((folder / "ga_input.yaml").read_text())
    found = {}
    for key, distance in deck["Constraints"]["per_species_mids"].items():
        one, other = key.split()
        found[one, other] = found[other, one] = float(distance)
    return found


def magus(folder: Path) -> Distances:
    deck = YAML(typ="safe").load((folder / "input.yaml").read_text())
    assert "d_ratio" not in deck
    return _square(deck["symbols"], deck["distance_matrix"])


def _square(names: list[str], rows: list[list[float]]) -> Distances:
    matrix = np.array(rows)
    assert matrix.shape == (len(names), len(names))
    np.testing.assert_array_equal(matrix, matrix.T)
    return {(a, b): matrix[i, j] for i, a in enumerate(names) for j, b in enumerate(names)}


#: Share of the pool's distances, and how the deck says them.
DISTANCES: dict[str, tuple[float, Callable[[Path], Distances]]] = {
    "airss": (0.8, airss),
    "uspex": (0.7, uspex),
    "calypso": (0.7, calypso),
    "xtalopt": (0.7, xtalopt),
    "cryspy": (0.7, cryspy),
    "gasp": (0.7, gasp),
    "magus": (0.7, magus),
}


@pytest.mark.parametrize("code", sorted(DISTANCES))
def test_a_distance_for_each_pair(tmp_path: Path, code: str) -> None:
    share, read = DISTANCES[code]
    get_exporter(code).write(pool(), tmp_path / "out")
    found, nearest = read(tmp_path / "out"), shortest(pool())
    assert set(found) == set(product(("Si", "O"), repeat=2))
    for pair, distance in found.items():
        assert distance == pytest.approx(share * nearest[pair], abs=6e-3)
    assert found["Si", "O"] < found["O", "O"] < found["Si", "Si"]


def test_pairs_far_apart_keep_their_radii(tmp_path: Path) -> None:
    """In NaCl no two sodium atoms are nearer than 4 Å, which forbids nothing below."""
    get_exporter("uspex").write([bulk("NaCl", "rocksalt", a=5.64)], tmp_path / "out")
    found = uspex(tmp_path / "out")
    radii = {e: covalent_radii[atomic_numbers[e]] for e in ("Na", "Cl")}
    assert found["Na", "Cl"] == pytest.approx(0.7 * 2.82, abs=6e-3)
    assert found["Cl", "Cl"] == pytest.approx(0.7 * 2 * radii["Cl"], abs=6e-3)
    assert found["Na", "Na"] == pytest.approx(0.7 * 3.0, abs=6e-3)  # 3.32 by its radius


def pressure_of(code: str, folder: Path) -> float | None:
    """What the deck says, in GPa; None where nothing does."""
    match code:
        case "airss":
            (root,) = folder.glob("*.cell")
            rows = [row.split() for row in block(root.read_text(), "EXTERNAL_PRESSURE")]
            assert [len(row) for row in rows] == [3, 2, 1]
            assert rows[0][1:] == ["0", "0"]
            assert rows[1][1:] == ["0"]
            assert rows[0][0] == rows[1][0] == rows[2][0]
            titles = {
                float(strict_res(path.read_text())[0]["pressure"])
                for path in (folder / "hopper").iterdir()
            }
            assert titles == {float(rows[0][0])}
            return float(rows[0][0])
        case "uspex":
            _, values = uspex_blocks((folder / "INPUT.txt").read_text())
            return float(values["ExternalPressure"])
        case "magus":
            deck = YAML(typ="safe").load((folder / "input.yaml").read_text())
            return float(deck["pressure"])
        case "xtalopt":
            deck = key_values((folder / "templates" / "incar1").read_text())
            return float(deck.get("PSTRESS", 0)) / 10
        case "calypso" | "cryspy" | "ase-ga":
            program = {"calypso": "relax_seeds.py", "cryspy": "calc_in/ase_in.py"}
            source = (folder / program.get(code, "run_ga.py")).read_text()
            given = [
                node.value
                for node in ast.walk(ast.parse(source))
                if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "PRESSURE"
            ]
            assert len(given) == 1
            assert source.count("scalar_pressure=PRESSURE * GPa") == 1
            return float(ast.literal_eval(given[0]))
    return None


@pytest.mark.parametrize("code", sorted(exporter_names()))
@pytest.mark.parametrize("asked", [None, 0.0, 25.0])
def test_the_pressure_of_the_pool(tmp_path: Path, code: str, asked: float | None) -> None:
    report = get_exporter(code).write(pool(12.5), tmp_path / "out", pressure=asked)
    wanted = 12.5 if asked is None else asked
    found = pressure_of(code, tmp_path / "out")
    if code in ("agox", "fuse"):
        assert ("without pressure" in report.start) == (wanted > 0)
        assert wanted == 0 or f"{wanted:g} GPa" in report.start
    elif code == "gasp":
        assert (f"PSTRESS = {10 * wanted:g}" in report.start) == (wanted > 0)
    else:
        assert found == pytest.approx(wanted)
    if code == "calypso":
        assert (f"PSTRESS = {10 * wanted:g}" in report.start) == (wanted > 0)


def test_what_was_proposed_for_a_pressure_goes_to_a_search_at_it(tmp_path: Path) -> None:
    proposed = list(gencsp.propose("SiO2", n=2, max_atoms=6, proposer="random", pressure=40.0))
    get_exporter("uspex").write(proposed, tmp_path / "out")
    assert pressure_of("uspex", tmp_path / "out") == 40
    for atoms in proposed:  # of another program, which may mean anything by it
        del atoms.info["stage"]
    get_exporter("uspex").write(proposed, tmp_path / "other")
    assert pressure_of("uspex", tmp_path / "other") == 0


def test_a_pressure_that_the_pool_does_not_agree_on(tmp_path: Path) -> None:
    mixed = [*pool(0.0), *pool(30.0)]
    write_extxyz(tmp_path / "mixed.extxyz", mixed)
    with pytest.raises(ExportError, match=r"from 0.0 to 30.0 GPa: choose .*--pressure"):
        get_exporter("uspex").write(mixed, tmp_path / "out")
    command = ["export", str(tmp_path / "mixed.extxyz"), str(tmp_path / "out"), "--to", "uspex"]
    assert RUNNER.invoke(app, command).exit_code == 2
    told = RUNNER.invoke(app, [*command, "--pressure", "30"])
    assert told.exit_code == 0, told.output
    assert pressure_of("uspex", tmp_path / "out") == 30
    for wrong in (np.inf, np.nan, 1e9):
        with pytest.raises(RequestError, match="pressure"):
            get_exporter("uspex").write(mixed, tmp_path / "wrong", pressure=wrong)
    bare = [Atoms(a.symbols, positions=a.positions, cell=a.cell, pbc=True) for a in pool(9)]
    get_exporter("uspex").write(bare, tmp_path / "bare")  # nothing says that there was one
    assert pressure_of("uspex", tmp_path / "bare") == 0


def test_an_enthalpy_in_the_title_of_a_seed_of_airss(tmp_path: Path) -> None:
    seeds = alloys(2)
    get_exporter("airss").write(seeds, tmp_path / "out", pressure=20)
    for path, atoms in zip(sorted((tmp_path / "out" / "hopper").iterdir()), seeds, strict=True):
        title, _ = strict_res(path.read_text())
        wanted = atoms.get_potential_energy() + 20 * GPa * atoms.get_volume()
        assert float(title["energy"]) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("formula", "wanted"), [("Na2O", "1 2"), ("TiO2", "4 2"), ("SiO2", "4 2"), ("CuAu", None)]
)
def test_valences_for_uspex(tmp_path: Path, formula: str, wanted: str | None) -> None:
    atoms = Atoms(formula, cell=[4, 4, 4], pbc=True)
    atoms.set_scaled_positions(np.eye(3)[: len(atoms)] * 0.5)
    get_exporter("uspex").write([atoms], tmp_path / "out")
    blocks, _ = uspex_blocks((tmp_path / "out" / "INPUT.txt").read_text())
    found = blocks.get("valences")
    assert found == (None if wanted is None else [wanted.split()])
    assert blocks["Latticevalues"] == [["64.00"]]


@pytest.mark.parametrize(
    ("formula", "usual"),
    [("O2Ti", "TiO2"), ("ClNa", "NaCl"), ("H4C", "CH4"), ("OH2", "H2O"), ("PO4FeLi", "LiFePO4")],
)
def test_formulas_are_in_the_usual_order(tmp_path: Path, formula: str, usual: str) -> None:
    atoms = Atoms(formula, positions=np.arange(len(Atoms(formula)))[:, None] * [1.4, 0.1, 0])
    atoms.set_cell([12, 9, 9])
    atoms.pbc = True
    report = get_exporter("airss").write([atoms], tmp_path / "out")
    assert str(report.composition) == usual
    assert (tmp_path / "out" / f"{usual}.cell").exists()
    own = get_exporter("airss").write([atoms], tmp_path / "own", formula=formula)
    assert str(own.composition) == formula


def test_crud_finds_what_it_needs_beside_the_hopper(tmp_path: Path) -> None:
    """As ``crud.pl`` goes about it: what it lists and opens, and the cell it puts together."""
    report = get_exporter("airss").write(pool(5), tmp_path / "out")
    folder = tmp_path / "out"
    listed = [p.name for p in (folder / "hopper").iterdir() if p.suffix == ".res" and "-" in p.name]
    assert len(listed) == 3
    for name in listed:
        seed = name.split(".res")[0]
        root = seed.split("-")[0]
        # It stops where there is no param, and takes all of the cell but lattice and positions.
        assert (folder / f"{root}.param").is_file()
        cell = (folder / f"{root}.cell").read_text()
        kept = re.sub(r"(?ms)^%BLOCK (LAT|Lat|POS|Pos).*?^%ENDBLOCK[^\n]*\n", "", cell)
        assert kept == cell
        assert block(kept, "SPECIES_POT") == ["QC5"]
        assert block(kept, "EXTERNAL_PRESSURE") == ["5 0 0", "5 0", "5"]
        assert "spin" not in (folder / f"{root}.param").read_text().lower()  # it adds one
        assert f"{root}.cell" in report.start
    # airss.pl makes random cells and never looks into the hopper.
    crud, _, later = report.start.partition("airss.pl")
    assert "crud.pl" in crud
    assert "hopper/" in crud
    assert f"-seed {root} -pressure 5" in later
    assert "no hopper" in later


def test_what_xtalopt_reads_moves_with_its_folder(tmp_path: Path) -> None:
    get_exporter("xtalopt").write(pool(), tmp_path / "out")
    moved = (tmp_path / "out").rename(tmp_path / "elsewhere")
    deck = key_values((moved / "xtalopt.in").read_text())
    for part in deck["seedStructures"].split(","):
        assert len(ase.io.read(moved / part.strip(), format="vasp")) == 9
    assert (moved / deck["templatesDirectory"] / "incar1").is_file()


def test_magus_draws_volumes_like_those_of_the_pool(tmp_path: Path) -> None:
    """Between 0.5 and 1.5 of what the deck says, of balls with the covalent radii."""
    get_exporter("magus").write(pool(), tmp_path / "out")
    deck = YAML(typ="safe").load((tmp_path / "out" / "input.yaml").read_text())
    balls = sum(4 / 3 * np.pi * covalent_radii[z] ** 3 for z in quartz().numbers)
    for atoms in pool():
        assert 0.85 < atoms.get_volume() / (balls * deck["volume_ratio"]) < 1.15


def test_fit_is_offered_where_sizes_are_at_fault(tmp_path: Path) -> None:
    small, large = alloys(1)[0], alloys(2)[1].repeat((1, 1, 2))
    write_extxyz(tmp_path / "pool.extxyz", [small, large, large])
    command = ["export", str(tmp_path / "pool.extxyz"), str(tmp_path / "out"), "--to", "cryspy"]
    made = RUNNER.invoke(app, command)
    assert made.exit_code == 0, made.output
    assert "1 of 3 are left out for their number of atoms alone: --fit" in made.stdout
    assert "pip install chgnet" in made.stdout
    fitted = RUNNER.invoke(app, [*command[:2], str(tmp_path / "all"), *command[3:], "--fit"])
    assert "left out" not in fitted.stdout
