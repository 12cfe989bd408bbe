"""CIFs are read right, or refused with the reason; the kinds are those of real files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import spglib
from ase import Atoms
from cif_texts import cif

from gencsp.errors import StructureFileError
from gencsp.io.structures import read_structures

HEXAGONAL = (3.2, 3.2, 5.2, 90, 90, 120)
CUBE = (4.8, 4.8, 4.8, 90, 90, 90)
ROCKSALT = "_symmetry_space_group_name_H-M 'F m -3 m'\n_space_group_IT_number 225"
SALT = ("Mg1 Mg 0 0 0", "O1 O .5 .5 .5")

#: Origin choice 1 of C c c a, number 68.
CCCA = (
    "x,y,z", "-x,-y,z", "x,-y,-z", "-x,y,-z", "-x+1/2,-y,-z+1/2", "x+1/2,-y,z+1/2",
    "-x+1/2,y,z+1/2", "x+1/2,y,-z+1/2", "x+1/2,y+1/2,z", "-x+1/2,-y+1/2,z", "x+1/2,-y+1/2,-z",
    "-x+1/2,y+1/2,-z", "-x,-y+1/2,-z+1/2", "x,-y+1/2,z+1/2", "-x,y+1/2,z+1/2", "x,y+1/2,-z+1/2",
)  # fmt: skip


def read(folder: Path, text: str | bytes, name: str = "a.cif") -> list[Atoms]:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_structures([path])


def group(atoms: Atoms, symprec: float = 1e-3) -> int:
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    found = spglib.get_symmetry_dataset(cell, symprec=symprec)
    assert found is not None
    return int(found.number)


#: What a file says, and the crystal that it is: formula of the cell and space group.
READ = {
    "operations without a symbol": (
        cif(SALT, symmetry="", operations=("x,y,z", "-x,-y,-z")), "MgO", 221
    ),
    "a symbol of older tables": (
        cif(("Cs1 Cs 0 0 0", "Cl1 Cl .5 .5 .5"), operations=("x,y,z", "-x,-y,-z"),
            symmetry="_symmetry_space_group_name_H-M 'P m 3 m'"), "ClCs", 221
    ),
    "an older symbol alone": (
        cif(("Cs1 Cs 0 0 0", "Cl1 Cl .5 .5 .5"),
            symmetry="_symmetry_space_group_name_H-M 'P m 3 m'"), "ClCs", 221
    ),
    "origin choice 1 by its operations": (
        cif(("Pb1 Pb 0 0.25 0.25", "O1 O 0.155 0.144 0.404"), cell=(6, 12.5, 6.01, 90, 90, 90),
            symmetry="_symmetry_space_group_name_H-M 'C c c a'", operations=CCCA), "O16Pb8", 68
    ),
    "origin choice 1 in the symbol": (
        cif(("Si1 Si 0 0 0",), cell=(5.43, 5.43, 5.43, 90, 90, 90),
            symmetry="_symmetry_space_group_name_H-M 'F d -3 m :1'"), "Si8", 227
    ),
    "origin choice 2 as the ICSD says it": (
        cif(("Si1 Si .125 .125 .125",), cell=(5.43, 5.43, 5.43, 90, 90, 90),
            symmetry="_symmetry_space_group_name_H-M 'F d -3 m Z'"), "Si8", 227
    ),
    "thirds of three digits": (
        cif(("Mg1 Mg 0.333 0.667 0.25",), cell=HEXAGONAL,
            symmetry="_symmetry_space_group_name_H-M 'P 63/m m c'"), "Mg2", 194
    ),
    "thirds of two digits": (
        cif(("Mg1 Mg 0.33 0.67 0.25",), cell=HEXAGONAL,
            symmetry="_symmetry_space_group_name_H-M 'P 63/m m c'"), "Mg2", 194
    ),
    "sixths of three digits, and x beside 2x": (
        # Ni3Sn, whose Ni lies on x, 2x, 1/4.
        cif(("Ni1 Ni 0.833 0.667 0.25", "Sn1 Sn 0.333 0.667 0.25"),
            cell=(5.3, 5.3, 4.25, 90, 90, 120), symmetry="_space_group_name_H-M_alt 'P 63/m m c'"),
        "Ni6Sn2", 194,
    ),
    "upper-case symbols": (
        cif(("CA1 CA 0 0 0", "O1 O .5 .5 .5"), cell=CUBE, symmetry=ROCKSALT), "Ca4O4", 225
    ),
    "upper-case symbols with charges": (
        cif(("CA1 CA2+ 0 0 0", "O1 O2- .5 .5 .5"), cell=CUBE, symmetry=ROCKSALT), "Ca4O4", 225
    ),
    "hexagonal axes of a rhombohedral group": (
        cif(("Bi1 Bi 0 0 0.4", "Te1 Te 0 0 0", "Te2 Te 0 0 0.2097"),
            cell=(4.386, 4.386, 30.497, 90, 90, 120),
            symmetry="_symmetry_space_group_name_H-M 'R -3 m :H'\n_symmetry_cell_setting trigonal"),
        "Bi6Te9", 166,
    ),
    "hexagonal axes told by the cell": (
        cif(("Bi1 Bi 0 0 0.4", "Te1 Te 0 0 0", "Te2 Te 0 0 0.2097"),
            cell=(4.386, 4.386, 30.497, 90, 90, 120),
            symmetry="_symmetry_space_group_name_H-M 'R -3 m'"), "Bi6Te9", 166,
    ),
    "rhombohedral axes told by the cell": (
        cif(("As1 As 0.227 0.227 0.227",), cell=(4.13, 4.13, 4.13, 54.13, 54.13, 54.13),
            symmetry="_symmetry_space_group_name_H-M 'R -3 m'"), "As2", 166
    ),
    "a number alone": (
        cif(SALT, cell=CUBE, symmetry="_symmetry_Int_Tables_number 225"), "Mg4O4", 225
    ),
    "a Hall symbol": (
        cif(("Si1 Si .125 .125 .125",), cell=(5.43, 5.43, 5.43, 90, 90, 90),
            symmetry="_symmetry_space_group_name_Hall '-F 4vw 2vw 3'"), "Si8", 227
    ),
    "names with dots": (
        cif(SALT, cell=CUBE, symmetry="_space_group.IT_number 225").replace(
            "_atom_site_", "_atom_site."), "Mg4O4", 225
    ),
    "unknown occupancies": (
        cif([f"{s} ?" for s in SALT], columns=("occupancy",)), "MgO", 221
    ),
    "rounded occupancies": (
        cif((f"{SALT[0]} 0.9999", f"{SALT[1]} 0.998(4)"), columns=("occupancy",)), "MgO", 221
    ),
    "two ions of one element fill a site": (
        cif(("Fe1 Fe2+ 0 0 0 .33", "Fe2 Fe3+ 0 0 0 .67", "O1 O2- .5 .5 .5 1"),
            columns=("occupancy",)), "FeO", 221
    ),
    "points for zeros": (
        cif(("Na1 Na . . .", "Cl1 Cl .5 .5 .5"), cell=CUBE, symmetry=ROCKSALT), "Cl4Na4", 225
    ),
    "uncertainties": (
        cif(("Mg1 Mg 0.000(1) 0 0", "O1 O 0.5000(12) .5 0.50(3)"),
            cell=("4.20(1)", "4.20(1)", "4.20(1)", 90, 90, "90.0(2)")), "MgO", 221
    ),
    "a line that begins another format": (
        cif(SALT, more="_publ_details\n;\nCRYSTALS was used\nANIMSTEPS 3\n;"), "MgO", 221
    ),
    "deuterium and tritium": (
        cif(("D1 D 0 0 0", "T1 T .5 .5 .5")), "H2", 229
    ),
    "labels alone, which the formula explains": (
        cif(("CA1 0 0 0", "O1 .5 .5 .5"), cell=CUBE, symmetry=ROCKSALT,
            more="_chemical_formula_sum 'Ca O'").replace("_atom_site_type_symbol\n", ""),
        "Ca4O4", 225,
    ),
    "carbon in labels alone": (
        cif(("CA1 0 0 0", "O1 .5 .5 .5"), cell=CUBE, symmetry=ROCKSALT,
            more="_chemical_formula_sum 'C O'").replace("_atom_site_type_symbol\n", ""),
        "C4O4", 225,
    ),
    "pymatgen's formula of the cell": (
        cif(SALT, cell=CUBE, symmetry=ROCKSALT,
            more="_chemical_formula_sum 'Mg4 O4'\n_cell_formula_units_Z 4"), "Mg4O4", 225
    ),
    "an operation listed twice": (
        cif(SALT, symmetry="", operations=("x,y,z", "-x,-y,-z", "-x, -y, -z")), "MgO", 221
    ),
    "a disorder group of one, wholly there": (
        cif([f"{s} A" for s in SALT], columns=("disorder_group",)), "MgO", 221
    ),
    "multiplicities": (
        cif((f"{SALT[0]} 4", f"{SALT[1]} 4"), cell=CUBE, symmetry=ROCKSALT,
            columns=("symmetry_multiplicity",)), "Mg4O4", 225
    ),
    "orders of site symmetry under that name": (
        cif((f"{SALT[0]} 48", f"{SALT[1]} 48"), cell=CUBE, symmetry=ROCKSALT,
            columns=("symmetry_multiplicity",)), "Mg4O4", 225
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", READ)
def test_read(kind: str, tmp_path: Path) -> None:
    text, formula, number = READ[kind]
    (atoms,) = read(tmp_path, text)
    assert atoms.get_chemical_formula() == formula
    assert group(atoms) == number


#: What a file says, and a part of the reason why it is no crystal that can be known.
REFUSED = {
    "mixed site of the Pauling File": (
        cif(("M1 '0.62Cu + 0.38Al' .125 .125 .125", "O1 O .2625 .2625 .2625"),
            cell=(8.08, 8.08, 8.08, 90, 90, 90),
            symmetry="_symmetry_space_group_name_H-M 'F d -3 m :2'"), "partly occupied"
    ),
    "mixed site with a comma": (cif(("M1 Cu,Al 0 0 0",)), "partly occupied"),
    "mixed site by its label": (
        cif(("Cu/Al1 0 0 0",)).replace("_atom_site_type_symbol\n", ""), "partly occupied"
    ),
    "a tetrahedral site that names no element": (
        cif(("T1 0 0 0",)).replace("_atom_site_type_symbol\n", ""), "begins with no element"
    ),
    "partly occupied": (cif(("Mg1 Mg 0 0 0 0.9",), columns=("occupancy",)), "partly occupied"),
    "occupancy 3": (cif(("Mg1 Mg 0 0 0 3",), columns=("occupancy",)), "more than 1"),
    "occupancy of words": (cif(("Mg1 Mg 0 0 0 full",), columns=("occupancy",)), "not a number"),
    "dummy X": (cif((*SALT, "X1 X .25 .25 .25")), "X1 .* not an element"),
    "a dummy by its flag": (
        cif((f"{SALT[0]} dum", f"{SALT[1]} d"), columns=("calc_flag",)), "dummy"
    ),
    "water": (cif(("W1 Wat 0 0 0",)), "not an element"),
    "two disorder groups": (
        cif((f"{SALT[0]} 1", f"{SALT[1]} 2"), columns=("disorder_group",)), "disordered"
    ),
    "hydrogen without places": (
        cif((f"{SALT[0]} 0", f"{SALT[1]} 1"), columns=("attached_hydrogens",)), "hydrogen"
    ),
    "unknown coordinates": (cif(("Mg1 Mg ? ? ?",)), "unknown coordinates"),
    "no coordinates": (
        cif(SALT).replace("_atom_site_fract_", "_atom_site_Cartn_"), "fractional coordinates"
    ),
    "a formula that is another": (
        cif(SALT, more="_chemical_formula_sum 'Mg2 O'"), "formula is 'Mg2 O1'"
    ),
    "hydrogen in the formula alone": (
        cif(SALT, more="_chemical_formula_sum 'H2 Mg O2'"), "formula is"
    ),
    "more formula units": (
        cif(SALT, symmetry=ROCKSALT, operations=("x,y,z",),
            more="_chemical_formula_sum 'Mg O'\n_cell_formula_units_Z 4"), "2 atoms, 4 formula"
    ),
    "half of the operations": (
        # One of each kind alone, below the symbol of the whole crystal.
        cif(("Na1 Na 0 0 0", "Cl1 Cl .5 0 0"), cell=(5.64,) * 3 + (90,) * 3, symmetry=ROCKSALT,
            operations=("x,y,z", "-x,-y,-z")), "do not have that symmetry"
    ),
    "other multiplicities": (
        cif((f"{SALT[0]} 4", f"{SALT[1]} 8"), cell=CUBE, symmetry=ROCKSALT,
            columns=("symmetry_multiplicity",)), "multiplicity in the file is 8"
    ),
    "operations that are no group": (
        cif(SALT, symmetry="", operations=("x,y,z", "-y,x,z")), "no group"
    ),
    "no operation": (cif(SALT, symmetry="", operations=("x,y,w",)), "not a symmetry operation"),
    "no operation, by its determinant": (
        cif(SALT, symmetry="", operations=("x,y,z", "2x,y,z")), "not a symmetry operation"
    ),
    "two origins that differ": (
        cif(("Si1 Si 0 0 0",), cell=(5.43, 5.43, 5.43, 90, 90, 90),
            symmetry="_symmetry_space_group_name_H-M 'F d -3 m'"), "2 ways"
    ),
    "a cell of another system": (
        cif(SALT, cell=(4.2, 4.2, 5, 90, 90, 90), symmetry=ROCKSALT), "does not have the symmetry"
    ),
    "symbol and number that differ": (
        cif(SALT, cell=CUBE, symmetry="_space_group_name_H-M_alt 'P m -3 m'\n"
            "_space_group_IT_number 225"), "number 221"
    ),
    "space group 1000": (cif(SALT, symmetry="_space_group_IT_number 1000"), "in no table"),
    "a monoclinic symbol of no table": (
        cif(SALT, symmetry="_symmetry_space_group_name_H-M 'P 1 2/q 1'"), "in no table"
    ),
    "no such symbol": (
        cif(SALT, symmetry="_symmetry_space_group_name_H-M 'Q 7'"), "in no table"
    ),
    "atoms on each other by symmetry": (
        cif(("Mg1 Mg 0 0 0", "O1 O .02 0 0"), symmetry="", operations=("x,y,z", "-x,-y,-z"),
            cell=(20, 20, 20, 90, 90, 90)), "of each other"
    ),
    "an endless cell": (cif(SALT, cell=(1e300, 4, 4, 90, 90, 90)), "_cell_length_a"),
    "a cell of no volume": (cif(SALT, cell=(4, 4, 4, 60, 60, 150)), "angles"),
    "a cell without c": (cif(SALT).replace("_cell_length_c 4.2", ""), "no _cell_length_c"),
    "modulated": (cif(SALT, more="_cell_modulation_dimension 1"), "modulated"),
    "a protein": ("data_1ABC\nloop_\n_atom_site.group_PDB\n_atom_site.Cartn_x\nATOM 1.0\n",
                  "no structures"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_refused(kind: str, tmp_path: Path) -> None:
    text, reason = REFUSED[kind]
    with pytest.raises(StructureFileError, match=reason) as caught:
        read(tmp_path, text)
    assert "a.cif" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + cif(SALT).encode(),
        ("\ufeff" + cif(SALT)).encode("utf-16-le"),
        cif(SALT).replace("\n", "\r\n").encode(),
        cif(SALT).replace("\n", "\r").encode(),
        ("# Ångström, é\n" + cif(SALT)).encode("latin-1"),
        ("written by a program\n\n" + cif(SALT)).encode(),
        cif(SALT).encode() + b"\x00\x00\x1a",
    ],
    ids=["BOM", "UTF-16", "CR LF", "CR", "Latin-1", "preamble", "NUL at the end"],
)
def test_encodings(content: bytes, tmp_path: Path) -> None:
    (atoms,) = read(tmp_path, content)
    assert str(atoms.symbols) == "MgO"


def test_notes_say_what_was_taken_for_something_else(tmp_path: Path) -> None:
    (atoms,) = read(tmp_path, cif(("D1 D . 0 0 1", "O1 O .5 .5 .5 1", "X1 Fe .2 0 0 0"),
                                  columns=("occupancy",), symmetry=""))  # fmt: skip
    assert str(atoms.symbols) == "HO"
    for part in ("D is taken as H", "'.' are taken as 0", "X1 has occupancy 0", "no symmetry"):
        assert part in atoms.info["reading_note"]
    (plain,) = read(tmp_path, cif(SALT))
    assert "reading_note" not in plain.info


def test_each_block_is_a_crystal_of_its_own(tmp_path: Path) -> None:
    both = cif(SALT) + cif(("Si1 Si 0 0 0",)) + "data_global\n_publ_author 'A. N.'\n"
    assert [str(atoms.symbols) for atoms in read(tmp_path, both)] == ["MgO", "Si"]


def test_places_on_special_positions_are_exact(tmp_path: Path) -> None:
    """0.333 is 1/3: a group found at 1e-5 Å only where the images coincide exactly."""
    text, _, number = READ["thirds of three digits"]
    (atoms,) = read(tmp_path, text)
    assert group(atoms, symprec=1e-5) == number
    found = np.sort(np.abs(atoms.get_scaled_positions()[:, :2] - 1 / 3) % (1 / 3), axis=None)
    assert found.max() < 1e-9 or (1 / 3 - found).min() < 1e-9


def magnetic(moments: str, *, operations: str = "x,y,z,+1\n-x,-y,z,-1") -> str:
    lines = ["loop_", "_space_group_symop_magn_operation.xyz", operations]
    lines += ["loop_", "_atom_site_moment.label"]
    lines += [f"_atom_site_moment.crystalaxis_{axis}" for axis in "xyz"]
    return cif(("Fe1 Fe .25 0 0", "O1 O 0 .5 .5"), symmetry="") + "\n".join([*lines, moments, ""])


def test_moments_of_magnetic_files(tmp_path: Path) -> None:
    # A two-fold rotation about z keeps a moment along z; with time reversal it turns it around.
    (atoms,) = read(tmp_path, magnetic("Fe1 0 0 3.0"))
    assert atoms.get_chemical_formula() == "Fe2O"
    np.testing.assert_allclose(atoms.get_initial_magnetic_moments(), [3, -3, 0], atol=1e-9)
    # Along x the rotation turns it around, and the reversal back again.
    (atoms,) = read(tmp_path, magnetic("Fe1 3.0 0 0"))
    np.testing.assert_allclose(atoms.get_initial_magnetic_moments(), [3, 3, 0], atol=1e-9)
    # Neither along nor across: moments that are not on one line.
    (atoms,) = read(tmp_path, magnetic("Fe1 2.0 0 1.0"))
    expected = [[2, 0, 1], [2, 0, -1], [0, 0, 0]]
    np.testing.assert_allclose(atoms.get_initial_magnetic_moments(), expected, atol=1e-9)
    with pytest.raises(StructureFileError, match="does not end in"):
        read(tmp_path, magnetic("Fe1 0 0 3.0", operations="x,y,z\n-x,-y,z"))
