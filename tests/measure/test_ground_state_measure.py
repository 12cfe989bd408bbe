"""Ground-state performance of a few crystals that can be computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from gencsp.measure.ground_state import (
    BIN,
    GroundStatePair,
    ground_state,
    root_mean_square,
)


def diamond(volume: float = 1.0, shift: float = 0.0) -> Atoms:
    """Of this volume per atom beside that of a = 3.567 Å, one atom moved (Å)."""
    atoms = bulk("C", "diamond", a=3.567)
    atoms.set_cell(atoms.cell * volume ** (1 / 3), scale_atoms=True)
    atoms.positions[1] += shift / np.sqrt(3)
    return atoms


OWN_VOLUME = 3.567**3 / 8


def test_differences_by_hand() -> None:
    other = bulk("C", "fcc", a=3.0)
    found = ground_state(
        [
            GroundStatePair(
                generated=diamond(1.1), energy=-8.9, relaxed=diamond(), relaxed_energy=-9.0
            ),
            GroundStatePair(
                generated=diamond(shift=0.2), energy=-8.7, relaxed=diamond(), relaxed_energy=-9.0
            ),
            GroundStatePair(generated=other, energy=-5.0, relaxed=None, relaxed_energy=np.nan),
            GroundStatePair(
                generated=other, energy=float("nan"), relaxed=diamond(), relaxed_energy=-9.0
            ),
        ]
    )
    # 0.2 Å shared by two atoms.
    second = 0.1 / OWN_VOLUME ** (1 / 3)
    np.testing.assert_allclose(found.distances, [0, second, np.nan, np.nan], atol=1e-6)
    assert (found.matches.crystals, found.matches.matched) == (4, 2)
    assert found.matches.rms == pytest.approx(second / 2, rel=1e-4)
    change = OWN_VOLUME - 27 / 4
    np.testing.assert_allclose(found.volumes, [-0.1 * OWN_VOLUME, 0, change], atol=1e-9)
    assert found.volume_rms == pytest.approx(np.sqrt(((0.1 * OWN_VOLUME) ** 2 + change**2) / 3))
    np.testing.assert_allclose(found.energies, [0.1, 0.3])
    assert found.energy_rms == pytest.approx(np.sqrt(0.05))


def test_the_histogram_is_that_of_the_figure() -> None:
    pairs = [
        GroundStatePair(
            generated=diamond(), energy=-9.0 + above, relaxed=diamond(), relaxed_energy=-9.0
        )
        for above in (0.01, 0.05, 0.07, 0.1, 3.0)
    ]
    found = ground_state(pairs).energy_histogram()
    assert found["n"] == 5
    shares, edges = found["shares"], found["edges"]
    assert isinstance(shares, list)
    assert isinstance(edges, list)
    assert edges[:3] == pytest.approx([0.0, 0.064, 0.128])
    assert shares[:3] == pytest.approx([0.4, 0.4, 0.0])
    assert found["above"] == pytest.approx(0.2)
    assert pytest.approx(0.064) == BIN


def test_nothing_has_no_root_mean_square() -> None:
    assert np.isnan(root_mean_square(np.array([])))
    found = ground_state([])
    assert (found.matches.crystals, len(found.energies)) == (0, 0)
    assert root_mean_square(np.array([3.0, -4.0])) == pytest.approx(np.sqrt(12.5))
