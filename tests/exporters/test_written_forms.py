"""What is written is what each code reads: re-read by ASE, pymatgen and strict parsers."""

from __future__ import annotations

import configparser
import csv
import json
from collections.abc import Callable
from pathlib import Path

import ase.db
import ase.io
import numpy as np
import pytest
import spglib
from ase import Atoms
from pools import alloys, mirrored_axes, quartz, same_crystal
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.res import AirssProvider, ResIO
from ruamel.yaml import YAML
from strict_formats import (
    key_values,
    strict_cell,
    strict_poscars,
    strict_res,
    uspex_blocks,
)

from gencsp.exporters import exporter_names, get_exporter
from gencsp.exporters.origin import MAP

from_pymatgen = AseAtomsAdaptor.get_atoms


def airss(folder: Path) -> list[Atoms]:
    found = []
    for path in sorted((folder / "hopper").iterdir()):
        title, atoms = strict_res(path.read_text())
        assert path.name == f"{title['name']}.res"
        root = title["name"].partition("-")[0]
        assert (folder / f"{root}.cell").exists()
        assert (folder / f"{root}.param").exists()
        provider = AirssProvider.from_file(str(path))
        assert provider.energy == pytest.approx(float(title["energy"]))
        assert provider.pressure == 0
        assert same_crystal(from_pymatgen(ResIO.structure_from_file(str(path))), atoms)
        by_ase = ase.io.read(path)
        if float(title["energy"]) != 0:  # which ASE drops
            assert by_ase.get_potential_energy() == pytest.approx(float(title["energy"]))
        exact = strict_cell((folder / "cells" / f"{title['name']}.cell").read_text())
        np.testing.assert_allclose(exact.cell.cellpar(), atoms.cell.cellpar(), atol=1e-6)
        assert same_crystal(by_ase, exact)
        found.append(atoms)
    return found


def uspex(folder: Path) -> list[Atoms]:
    text = (folder / "Seeds" / "POSCARS_1").read_text()
    streamed = strict_poscars(text, titles=r"EA\d+( \d+\.\d+){6} Sym\.group: \d+")
    assert [title.split()[0] for title, _ in streamed] == [
        f"EA{n + 1}" for n in range(len(streamed))
    ]
    blocks, _ = uspex_blocks((folder / "INPUT.txt").read_text())
    elements, units = blocks["atomType"][0], [int(n) for n in blocks["numSpecies"][0]]
    for _, atoms in streamed:
        counts = [sum(atoms.symbols == e) for e in elements]
        assert len({c / u for c, u in zip(counts, units, strict=True)}) == 1
        assert counts[0] % units[0] == 0
    by_ase = ase.io.read(folder / "Seeds" / "POSCARS_1", ":", format="vasp-xdatcar")
    assert all(same_crystal(a, b) for a, (_, b) in zip(by_ase, streamed, strict=True))
    return [atoms for _, atoms in streamed]


def calypso(folder: Path) -> list[Atoms]:
    deck = key_values((folder / "input.dat").read_text())
    size = int(deck["PopSize"])
    assert deck["Split"] == "T"
    found = []
    for number in range(1, size + 1):
        ((_, atoms),) = strict_poscars((folder / f"POSCAR_{number}").read_text())
        assert list(dict.fromkeys(atoms.get_chemical_symbols())) == deck["NameOfAtoms"].split()
        found.append(atoms)
    assert not (folder / f"POSCAR_{size + 1}").exists()
    return found


def xtalopt(folder: Path) -> list[Atoms]:
    deck = key_values((folder / "xtalopt.in").read_text())
    formulas = [part.strip() for part in deck["chemicalFormulas"].split(",")]
    found = []
    for part in deck["seedStructures"].split(","):
        path = Path(" ".join(part.split()))
        assert not path.is_absolute()
        atoms = ase.io.read(folder / path, format="vasp")
        assert any(
            Atoms(f).symbols.formula.count() == atoms.symbols.formula.count() for f in formulas
        )
        found.append(atoms)
    for template in ("incar1", "kpoints1"):
        assert (folder / deck["templatesDirectory"] / template).exists()
    return found


