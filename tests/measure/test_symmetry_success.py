"""The symmetry success rate is what spglib itself says of each crystal, counted."""

from __future__ import annotations

import numpy as np
import pytest
import spglib
from ase import Atoms
from known_crystals import known, uneven

from gencsp.errors import RequestError
from gencsp.measure.symmetry_success import symmetry_success
from gencsp.symmetry.ladder import LOW_SYMMETRY_LI_SI


def in_pm() -> Atoms:
    """Atoms at general heights in the mirror planes of a monoclinic cell."""
    places = [(0.1, 0, 0.2), (0.45, 0, 0.8), (0.8, 0.5, 0.35)]
    cell = [4.1, 5.2, 6.3, 90, 101, 90]
    return Atoms("LiSiSi", scaled_positions=places, cell=cell, pbc=True)


def in_p1bar() -> Atoms:
    places = [(0.11, 0.22, 0.36), (0.89, 0.78, 0.64), (0, 0, 0)]
    return Atoms("Si2Li", scaled_positions=places, cell=[5.1, 5.9, 6.7, 81, 97, 105], pbc=True)


def test_what_is_low_does_not_count() -> None:
    pool = [*known().values(), uneven(1), in_p1bar(), in_pm()]
    groups = [
        spglib.get_symmetry_dataset(
            (one.cell.array, one.get_scaled_positions(), one.numbers),
            symprec=0.1,
            angle_tolerance=10,
        ).number
        for one in pool
    ]
    assert groups[-3:] == [1, 2, 6]
    found = symmetry_success(pool)
    assert (found.structures, found.symmetric) == (8, 6)
    assert found.share == 0.75
    assert {n: groups.count(n) for n in sorted(groups)} == found.space_groups
    assert symmetry_success(iter(pool), low=LOW_SYMMETRY_LI_SI).symmetric == 5
    assert np.isnan(symmetry_success([]).share)


def test_the_tolerances_count() -> None:
    """An atom 0.02 Å off its place: rock salt at 0.1 Å, no longer at 0.001."""
    salt = known()["MgO"]
    salt.positions[1] += (0.02, 0.01, 0.005)
    assert symmetry_success([salt]).space_groups == {225: 1}
    assert symmetry_success([salt], symprec=0.001).symmetric == 0
    with pytest.raises(RequestError, match="symprec"):
        symmetry_success([salt], symprec=0)
    with pytest.raises(RequestError, match="angle_tolerance"):
        symmetry_success([salt], angle_tolerance=float("nan"))
