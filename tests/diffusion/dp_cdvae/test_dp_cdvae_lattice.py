"""Lattices as lengths and angles, against ASE."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase.cell import Cell
from hypothesis import given
from hypothesis import strategies as st

from gencsp.diffusion.dp_cdvae.lattice import LatticeStatistics, cells_of, lengths_and_angles

LENGTHS = st.floats(2, 9)
ANGLES = st.floats(65, 115)


@given(st.tuples(LENGTHS, LENGTHS, LENGTHS, ANGLES, ANGLES, ANGLES))
def test_cells_are_those_of_ase(numbers: tuple[float, ...]) -> None:
    cell = cells_of(torch.tensor([numbers], dtype=torch.float64))
    np.testing.assert_allclose(cell[0].numpy(), Cell.new(list(numbers)).array, atol=1e-9)
    np.testing.assert_allclose(lengths_and_angles(cell)[0].numpy(), numbers, rtol=1e-9)


@given(st.tuples(*[st.floats(1, 179)] * 3))
def test_all_angles_close_a_cell(angles: tuple[float, ...]) -> None:
    numbers = torch.tensor([[3.0, 4.0, 5.0, *angles]], dtype=torch.float64)
    assert float(torch.linalg.det(cells_of(numbers))[0]) > 0.05 * 60


def test_statistics_standardise_and_give_the_cells_back() -> None:
    rng = np.random.default_rng(0)
    rows = [[*rng.uniform(3, 6, 3), *rng.uniform(80, 100, 3)] for _ in range(50)]
    cells = torch.as_tensor(np.stack([Cell.new(row).array for row in rows]))
    sizes = torch.as_tensor(rng.integers(1, 9, 50))
    statistics = LatticeStatistics.fit(cells, sizes)
    numbers = statistics.encode(cells, sizes)
    assert float(numbers.mean(0).abs().max()) < 1e-9
    np.testing.assert_allclose(numbers.std(0, correction=0).numpy(), 1.0)
    torch.testing.assert_close(statistics.decode(numbers, sizes), cells)
    a = torch.linalg.norm(cells, dim=2)[:, 0]
    assert statistics.mean[0] == pytest.approx(float((a / sizes ** (1 / 3)).mean()))
    # What lies beyond all training crystals is cut off there.
    far = statistics.decode(torch.full((1, 6), 99.0).double(), torch.tensor([8]))
    longest = torch.linalg.norm(far, dim=2)[0, 0]
    assert float(longest) == pytest.approx(2 * float((a / sizes ** (1 / 3)).max()))
