"""Unconditional and inpainted proposals with a known score model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from torch import Tensor

from gencsp.composition import Composition
from gencsp.diffusion.batch import CrystalBatch, ScoreModel
from gencsp.diffusion.positions.sampler import SamplerSettings
from gencsp.errors import RequestError
from gencsp.proposers.base import Request
from gencsp.proposers.checks import has_composition, keeps_apart
from gencsp.proposers.crystals.volume import predict_volume
from gencsp.proposers.score import ScoreProposer

LI_SI = Composition.parse("Li5Si2")
REQUEST = Request(composition=LI_SI, n=6, units=(1, 2))


def run(proposer: ScoreProposer, request: Request, seed: int = 0) -> list[Atoms]:
    return list(proposer.propose(request, rng=np.random.default_rng(seed)))


def test_unconditional(model: ScoreModel, quick: SamplerSettings) -> None:
    made = run(ScoreProposer(model, sampler=quick), REQUEST)
    assert len(made) == 6
    for atoms in made:
        assert has_composition(atoms, LI_SI, (1, 2))
        assert keeps_apart(atoms, separation=0.6)
        assert atoms.cell.volume / len(atoms) == pytest.approx(predict_volume(LI_SI).value)
        assert atoms.info["proposer"] == "score"
        assert atoms.info["model"] == model.digest
        assert atoms.info["stage"] == "generated"
        assert not atoms.constraints
    assert {len(atoms) for atoms in made} == {7, 14}


def test_batch_size_does_not_matter(model: ScoreModel, quick: SamplerSettings) -> None:
    together = run(ScoreProposer(model, sampler=quick, batch_size=6), REQUEST, 4)
    apart = run(ScoreProposer(model, sampler=quick, batch_size=1), REQUEST, 4)
    for a, b in zip(together, apart, strict=True):
        np.testing.assert_allclose(a.positions, b.positions, atol=1e-8)
        np.testing.assert_allclose(a.cell.array, b.cell.array)


def test_lazy(model: ScoreModel, quick: SamplerSettings) -> None:
    many = replace(REQUEST, n=10**6)
    proposer = ScoreProposer(model, sampler=quick, batch_size=2)
    stream = proposer.propose(many, rng=np.random.default_rng(4))
    first = [next(stream) for _ in range(3)]
    expected = run(proposer, replace(REQUEST, n=3), 4)
    for a, b in zip(first, expected, strict=True):
        np.testing.assert_allclose(a.positions, b.positions, atol=1e-8)


def test_fixed_cell_and_volume(model: ScoreModel, quick: SamplerSettings) -> None:
    cell = bulk("NaCl", "rocksalt", a=7.0, cubic=True).cell
    proposer = ScoreProposer(model, sampler=quick)
    (atoms,) = run(proposer, replace(REQUEST, n=1, cell=cell))
    np.testing.assert_array_equal(atoms.cell.array, cell.array)
    (atoms,) = run(proposer, replace(REQUEST, n=1, volume_per_atom=21.0))
    assert atoms.cell.volume / len(atoms) == pytest.approx(21.0)


def host() -> Atoms:
    atoms = bulk("Si", "diamond", a=8.0)
    atoms.info["structure_id"] = "parent-1"
    return atoms


def test_inpainting_keeps_host_and_cell(model: ScoreModel, quick: SamplerSettings) -> None:
    request = replace(REQUEST, n=3, host=host())
    made = run(ScoreProposer(model, sampler=quick), request)
    assert len(made) == 3
    for atoms in made:
        assert atoms.get_chemical_formula() == "Li5Si2"
        np.testing.assert_array_equal(atoms.cell.array, host().cell.array)
        assert list(atoms.numbers[:2]) == [14, 14]
        moved = atoms.get_scaled_positions()[:2] - host().get_scaled_positions()
        np.testing.assert_allclose(moved - np.round(moved), 0.0, atol=1e-6)
        assert atoms.info["parents"] == "parent-1"
        assert atoms.info["host_atoms"] == 2
        assert atoms.info["stage"] == "inpainted"
        assert not atoms.constraints
    assert not np.allclose(made[0].positions[2:], made[1].positions[2:])


def test_host_sets_the_number_of_formula_units(model: ScoreModel, quick: SamplerSettings) -> None:
    request = replace(REQUEST, n=1, host=host().repeat((2, 1, 1)))
    (atoms,) = run(ScoreProposer(model, sampler=quick), request)
    assert atoms.get_chemical_formula() == "Li10Si4"


def test_hosts_that_disagree(model: ScoreModel) -> None:
    proposer = ScoreProposer(model)
    with pytest.raises(RequestError, match="does not fit"):
        run(proposer, replace(REQUEST, host=bulk("Cu")))
    with pytest.raises(RequestError, match="does not fit"):
        run(proposer, replace(REQUEST, host=host().repeat(2)))
    complete = Atoms("Li5Si2", positions=np.zeros((7, 3)), cell=[9, 9, 9], pbc=True)
    with pytest.raises(RequestError, match="nothing is left to add"):
        run(proposer, replace(REQUEST, units=(1,), host=complete))
    with pytest.raises(RequestError, match="space group"):
        run(proposer, replace(REQUEST, space_groups=(62,)))


class Collapse:
    """A broken model: its score is not a number."""

    sigma_min, sigma_max, digest = 0.01, 3.0, "broken"

    def score(self, batch: CrystalBatch, sigma: Tensor) -> Tensor:  # noqa: ARG002
        return torch.full_like(batch.positions, float("nan"))


def test_broken_model_is_counted_and_ends(quick: SamplerSettings) -> None:
    proposer = ScoreProposer(Collapse(), sampler=quick, attempts=3)
    assert run(proposer, replace(REQUEST, n=2)) == []
    assert proposer.failures == 6
