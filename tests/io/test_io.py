"""Pools: what is read back is what was written, and bad files end in one clear sentence."""

from __future__ import annotations

import errno
import gzip
import os
from pathlib import Path

import ase.io
import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.spacegroup import crystal

from gencsp.errors import StoreError, StructureFileError
from gencsp.io.structures import name_of, read_structures, write_cif, write_extxyz
from gencsp.provenance import Provenance, Stage
from gencsp.store import DiskStore, Finished


def pool() -> list[Atoms]:
    salt, silicon = bulk("NaCl", "rocksalt", a=5.6), bulk("Si")
    for n, atoms in enumerate((salt, silicon)):
        Provenance(structure_id=f"g{n}", proposer="fake", stage=Stage.GENERATED).write(atoms)
        atoms.calc = SinglePointCalculator(atoms, energy=-n - 0.123456789012345)
    return [salt, silicon]


@pytest.mark.parametrize("name", ["pool.extxyz", "pool.extxyz.gz", "run"])
def test_round_trip(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "run":
        with DiskStore(path, {}) as store:
            store.finish("t", Finished(structures=tuple(pool())))
    else:
        write_extxyz(tmp_path / "pool.extxyz", pool())
        if name.endswith(".gz"):
            path.write_bytes(gzip.compress((tmp_path / "pool.extxyz").read_bytes()))
    read = read_structures([path])
    for one, other in zip(read, pool(), strict=True):
        np.testing.assert_allclose(one.positions, other.positions, atol=1e-7)
        np.testing.assert_allclose(one.cell.array, other.cell.array, atol=1e-7)
        assert Provenance.read(one) == Provenance.read(other)
        assert one.get_potential_energy() == pytest.approx(other.get_potential_energy())
    assert [name_of(atoms, 7) for atoms in read] == ["g0", "g1"]
    assert name_of(Atoms("H"), 7) == "7"


def test_several_formats_together(tmp_path: Path) -> None:
    for suffix in ("cif", "vasp", "xsf"):
        ase.io.write(tmp_path / f"si.{suffix}", bulk("Si", cubic=True))
    read = read_structures(sorted(tmp_path.iterdir()))
    assert [str(atoms.symbols) for atoms in read] == ["Si8"] * 3
    assert read == read_structures([tmp_path])


def test_cif_is_symmetrised(tmp_path: Path) -> None:
    rutile = crystal(
        ("Ti", "O"),
        [(0, 0, 0), (0.305, 0.305, 0)],
        spacegroup=136,
        cellpar=(4.6, 4.6, 2.95, 90, 90, 90),
    )
    shaken = rutile.copy()
    shaken.positions += np.random.default_rng(0).normal(scale=0.01, size=shaken.positions.shape)
    shaken.info["structure_id"] = "r7"
    path = write_cif(tmp_path / "new" / "rutile.cif", shaken)
    assert "# structure_id = r7" in path.read_text()
    read = ase.io.read(path)
    cell = (read.cell.array, read.get_scaled_positions(), read.numbers)
    assert spglib.get_spacegroup(cell, symprec=1e-4) == "P4_2/mnm (136)"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.cif", b"", "is empty"),
        ("noise.cif", b"not a CIF at all", "cannot be read|holds no structures"),
        ("noise.extxyz", b"two\natoms\n", "cannot be read"),
        ("short.extxyz", b'4\nLattice="1 0 0 0 1 0 0 0 1"\nH 0 0 0\n', "cannot be read"),
        ("bytes.xyz", bytes(range(256)) * 4, "cannot be read"),
        ("noise.db", b"not a database" * 99, "is no database"),
        ("noise.cif.gz", b"not gzip", "cannot be read"),
        ("POSCAR", b"Si\n1.0\n", "cannot be read"),
        ("what.ever", b"?", "cannot be read"),
        (
            "nan.extxyz",
            b'1\nLattice="3 0 0 0 3 0 0 0 3" Properties=species:S:1:pos:R:3\nH nan 0 0\n',
            "not numbers",
        ),
        (
            "flat.extxyz",
            b'1\nLattice="3 0 0 0 3 0 3 3 0" Properties=species:S:1:pos:R:3\nH 0 0 0\n',
            "not a crystal",
        ),
    ],
)
def test_bad_files(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StructureFileError, match=says) as caught:
        read_structures([tmp_path / name])
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_folder_and_molecule(tmp_path: Path) -> None:
    with pytest.raises(StructureFileError, match="there is no file"):
        read_structures([tmp_path / "none.cif"])
    with pytest.raises(StructureFileError, match="folder without files"):
        read_structures([tmp_path])
    ase.io.write(tmp_path / "water.xyz", molecule("H2O"))
    with pytest.raises(StructureFileError, match=r"water\.xyz:0 is not a crystal"):
        read_structures([tmp_path / "water.xyz"])


def test_partial_occupancy_is_refused(tmp_path: Path) -> None:
    mixed = crystal(["Si"], [(0, 0, 0)], spacegroup=225, cellpar=[5.4] * 3 + [90] * 3)
    ase.io.write(tmp_path / "a.cif", mixed)
    text = (tmp_path / "a.cif").read_text()
    assert "1.0000" in text
    (tmp_path / "a.cif").write_text(text.replace("1.0000", "0.5000"))
    with pytest.raises(StructureFileError, match="partly occupied"):
        read_structures([tmp_path / "a.cif"])


def test_no_space_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_extxyz(tmp_path / "pool.extxyz", pool())
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StoreError, match="no space left"):
        write_extxyz(path, pool()[:1])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
