"""What a proposer can be told when it is made by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from gencsp.deck_base import Count, Fraction, Share, check_fields
from gencsp.descriptors.flaws import PROPOSED_SHARE
from gencsp.diffusion.batch import ScoreModel
from gencsp.diffusion.joint.conditions import Property
from gencsp.diffusion.joint.model import JointModel
from gencsp.diffusion.joint.sampler import JointSamplerSettings
from gencsp.diffusion.samplers import SamplerSettings
from gencsp.least_distances import LeastDistances

#: How score models sample unless told otherwise: as well as CHGGen's predictor and corrector at 100
#: noise levels, in a quarter of the calls (``benchmarks/sampler_steps.py``). Passes through each
#: level act only where there is a host: one pass leaves guests that hardly know their host, ten
#: come near the conditional distribution of a known model, at ten times the cost. Five is a
#: compromise.
DEFAULT_SAMPLER = SamplerSettings(steps=50, renewal=1.0, corrector_steps=0, resampling=5)
#: Half of the time, for searches, where relaxation mends what is rough.
QUICK_SAMPLER = SamplerSettings(steps=25, renewal=1.0, corrector_steps=0, resampling=5)
#: How joint models sample unless told otherwise, with as many passes around a host.
DEFAULT_JOINT_SAMPLER = JointSamplerSettings(resampling=5)
#: Attempts for each structure asked for before a proposer gives up.
ATTEMPTS = 20
#: Share of symmetric proposals whose symmetry is invented rather than that of a known crystal.
NOVELTY = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposerOptions:
    """Options of all proposers; each takes what concerns it.

    Attributes:
        model: a score model in memory; ``None`` loads ``weights``.
        weights: file of a score model; ``None`` for the one that ships with gencsp.
        sampler: how the score models sample.
        novelty: share of the symmetric proposals whose space group and Wyckoff positions are drawn
            from their frequencies alone, rather than from known crystals of like elements.
        batch_size: structures sampled together. Rounding aside, results do not depend on it.
        attempts: most attempts for each structure asked for.
        separation: structures with two atoms closer than this fraction of the sum of their
            covalent radii are dropped and counted.
        min_separations: least distances of pairs of elements, Å, in place of that share, for the
            proposers of random crystals.
        volume_spread: fraction by which the volumes of random crystals spread evenly around the one
            asked for or predicted, to either side.
        files: structures for the ``pool`` proposer, files or folders.
        program: deck of the ``external`` proposer, a TOML file.
        joint_model: a joint model in memory, for ``pigen``; ``None`` loads ``weights``.
        joint_sampler: how joint models sample.
        targets: properties that ``pigen`` aims at, by name.
        guidance: how strongly, see :class:`~gencsp.diffusion.joint.guidance.ClassifierFree`.
    """

    model: ScoreModel | None = None
    weights: Path | None = None
    sampler: SamplerSettings = DEFAULT_SAMPLER
    novelty: Share = NOVELTY
    batch_size: Count = 16
    attempts: Count = ATTEMPTS
    separation: Fraction = PROPOSED_SHARE
    min_separations: LeastDistances = field(default_factory=LeastDistances)
    volume_spread: Fraction = 0.0
    files: tuple[Path, ...] = ()
    program: Path | None = None
    joint_model: JointModel | None = None
    joint_sampler: JointSamplerSettings = DEFAULT_JOINT_SAMPLER
    targets: Mapping[Property, float] = field(default_factory=dict)
    guidance: float = 2.0

    def __post_init__(self) -> None:
        check_fields(self)

    def aimed_at(self, targets: Mapping[Property, float]) -> ProposerOptions:
        """The same options with other targets."""
        return replace(self, targets=dict(targets))

    def joint_sampler_settings(self, *, free_cell: bool, host: bool) -> JointSamplerSettings:
        """How joint models sample here; passes through each step act only where there is a host."""
        passes = self.joint_sampler.resampling if host else 1
        return replace(self.joint_sampler, free_cell=free_cell, resampling=passes)

    def load_joint_model(self) -> JointModel:
        """The joint model in memory, or loaded.

        Raises:
            WeightsError: the weights are missing or damaged.
        """
        if self.joint_model is not None:
            return self.joint_model
        from gencsp.diffusion.joint.model import load_joint_model

        return load_joint_model(self.weights)

    def score_model(self) -> ScoreModel:
        """The model in memory, or loaded.

        Raises:
            WeightsError: the weights are missing or damaged.
        """
        if self.model is not None:
            return self.model
        from gencsp.diffusion.score_model import load_score_model

        return load_score_model(self.weights)
