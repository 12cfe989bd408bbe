"""Statistical proxy potentials: the score, its table, and the rules where data are few."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list
from known_crystals import known, uneven

from gencsp.composition import ELEMENTS
from gencsp.filters import get_filter
from gencsp.filters.pair_potential import HIGHEST, shipped_potential, with_short_range


def test_score_is_the_mean_over_pairs_and_images() -> None:
    """Against ASE's neighbour list, pair by pair."""
    table = shipped_potential()
    atoms = uneven(4)
    symbols = atoms.get_chemical_symbols()
    energies = [
        table.energies[ELEMENTS.index(symbols[i]), ELEMENTS.index(symbols[j])][int(d / table.width)]
        for i, j, d in zip(*neighbor_list("ijd", atoms, table.cutoff), strict=True)
    ]
    verdict = get_filter("pair_potential").judge(atoms)
    assert verdict.value == pytest.approx(np.mean(energies), rel=1e-6)


def test_table() -> None:
    table = shipped_potential()
    assert table.cutoff == pytest.approx(5.0)
    np.testing.assert_array_equal(table.energies, table.energies.swapaxes(0, 1))
    np.testing.assert_array_equal(table.support, table.support.T)
    assert np.isfinite(table.energies).all()
    assert -0.2 < table.threshold < 0.4
    # Where two atoms almost touch every potential repels, and the nearer the more.
    assert (np.diff(table.energies[..., :8]) < 0).all()
    sodium, chlorine = ELEMENTS.index("Na"), ELEMENTS.index("Cl")
    well = np.argmin(table.energies[sodium, chlorine]) * table.width
    assert well == pytest.approx(2.8, abs=0.15)


def test_short_range_rises_to_its_limit() -> None:
    flat = np.full((1, 100), 0.5)
    with_rise = with_short_range(flat, np.array([40]))
    assert with_rise[0, 40] == 0.5
    assert (np.diff(with_rise[0, :41]) < 0).all()
    # The first bin lies half a bin from r = 0.
    assert with_rise[0, 0] == pytest.approx(HIGHEST ** (1 - 0.5 / 40.5), rel=1e-4)


def test_known_crystals_pass_and_squeezed_or_shuffled_ones_do_not() -> None:
    judge = get_filter("pair_potential").judge
    rng = np.random.default_rng(0)
    # Diamond is one of the few crystals (5 % by construction) that do not pass.
    for name, atoms in ((n, a) for n, a in known().items() if n != "C"):
        assert judge(atoms).passed, name
        squeezed = atoms.copy()
        squeezed.set_cell(atoms.cell.array * 0.7, scale_atoms=True)
        assert not judge(squeezed).passed, name
    spinel = known()["MgAl2O4"]
    spinel.set_scaled_positions(rng.random((len(spinel), 3)))
    assert not judge(spinel).passed


def test_unknown_pairs_are_named() -> None:
    table = shipped_potential()
    places = np.argwhere(table.support == 0)
    one, other = (ELEMENTS[k] for k in next((i, j) for i, j in places if i != j))
    atoms = Atoms([one, other], positions=[(0, 0, 0), (0, 0, 3.2)], cell=[4, 4, 6.4], pbc=True)
    verdict = get_filter("pair_potential", {"threshold": 1e6}).judge(atoms)
    assert verdict.passed
    assert "-".join(sorted((one, other))) in verdict.note
    strict = get_filter("pair_potential", {"threshold": 1e6, "unknown": "fail"})
    assert not strict.judge(atoms).passed


def test_what_cannot_be_scored_does_not_pass() -> None:
    judge = get_filter("pair_potential").judge
    far = judge(Atoms("Na", cell=[9, 9, 9], pbc=True))
    assert not far.passed
    assert "no two atoms within 5 Å" in far.note
    foreign = judge(Atoms("Po", cell=[3, 3, 3], pbc=True))
    assert not foreign.passed
    assert "Po" in foreign.note
