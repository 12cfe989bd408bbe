"""``gencsp.dedup`` and ``gencsp.export`` as calls, on structures that are not files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from ase.calculators.singlepoint import SinglePointCalculator

import gencsp
from gencsp.errors import DeckError, ExportError, StoreError
from gencsp.exporters import ExportReport


def with_energy(atoms: Atoms, name: str, energy: float) -> Atoms:
    atoms.info |= {"structure_id": name, "energy_per_atom": energy}
    atoms.calc = SinglePointCalculator(atoms, energy=energy * len(atoms))
    return atoms


def pool() -> list[Atoms]:
    """Rock salt in three forms, zincblende, and rock salt of other species."""
    salt = bulk("NaCl", "rocksalt", a=5.64)
    rattled = make_supercell(salt, [[1, 1, 0], [0, 1, 0], [0, 0, 2]])
    rattled.rattle(0.01, rng=np.random.default_rng(0))
    wide = salt.copy()
    wide.set_cell(wide.cell * 1.25, scale_atoms=True)
    return [
        with_energy(salt, "salt", -3.40),
        with_energy(rattled, "rattled", -3.45),
        with_energy(wide, "wide", -3.30),
        with_energy(bulk("NaCl", "zincblende", a=6.1), "blende", -3.50),
        with_energy(bulk("MgO", "rocksalt", a=4.21), "oxide", -5.90),
    ]


def names(structures: list[Atoms]) -> dict[str, int]:
    return {str(atoms.info["structure_id"]): atoms.info["copies"] for atoms in structures}


def test_dedup_keeps_the_lowest_of_each_crystal() -> None:
    seen: list[tuple[int, int]] = []
    kept = gencsp.dedup(
        pool(), same_energy=1.0, report=lambda done, distinct: seen.append((done, distinct))
    )
    assert names(kept) == {"oxide": 1, "blende": 1, "rattled": 3}
    assert [atoms.info["structure_id"] for atoms in kept] == ["oxide", "blende", "rattled"]
    assert [done for done, _ in seen] == [1, 2, 3, 4, 5]
    assert seen[-1] == (5, 3)
    lowest = next(atoms for atoms in pool() if atoms.info["structure_id"] == "rattled")
    assert kept[2].positions == pytest.approx(lowest.positions)
    assert len(kept[2]) == len(lowest) == 4


def test_dedup_says_what_is_the_same() -> None:
    assert names(gencsp.dedup(pool(), scale=False, same_energy=1.0))["rattled"] == 2
    assert names(gencsp.dedup(pool(), prototypes=True)) == {"oxide": 4, "blende": 1}
    apart = names(gencsp.dedup(pool(), same_energy=0.06))
    assert apart == {"oxide": 1, "blende": 1, "rattled": 2, "wide": 1}
    assert names(gencsp.dedup(pool())) == names(gencsp.dedup(pool(), same_energy=0.002))
    assert names(gencsp.dedup(pool(), same="family", same_energy=1.0))["rattled"] == 3
    with pytest.raises(DeckError, match="same_energy"):
        gencsp.dedup(pool(), same_energy=-1.0)


def test_dedup_copies_and_names_by_place() -> None:
    one = bulk("NaCl", "rocksalt", a=5.64)
    kept = gencsp.dedup(atoms for atoms in [bulk("MgO", "rocksalt", a=4.21), one, one.copy()])
    assert names(kept) == {"0": 1, "1": 2}
    assert one.info == {}
    assert names(gencsp.dedup(one)) == {"0": 1}


def test_export_hands_over_the_composition_that_was_named(tmp_path: Path) -> None:
    report = gencsp.export(pool(), tmp_path / "seeds", to="airss", formula="NaCl")
    assert isinstance(report, ExportReport)
    hopper = sorted((tmp_path / "seeds" / "hopper").iterdir())
    assert len(hopper) == len(report.seeds) == 4
    # AIRSS's own format: sites after the SFAC line, the energy of the cell in the title.
    for file, atoms in zip(hopper, pool()[:4], strict=True):
        lines = file.read_text().splitlines()
        title = next(line.split() for line in lines if line.startswith("TITL"))
        assert float(title[4]) == pytest.approx(energy(atoms) * len(atoms))
        sites = lines[next(k for k, line in enumerate(lines) if line.startswith("SFAC")) + 1 : -1]
        assert sorted(line.split()[0] for line in sites) == sorted(atoms.symbols)
    assert "airss.pl" in report.start


def energy(atoms: Atoms) -> float:
    return float(atoms.info["energy_per_atom"])


def test_export_of_one_size(tmp_path: Path) -> None:
    some = [atoms for atoms in pool() if "Na" in atoms.symbols]
    report = gencsp.export(some, tmp_path / "two", to="airss", atoms=2)
    assert isinstance(report, ExportReport)
    assert len(report.seeds) == 3
    report = gencsp.export(some, tmp_path / "four", to="airss", atoms=4, fit=True)
    assert isinstance(report, ExportReport)
    assert len(report.seeds) == 4


def test_export_refuses_what_it_cannot_hand_over(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="compositions"):
        gencsp.export(pool(), tmp_path / "seeds", to="airss")
    with pytest.raises(ExportError, match="airs"):
        gencsp.export(pool()[:1], tmp_path / "seeds", to="airs")
    assert not (tmp_path / "seeds").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match="mine"):
        gencsp.export(pool()[:1], tmp_path / "mine", to="airss")
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["notes.txt"]
