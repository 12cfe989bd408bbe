"""Structures from files, and what is said about files that hold none."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.db import connect

from gencsp.composition import Composition
from gencsp.errors import RequestError, StructureFileError
from gencsp.proposers.base import Request
from gencsp.proposers.pool import PoolProposer

SALT = bulk("NaCl", "rocksalt", a=5.6)
REQUEST = Request(composition=Composition.parse("NaCl"), n=10, units=(1, 2, 4))


def propose(*files: Path, n: int = 10) -> list[Atoms]:
    request = Request(composition=REQUEST.composition, n=n, units=REQUEST.units)
    return list(PoolProposer(files).propose(request, rng=np.random.default_rng(0)))


@pytest.mark.parametrize("name", ["a.cif", "a.extxyz", "POSCAR", "a.db", "a.traj"])
def test_formats(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if path.suffix == ".db":
        with connect(path) as db:
            db.write(SALT)
    else:
        ase.io.write(path, SALT, format="vasp" if name == "POSCAR" else None)
    (atoms,) = propose(path)
    assert atoms.get_chemical_formula() == "ClNa"
    assert atoms.cell.volume == pytest.approx(SALT.cell.volume, rel=1e-4)
    assert atoms.info["proposer"] == "pool"


def test_only_the_composition_asked_for_in_order(tmp_path: Path) -> None:
    path = tmp_path / "pool.extxyz"
    salt = SALT.copy()
    salt.info["structure_id"] = "first"
    crowded = SALT.copy()
    crowded.set_cell(SALT.cell * 0.4, scale_atoms=True)
    ase.io.write(path, [bulk("Cu"), salt, crowded, SALT.repeat((2, 1, 1)), SALT.repeat((3, 1, 1))])
    proposer = PoolProposer([path])
    made = list(proposer.propose(REQUEST, rng=np.random.default_rng(0)))
    assert [len(a) for a in made] == [2, 4]
    assert made[0].info["parents"] == "first"
    assert proposer.failures == 1
    assert len(propose(path, n=1)) == 1


def test_files_without_structures(tmp_path: Path) -> None:
    empty = tmp_path / "empty.cif"
    empty.touch()
    broken = tmp_path / "broken.cif"
    broken.write_text("this is not a crystal")
    for path in (empty, broken, tmp_path / "missing.cif"):
        with pytest.raises(StructureFileError, match=path.name):
            propose(path)


def test_requests_that_cannot_be_honoured(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no files"):
        propose()
    with pytest.raises(RequestError, match="host"):
        PoolProposer([tmp_path]).propose(
            Request(composition=REQUEST.composition, n=1, host=SALT), rng=np.random.default_rng(0)
        )
