"""CIFs with partly occupied and mixed sites, against pymatgen's reader."""

from __future__ import annotations

from pathlib import Path

import pytest
from pymatgen.io.cif import CifParser

import gencsp
from gencsp.errors import PartlyOccupiedError, RequestError, StructureFileError
from gencsp.io.structures import read_structures
from gencsp.runs.ordering import read_disordered_file

HEAD = """data_x
_symmetry_space_group_name_H-M '{group}'
_cell_length_a {a}
_cell_length_b {a}
_cell_length_c {c}
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma {gamma}
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
"""


def cif(
    folder: Path,
    *rows: str,
    group: str = "F m -3 m",
    a: float = 4.2,
    c: float = 4.2,
    gamma: float = 90,
    more: str = "",
) -> Path:
    file = folder / "x.cif"
    head = HEAD.format(group=group, a=a, c=c, gamma=gamma)
    file.write_text(head.replace("data_x\n", f"data_x\n{more}") + "\n".join(rows) + "\n")
    return file


@pytest.mark.parametrize(
    "rows",
    [
        ("Li1 Li 0 0 0 0.5", "O1 O 0.5 0.5 0.5 1"),
        ("Fe1 Fe 0 0 0 0.6", "Mn1 Mn 0 0 0 0.4", "O1 O 0.5 0.5 0.5 1"),
        ("Li1 Li 0.05 0.05 0.05 0.125", "O1 O 0.5 0.5 0.5 1.0"),
    ],
)
def test_the_mean_crystal_is_pymatgens(tmp_path: Path, rows: tuple[str, ...]) -> None:
    file = cif(tmp_path, *rows)
    crystal = read_disordered_file(file)
    (theirs,) = CifParser(file, site_tolerance=1e-4).parse_structures(primitive=False)
    assert len(crystal.sites) == len(theirs)
    assert crystal.amounts == pytest.approx(
        {str(element): n for element, n in theirs.composition.items()}
    )
    with pytest.raises(PartlyOccupiedError, match="gencsp relax FILE --order N"):
        read_structures([file])


def test_a_layered_oxide_with_half_of_its_lithium(tmp_path: Path) -> None:
    rows = ("Li1 Li 0 0 0.5 0.5", "Co1 Co 0 0 0 1", "O1 O 0 0 0.26 1")
    file = cif(tmp_path, *rows, group="R -3 m :H", a=2.82, c=14.05, gamma=120)
    cells = gencsp.order(file, n=5, max_atoms=14)
    assert {atoms.get_chemical_formula() for atoms in cells} == {"Co2LiO4"}
    notes = {atoms.info["reading_note"] for atoms in cells}
    assert notes == {"an ordered cell of Li1.5Co3O6: LiCo2O4 (its exact composition)"}
    energies = [atoms.info["ewald_energy"] for atoms in cells]
    assert energies == sorted(energies)
    bare = gencsp.order(file, n=5, max_atoms=14, mobile=["Li"])
    assert len(bare) == 1
    with pytest.raises(RequestError, match="Na is not in"):
        gencsp.order(file, mobile=["Na"])


def test_what_cannot_be_read(tmp_path: Path) -> None:
    above = cif(tmp_path, "Fe1 Fe 0 0 0 0.7", "Mn1 Mn 0 0 0 0.5", "O1 O 0.5 0.5 0.5 1")
    with pytest.raises(StructureFileError, match=r"site Fe1/Mn1 .* add up to 1\.2"):
        read_disordered_file(above)
    formula = "_chemical_formula_sum 'Li2 O3'\n"
    other = cif(tmp_path, "Li1 Li 0 0 0 0.5", "O1 O 0.5 0.5 0.5 1", more=formula)
    with pytest.raises(StructureFileError, match="its sites give Li2O4"):
        read_disordered_file(other)
    (tmp_path / "x.xyz").write_text("0\n\n")
    with pytest.raises(StructureFileError, match="no CIF"):
        read_disordered_file(tmp_path / "x.xyz")
    rare = cif(tmp_path, "Li1 Li 0 0 0 0.01", "Na1 Na 0 0 0 0.99", "O1 O 0.5 0.5 0.5 1")
    with pytest.raises(RequestError, match="no cell of at most 8 atoms is near"):
        gencsp.order(rare, max_atoms=8)


def test_the_formula_may_be_rounded(tmp_path: Path) -> None:
    formula = "_chemical_formula_sum 'Fe0.67 Mn0.33 O'\n"
    rows = ("Fe1 Fe 0 0 0 0.667", "Mn1 Mn 0 0 0 0.333", "O1 O 0.5 0.5 0.5 1")
    crystal = read_disordered_file(cif(tmp_path, *rows, more=formula))
    assert crystal.amounts["Fe"] + crystal.amounts["Mn"] == pytest.approx(4.0)
    (cell,) = gencsp.order(cif(tmp_path, *rows), n=1, max_atoms=6)
    assert sorted(cell.get_chemical_symbols()) == ["Fe", "Fe", "Mn", "O", "O", "O"]
