"""A score model whose network is loaded when it is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ase.build import bulk

from gencsp.diffusion.batch import CrystalBatch, ScoreModel
from gencsp.diffusion.joint.model import DEFAULT_WEIGHTS as JOINT
from gencsp.diffusion.positions.model import load_score_model
from gencsp.diffusion.positions.stored import StoredScoreModel
from gencsp.errors import WeightsError


def test_it_is_the_model_of_its_file() -> None:
    stored, loaded = StoredScoreModel(), load_score_model()
    model: ScoreModel = stored
    assert (model.digest, model.sigma_min, model.sigma_max) == (
        loaded.digest,
        loaded.sigma_min,
        loaded.sigma_max,
    )
    atoms = bulk("NaCl", "rocksalt", a=5.64)
    atoms.rattle(0.2, seed=1)
    batch, sigma = CrystalBatch.from_atoms([atoms]), torch.tensor([0.3])
    assert torch.equal(model.score(batch, sigma), loaded.score(batch, sigma))
    assert stored.loaded is stored.loaded


def test_its_file_is_checked_at_once(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="gencsp train score"):
        StoredScoreModel(tmp_path / "none.safetensors")
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"no weights")
    with pytest.raises(WeightsError, match="fetch it again"):
        StoredScoreModel(damaged)


def test_another_kind_of_model_is_named() -> None:
    import gencsp

    joint = Path(gencsp.__file__).parent / "weights" / f"{JOINT}.safetensors"
    with pytest.raises(WeightsError, match="another kind of model"):
        StoredScoreModel(joint)
