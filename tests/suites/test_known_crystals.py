"""Known crystals of files of all kinds: the same crystals under the same keys."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import ase.io
import pytest
from ase import Atoms
from ase.build import bulk

from gencsp.errors import StructureFileError, SuiteError
from gencsp.similarity import STANDARD
from gencsp.suites.suite import Truths
from gencsp.suites.truths import FOLDERS, digest_of, find_truths, named, part_of, read_truths

SALT, OXIDE = bulk("NaCl", "rocksalt", a=5.64), bulk("MgO", "rocksalt", a=4.21)
OTHER_SALT = bulk("NaCl", "cesiumchloride", a=3.5)
CRYSTALS = [SALT, OXIDE, OTHER_SALT, SALT.repeat((1, 1, 2)), bulk("Si")]
KEYS = ["ClNa-1", "MgO-1", "ClNa-2", "Cl2Na2-1", "Si2-1"]
TRUTHS = Truths(file="known.extxyz.gz", crystals=5, where="the library")


def cif(atoms: Atoms, folder: Path) -> str:
    ase.io.write(folder / "one.cif", atoms)
    return (folder / "one.cif").read_text()


def table(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_files_folders_and_tables_hold_the_same_crystals(tmp_path: Path) -> None:
    ase.io.write(tmp_path / "known.extxyz", CRYSTALS)
    packed = tmp_path / "known.extxyz.gz"
    packed.write_bytes(gzip.compress((tmp_path / "known.extxyz").read_bytes()))
    (tmp_path / "cifs").mkdir()
    for number, atoms in enumerate(CRYSTALS):
        ase.io.write(tmp_path / "cifs" / f"{number}.cif", atoms)
    rows = [{"material_id": "x", "cif": cif(one, tmp_path)} for one in CRYSTALS]
    for path in (packed, tmp_path / "cifs", table(tmp_path / "test.csv", rows)):
        found = read_truths(path)
        assert [one.key for one in found] == KEYS
        for one, known in zip(found, CRYSTALS, strict=True):
            assert one.atoms.cell.cellpar() == pytest.approx(known.cell.cellpar(), abs=1e-4)
            assert one.atoms.pbc.all()
            assert one.composition.size * one.units == len(known)
        assert found[3].units == 2


def test_nothing_of_the_answer_comes_along(tmp_path: Path) -> None:
    salt = SALT.copy()
    salt.info["structure_id"] = "mp-22862"
    ase.io.write(tmp_path / "salt.extxyz", salt)
    (found,) = read_truths(tmp_path / "salt.extxyz")
    assert found.atoms.info == {}
    assert found.atoms.calc is None


def test_parts_keep_the_keys_and_larger_ones_hold_the_smaller() -> None:
    every = named(bulk("Cu", a=3.5 + 0.01 * k) for k in range(12))
    by_size = [{one.key for one in part_of(every, n=n)} for n in (2, 5, 12)]
    assert [len(keys) for keys in by_size] == [2, 5, 12]
    assert by_size[0] < by_size[1] < by_size[2] == {f"Cu-{k}" for k in range(1, 13)}
    order = [one.key for one in part_of(every, n=5)]
    assert order == sorted(order, key=lambda key: int(key.partition("-")[2]))
    assert len(part_of(every, n=99)) == 12


def test_parts_by_size_formula_and_difference() -> None:
    every = named(CRYSTALS)
    assert [one.key for one in part_of(every, most_atoms=2)] == [
        "ClNa-1",
        "MgO-1",
        "ClNa-2",
        "Si2-1",
    ]
    assert [one.key for one in part_of(every, formulas=("Na2Cl2", "Si2"))] == ["Cl2Na2-1", "Si2-1"]
    unique = [one.key for one in part_of(every, unique=STANDARD)]
    assert unique == ["ClNa-1", "MgO-1", "ClNa-2", "Si2-1"]


def test_the_digest_is_of_the_crystals() -> None:
    moved = [one.copy() for one in CRYSTALS]
    moved[1].positions[0, 0] += 1e-3
    rounded = [one.copy() for one in CRYSTALS]
    rounded[1].positions[0, 0] += 1e-9
    digests = [digest_of(named(some)) for some in (CRYSTALS, moved, rounded, CRYSTALS[::-1])]
    assert digests[0] == digests[2]
    assert len(set(digests)) == 3


def test_damaged_ones_are_refused_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "cifs").mkdir()
    ase.io.write(tmp_path / "cifs" / "1.cif", SALT)
    (tmp_path / "cifs" / "2.cif").write_text("data_\n_cell_length_a nonsense\n")
    with pytest.raises(StructureFileError, match=r"1 known crystals of .*cannot be read"):
        read_truths(tmp_path / "cifs")
    rows = [{"cif": cif(SALT, tmp_path)}, {"cif": ""}]
    with pytest.raises(StructureFileError, match="no column 'cif'"):
        read_truths(table(tmp_path / "hole.csv", rows))
    with pytest.raises(StructureFileError, match="no column 'cif'"):
        read_truths(table(tmp_path / "other.csv", [{"formula": "NaCl"}]))
    with pytest.raises(StructureFileError):
        read_truths(table(tmp_path / "bad.csv", [{"cif": cif(SALT, tmp_path)}, {"cif": "data_"}]))
    (tmp_path / "noise.csv").write_bytes(b"cif\n\xff\xfe\x00")
    with pytest.raises(StructureFileError, match="cannot be read"):
        read_truths(tmp_path / "noise.csv")


def test_they_are_found_by_name_or_said_where_to_get(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / "data" / "deep"
    deep.mkdir(parents=True)
    (deep / TRUTHS.file).touch()
    monkeypatch.delenv(FOLDERS, raising=False)
    with pytest.raises(SuiteError, match=r"--truth.*GENCSP_TRUTHS.*the library"):
        find_truths(TRUTHS, None)
    monkeypatch.setenv(FOLDERS, f"{tmp_path / 'absent'}:{tmp_path / 'data'}")
    assert find_truths(TRUTHS, None) == deep / TRUTHS.file
    assert find_truths(TRUTHS, tmp_path) == tmp_path
    with pytest.raises(SuiteError, match=r"there is no .*mine.extxyz.*the library"):
        find_truths(TRUTHS, tmp_path / "mine.extxyz")