def cryspy(folder: Path) -> list[Atoms]:
    deck = configparser.ConfigParser()
    deck.read(folder / "cryspy.in")
    elements = deck["structure"]["atype"].split()
    counts = [int(n) for n in deck["structure"]["nat"].split()]
    files = sorted((folder / "seeds").iterdir())
    assert deck.getint("basic", "tot_struc") == len(files)
    assert deck.getboolean("option", "load_struc_flag")
    assert not list(folder.rglob("*.pkl"))
    found = []
    for number, path in enumerate(files):
        ((title, atoms),) = strict_poscars(path.read_text())
        assert title == f"ID_{number}"
        structure = Structure.from_file(path)
        assert [site.species_string for site in structure] == [
            e for e, n in zip(elements, counts, strict=True) for _ in range(n)
        ]
        assert same_crystal(from_pymatgen(structure), atoms)
        found.append(atoms)
    return found


def fuse(folder: Path) -> list[Atoms]:
    with (folder / "reference_structures" / "order.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "energy"]
    ranked = sorted(rows, key=lambda row: float(row["energy"]))
    assert {row["file"] for row in rows} == {
        path.name for path in (folder / "reference_structures").glob("*.cif")
    }
    found = []
    for row in ranked:
        path = folder / "reference_structures" / row["file"]
        atoms = ase.io.read(path)
        # FUSE's own checks
        assert all(next(iter(o.values())) == 1.0 for o in atoms.info["occupancy"].values())
        assert len(atoms) >= 2
        distances = atoms.get_all_distances(mic=True)
        assert distances[~np.eye(len(atoms), dtype=bool)].min() >= 1.0
        assert same_crystal(from_pymatgen(Structure.from_file(path)), atoms)
        found.append(atoms)
    compile((folder / "input.py").read_text(), "input.py", "exec")
    return found


def agox(folder: Path) -> list[Atoms]:
    seeds: list[Atoms] = ase.io.read(folder / "seeds.extxyz", ":")
    assert len({a.get_chemical_formula() for a in seeds}) == 1
    for name in ("run_agox.py", "calculator.py"):
        compile((folder / name).read_text(), name, "exec")
    return seeds


def ase_ga(folder: Path) -> list[Atoms]:
    first, *rows = ase.db.connect(folder / "gadb.db").select(sort="id")
    assert first.natoms == 0
    assert first.simulation_cell
    assert all(row.gaid == row.id and row.relaxed == 0 for row in rows)
    order = [int(z) for z in first.data["stoichiometry"]]
    assert all(list(row.numbers) == order for row in rows)
    assert [row.source for row in rows] == [f"seed{n + 1:04d}" for n in range(len(rows))]
    return [row.toatoms() for row in rows]


def gasp(folder: Path) -> list[Atoms]:
    deck = YAML(typ="safe").load((folder / "ga_input.yaml").read_text())
    seeds = Path(deck["InitialPopulation"]["from_files"]["path_to_folder"])
    limits = deck["Constraints"]
    found = []
    for path in sorted(seeds.iterdir()):
        assert path.name.startswith("POSCAR.")
        atoms = from_pymatgen(Structure.from_file(path))
        assert limits["min_num_atoms"] <= len(atoms) <= limits["max_num_atoms"]
        assert (atoms.cell.lengths() < limits["max_lattice_length"]).all()
        assert (atoms.cell.angles() > limits["min_lattice_angle"]).all()
        assert (atoms.cell.angles() < limits["max_lattice_angle"]).all()
        found.append(atoms)
    return found


def magus(folder: Path) -> list[Atoms]:
    deck = YAML(typ="safe").load((folder / "input.yaml").read_text())
    seeds: list[Atoms] = ase.io.read(folder / "Seeds" / "seeds_1.traj", ":", format="traj")
    for atoms in seeds:
        assert deck["min_n_atoms"] <= len(atoms) <= deck["max_n_atoms"]
        counts = [sum(atoms.symbols == e) for e in deck["symbols"]]
        assert sum(counts) == len(atoms)
        assert counts[0] % deck["formula"][0] == 0
    return seeds


READERS: dict[str, Callable[[Path], list[Atoms]]] = {
    "agox": agox,
    "airss": airss,
    "ase-ga": ase_ga,
    "calypso": calypso,
    "cryspy": cryspy,
    "fuse": fuse,
    "gasp": gasp,
    "magus": magus,
    "uspex": uspex,
    "xtalopt": xtalopt,
}


def test_every_exporter_is_re_read() -> None:
    assert set(READERS) == set(exporter_names())


@pytest.mark.parametrize("code", sorted(READERS))
def test_re_read(code: str, tmp_path: Path) -> None:
    pool = alloys()
    before = [(a.positions.copy(), dict(a.info)) for a in pool]
    report = get_exporter(code).write(pool, tmp_path / "out")
    assert (len(report.seeds), report.left_out) == (5, ())
    read = READERS[code](tmp_path / "out")
    for original, atoms in zip(pool, read, strict=True):
        assert atoms.get_chemical_symbols() == ["Au", "Au", "Cu", "Cu"]
        assert same_crystal(atoms, original)
    for atoms, (positions, info) in zip(pool, before, strict=True):
        np.testing.assert_array_equal(atoms.positions, positions)
        assert atoms.info == info


@pytest.mark.parametrize("code", sorted(READERS))
def test_a_left_handed_cell_is_not_mirrored(code: str, tmp_path: Path) -> None:
    """From lengths and angles alone a left-handed cell of quartz would become P3_221."""
    get_exporter(code).write([mirrored_axes(quartz())], tmp_path / "out")
    (atoms,) = READERS[code](tmp_path / "out")
    assert np.linalg.det(atoms.cell.array) > 0
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    assert spglib.get_spacegroup(cell, symprec=1e-3) == "P3_121 (152)"


@pytest.mark.parametrize("code", sorted(READERS))
def test_several_sizes(code: str, tmp_path: Path) -> None:
    """Where a code takes one size only, --fit makes the others fit."""
    small, *_ = alloys(1)
    large = alloys(2)[1].repeat((1, 1, 2))
    pool = [small, large, large.copy()]
    if code in ("agox", "ase-ga", "cryspy"):
        report = get_exporter(code).write(pool, tmp_path / "few")
        assert [len(seed.atoms) for seed in report.seeds] == [8, 8]
        assert [one.reason for one in report.left_out] == [
            "4 atoms where 8 are needed (--fit makes supercells)"
        ]
    report = get_exporter(code).write(pool, tmp_path / "out", fit=True)
    assert len(report.seeds) == 3
    read = READERS[code](tmp_path / "out")
    assert all(same_crystal(a, b) for a, b in zip(pool, read, strict=True))
    if code == "uspex":
        blocks, values = uspex_blocks((tmp_path / "out" / "INPUT.txt").read_text())
        assert blocks["numSpecies"] == [["1", "1"]]
        assert (values["calculationType"], values["minAt"], values["maxAt"]) == ("301", "4", "8")
        rows = (tmp_path / "out" / "Seeds" / "compositions").read_text()
        assert rows == "   2\n   4\n"


@pytest.mark.parametrize("code", sorted(READERS))
def test_no_name_of_the_pool_reaches_the_code(code: str, tmp_path: Path) -> None:
    pool = alloys()
    get_exporter(code).write(pool, tmp_path / "out")
    recorded = json.loads((tmp_path / "out" / MAP).read_text())
    assert [r["structure_id"] for r in recorded["seeds"]] == [a.info["structure_id"] for a in pool]
    assert [r["seed"] for r in recorded["seeds"]] == [f"seed{n + 1:04d}" for n in range(5)]
    for path in (tmp_path / "out").rglob("*"):
        assert path.name.replace("-", "").replace("_", "").replace(".", "").isalnum()
        if path.is_file() and path.name != MAP:
            assert b"rm -rf" not in path.read_bytes()


@pytest.mark.parametrize("pressure", [0.0, 20.0])
def test_energy_of_a_pool_that_says_it_per_atom_alone(tmp_path: Path, pressure: float) -> None:
    """As a CIF's pool or a database's: no calculator, and AIRSS ranks by what it reads."""
    atoms = quartz()
    atoms.calc = None
    atoms.info |= {"structure_id": "q", "energy_per_atom": -7.5}
    get_exporter("airss").write([atoms], tmp_path / "out", pressure=pressure)
    (path,) = (tmp_path / "out" / "hopper").iterdir()
    title, _ = strict_res(path.read_text())
    work = pressure * atoms.get_volume() / 160.21766  # GPa Å³ in eV
    assert float(title["energy"]) == pytest.approx(-7.5 * len(atoms) + work, abs=1e-4)
