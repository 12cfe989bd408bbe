"""Files that were read wrongly once, where the folder with them is there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from shared_data import ROOT

from gencsp.composition import Composition
from gencsp.convex_hull.entries import read_references
from gencsp.convex_hull.hull import Hull
from gencsp.errors import StructureFileError
from gencsp.io.reading import read_pool

#: The formulas of what is read, or a part of the reason why nothing is.
EXPECTED: dict[str, list[str] | str] = {
    "01_res_with_energy.res": ["MgO"],
    "01b_info_energy.traj": ["MgO"],
    "02_hm_not_in_ase_table.cif": ["CsCl"],
    "02c_symops_only.cif": ["MgO"],
    "03_poscar_no_species.vasp": "names no species",
    "04_occupancy_unknown.cif": ["MgO"],
    "04b_occupancy_number.extxyz": ["MgO"],
    "04c_occupancy_text.extxyz": ["MgO"],
    "05_dummy_site_X.cif": "not an element",
    "06_stale_energy.extxyz": ["NaCl", "CsCl"],
    "07_coincident_NaCl2.extxyz": ["NaCl2"],
    "07c_nan_in_relaxed.extxyz": ["Si3", "Si2"],
    "08_thirds_3_digits.cif": ["Mg2"],
    "09_uppercase_symbols_CaO.cif": ["Ca4O4"],
    "10_mixed_type_symbol.cif": "partly occupied",
    "11_Ccca_origin_1.cif": ["Pb8O16"],
    "12_R-3m_hexagonal_trigonal.cif": ["Bi6Te9"],
    "13_packed.res": ["MgO", "MgO"],
    "14_import_stars.res": "no number",
    "15_line_CRYSTALS.cif": ["MgO"],
    "16_dot_coordinates.cif": ["Na4Cl4"],
    "17_dedup_energy.extxyz": ["MgO", "MgO"],
    "18_hull_one_without_reference.extxyz": ["Cu", "Fe", "Po"],
    "19_pool_with_FixCartesian.extxyz": ["MgOMgOMgOMgO"] * 7,
    "20_rutile_one_O_fixed.vasp": ["Ti2O4"],
    "23_bom.cif": ["MgO"],
    "23b_bom.extxyz": ["MgO"],
    "24_latin1.cif": ["MgO"],
    "24b_latin1.zip": ["MgO", "MgO"],
    "26_long_id.extxyz": ["MgO"],
    "27_NiO_antiferromagnetic.extxyz": ["NiONiONiONiO"],
    "28_other_schema.db": ["MgO", "CaO", "NaCl"],
    "30_export_ascii_terminal.extxyz": ["NaCl2", "NaCl2"],
    "32_occupancy_0.9999.cif": ["MgO"],
}


def case(name: str) -> Path:
    path = Path(os.environ.get("GENCSP_SHARED", ROOT.parent / "shared")) / "cases" / name
    if not path.exists():
        pytest.skip(f"{name} is not among the shared cases: set GENCSP_SHARED")
    return path


@pytest.mark.parametrize("name", EXPECTED)
def test_case(name: str) -> None:
    expected = EXPECTED[name]
    if isinstance(expected, str):
        with pytest.raises(StructureFileError, match=expected):
            read_pool([case(name)])
        return
    structures, _ = read_pool([case(name)])
    assert [str(atoms.symbols) for atoms in structures] == expected


def test_entries_with_a_mark_of_their_encoding() -> None:
    assert read_references(case("23c_bom_entries.csv")).model == "m"


def test_entries_with_oxidation_states() -> None:
    hull = Hull.load(case("25_entries_oxidation_states.json"))
    energy = hull.decomposition_energy(Composition.parse("MgO"), -6.05)
    assert energy == pytest.approx(0.0)
