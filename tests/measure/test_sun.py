"""Counts of stable, unique and novel structures, by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase.build import bulk
from ase.io import write
from pymatgen.analysis.structure_matcher import StructureMatcher

from gencsp.measure.sun import SunCounts, count_sun
from gencsp.similarity.matching import as_structure


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


def test_ordered_counts_are_those_of_pymatgens_matcher(tmp_path: Path) -> None:
    """Random pairs of formulas and cells, grouped and compared by pymatgen itself."""
    rng = np.random.default_rng(3)
    kinds = [
        bulk("NaCl", "rocksalt", a=5.64),
        bulk("NaCl", "cesiumchloride", a=3.5),
        bulk("MgO", "rocksalt", a=4.21),
        bulk("Si", "diamond", a=5.43),
    ]
    pool = [kinds[k] * (1, 1, 1 + int(rng.integers(2))) for k in rng.integers(4, size=12)]
    above = rng.uniform(0, 0.2, 12).tolist()
    reference = tmp_path / "known.extxyz"
    write(reference, [kinds[1] * (2, 1, 1), kinds[3]])
    matcher = StructureMatcher()
    forms = [as_structure(atoms) for atoms in pool]
    firsts = [not any(matcher.fit(a, b) for b in forms[:k]) for k, a in enumerate(forms)]
    old = [any(matcher.fit(a, as_structure(kinds[k])) for k in (1, 3)) for a in forms]
    expected = [f and not o and e <= 0.1 for f, o, e in zip(firsts, old, above, strict=True)]
    found = count_sun(pool, above, reference=reference, matching="ordered")
    assert (found.unique, found.sun) == (sum(firsts), sum(expected))
    assert found.share == sum(expected) / 12
    assert 0 < found.unique < 12
    assert np.isnan(count_sun([], []).share)
