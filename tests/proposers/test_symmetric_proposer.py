"""Symmetric generation: the group that was drawn is in the crystal, whatever the model does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.build import bulk

from gencsp.composition import Composition
from gencsp.diffusion.batch import ScoreModel
from gencsp.diffusion.positions.sampler import SamplerSettings
from gencsp.errors import RequestError
from gencsp.proposers.base import Request
from gencsp.proposers.checks import has_composition, keeps_apart
from gencsp.proposers.crystals.symmetry_prior import Skeleton
from gencsp.proposers.crystals.wyckoff import sites
from gencsp.proposers.symmetric import SymmetricProposer, realise

OXIDE = Composition.parse("SnTiO3")
REQUEST = Request(composition=OXIDE, n=8, units=(1, 2))


def run(proposer: SymmetricProposer, request: Request, seed: int = 0) -> list[Atoms]:
    return list(proposer.propose(request, rng=np.random.default_rng(seed)))


def group_order(number: int) -> int:
    return max(site.multiplicity for site in sites(number).values())


@pytest.mark.parametrize("novelty", [0.0, 1.0])
def test_drawn_group_is_in_the_crystal(
    model: ScoreModel, quick: SamplerSettings, novelty: float
) -> None:
    made = run(SymmetricProposer(model, sampler=quick, novelty=novelty), REQUEST)
    assert len(made) == 8
    for atoms in made:
        assert has_composition(atoms, OXIDE, (1, 2))
        assert keeps_apart(atoms, separation=0.6)
        assert atoms.info["proposer"] == "symmetric"
        assert not atoms.constraints
        cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
        dataset = spglib.get_symmetry_dataset(cell, symprec=1e-3)
        order = group_order(atoms.info["proposed_space_group"])
        assert len(dataset.rotations) % order == 0
        assert len(set(dataset.mapping_to_primitive)) <= len(atoms)
    assert len({atoms.info["proposed_space_group"] for atoms in made}) > 1


def test_space_groups_as_asked(model: ScoreModel, quick: SamplerSettings) -> None:
    made = run(SymmetricProposer(model, sampler=quick), replace(REQUEST, space_groups=(12, 62, 99)))
    assert {atoms.info["proposed_space_group"] for atoms in made} <= {12, 62, 99}


def test_nothing_to_generate_means_no_model(model: ScoreModel, quick: SamplerSettings) -> None:
    salt = Request(composition=Composition.parse("MgO"), n=1, space_groups=(225,))
    (atoms,) = run(SymmetricProposer(model, sampler=quick, novelty=0.0), salt)
    assert atoms.info["model"] == ""
    asked = replace(REQUEST, n=4, space_groups=(62,), units=(4,))
    made = run(SymmetricProposer(model, sampler=quick), asked)
    assert {atoms.info["model"] for atoms in made} == {model.digest}


def test_same_seed_same_crystals(model: ScoreModel, quick: SamplerSettings) -> None:
    one = run(SymmetricProposer(model, sampler=quick, separation=0.3, batch_size=8), REQUEST, 5)
    two = run(SymmetricProposer(model, sampler=quick, separation=0.3, batch_size=8), REQUEST, 5)
    other = run(SymmetricProposer(model, sampler=quick, separation=0.3, batch_size=8), REQUEST, 6)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.positions, b.positions)
        np.testing.assert_array_equal(a.cell.array, b.cell.array)
    assert [a.info for a in one] != [a.info for a in other]


def test_realised_skeleton() -> None:
    """ThCr2Si2 with its shape: volume exact, c/a near what the skeleton says."""
    skeleton = Skeleton(139, (("Ca", "a"), ("Cd", "d"), ("P", "e")), (2.4,))
    rng = np.random.default_rng(0)
    atoms = realise(skeleton, volume=21.0, rng=rng)
    assert atoms is not None
    assert atoms.get_chemical_formula() == "CaCd2P2"
    assert atoms.cell.volume == pytest.approx(5 * 21.0)
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    standard = spglib.get_symmetry_dataset(cell, symprec=1e-3).std_lattice
    assert standard[2, 2] / standard[0, 0] == pytest.approx(2.4, rel=0.15)


def test_flat_shapes_are_refused() -> None:
    flat = Skeleton(123, (("Cu", "a"),), (0.02,))
    assert realise(flat, volume=12.0, rng=np.random.default_rng(0)) is None


def test_impossible_requests(model: ScoreModel, quick: SamplerSettings) -> None:
    proposer = SymmetricProposer(model, sampler=quick, attempts=2)
    for change in ({"host": bulk("Cu")}, {"cell": bulk("Cu").cell}):
        with pytest.raises(RequestError, match="host or a fixed cell"):
            run(proposer, replace(REQUEST, **change))
    # P4_1 cannot hold one formula unit: counted, and it ends.
    assert run(proposer, replace(REQUEST, n=2, units=(1,), space_groups=(76,))) == []
    assert proposer.failures == 4
