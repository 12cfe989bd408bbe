"""Training of the two networks of :mod:`gencsp.diffusion.units.networks`.

Batches of 32, Adam, mean squared error, and a learning rate that falls from 1e-4 to 1e-5 by a
factor of 0.6 whenever 20 epochs brought nothing (supplement on NaNH2). The supplement does not say
what is watched, or when training ends: here the loss on a share of the data that is kept out of
training, with one draw of noise for all epochs, and training ends when nothing was gained for
``stop_after`` epochs, with the best weights of all.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from annotated_types import Gt, Lt
from numpy.typing import NDArray
from torch import Tensor, nn

from gencsp.deck import Count, Natural, Positive, check_fields
from gencsp.diffusion.units.networks import Condition, UnitNetworks, UnitNetworksConfig
from gencsp.diffusion.units.schedule import Schedule
from gencsp.errors import RequestError

Array = NDArray[np.float64]

#: Draws of noise and time step for each example that the validation loss is averaged over.
VALIDATION_DRAWS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitTraining:
    """How the networks are trained; numbers of the supplement where it gives them.

    Attributes:
        batch_size: examples of a step.
        learning_rate, least_learning_rate: of Adam, at first and at least.
        factor: by which the learning rate falls.
        patience: epochs without a gain before it falls.
        epochs: most.
        stop_after: epochs without a gain after which training ends.
        validation: share of the examples that are kept out to watch the loss.

    Raises:
        RequestError: a number out of its range.
    """

    batch_size: Count = 32
    learning_rate: Positive = 1e-4
    least_learning_rate: Positive = 1e-5
    factor: Annotated[float, Gt(0), Lt(1)] = 0.6
    patience: Natural = 20
    epochs: Count = 2000
    stop_after: Count = 150
    validation: Annotated[float, Gt(0), Lt(1)] = 0.1

    def __post_init__(self) -> None:
        check_fields(self)
        if self.least_learning_rate > self.learning_rate:
            raise RequestError("least_learning_rate must not be above learning_rate.")


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Vectors with their energies.

    Attributes:
        z: standardised, padded with zeros, shape (n, d).
        energies: standardised, shape (n,).
        condition: of the vectors.
    """

    z: Tensor
    energies: Tensor
    condition: Condition

    def rows(self, chosen: Tensor) -> Examples:
        """Some of them."""
        return Examples(self.z[chosen], self.energies[chosen], self.condition.rows(chosen))


@dataclass(frozen=True, slots=True)
class Fitted:
    """How a training went.

    Attributes:
        epochs: that it took.
        training, validation: losses of the epoch whose weights were kept; the noise network's is
            the mean square of the error of a number, the energy network's that of an energy, both
            in standard deviations.
    """

    epochs: int
    training: float
    validation: float


@dataclass(frozen=True, slots=True)
class FittedNetworks:
    """Trained networks and how their trainings went."""

    networks: UnitNetworks
    noise: Fitted
    energy: Fitted


#: Mean squared error of examples: of those, their noise, and their time steps.
Loss = Callable[[Examples, Tensor, Tensor], Tensor]


