"""The loss of joint diffusion: eq. 1 of PIGEN and its compactness term, eq. 2 and 3."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from gencsp.deck import Share, check_fields
from gencsp.descriptors.compactness import radius
from gencsp.diffusion.joint.conditions import PROPERTIES, PropertyScale
from gencsp.diffusion.joint.process import (
    HIDDEN,
    JointProcess,
    JointState,
    Noised,
    add_noise,
    denoised_shape,
    without_mean,
)
from gencsp.diffusion.joint.shape import LatticeScale
from gencsp.diffusion.networks.joint import N_CONDITIONS, JointOutput
from gencsp.diffusion.networks.layers import N_ELEMENTS
from gencsp.diffusion.training.data import CrystalSet
from gencsp.diffusion.training.objective import in_batches, mean_over_atoms
from gencsp.diffusion.training.settings import GIVEN_SHARE, LossWeights
from gencsp.errors import TrainingDataError


class Losses(NamedTuple):
    """Terms of the loss, one value for each crystal, shape (b,), before their weights."""

    frac: Tensor
    lattice: Tensor
    species: Tensor
    compactness: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class JointObjective:
    """What the trainer minimises.

    Attributes:
        process: the forward process.
        properties: standardisation of the conditions.
        weights: of the terms.
        given_share: share of crystals whose species are all shown (structure prediction).
        drop: probability that all conditions of a crystal are left free.
        keep_each: probability that a condition is kept where not all are dropped, so that any
            subset of them occurs.
        middle_share: share of times drawn from Beta(3, 3), around the noise levels at which atoms
            find their sites; the others are drawn uniformly.
    """

    process: JointProcess
    properties: PropertyScale
    weights: LossWeights = field(default_factory=LossWeights)
    given_share: Share = GIVEN_SHARE
    drop: Share = 0.4
    keep_each: Share = 0.5
    middle_share: Share = 0.6

    kind: ClassVar[str] = "joint"

    def __post_init__(self) -> None:
        check_fields(self)

    @classmethod
    def fit(cls, crystals: CrystalSet, **settings: Any) -> JointObjective:
        """With the scales of the training crystals."""
        sizes = torch.as_tensor(np.diff(crystals.offsets))
        scale = LatticeScale.fit(torch.as_tensor(crystals.cells), sizes)
        return cls(
            process=JointProcess(scale=scale),
            properties=PropertyScale.fit(_labels(crystals)),
            **settings,
        )

    def loss(
        self,
        network: nn.Module,
        crystals: CrystalSet,
        indices: NDArray[np.int64],
        rng: np.random.Generator,
        device: torch.device,
        *,
        step: int = 0,  # noqa: ARG002
    ) -> Tensor:
        """Weighted sum of the terms for the crystals of ``indices``, shape (b,)."""
        b = len(indices)
        t = torch.as_tensor(
            np.where(rng.random(b) < self.middle_share, rng.beta(3, 3, b), rng.random(b))
        )
        given = torch.as_tensor(rng.random(b)) < self.given_share
        hide = torch.where(given, 0.0, t)
        clean = JointState.of(crystals.batch(indices), self.process.scale)
        noised = add_noise(clean, t, hide, self.process, rng)
        conditions = self.properties.encode(_labels(crystals)[indices])
        free = (rng.random(b) < self.drop)[:, None] | (
            rng.random((b, N_CONDITIONS)) >= self.keep_each
        )
        conditions[torch.as_tensor(free)] = torch.nan
        terms = self.terms(network, noised, clean, conditions, device)
        w = self.weights
        return (
            w.frac * terms.frac
            + w.lattice * terms.lattice
            + w.species * terms.species
            + w.compactness * terms.compactness
        )

    def terms(
        self,
        network: nn.Module,
        noised: Noised,
        clean: JointState,
        conditions: Tensor,
        device: torch.device,
    ) -> Losses:
        """The terms of a noisy batch, each of shape (b,)."""
        f32 = torch.float32
        state = noised.state.to(dtype=f32, device=device)
        t = noised.t.to(device=device, dtype=f32)
        out: JointOutput = network(state, t, conditions.to(device=device, dtype=f32), self.process)
        error = without_mean(out.score.float(), state.owner, state.sizes) - noised.score.to(
            device=device, dtype=f32
        )
        frac = mean_over_atoms(error.square().mean(1), state.owner, state.sizes)
        velocity = noised.velocity.to(device=device, dtype=f32)
        lattice = (out.velocity.float() - velocity).square().mean(1)
        numbers = noised.numbers.to(device)
        entropy = functional.cross_entropy(out.logits.float(), numbers, reduction="none")
        hidden = state.numbers == HIDDEN
        species = mean_over_atoms(
            torch.where(hidden, entropy, torch.zeros_like(entropy)), state.owner, state.sizes
        )
        compactness = self._compactness_error(out, state, t, clean, numbers)
        return Losses(frac, lattice, species, compactness)

    def _compactness_error(
        self, out: JointOutput, state: JointState, t: Tensor, clean: JointState, numbers: Tensor
    ) -> Tensor:
        """(C − C_0)² of eq. 3 with C of the crystal that the network would denoise to.

        Its lattice is the one predicted for time zero; a hidden species counts with the mean r³ of
        the predicted distribution.
        """
        ball = torch.as_tensor(atom_volumes(), dtype=t.dtype, device=t.device)
        probabilities = torch.softmax(out.logits.float(), 1)
        expected = probabilities @ ball
        predicted = torch.where(state.numbers == HIDDEN, expected, ball[state.numbers])
        shape = denoised_shape(out.velocity.float(), state.shape, t, self.process)
        scale = self.process.scale
        c = mean_over_atoms(predicted, state.owner, state.sizes) / scale.volume_per_atom(
            shape.clamp(-4, 4)
        )
        true_shape = clean.shape.to(device=t.device, dtype=t.dtype)
        c_0 = mean_over_atoms(ball[numbers], state.owner, state.sizes) / scale.volume_per_atom(
            true_shape
        )
        return (c - c_0).square()

    def validate(
        self, network: nn.Module, crystals: CrystalSet, *, device: torch.device, seed: int = 0
    ) -> dict[str, float]:
        """Terms by time band, for a given composition and de novo, conditions free.

        The same seed noises the same crystals in the same way.
        """
        found: dict[str, float] = {}
        edges = (0.0, 0.25, 0.5, 0.75, 1.0)
        total = 0.0
        for k, (low, high) in enumerate(pairwise(edges)):
            for mode in ("given", "de novo"):
                rng = np.random.default_rng([seed, k, mode == "given"])
                sums = [0.0] * 4
                for indices in in_batches(len(crystals)):
                    b = len(indices)
                    t = torch.as_tensor(rng.uniform(low, high, b))
                    hide = torch.zeros(b, dtype=t.dtype) if mode == "given" else t
                    clean = JointState.of(crystals.batch(indices), self.process.scale)
                    noised = add_noise(clean, t, hide, self.process, rng)
                    conditions = torch.full((b, N_CONDITIONS), torch.nan)
                    with torch.no_grad():
                        terms = self.terms(network, noised, clean, conditions, device)
                    sums = [s + float(x.sum()) for s, x in zip(sums, terms, strict=True)]
                means = [s / len(crystals) for s in sums]
                for name, value in zip(Losses._fields, means, strict=True):
                    if mode == "de novo" or name != "species":
                        found[f"{mode}, {name}, {low:g}-{high:g}"] = value
                w = self.weights
                total += w.frac * means[0] + w.lattice * means[1] + w.species * means[2]
        found["mean"] = total / 8
        return found

    def describe(self) -> dict[str, Any]:
        """For checkpoints; :meth:`from_description` reads it."""
        return {**asdict(self), "kind": self.kind}

    @classmethod
    def from_description(cls, stored: dict[str, Any]) -> JointObjective:
        """From what :meth:`describe` gave."""
        process = stored["process"]
        scale = LatticeScale(tuple(process["scale"]["mean"]), tuple(process["scale"]["std"]))
        return cls(
            process=JointProcess(**{**process, "scale": scale}),
            properties=PropertyScale.from_description(stored["properties"]),
            weights=LossWeights(**stored["weights"]),
            given_share=stored["given_share"],
            drop=stored["drop"],
            keep_each=stored["keep_each"],
            middle_share=stored["middle_share"],
        )


@cache
def atom_volumes() -> tuple[float, ...]:
    """(4/3) π r³ of eq. 2 by atomic number, Å³, zero where no radius is known."""
    radii = [0.0] + [radius(z) for z in range(1, N_ELEMENTS)]
    return tuple(0.0 if math.isnan(r) else 4 / 3 * math.pi * r**3 for r in radii)


def _labels(crystals: CrystalSet) -> NDArray[np.float64]:
    if crystals.labels is None:
        return np.full((len(crystals), len(PROPERTIES)), np.nan)
    if crystals.labels.shape != (len(crystals), len(PROPERTIES)):
        raise TrainingDataError(
            f"the labels have shape {crystals.labels.shape}: one row of {len(PROPERTIES)} for each "
            "crystal is needed; delete the file of labels to have it made again."
        )
    return crystals.labels
