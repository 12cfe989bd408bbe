"""Units from xyz, mol and CIF files, and what is said of files that hold none."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.spacegroup import crystal
from numpy.testing import assert_allclose
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.cif import CifWriter

from gencsp.errors import UnitError
from gencsp.units.files import read_unit
from gencsp.units.lookup import get_unit, get_units
from gencsp.units.point_group import point_group

AMIDE_MOL = """amide
  by hand

  3  2  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.1000 N   0  5  0  0  0  0
    0.8117    0.0000    0.7341 H   0  0  0  0  0  0
   -0.8117    0.0000    0.7341 H   0  0  0  0  0  0
  1  2  1  0
  1  3  1  0
M  CHG  1   1  -1
M  END
"""
#: Sodium amide, cut down to one cell without symmetry.
SALT_CIF = """data_salt
_cell_length_a 5
_cell_length_b 5
_cell_length_c 5
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Na1 Na 0.5 0.5 0.5 1
N1 N 0.0 0.0 0.98 {occupancy}
H1 H 0.16234 0.0 0.10682 1
H2 H 0.83766 0.0 0.10682 1
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_xyz_with_a_charge(tmp_path: Path) -> None:
    path = write(
        tmp_path / "ND.xyz",
        "3\ncharge=-1\nN 0 0 0\nH 0.8117 0 0.6341\nH -0.8117 0 0.6341\n",
    )
    unit = get_unit(path)
    assert (unit.name, unit.symbols, unit.charge) == ("ND", ("N", "H", "H"), -1)
    assert unit.bonds == ((0, 1), (0, 2))
    assert point_group(unit).symbol == "C2v"
    assert [one.name for one in get_units(f"H2O,{path}")] == ["H2O", "ND"]


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    import os

    path = write(tmp_path / "X2.xyz", "2\n\nO 0 0 0\nO 0 0 1.2\n")
    first = get_unit(path)
    assert get_unit(path) is first
    write(path, "2\n\nO 0 0 0\nO 0 0 1.3\n")
    os.utime(path, ns=(1, 1))
    assert get_unit(path).bond_lengths[0] == pytest.approx(1.3)


def test_mol_has_its_own_bonds_and_charge(tmp_path: Path) -> None:
    unit = read_unit(write(tmp_path / "amide.mol", AMIDE_MOL))
    assert (unit.symbols, unit.bonds, unit.charge) == (("N", "H", "H"), ((0, 1), (0, 2)), -1)
    assert_allclose(unit.bond_lengths, 1.03, atol=1e-3)
    # Without the line of charges the fields of the atoms count.
    old = AMIDE_MOL.replace("M  CHG  1   1  -1\n", "")
    assert read_unit(write(tmp_path / "old.mol", old)).charge == -1
    # The long bond would not be found by distance.
    stretched = AMIDE_MOL.replace(
        "   -0.8117    0.0000    0.7341", "   -1.9000    0.0000    0.7341"
    )
    assert read_unit(write(tmp_path / "long.mol", stretched)).bond_lengths.max() > 1.8


def test_cif_of_a_salt_gives_its_complex_ion_whole(tmp_path: Path) -> None:
    """The ion lies across the faces of the cell."""
    unit = read_unit(write(tmp_path / "salt.cif", SALT_CIF.format(occupancy=1)))
    assert sorted(unit.symbols) == ["H", "H", "N"]
    assert_allclose(unit.bond_lengths, 1.03, atol=2e-3)
    assert point_group(unit).symbol == "C2v"


def test_cif_of_a_molecular_crystal(tmp_path: Path) -> None:
    cell = Atoms(cell=[9, 9, 12], pbc=True)
    for shift in ([4, 4, 3], [4, 4, 9]):
        one = molecule("C6H6")
        one.translate(shift)
        cell += one
    ase.io.write(tmp_path / "benzene.cif", cell)
    unit = read_unit(tmp_path / "benzene.cif")
    assert (unit.composition.formula, len(unit.bonds)) == ("C6H6", 12)
    assert point_group(unit).symbol == "D6h"


