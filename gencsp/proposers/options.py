"""Options that several proposers share, and their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pydantic import Field

from gencsp.deck import Fraction
from gencsp.descriptors.flaws import PROPOSED_SHARE
from gencsp.diffusion.dp_cdvae.choices import DpCdvaeSampling
from gencsp.diffusion.joint.settings import JointSamplerSettings
from gencsp.diffusion.positions.settings import SamplerSettings
from gencsp.diffusion.positions.stored import StoredScoreModel
from gencsp.errors import DeckError
from gencsp.proposers.base import ConfiguredProposer, ProposerContext

if TYPE_CHECKING:
    from gencsp.diffusion.batch import ScoreModel

Settings = TypeVar("Settings", SamplerSettings, JointSamplerSettings, DpCdvaeSampling)

#: Default sampler of score models: as good as CHGGen's predictor and corrector at 100 noise levels
#: with one corrector, with a quarter of the model calls (``benchmarks/sampler_steps.py``); CHGGen's
#: program takes 200 levels with five (``--as chggen``). Passes through each level
#: matter only with a host: after one pass guests hardly depend on their host, ten come near the
#: conditional distribution of a known model, at ten times the cost. Five is a compromise.
DEFAULT_SAMPLER = SamplerSettings(sampler="ddim", steps=50, resampling=5)
#: Half of the time, for searches, in which structures are relaxed anyway.
QUICK_SAMPLER = SamplerSettings(sampler="ddim", steps=25, resampling=5)
#: Four times the levels, where noise decides something: matches more than the authors' program in a
#: sixth of its calls (benchmarks/RESULTS.md, "Samplers").
FINE_SAMPLER = SamplerSettings(
    sampler="ddim", steps=200, resampling=5, sigma_max=2.5, sigma_min=0.03
)
#: Default sampler of joint models, with as many passes around a host.
DEFAULT_JOINT_SAMPLER = JointSamplerSettings(resampling=5)
#: Attempts for each requested structure before a proposer gives up.
ATTEMPTS = 20
#: Share of symmetric proposals whose symmetry is not taken from a known crystal.
NOVELTY = 0.25
#: Structures sampled together. Rounding aside, results do not depend on it.
BATCH_SIZE = 16


class SeparatedOptions(ConfiguredProposer):
    """Options of proposers that drop structures with atoms too close."""

    separation: Fraction = Field(
        default=PROPOSED_SHARE,
        description="Least distance, as a share of the covalent radii.",
    )


class ModelOptions(SeparatedOptions):
    """Options of proposers that sample a diffusion model in batches until they have enough."""

    weights: Path | None = Field(
        default=None,
        description="The model: its file, or one that ships with gencsp; the run's if not given.",
    )
    batch_size: int = Field(default=BATCH_SIZE, ge=1, description="Structures sampled together.")
    attempts: int = Field(default=ATTEMPTS, ge=1, description="Most attempts for each structure.")
    sampler: dict[str, Any] = Field(
        default_factory=dict, description="Changes to the run's sampler, such as {steps = 30}."
    )


class ScoreModelOptions(ModelOptions):
    """Options of proposers that sample a score model."""

    needs_model: ClassVar[bool] = True

    def score_model(self, context: ProposerContext) -> ScoreModel:
        """The model in memory, or that of a file: of the option ``weights``, else of the run.

        Raises:
            WeightsError: the weights are missing or damaged.
        """
        if context.model is not None and self.weights is None:
            return context.model
        return StoredScoreModel(self.weights or context.weights, device=context.device)

    def sampling(self, context: ProposerContext) -> dict[str, Any]:
        """Settings of a :class:`~gencsp.proposers.batches.ScoreModelProposer`.

        Raises:
            DeckError: as :meth:`sampler_settings`.
        """
        return {
            "sampler": self.sampler_settings(context),
            "batch_size": self.batch_size,
            "attempts": self.attempts,
            "separation": self.separation,
        }

    def sampler_settings(self, context: ProposerContext) -> SamplerSettings:
        """The sampler of the run with the changes of the option ``sampler``.

        Raises:
            DeckError: a setting that the sampler does not have, or out of range.
        """
        return changed(context.sampler or DEFAULT_SAMPLER, self.sampler, name=self.name)


def changed(settings: Settings, changes: Mapping[str, Any], *, name: str) -> Settings:
    """Sampler settings with some of them changed.

    Raises:
        DeckError: a setting that the sampler does not have, or out of range.
    """
    known = [one.name for one in fields(settings)]
    for key in changes:
        if key not in known:
            raise DeckError(
                f"the sampler of the proposer '{name}' has no setting '{key}': known are "
                f"{', '.join(known)}."
            )
    try:
        return replace(settings, **changes)
    except (TypeError, ValueError) as error:
        raise DeckError(f"the sampler of the proposer '{name}' cannot be made: {error}") from error
