"""Counts of stable, unique and novel structures, by hand."""

from __future__ import annotations

from pathlib import Path

from ase.build import bulk
from ase.io import write

from gencsp.filters.sun import SunCounts, count_sun


def test_stable_unique_and_novel_by_hand(tmp_path: Path) -> None:
    """The first two are one crystal; the third is the reference's; the fourth is not stable; of the
    last nothing is known."""
    salt, oxide = bulk("NaCl", "rocksalt", a=5.64), bulk("MgO", "rocksalt", a=4.21)
    fluoride, sulphide = bulk("CaF2", "fluorite", a=5.46), bulk("ZnS", "zincblende", a=5.41)
    reference = tmp_path / "known.extxyz"
    write(reference, [oxide])
    pool = [salt, salt * (1, 1, 2), oxide, fluoride, sulphide]
    found = count_sun(pool, [0.1, 0.0, 0.0, 0.11, float("nan")], reference=reference)
    assert found == SunCounts(structures=5, stable=3, unique=4, stable_and_novel=2, sun=1)
    assert count_sun(pool, [0.2] * 5, threshold=0.2, reference=reference).sun == 3
    assert count_sun([], [], reference=reference).structures == 0