def train(
    examples: Examples,
    config: UnitNetworksConfig,
    settings: UnitTraining,
    schedule: Schedule,
    *,
    selected: Tensor | None = None,
    rng: np.random.Generator,
) -> FittedNetworks:
    """Train both networks, on one thread, by the numbers of one generator.

    Args:
        examples: at least two, of which some are kept out.
        config: of the networks.
        settings: how to train.
        schedule: of the noise.
        selected: indices of the examples that the noise network learns from, at least two;
            ``None`` for all. The energy network learns from all.
        rng: the only source of chance.

    Raises:
        RequestError: there are not two examples, or two of them selected.
    """
    n = len(examples.z)
    chosen = torch.ones(n, dtype=torch.bool)
    if selected is not None:
        chosen = torch.zeros_like(chosen).index_fill(0, selected, value=True)
    few = int(chosen.sum())
    if few < 2:
        raise RequestError(f"{few} examples are too few to train on and to watch: give at least 2.")
    # Not rng.spawn, whose count of children is outside of the state that a search saves.
    children = np.random.SeedSequence(rng.integers(2**32, size=4).tolist()).spawn(4)
    seeds = [np.random.default_rng(child) for child in children]
    with _one_thread():
        with torch.random.fork_rng(devices=[]):
            # Layers draw their weights from the global generator, which is not ours to change.
            torch.manual_seed(int(seeds[0].integers(2**63)))
            networks = UnitNetworks(config)
        order = torch.from_numpy(seeds[1].permutation(n))

        def noise_loss(some: Examples, noise: Tensor, t: Tensor) -> Tensor:
            mask = some.condition.mask
            noisy = schedule.noised(some.z, noise, t)
            found = networks.predict_noise(
                noisy, t, some.condition, noise_level=schedule.noise_level(t)
            )
            wanted = schedule.target(noise, t)
            return ((found - wanted) * mask).square().sum() / mask.sum().clamp(min=1)

        def energy_loss(some: Examples, noise: Tensor, t: Tensor) -> Tensor:
            noisy = schedule.noised(some.z, noise, t)
            found = networks.predict_energy(noisy, t, some.condition)
            return (found - some.energies).square().mean()

        parts = (
            (networks.noise, noise_loss, order[chosen[order]]),
            (networks.energy, energy_loss, order),
        )
        fitted = [
            _fit(part, loss, examples.rows(rows), settings, schedule.steps, rng=seed)
            for (part, loss, rows), seed in zip(parts, seeds[2:], strict=True)
        ]
    networks.eval().requires_grad_(False)
    return FittedNetworks(networks, *fitted)


def _fit(
    network: nn.Module,
    loss: Loss,
    examples: Examples,
    settings: UnitTraining,
    steps: int,
    *,
    rng: np.random.Generator,
) -> Fitted:
    """Train one network; the first of the examples are kept out to watch the loss."""
    kept_out = min(max(1, round(settings.validation * len(examples.z))), len(examples.z) - 1)
    order = torch.arange(len(examples.z))
    watched, trained = examples.rows(order[:kept_out]), examples.rows(order[kept_out:])
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate, fused=True)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser,
        factor=settings.factor,
        patience=settings.patience,
        min_lr=settings.least_learning_rate,
    )
    n = len(trained.z)
    repeated = watched.rows(torch.arange(len(watched.z)).repeat(VALIDATION_DRAWS))
    fixed = _draws(repeated, steps, rng)
    best, best_epoch, weights = Fitted(0, np.inf, np.inf), 0, copy.deepcopy(network.state_dict())
    for epoch in range(1, settings.epochs + 1):
        total = 0.0
        order = torch.from_numpy(rng.permutation(n))
        drawn = _draws(trained, steps, rng)
        for first in range(0, n, settings.batch_size):
            chosen = order[first : first + settings.batch_size]
            value = loss(trained.rows(chosen), *(one[chosen] for one in drawn))
            optimiser.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            total += float(value.detach()) * len(chosen)
        with torch.no_grad():
            held_out = float(loss(repeated, *fixed))
        plateau.step(held_out)
        if held_out < best.validation:
            best, best_epoch = Fitted(epoch, total / n, held_out), epoch
            weights = copy.deepcopy(network.state_dict())
        elif epoch - best_epoch >= settings.stop_after:
            break
    network.load_state_dict(weights)
    return Fitted(epoch, best.training, best.validation)


def _draws(examples: Examples, steps: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Noise and time steps 1 … T for examples."""
    noise = torch.from_numpy(rng.standard_normal(examples.z.shape)).to(examples.z)
    return noise * examples.condition.mask, torch.from_numpy(
        rng.integers(1, steps + 1, len(examples.z))
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """The same sums in the same order on every machine, and no more cores than were asked for."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
