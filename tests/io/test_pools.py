"""One bad file never ends a pool, and costs no more than itself."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from pathlib import Path

import ase.db
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from cif_texts import cif

from gencsp.errors import StructureFileError
from gencsp.io import content
from gencsp.io.reading import read_pool
from gencsp.io.structures import read_structures, write_extxyz

GOOD = cif(("Mg1 Mg 0 0 0", "O1 O .5 .5 .5"))
FRAME = (
    '{count}\nLattice="4.2 0 0 0 4.2 0 0 0 4.2" Properties=species:S:1:pos:R:3{more} pbc="T T T"\n'
    "Mg 0 0 0\nO 2.1 2.1 2.1\n"
)
POSCAR = "{title}\n1.0\n4.2 0 0\n0 4.2 0\n0 0 4.2\n{species}{counts}\nDirect\n0 0 0\n.5 .5 .5\n"


def frame(more: str = "", *, count: object = 2) -> str:
    return FRAME.format(count=count, more=more and f" {more}")


def poscar(title: str = "x", species: str = "Mg O\n", counts: str = "1 1") -> str:
    return POSCAR.format(title=title, species=species, counts=counts)


#: Files that cannot be read, and a part of the reason.
BAD = {
    "no.cif": (cif(("X1 X 0 0 0",)), "not an element"),
    "group.cif": (cif(("Mg1 Mg 0 0 0",), symmetry="_space_group_IT_number 1000"), "no table"),
    "my.vasp": (poscar("my best structure", species=""), "names no species"),
    "huge.vasp": (poscar(counts="1000000000 1000000000"), "2000000000 atoms"),
    "short.vasp": (poscar(counts="1 9"), "ends before the last of its 10 atoms"),
    "dummy.extxyz": (frame().replace("O 2", "X 2"), "dummy atom X"),
    "huge.extxyz": (frame(count=2_000_000_000), "2000000000 atoms"),
    "columns.extxyz": (
        frame().replace("pos:R:3", "pos:R:2147483648"), "more than 10000 columns"
    ),
    "endless.extxyz": (frame().replace('"4.2 0', '"1e300 0'), "1e\\+300 Å"),
    "long.extxyz": (frame().replace('"4.2 0', '"2147483648 0'), r"2\.15e\+09 Å"),
    "far.extxyz": (frame().replace("O 2.1", "O 1e200"), "far away"),
    "thin.extxyz": (frame().replace("4.2 0 0 0 4.2", "4.2 0 0 0 .001"), "thinner"),
    "stars.res": (
        "TITL a 0.00 74.088 ******** 0 0 2 (P1) n - 1\nCELL 1.5 4.2 4.2 4.2 90 90 90\n"
        "LATT -1\nSFAC Mg O\nMg 1 0 0 0 1\nO 2 .5 .5 .5 1\nEND\n", r"enthalpy .* '\*+'"
    ),
    "shelx.res": (
        "TITL a\nCELL 1.5 4.2 4.2 4.2 90 90 90\nLATT 1\nSFAC Mg\nMg1 1 0 0 0 11\nEND\n", "LATT 1"
    ),
    "symmetric.res": (
        "TITL a\nCELL 1.5 4.2 4.2 4.2 90 90 90\nLATT -1\nSYMM -X,Y,-Z\nSFAC Mg\n"
        "Mg1 1 0 0 0 11\nEND\n", "operations"
    ),
    "other.res": (
        "TITL a\nCELL 1.5 4.2 4.2 4.2 90 90 90\nLATT -1\nSFAC Mg O\nMg 2 0 0 0 1\nEND\n",
        "one of the two is wrong"
    ),
    "deep.json": ("[" * 100_000, "cannot be read"),
    "array.json": (
        '{"1": {"numbers": {"__ndarray__": [[2000000000], "int64", [1]]}}, "ids": [1]}',
        "2000000000 numbers"
    ),
    "noise.db": ("no database" * 99, "is no database"),
    "noise.zip": ("no archive", "cannot be read"),
    "noise.cif.gz": ("not packed", "cannot be read"),
    "noise.traj": ("- of UlmASE-Trajectory", "cannot be read"),
    "noise.cell": ("\x00\x01", "cannot be read"),
    "empty.cif": ("", "is empty"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_a_reason_and_the_others_are_read(name: str, tmp_path: Path) -> None:
    text, reason = BAD[name]
    for own in ("a.cif", "z.cif"):
        (tmp_path / own).write_text(GOOD)
    (tmp_path / name).write_text(text)
    structures, (failure,) = read_pool([tmp_path])
    assert [str(atoms.symbols) for atoms in structures] == ["MgO", "MgO"]
    assert Path(failure.name.split(":")[0]).name == name
    with pytest.raises(StructureFileError, match=reason) as caught:
        read_structures([tmp_path / name])
    assert str(caught.value) == failure.reason
    assert name in failure.reason
    assert "\n" not in failure.reason


def test_nothing_that_can_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StructureFileError, match="there is no file"):
        read_pool([tmp_path / "none.cif"])
    with pytest.raises(StructureFileError, match="folder without files"):
        read_pool([tmp_path])
    for name in ("a.cif", "b.cif"):
        (tmp_path / name).write_text("noise")
    with pytest.raises(StructureFileError, match=r"none of 2 sources .*a\.cif"):
        read_pool([tmp_path])


def test_hidden_files_are_passed_over(tmp_path: Path) -> None:
    for name in (".DS_Store", "._a.cif", "Thumbs.db", "desktop.ini"):
        (tmp_path / name).write_bytes(b"\x00\x00\x00\x01Bud1")
    (tmp_path / "a.cif").write_text(GOOD)
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("__MACOSX/._b.cif", "noise")
        archive.writestr(".hidden/b.cif", "noise")
        archive.writestr("b.cif", GOOD)
    structures, failures = read_pool([tmp_path])
    assert (len(structures), failures) == (2, [])


def test_tables_and_figures_beside_structures_are_passed_over(tmp_path: Path) -> None:
    for name in ("hull.csv", "Li-Si.PDF", "Li-Si.png", "Li-Si.svg"):
        (tmp_path / name).write_text("no structure")
    (tmp_path / "a.cif").write_text(GOOD)
    structures, failures = read_pool([tmp_path])
    assert (len(structures), failures) == (1, [])
    # Named by itself such a file is not passed over.
    _, failures = read_pool([tmp_path, tmp_path / "hull.csv"])
    assert [failure.name for failure in failures] == [str(tmp_path / "hull.csv")]


def test_members_of_archives_in_any_encoding(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("latin.cif", ("# Ångström\n" + GOOD).encode("latin-1"))
        archive.writestr("mark.extxyz", b"\xef\xbb\xbf" + frame().encode())
        archive.writestr("cr.vasp", poscar().replace("\n", "\r").encode())
        archive.writestr("bad.cif", b"\x00" * 99)
    structures, (failure,) = read_pool([tmp_path])
    assert [str(atoms.symbols) for atoms in structures] == ["MgO"] * 3
    assert failure.name.endswith("a.zip/bad.cif")


@pytest.mark.parametrize("pack", ["gz", "bz2", "xz", "zip"])
def test_what_expands_too_far_is_refused(
    pack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "MAX_BYTES", 10_000)
    large = (GOOD + "#" * 1_000_000).encode()
    if pack == "zip":
        with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.cif", large)
            archive.writestr("b.cif", GOOD)
    else:
        for name, text in (("a", large), ("b", GOOD.encode())):
            packed = {"gz": gzip.compress(text), "bz2": bz2.compress(text)}
            written = packed.get(pack) or lzma.compress(text)
            (tmp_path / f"{name}.cif.{pack}").write_bytes(written)
    structures, (failure,) = read_pool([tmp_path])
    assert [str(atoms.symbols) for atoms in structures] == ["MgO"]
    assert "larger than" in failure.reason


def test_a_line_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.extxyz.gz").write_bytes(gzip.compress(b"2" * 5_000_000))
    with pytest.raises(StructureFileError, match="a line of more than"):
        read_pool([tmp_path])


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (frame("a=1") + frame("a=2", count="two") + frame("a=3"), [1, 3]),
        # A line is lost: the next frame keeps its own.
        (frame("a=1").replace("O 2.1 2.1 2.1\n", "") + frame("a=2"), [2]),
        # A line too many.
        (frame("a=1") + "O 2.1 2.1 2.1\n" + frame("a=2"), [1, 2]),
        (frame("a=1") + "\n\n" + frame("a=2"), [1, 2]),
        (frame("a=1").replace("\n", "\r\n") + frame("a=2"), [1, 2]),
    ],
)
def test_a_damaged_frame_costs_no_other(text: str, read: list[int], tmp_path: Path) -> None:
    (tmp_path / "a.extxyz").write_bytes(text.encode())
    structures, failures = read_pool([tmp_path])
    assert [atoms.info["a"] for atoms in structures] == read
    assert len(failures) <= 1


def test_packed_res_files_are_divided(tmp_path: Path) -> None:
    one = (
        "TITL {name} {p} 74.088 {h} 0 0 2 (P1) n - 1\nREM x\nCELL 1.5 4.2 4.2 4.2 90 90 90\n"
        "LATT -1\nSFAC O Mg\nMg1 2 0 0 0 1 2.5\nO 1 .5 .5 .5 1 -0.5\nEND\n"
    )
    text = one.format(name="a-1", p=0, h=-12.5) + one.format(name="a-2", p=10, h=-3.5)
    (tmp_path / "a.res").write_text(text + one.format(name="a-3", p=0, h="nan"))
    (first, second), (failure,) = read_pool([tmp_path])
    assert [a.info["structure_id"] for a in (first, second)] == ["a-1", "a-2"]
    assert (str(first.symbols), first.get_potential_energy()) == ("MgO", -12.5)
    assert first.get_initial_magnetic_moments().tolist() == [2.5, -0.5]
    np.testing.assert_allclose(
        first.get_scaled_positions(), np.repeat([0.0, 0.5], 3).reshape(2, 3), atol=1e-12
    )
    assert failure.name.endswith("a.res:2")


def test_poscars_one_after_another_are_divided(tmp_path: Path) -> None:
    velocities = "\n0.1 0 0\n0 0.1 0\n"
    text = poscar("first") + velocities + "\n" + poscar("second") + poscar("Mg O", species="")
    (tmp_path / "gatheredPOSCARS").write_text(text)
    assert [str(a.symbols) for a in read_structures([tmp_path])] == ["MgO"] * 3
    (tmp_path / "gatheredPOSCARS").write_text(text.replace("Mg O\n1.0", "third\n1.0"))
    with pytest.raises(StructureFileError, match="names no species"):
        read_structures([tmp_path])
    (tmp_path / "gatheredPOSCARS").write_text(poscar("first") + velocities + poscar("second"))
    first, second = read_structures([tmp_path])
    assert np.abs(first.get_velocities()).max() > 0
    assert str(second.symbols) == "MgO"


def test_species_in_the_title_alone(tmp_path: Path) -> None:
    (tmp_path / "POSCAR").write_text(poscar("Mg O", species=""))
    (atoms,) = read_structures([tmp_path / "POSCAR"])
    assert str(atoms.symbols) == "MgO"


@pytest.mark.parametrize("value", ["1.0", "full", "3"])
def test_an_occupancy_of_the_whole_structure_is_none_of_a_site(value: str, tmp_path: Path) -> None:
    (tmp_path / "a.extxyz").write_text(frame(f"occupancy={value}"))
    (atoms,) = read_structures([tmp_path])
    assert str(atoms.symbols) == "MgO"


@pytest.mark.parametrize("value", ["abc", "nan", '"1 2 3"', "inf"])
def test_an_energy_that_is_none_is_left_out(value: str, tmp_path: Path) -> None:
    (tmp_path / "a.extxyz").write_text(frame(f"energy={value}"))
    (atoms,) = read_structures([tmp_path])
    assert atoms.calc is None or "energy" not in atoms.calc.results


def test_results_in_info_do_not_stop_writing(tmp_path: Path) -> None:
    """As trajectories and AIRSS's files have them; ASE's writer takes no name twice."""
    atoms = bulk("Si")
    atoms.info |= {"energy": -12.5, "forces": "none", "stress": [1, 2], "magmoms": {}}
    ase.io.write(tmp_path / "a.traj", atoms)
    (read,) = read_structures([tmp_path / "a.traj"])
    assert read.get_potential_energy() == -12.5
    read.info |= {"energy": -1.0, "free_energy": 0.0}
    read.set_array("forces", np.zeros((2, 3)))
    results = {"energy": -2.0, "free_energy": -2.0, "forces": np.ones((2, 3))}
    read.calc = SinglePointCalculator(read, **results)
    (again,) = read_structures([write_extxyz(tmp_path / "b.extxyz", [read])])
    assert again.get_potential_energy() == -2.0
    assert again.get_forces().tolist() == np.ones((2, 3)).tolist()


def test_databases_of_others_keep_what_they_like_in_data(tmp_path: Path) -> None:
    with ase.db.connect(tmp_path / "a.db") as db:
        db.write(bulk("Si"), data={"info": "a text", "arrays": [1, 2]}, owner="me")
        db.write(bulk("Si"), data={"info": [1], "arrays": {"mine": np.zeros(7), "tags": [1, 2]}})
        db.write(Atoms("H"), data={})
        db.write(bulk("Ge"))
    structures, (failure,) = read_pool([tmp_path / "a.db"])
    assert [str(atoms.symbols) for atoms in structures] == ["Si2", "Si2", "Ge2"]
    assert structures[0].info == {"owner": "me", "structure_id": "a.db:1"}
    assert structures[1].arrays["tags"].tolist() == [1, 2]
    assert "mine" not in structures[1].arrays
    assert failure.name.endswith("a.db:3")


def test_a_name_tells_the_format_before_the_content_does(tmp_path: Path) -> None:
    (tmp_path / "a.vasp").write_text(poscar("CRYSTAL"))
    (tmp_path / "b.cif").write_text(GOOD.replace("data_x", "data_x\n_a\n;\nANIMSTEPS 2\n;"))
    assert [str(a.symbols) for a in read_structures([tmp_path])] == ["MgO", "MgO"]


def test_every_structure_has_a_name_of_its_own(tmp_path: Path) -> None:
    """The file's alone where that is enough, with its folder or place where it is not."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        bulk("Si").write(tmp_path / folder / "si.cif")
    named = bulk("Ge")
    named.info["structure_id"] = "mine"
    ase.io.write(tmp_path / "two.extxyz", [bulk("C"), named])
    structures, _ = read_pool([tmp_path / "a", tmp_path / "b", tmp_path / "two.extxyz"])
    a, b, first, second = (atoms.info["structure_id"] for atoms in structures)
    assert (a, b) == (str(tmp_path / "a" / "si.cif"), str(tmp_path / "b" / "si.cif"))
    assert (first, second) == ("two.extxyz:0", "mine")
