"""Guests in orbits: host, composition and the host's space group are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.constraints import FixAtoms, FixSymmetry
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from gencsp.composition import Composition
from gencsp.diffusion.batch import ScoreModel
from gencsp.diffusion.positions.sampler import SamplerSettings
from gencsp.proposers.base import Request
from gencsp.proposers.checks import has_composition
from gencsp.proposers.guest_orbits import GuestOrbitProposer, in_orbits

LI_SI = Composition.parse("Li2Si")
REQUEST = Request(composition=LI_SI, n=4, units=(2, 4))


def diamond() -> Atoms:
    return bulk("Si", "diamond", a=8.0)


def monoclinic() -> Atoms:
    """P2/m with four atoms at a general position."""
    u = np.array([0.21, 0.17, 0.34])
    orbit = [u, u * [-1, 1, -1], -u, u * [1, -1, 1]]
    return Atoms("Si4", scaled_positions=orbit, cell=[7.0, 6.5, 8.0, 90, 103, 90], pbc=True)


def operations(atoms: Atoms) -> int:
    """How many operations pymatgen finds in the cell given, translations counted."""
    bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
    analyzer = SpacegroupAnalyzer(AseAtomsAdaptor.get_structure(bare), symprec=1e-3)
    return len(analyzer.get_symmetry_operations())


def with_guests(host: Atoms, guests: str) -> Atoms:
    added = Atoms(guests)
    both = host + Atoms(added.numbers, positions=np.zeros((len(added), 3)))
    both.set_constraint(FixAtoms(range(len(host))))
    return both


@given(
    st.sampled_from(["Li2", "Li5", "Li4Na2", "Li10", "LiNa"]),
    st.booleans(),
    st.integers(0, 10_000),
)
@settings(deadline=None, max_examples=40)
def test_orbits_keep_host_counts_and_group(guests: str, cubic: bool, seed: int) -> None:
    host = diamond() if cubic else monoclinic()
    start = with_guests(host, guests)
    placed = in_orbits(start, rng=np.random.default_rng(seed))
    if placed is None:
        return
    assert (placed.numbers == start.numbers).all()
    moved = placed.get_scaled_positions()[: len(host)] - host.get_scaled_positions()
    assert np.abs(moved - np.round(moved)).max() < 1e-6
    assert {type(c) for c in placed.constraints} == {FixAtoms, FixSymmetry}
    assert operations(placed) == operations(host)


def test_orbits_are_found_where_they_exist() -> None:
    found = [
        in_orbits(with_guests(monoclinic(), "Li6"), rng=np.random.default_rng(seed)) is not None
        for seed in range(20)
    ]
    assert sum(found) >= 18
    starts = [
        in_orbits(with_guests(monoclinic(), "Li4"), rng=np.random.default_rng(s)) for s in range(5)
    ]
    different = {round(float(start.positions[-1, 0]), 3) for start in starts if start is not None}
    assert len(different) > 2


def test_no_orbits_without_symmetry() -> None:
    rng = np.random.default_rng(1)
    host = Atoms("Si4", scaled_positions=rng.random((4, 3)), cell=[5, 6, 7, 80, 75, 95], pbc=True)
    assert in_orbits(with_guests(host, "Li2"), rng=rng) is None


@pytest.mark.parametrize("make", [diamond, monoclinic])
def test_inpainted_crystals_have_the_hosts_group(
    model: ScoreModel, quick: SamplerSettings, make: Callable[[], Atoms]
) -> None:
    host = make()
    request = replace(REQUEST, host=host)
    made = list(
        GuestOrbitProposer(model, sampler=quick).propose(request, rng=np.random.default_rng(3))
    )
    assert len(made) == 4
    for atoms in made:
        assert has_composition(atoms, LI_SI, (2, 4))
        np.testing.assert_allclose(atoms.cell.array, host.cell.array, atol=1e-9)
        moved = atoms.get_scaled_positions()[: len(host)] - host.get_scaled_positions()
        np.testing.assert_allclose(moved - np.round(moved), 0.0, atol=1e-6)
        assert atoms.info["proposer"] == "guest-orbits"
        assert atoms.info["stage"] == "inpainted"
        assert not atoms.constraints
    assert sum(operations(atoms) % operations(host) == 0 for atoms in made) >= 3


def test_a_host_without_symmetry_is_inpainted_freely(
    model: ScoreModel, quick: SamplerSettings
) -> None:
    rng = np.random.default_rng(1)
    cell = [6.0, 6.5, 7.0, 80, 75, 95]
    host = Atoms("Si2", scaled_positions=[[0.1, 0.2, 0.3], [0.6, 0.7, 0.9]], cell=cell, pbc=True)
    host += Atoms("Na", positions=[host.cell.array.sum(axis=0) * 0.37])
    request = Request(composition=Composition.parse("Li3NaSi2"), n=1, units=(1,), host=host)
    (atoms,) = GuestOrbitProposer(model, sampler=quick).propose(request, rng=rng)
    assert atoms.get_chemical_formula("metal") == "Li3NaSi2"
