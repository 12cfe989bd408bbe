"""Random cells follow PyXtal's law, and their reduction is ASE's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from ase.cell import Cell
from ase.geometry.minkowski_reduction import is_minkowski_reduced, minkowski_reduce
from pyxtal.lattice import generate_cellpara
from scipy.stats import ks_2samp

from gencsp.proposers.crystals.lattice import PRIMITIVE
from gencsp.proposers.crystals.random_cells import (
    NORMALS,
    SYSTEMS,
    TRIES,
    random_cells,
    reduced,
    system,
)

NAMES = {
    "a": "triclinic",
    "m": "monoclinic",
    "o": "orthorhombic",
    "t": "tetragonal",
    "h": "hexagonal",
    "c": "cubic",
}


def draw(kind: str, n: int, volume: float, seed: int = 0) -> np.ndarray:
    normals = np.random.default_rng(seed).standard_normal((n, TRIES, NORMALS))
    cells, exist = random_cells(np.full(n, SYSTEMS.index(kind)), np.full(n, volume), normals)
    assert exist.mean() > 0.999
    return cells[exist]


@pytest.mark.parametrize("kind", SYSTEMS)
@pytest.mark.parametrize("volume", [25.0, 300.0])
def test_law_of_pyxtal(kind: str, volume: float) -> None:
    """Edges and angles; with 40 comparisons at 10⁻⁴ each, chance fails this at 1 in 250."""
    ours = np.array([Cell(cell).cellpar() for cell in draw(kind, 4000, volume)])
    rng = np.random.default_rng(1)
    theirs = np.array(
        [generate_cellpara(NAMES[kind], volume, random_state=rng) for _ in range(1500)]
    )
    theirs[:, 3:] = np.degrees(theirs[:, 3:])
    for column in range(6):
        if np.ptp(theirs[:, column]) < 1e-6:
            np.testing.assert_allclose(ours[:, column], theirs[0, column], rtol=1e-6)
        else:
            assert ks_2samp(ours[:, column], theirs[:, column]).pvalue > 1e-4
    longest = [np.sort(x[:, :3], axis=1)[:, 2] for x in (ours, theirs)]
    if np.ptp(longest[1]) > 1e-6:
        assert ks_2samp(*longest).pvalue > 1e-4


def test_volume_is_as_asked() -> None:
    for kind in SYSTEMS:
        np.testing.assert_allclose(np.linalg.det(draw(kind, 50, 80.0)), 80.0)


def test_a_cell_that_cannot_be() -> None:
    """No edge of a cubic cell of 1 Å³ reaches the least length."""
    _, exist = random_cells(np.array([SYSTEMS.index("c")]), np.ones(1), np.zeros((1, 1, NORMALS)))
    assert not exist[0]


def test_systems_of_groups() -> None:
    groups = {1: "a", 15: "m", 62: "o", 139: "t", 166: "h", 194: "h", 227: "c"}
    assert {g: SYSTEMS[system(g)] for g in groups} == groups


def test_reduction() -> None:
    rng = np.random.default_rng(2)
    skewed = rng.normal(size=(150, 3, 3)) * rng.uniform(1, 8, size=(150, 3, 1))
    centred = [PRIMITIVE[letter] @ cell for letter in "ACIFR" for cell in draw("o", 20, 60.0)]
    cells = np.concatenate([skewed, np.array(centred), np.eye(3)[None] * 3.0])
    found = reduced(cells)
    assert (np.linalg.det(found) > 0).all()
    whole = found @ np.linalg.inv(cells)
    np.testing.assert_allclose(whole, np.round(whole), atol=1e-6)
    np.testing.assert_allclose(np.abs(np.linalg.det(whole)), 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for cell, ours in zip(cells, found, strict=True):
            theirs, _ = minkowski_reduce(cell)
            np.testing.assert_allclose(
                np.linalg.norm(ours, axis=1), np.sort(np.linalg.norm(theirs, axis=1)), rtol=1e-9
            )
            assert is_minkowski_reduced(ours)
