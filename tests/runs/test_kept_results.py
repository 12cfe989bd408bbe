"""What a search keeps of every relaxed structure, as plain ASE reads it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import ase.db
import ase.io
import numpy as np
import pytest
from ase import Atoms

import gencsp
from gencsp.cli.console import write_results
from gencsp.errors import DamageError
from gencsp.potentials import get_potential
from gencsp.store import DiskStore
from gencsp.store.disk import read_manifest


@pytest.fixture(scope="module")
def run(
    module_in_this_process: None,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    folder = tmp_path_factory.mktemp("kept") / "run"
    found = gencsp.search(
        "NiO", seeds=[], budget=6, atoms=4, workers=1, seed=4, steps=60, out=folder
    )
    assert found
    write_results(folder, "ranked", found)
    return folder


def results(atoms: Atoms) -> dict[str, Any]:
    """By the calls that ASE's users make."""
    return {
        "energy": atoms.get_potential_energy(),
        "forces": atoms.get_forces(),
        "stress": atoms.get_stress(),
        "magmoms": atoms.get_magnetic_moments(),
    }


def relaxed(run: Path) -> list[Atoms]:
    return list(ase.io.read(f"{run / 'run.db'}@stage=relaxed"))


def test_results_are_those_of_the_potential(run: Path) -> None:
    """Against an evaluation of the structures as they stand in the database."""
    structures = [atoms for atoms in relaxed(run) if atoms.calc is not None]
    assert len(structures) >= 3
    for atoms in structures:
        (said,) = get_potential().evaluate([atoms], magmoms=True)
        found = results(atoms)
        assert found["energy"] == pytest.approx(said.energy, abs=1e-5)
        np.testing.assert_allclose(found["forces"], said.forces, atol=1e-4)
        np.testing.assert_allclose(found["stress"], said.stress, atol=1e-5)
        assert said.magmoms is not None
        np.testing.assert_allclose(found["magmoms"], said.magmoms, atol=1e-4)
        assert atoms.info["energy_model"] == "chgnet-0.3.0"
        assert atoms.info["energy_digest"] == get_potential().digest
        assert atoms.info["steps"] >= 1


def test_ase_db_and_extxyz_hold_the_same(run: Path) -> None:
    rows = {row.structure_id: row for row in ase.db.connect(run / "run.db").select("energy<0")}
    ranked = ase.io.read(run / "ranked.extxyz", ":")
    assert ranked
    for atoms in ranked:
        row, found = rows[atoms.info["structure_id"]], results(atoms)
        assert row.energy == pytest.approx(found["energy"], abs=1e-7)
        assert row.fmax < 0.1
        for key in ("forces", "stress", "magmoms"):
            np.testing.assert_allclose(row.get(key), found[key], atol=1e-7)


def test_failures_keep_their_last_state_where_it_is_finite(run: Path) -> None:
    failed = [a for a in relaxed(run) if a.info["outcome"] != "converged"]
    for atoms in failed:
        assert np.isfinite(atoms.positions).all()
        assert np.isfinite(atoms.cell.array).all()
        if atoms.calc is not None:
            assert all(np.isfinite(value).all() for value in atoms.calc.results.values())


@pytest.mark.parametrize("column", ["forces", "stress", "magmoms", "energy"])
def test_a_result_that_was_changed_is_damage(run: Path, tmp_path: Path, column: str) -> None:
    with sqlite3.connect(tmp_path / "run.db") as copy, sqlite3.connect(run / "run.db") as source:
        source.backup(copy)
        old = copy.execute(
            f"SELECT id, {column} FROM systems WHERE {column} IS NOT NULL"
        ).fetchone()
        new = -1.5 if column == "energy" else bytes(len(old[1]))
        assert new != old[1]
        copy.execute(f"UPDATE systems SET {column} = ? WHERE id = ?", (new, old[0]))
    manifest = read_manifest(run)
    assert manifest is not None
    with pytest.raises(DamageError), DiskStore(tmp_path, manifest) as store:
        store.load()
