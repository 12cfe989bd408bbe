"""Every flaw found where it is, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.data import covalent_radii
from hypothesis import given, settings
from hypothesis import strategies as st

from gencsp.descriptors.flaws import (
    MAX_VOLUME_PER_ATOM,
    RELAXABLE,
    Flaw,
    Limits,
    cell_flaws,
    find_flaws,
    too_dense,
    too_sparse,
)
from gencsp.descriptors.least_distances import LeastDistances

STRICT = Limits(
    known_elements=True,
    volume_per_atom=(1.0, MAX_VOLUME_PER_ATOM),
    least_vector=0.5,
    least_height=0.4,
    share=0.6,
)


def salt() -> Atoms:
    return bulk("NaCl", "rocksalt", a=5.6)


def _set(atoms: Atoms, **changes: object) -> Atoms:
    for name, value in changes.items():
        setattr(atoms, name, value)
    return atoms


def _stretched(along: float, across: float) -> Atoms:
    """One atom in a cell so long and so wide, Å."""
    return Atoms("Na", cell=[across, across, along], pbc=True)


FLAWED: dict[Flaw, Callable[[], Atoms]] = {
    Flaw.NO_ATOMS: lambda: Atoms(cell=np.eye(3) * 4, pbc=True),
    Flaw.UNKNOWN_ELEMENT: lambda: _set(salt(), numbers=[11, 118]),
    Flaw.NOT_FINITE: lambda: _set(salt(), positions=[[0, 0, np.inf], [2.8, 0, 0]]),
    Flaw.NOT_PERIODIC: lambda: _set(salt(), pbc=[True, True, False]),
    Flaw.NO_VOLUME: lambda: Atoms("Na", cell=[[4, 0, 0], [0, 4, 0], [4, 4, 0]], pbc=True),
    Flaw.PARTLY_OCCUPIED: lambda: _set(salt(), info={"occupancy": {"0": {"Na": 0.5}}}),
    Flaw.TOO_SPARSE: lambda: _stretched(11.0, 11.0),
    Flaw.TOO_THIN: lambda: _stretched(60.0, 3.0),
    Flaw.TOO_CLOSE: lambda: Atoms("H2", positions=[[0] * 3, [0, 0, 0.3]], cell=[5] * 3, pbc=True),
}


def test_a_sound_structure_has_no_flaw() -> None:
    assert find_flaws(salt(), STRICT) == ()


@pytest.mark.parametrize("flaw", FLAWED)
def test_each_flaw_is_found_and_no_other(flaw: Flaw) -> None:
    assert find_flaws(FLAWED[flaw](), STRICT) == (flaw,)


def test_a_cell_that_is_not_finite_and_one_that_is_too_small() -> None:
    broken = salt()
    broken.cell[0, 0] = np.nan
    assert find_flaws(broken, STRICT) == (Flaw.NOT_FINITE,)
    small = Atoms("H", cell=[0.9, 0.9, 0.9], pbc=True)
    assert find_flaws(small, RELAXABLE) == (Flaw.TOO_DENSE,)
    needle = Atoms("H", cell=[0.4, 4, 4], pbc=True)
    assert find_flaws(needle, RELAXABLE) == (Flaw.TOO_DENSE,)


@pytest.mark.parametrize("flaw", sorted(FLAWED.keys() - {Flaw.UNKNOWN_ELEMENT}))
def test_unless_asked_only_numbers_periodicity_and_whole_atoms_count(flaw: Flaw) -> None:
    asked_for = {Flaw.TOO_SPARSE, Flaw.TOO_THIN, Flaw.TOO_CLOSE}
    assert find_flaws(FLAWED[flaw]()) == (() if flaw in asked_for else (flaw,))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("limits", [Limits(), STRICT])
def test_a_volume_beyond_all_numbers_is_none(limits: Limits) -> None:
    """Each number is finite, and what follows from them is not; without a warning."""
    atoms = Atoms("H", cell=np.eye(3) * 1e200, pbc=True)
    assert find_flaws(atoms, limits) == (Flaw.NOT_FINITE,)


def test_distances_of_pairs_stand_in_place_of_the_share() -> None:
    atoms = salt()
    nearest = 2.8

    def at_least(distance: float) -> LeastDistances:
        return LeastDistances((("Cl", "Na", distance),))

    assert find_flaws(atoms, Limits(separations=at_least(nearest - 1e-6))) == ()
    flaws = find_flaws(atoms, Limits(share=0.1, separations=at_least(nearest + 1e-6)))
    assert flaws == (Flaw.TOO_CLOSE,)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(share=st.floats(0.3, 1.2), distance=st.floats(0.55, 3.0))
def test_share_of_the_covalent_radii(share: float, distance: float) -> None:
    """Against the distance of the only two atoms that are near each other."""
    atoms = Atoms("LiSi", positions=[[0, 0, 0], [distance, 0, 0]], cell=[20] * 3, pbc=True)
    wanted = max(0.5, share * (covalent_radii[3] + covalent_radii[14]))
    assert (Flaw.TOO_CLOSE in find_flaws(atoms, Limits(share=share))) == (distance < wanted)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_batch_of_cells_is_judged_as_each_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cells = rng.normal(size=(6, 3, 3)) * np.exp(rng.normal(size=(6, 1, 1)) * 2)
    cells = cells[np.abs(np.linalg.det(cells)) > 1e-6]
    sizes = rng.integers(1, 5, size=len(cells))
    for k, (dense, sparse) in enumerate(
        zip(too_dense(cells, sizes), too_sparse(cells, sizes), strict=True)
    ):
        alone = cell_flaws(cells[k], RELAXABLE, n_atoms=int(sizes[k]))
        assert (Flaw.TOO_DENSE in alone, Flaw.TOO_SPARSE in alone) == (dense, sparse)