def test_cif_whose_molecules_follow_from_its_space_group(tmp_path: Path) -> None:
    """Carbon dioxide: one C and one O, and the operations of Pa-3."""
    ase.io.write(
        tmp_path / "CO2.cif",
        crystal(["C", "O"], [(0, 0, 0), (0.119, 0.119, 0.119)], spacegroup=205, cellpar=[5.62] * 3
                + [90] * 3),
    )  # fmt: skip
    written = CifWriter(
        AseAtomsAdaptor.get_structure(ase.io.read(tmp_path / "CO2.cif")), symprec=1e-3
    )
    written.write_file(tmp_path / "short.cif")
    assert (tmp_path / "short.cif").read_text().count(" C ") <= 2
    unit = read_unit(tmp_path / "short.cif")
    assert unit.composition.formula in ("CO2", "O2C")
    assert_allclose(unit.bond_lengths, 0.119 * 5.62 * np.sqrt(3), atol=1e-3)
    assert point_group(unit).symbol == "D*h"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("far.xyz", "3\n\nN 0 0 0\nH 0 0 1\nH 5 0 0\n", "not all connected by bonds"),
        ("one.mol", AMIDE_MOL.replace("  3  2  0", "  3  0  0"), "lists no bonds"),
        ("three.mol", AMIDE_MOL.replace("V2000", "V3000"), "version 2000"),
        ("short.mol", AMIDE_MOL[:150], "ends before|cannot be read"),
        ("broken.xyz", "3\n\nN 0 0 zero\n", "cannot be read"),
        ("empty.xyz", "", "cannot be read"),
        ("ion.cif", SALT_CIF.format(occupancy=0.5), "partly occupied"),
        ("no.cif", "hello", "cannot be read"),
        ("unit.pdb", "ATOM", "not a file of a unit"),
        ("alone.cif", "\n".join(SALT_CIF.format(occupancy=1).split("\n")[:-4]), "no atoms"),
    ],
)  # fmt: skip
def test_files_that_hold_no_unit(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(UnitError, match=said):
        read_unit(write(tmp_path / name, text))


def test_a_missing_file_and_endless_or_unlike_molecules(tmp_path: Path) -> None:
    with pytest.raises(UnitError, match="there is no file"):
        get_unit(tmp_path / "none.xyz")
    ase.io.write(tmp_path / "chain.cif", Atoms("C", cell=[1.4, 8, 8], pbc=True))
    with pytest.raises(UnitError, match=r"without end|no atoms"):
        read_unit(tmp_path / "chain.cif")
    silica = Atoms(
        "SiO2", cell=[3.2, 8, 8], pbc=True, positions=[[0, 0, 0], [1.6, 0, 0], [0, 1.6, 0]]
    )
    ase.io.write(tmp_path / "silica.cif", silica)
    with pytest.raises(UnitError, match="without end"):
        read_unit(tmp_path / "silica.cif")
    two = Atoms(cell=[12, 8, 8], pbc=True)
    for k, name in enumerate(("H2O", "NH3")):
        one = molecule(name)
        one.translate([3 + 6 * k, 4, 4])
        two += one
    ase.io.write(tmp_path / "two.cif", two)
    with pytest.raises(UnitError, match="several molecules"):
        read_unit(tmp_path / "two.cif")


def test_rough_coordinates_get_the_symmetry_that_they_nearly_have(tmp_path: Path) -> None:
    exact = get_unit("SO4")
    rng = np.random.default_rng(0)
    rough = exact.positions + rng.uniform(-0.015, 0.015, size=(5, 3))
    ase.io.write(tmp_path / "SO4.xyz", Atoms("SO4", positions=rough))
    assert point_group(read_unit(tmp_path / "SO4.xyz")).symbol == "Td"
    assert point_group(read_unit(tmp_path / "SO4.xyz", tolerance=1e-3)).symbol == "C1"
