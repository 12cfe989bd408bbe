"""Magnetic orders: the known ones are found, each once, and reach the inputs of a code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.neighborlist import neighbor_list
from pymatgen.io.vasp import Incar, Poscar
from typer.testing import CliRunner

from gencsp.cli import app
from gencsp.dft.magnetic import MagneticOrder, magnetic_orders, with_orders
from gencsp.errors import DftError, RequestError
from gencsp.io.structures import write_extxyz
from gencsp.similarity import same_crystal

RUNNER = CliRunner()


def alignment(order: MagneticOrder, symbol: str, shells: int) -> list[float]:
    """Mean product of signs in the first shells of one species: 1 parallel, -1 antiparallel."""
    atoms = order.atoms
    i, j, d = neighbor_list("ijd", atoms, 7.0)
    signs = np.sign(atoms.get_initial_magnetic_moments())
    of = np.array(atoms.get_chemical_symbols()) == symbol
    keep = of[i] & of[j]
    i, j, d = i[keep], j[keep], d[keep]
    return [
        float(np.mean((signs[i] * signs[j])[np.abs(d - shell) < 0.01]))
        for shell in sorted(set(d.round(3)))[:shells]
    ]


def moments(order: MagneticOrder) -> list[float]:
    return list(order.atoms.get_initial_magnetic_moments())


def test_orders_of_a_face_centred_lattice_are_those_of_the_textbook() -> None:
    """Types I and II (Anderson, Phys. Rev. 79, 705 (1950)), here of NiO from its primitive cell."""
    nickel_oxide = bulk("NiO", "rocksalt", a=4.18)
    ferro, *others = magnetic_orders(nickel_oxide, [1.7, 0.05], most=9)
    assert (ferro.kind, moments(ferro)) == ("ferromagnetic", [1.7, 0.0])
    assert {one.kind for one in others} == {"antiferromagnetic"}
    found = {tuple(np.round(alignment(one, "Ni", 2), 3)) for one in others}
    assert found == {(-0.333, 1.0), (0.0, -1.0)}
    for one in others:
        assert sum(moments(one)) == 0
        assert sorted(map(abs, moments(one))) == [0, 0, 1.7, 1.7]
        assert same_crystal(one.atoms, nickel_oxide)


def test_iron_and_its_cubic_cell_have_the_order_of_caesium_chloride() -> None:
    for iron, cells in ((bulk("Fe"), 2), (bulk("Fe", cubic=True), 1)):
        _, first, *_ = magnetic_orders(iron, [2.2] * len(iron), most=3)
        assert len(first.atoms) == cells * len(iron)
        assert alignment(first, "Fe", 2) == pytest.approx([-1.0, 1.0])


def test_orders_are_different_by_magnetic_symmetry() -> None:
    """Against spglib's magnetic space groups and the pair distances of unlike spins."""
    atoms = bulk("MnO", "rocksalt", a=4.4, cubic=True)
    sizes = [4.5 if symbol == "Mn" else 0.0 for symbol in atoms.symbols]
    orders = magnetic_orders(atoms, sizes, most=50)
    seen = set()
    for one in orders:
        cell = one.atoms
        vectors = np.outer(moments(one), [0, 0, 1])
        data = spglib.get_magnetic_symmetry_dataset(
            (cell.cell.array, cell.get_scaled_positions(), cell.numbers, vectors)
        )
        assert data is not None
        seen.add((data.uni_number, len(cell), *np.round(alignment(one, "Mn", 8), 3)))
    assert len(seen) == len(orders) > 5


def test_unequal_sites_make_ferrimagnets_and_cancelling_ones_come_first() -> None:
    magnetite = Atoms(
        "Fe3", scaled_positions=[(0, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0.5)], cell=[4, 4.2, 4.5],
        pbc=True,
    )  # fmt: skip
    kinds = [one.kind for one in magnetic_orders(magnetite, [4.0, 4.0, 4.0], most=99)]
    assert kinds[0] == "ferromagnetic"
    assert "antiferromagnetic" in kinds
    assert "ferrimagnetic" in kinds
    assert kinds[1:] == sorted(kinds[1:])
    assert len(magnetic_orders(magnetite, [4.0, 4.0, 4.0], most=3)) == 3


def test_many_magnetic_atoms_turn_by_orbits() -> None:
    """Twelve atoms would have 2,048 patterns times eight; equivalent ones turn together."""
    large = bulk("FeCo", "cesiumchloride", a=2.85).repeat((3, 2, 1))
    orders = magnetic_orders(large, [2.2, 1.6] * 6, most=100)
    assert 2 < len(orders) <= 16
    assert {one.kind for one in orders} >= {"ferromagnetic", "ferrimagnetic"}


def test_no_magnet_and_wrong_moments() -> None:
    assert magnetic_orders(bulk("NaCl", "rocksalt", a=5.6), [0.01, 0.0]) == []
    with pytest.raises(DftError, match="one finite magnetic moment for each atom"):
        magnetic_orders(bulk("Fe"), [1.0, 2.0])
    with pytest.raises(DftError):
        magnetic_orders(bulk("Fe"), [np.nan])
    with pytest.raises(RequestError):
        magnetic_orders(bulk("Fe"), [2.0], most=0)


def test_moments_are_those_of_the_pool_or_of_chgnet() -> None:
    known, unknown, salt = bulk("Fe"), bulk("Fe"), bulk("NaCl", "rocksalt", a=5.6)
    known.calc = SinglePointCalculator(known, energy=-8.0, magmoms=[2.5])
    for name, atoms in (("k", known), ("u", unknown), ("s", salt)):
        atoms.info["structure_id"] = name
    found = {
        atoms.info["structure_id"]: atoms for atoms in with_orders([known, unknown, salt], most=2)
    }
    assert list(found) == ["k-fm", "k-afm1", "u-fm", "u-afm1", "s"]
    assert list(found["k-afm1"].get_initial_magnetic_moments()) == [2.5, -2.5]
    assert found["u-fm"].get_initial_magnetic_moments()[0] == pytest.approx(2.5, abs=0.2)
    assert found["k-afm1"].info["parents"] == "k"
    assert found["k-afm1"].info["magnetic_order"] == "antiferromagnetic"
    assert found["s"] is salt


def test_the_inputs_of_vasp_start_from_them(tmp_path: Path) -> None:
    oxide = bulk("NiO", "rocksalt", a=4.18)
    oxide.info |= {"structure_id": "s7"}
    oxide.calc = SinglePointCalculator(oxide, energy=-10.0, magmoms=[1.7, 0.05])
    write_extxyz(tmp_path / "pool.extxyz", [oxide])
    words = ["dft", "write", str(tmp_path / "pool.extxyz"), str(tmp_path / "runs")]
    said = RUNNER.invoke(app, [*words, "--code", "vasp", "--magnetic-orders", "3"])
    assert said.exit_code == 0, said.output
    assert "wrote 3 calculations" in said.output
    starts = []
    for folder in ("0001", "0002", "0003"):
        given = Incar.from_file(tmp_path / "runs" / folder / "INCAR")["MAGMOM"]
        assert len(given) == len(Poscar.from_file(tmp_path / "runs" / folder / "POSCAR").structure)
        starts.append(sorted(given))
    assert starts == [[0.0, 1.7], [-1.7, 0.0, 0.0, 1.7], [-1.7, 0.0, 0.0, 1.7]]
    manifest = (tmp_path / "runs" / "gencsp-dft.json").read_text()
    assert '"s7-afm1"' in manifest
    assert '"magnetic_order": "antiferromagnetic"' in manifest
