"""Settings of training runs and of what they minimise; importing them loads no torch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gencsp.deck import (
    Count,
    Deck,
    Fraction,
    Natural,
    NonNegative,
    Positive,
    Seed,
    Share,
    Workers,
    check_fields,
)
from gencsp.diffusion.dp_cdvae.choices import Angles
from gencsp.diffusion.dp_cdvae.sizes import SIZES, Size
from gencsp.errors import RequestError

#: Share of the crystals whose species are all shown to the joint model (structure prediction).
GIVEN_SHARE = 0.5


class TrainSettings(Deck):
    """What a training run does, whatever it minimises; part of its checkpoints."""

    steps: Natural = Field(description="Optimiser steps at which to end.")
    batch_size: Count = Field(32, description="Crystals in a batch.")
    learning_rate: Positive = Field(1e-3, description="Peak learning rate of AdamW.")
    warmup: Natural = Field(500, description="Steps over which the rate rises linearly to it.")
    # Constant in between, so that a run can be prolonged from before its cooldown.
    cooldown: Share = Field(
        0.25, description="Share of the steps, at the end, over which the rate falls to zero."
    )
    ema: Fraction = Field(
        0.999, description="Decay of the averaged weights, which are validated and written."
    )
    clip: Positive = Field(1.0, description="Largest norm of the gradient.")
    seed: Seed = Field(0, description="Seed of every random choice.")
    validate_every: Count = Field(2000, description="Steps between validations.")
    checkpoint_seconds: NonNegative = Field(
        240.0, description="Longest time between checkpoints, s."
    )
    bfloat16: bool = Field(False, description="Run linear layers in bfloat16 (for GPUs).")
    # A third faster on a CPU after a minute of compilation; results differ by rounding.
    compiled: bool = Field(False, description="Compile the layers: faster, needs a C++ compiler.")

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        up = min(1.0, (step + 1) / max(1, self.warmup))
        down = min(1.0, (self.steps - step) / max(1.0, self.cooldown * self.steps))
        return self.learning_rate * min(up, down)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseLevels:
    """How σ is drawn in training.

    CHGGen draws σ uniformly from [σ_min, σ_max]. The levels that matter most are those at which
    atoms find their sites (0.05 to 1.5 Å), but a uniform draw up to several Å rarely takes them; as
    in EDM (Karras et al., 2022, Table 1) most draws are therefore log-normal about there, and the
    rest log-uniform, so that no level is left untrained.

    Attributes:
        low, high: σ_min and σ_max, Å.
        centre: median of the log-normal part, Å.
        width: its standard deviation in ln σ.
        uniform_share: share of the log-uniform draws.
    """

    low: Positive = 0.001
    high: Positive = 5.0
    centre: Positive = 0.35
    width: NonNegative = 1.1
    uniform_share: Share = 0.2

    def __post_init__(self) -> None:
        check_fields(self)
        if self.low > self.high:
            raise RequestError(f"high is {self.high} Å: it must be above low, {self.low} Å.")

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """n noise levels in Å, shape (n,)."""
        uniform = rng.uniform(np.log(self.low), np.log(self.high), n)
        normal = rng.normal(np.log(self.centre), self.width, n)
        pick = rng.random(n) < self.uniform_share
        levels: NDArray[np.float64] = np.exp(np.where(pick, uniform, normal))
        return levels.clip(self.low, self.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class LossWeights:
    """λ of eq. 1 and 3, chosen so that gradients of the terms have similar sizes.

    Attributes:
        frac: of the mean squared error of σ·score of coordinates.
        lattice: of the mean squared error of the lattice's velocity.
        species: of the cross-entropy of hidden species.
        compactness: of the squared error of C, eq. 3; 0 switches the term off.
    """

    frac: NonNegative = 1.0
    lattice: NonNegative = 0.5
    species: NonNegative = 0.3
    compactness: NonNegative = 2.0

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class DpCdvaeWeights:
    """Weights of DP-CDVAE's loss (eq. 11 and S1), beside 1 for the noise of the coordinates.

    The paper gives no numbers; those of the authors' program are its defaults here.

    Attributes:
        species: λ, of the cross entropy of the species that the denoiser predicts.
        kl: λ_1, of the divergence of z from N(0, I).
        lattice: λ_2, of the mean squared error of the standardised lengths and angles.
        composition: λ_3, of the cross entropy of the composition.
        atom_count: λ_4, of the cross entropy of the number of atoms.
    """

    species: NonNegative = 0.1
    kl: NonNegative = 0.01
    lattice: NonNegative = 100.0
    composition: NonNegative = 1.0
    atom_count: NonNegative = 1.0

    def __post_init__(self) -> None:
        check_fields(self)


#: Settings of one session, which a checkpoint does not keep.
SESSION = frozenset({"validation_size", "threads", "device", "resume", "prior_steps"})


class TrainDeck(TrainSettings):
    """Settings of ``gencsp train`` that all models have.

    A run that is resumed keeps what it was begun with, except for what is given again. The network,
    the batch size and the seed cannot change, because the run would be another one.
    """

    validation_size: Count = Field(256, description="Validation crystals to use, the first ones.")
    threads: Workers = Field(1, description="Torch threads.")
    device: str = Field("auto", description="Where it runs: cpu, cuda, ...; auto takes a GPU.")
    resume: bool = Field(False, description="Go on from the checkpoint in the folder.")
    # The optimiser is new, and so are steps and rates; the network and the forward process stay.
    start: Path | None = Field(
        None, description="Weights file to begin from, in place of random weights."
    )

    @property
    def network(self) -> dict[str, Any]:
        """Settings of the network of a new run, by their names there."""
        raise NotImplementedError

    @property
    def stored(self) -> dict[str, Any]:
        """What was given, with the settings of the network by their names there."""
        return self.given

    @property
    def training(self) -> TrainSettings:
        """What the training loop takes of these settings."""
        return TrainSettings.make(**self.model_dump(include=set(TrainSettings.model_fields)))


class LayeredDeck(TrainDeck):
    """Settings of networks of equal layers."""

    channels: Count = Field(description="Features of an atom.")
    layers: Count = Field(4, description="Rounds of message passing.")
    radial: Count = Field(8, description="Radial functions.")

    @property
    def network(self) -> dict[str, Any]:
        """See :class:`TrainDeck`."""
        return {"channels": self.channels, "layers": self.layers, "n_radial": self.radial}

    @property
    def stored(self) -> dict[str, Any]:
        """See :class:`TrainDeck`."""
        return {"n_radial" if name == "radial" else name: one for name, one in self.given.items()}


class ScoreDeck(LayeredDeck):
    """Settings of ``gencsp train score``."""

    steps: Count = Field(20_000, description="Optimiser steps at which to end.")
    channels: Count = Field(64, description="Features of an atom.")
    architecture: str = Field("density", description="Network: density, painn, nequip.")
    sigma_max: Positive = Field(NoiseLevels().high, description="Highest noise level, Å.")


class JointDeck(LayeredDeck):
    """Settings of ``gencsp train joint``."""

    steps: Count = Field(30_000, description="Optimiser steps at which to end.")
    channels: Count = Field(80, description="Features of an atom.")
    threads: Workers = Field(1, description="Torch threads, and worker processes for the labels.")
    labels: bool = Field(
        True, description="Compute the properties of the crystals, so that targets can be given."
    )
    compactness_loss: NonNegative = Field(
        LossWeights().compactness, description="Weight of the compactness loss; 0 for none."
    )
    given_share: Share = Field(
        GIVEN_SHARE, description="Share of crystals trained with their species given."
    )


class DpCdvaeDeck(TrainDeck):
    """Settings of ``gencsp train dp-cdvae``."""

    steps: Natural = Field(50_000, description="Optimiser steps at which to end.")
    size: Size = Field(
        "small", description="Widths and depths of the networks: paper, small (for a CPU) or tiny."
    )
    atom_count: bool = Field(False, description="Encode the number of atoms, too (+N_a).")
    gine: bool = Field(False, description="Encode distances by GINE, too (+GINE).")
    most_atoms: Count = Field(24, description="Most atoms in a cell.")
    latent: Count | None = Field(None, description="Length of z; that of the size if not given.")
    channels: Count | None = Field(
        None, description="Features of an edge in GemNet-T; those of the size if not given."
    )
    atom_channels: Count | None = Field(
        None, description="Features of an atom in GemNet-T; those of the size if not given."
    )
    blocks: Count | None = Field(
        None, description="Rounds of GemNet-T; those of the size if not given."
    )
    encoder_channels: Count | None = Field(
        None, description="Features of an edge in DimeNet++; those of the size if not given."
    )
    encoder_blocks: Natural | None = Field(
        None,
        description="Rounds of DimeNet++; those of the size, or of 'start', if not given. They "
        "may be more than those of 'start'.",
    )
    encoder_hidden: Count | None = Field(
        None, description="Features of the readout of DimeNet++; those of the size if not given."
    )
    head_channels: Count | None = Field(
        None, description="Features in the heads of z; those of the size if not given."
    )
    neighbours: Count | None = Field(
        None, description="Neighbours that an atom counts; those of the size if not given."
    )
    angles: Angles | None = Field(
        None,
        description="Angles of the reduced cells: acute, at most one above 90 degrees, or niggli, "
        "the paper's. If not given, those of 'start', acute for a new network.",
    )
    # Before that, the lattice that is read from z is as good as random.
    teacher_forcing: Natural = Field(
        5000, description="First steps, whose noisy crystals have their true lattice."
    )
    draws: Natural = Field(
        1,
        description="Draws of noise for each crystal of a batch, which is encoded once; 0 trains "
        "encoder and heads alone.",
    )
    late_share: Fraction | None = Field(
        None,
        description="Share of the time steps whose noise leaves no trace of the coordinates; about "
        "half, as in the paper, if not given.",
    )
    species_weight: NonNegative = Field(
        DpCdvaeWeights().species, description="Weight of the denoised species, lambda."
    )
    kl_weight: NonNegative = Field(
        DpCdvaeWeights().kl, description="Weight of the divergence of z from N(0, I)."
    )
    lattice_weight: NonNegative = Field(
        DpCdvaeWeights().lattice, description="Weight of the lattice that is read from z."
    )
    composition_weight: NonNegative = Field(
        DpCdvaeWeights().composition, description="Weight of the composition that is read from z."
    )
    atom_count_weight: NonNegative = Field(
        DpCdvaeWeights().atom_count, description="Weight of the number of atoms read from z."
    )

    prior_steps: Natural = Field(
        20_000, description="Steps of fitting the prior of z, at the end; 0 keeps N(0, I)."
    )

    @model_validator(mode="after")
    def _trains_something(self) -> DpCdvaeDeck:
        if self.steps or self.start or self.resume:
            return self
        raise ValueError(
            "'steps' is 0: that fits the prior of z alone, to the weights of 'start'; name them, "
            "or give steps"
        )

    @property
    def network(self) -> dict[str, Any]:
        """See :class:`TrainDeck`."""
        own = ("atom_count", "gine", "most_atoms")
        return {**SIZES[self.size], **self._widths, **{name: getattr(self, name) for name in own}}

    @property
    def stored(self) -> dict[str, Any]:
        """See :class:`TrainDeck`; a size that was given stands for all that it sets."""
        given = {**self.given}
        sizes = SIZES[self.size] if given.pop("size", None) is not None else {}
        rest = {name: value for name, value in given.items() if value is not None}
        return {**sizes, **rest}

    @property
    def weights(self) -> DpCdvaeWeights:
        """The weights of the loss."""
        names = [field.name for field in fields(DpCdvaeWeights)]
        return DpCdvaeWeights(**{name: getattr(self, f"{name}_weight") for name in names})

    @property
    def _widths(self) -> dict[str, int]:
        given = {name: getattr(self, name, None) for name in SIZES[self.size]}
        return {name: value for name, value in given.items() if value is not None}
