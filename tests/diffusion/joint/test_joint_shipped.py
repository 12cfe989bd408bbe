"""The weights that ship with gencsp."""

from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from gencsp.descriptors.compactness import compactness
from gencsp.diffusion.joint.conditions import PROPERTIES, as_labels
from gencsp.diffusion.joint.guidance import ClassifierFree
from gencsp.diffusion.joint.model import DEFAULT_WEIGHTS, JointModel, load_joint_model
from gencsp.diffusion.joint.sampler import JointSamplerSettings, sample
from gencsp.diffusion.positions.model import load_score_model
from gencsp.errors import WeightsError
from gencsp.proposers import propose
from gencsp.proposers.base import ProposerContext


@pytest.fixture(scope="module")
def model() -> JointModel:
    return load_joint_model()


def test_weights_are_small_and_know_all_conditions(model: JointModel) -> None:
    with as_file(files("gencsp") / "weights" / f"{DEFAULT_WEIGHTS}.safetensors") as path:
        assert path.stat().st_size < 10e6
    card = (files("gencsp") / "weights" / "pigen.md").read_text()
    assert model.digest in card
    assert len(model.objective.properties.mean) == len(PROPERTIES)
    assert all(std > 0 for std in model.objective.properties.std)
    assert set(model.sizes.counts) == set(range(1, 21))


def test_weights_of_another_kind_are_refused_by_name() -> None:
    folder = files("gencsp") / "weights"
    with as_file(folder / "score.safetensors") as other, pytest.raises(WeightsError, match="joint"):
        load_joint_model(other)
    with pytest.raises(WeightsError, match="gencsp train joint"):
        load_joint_model(Path("score"))
    with pytest.raises(WeightsError, match="gencsp train score"):
        load_score_model(Path("pigen"))


def test_proposals_are_crystals(model: JointModel) -> None:
    context = ProposerContext(joint_model=model, joint_sampler=JointSamplerSettings(steps=30))
    made = list(propose("TiO2", n=4, max_atoms=6, proposer="pigen", context=context))
    assert len(made) == 4
    for atoms in made:
        assert 5 < atoms.cell.volume / len(atoms) < 25


def test_guidance_moves_compactness_to_its_target(model: JointModel) -> None:
    n, targets = 16, (0.4, 0.85)
    starts = [Atoms("X6", np.zeros((6, 3)), cell=np.eye(3), pbc=True)] * n
    reached = []
    for target in targets:
        labels = as_labels([{"compactness": target}] * n)
        made = sample(
            ClassifierFree(model, model.objective.properties.encode(labels), 2.0),
            starts,
            settings=JointSamplerSettings(steps=25),
            rngs=[np.random.default_rng([3, k]) for k in range(n)],
        )
        reached.append(np.mean([compactness(atoms) for atoms in made]))
    assert reached == pytest.approx(targets, abs=0.15)
