"""A model of crystals of units that is trained on what a search found, in minutes.

The system of the supplement on NaNH2: a noise network and an energy network learn from some
thousand random crystals with their energies, and propose others, pulled towards low energies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gencsp.deck import Natural, NonNegative, check
from gencsp.diffusion.stored_weights import digest_of
from gencsp.diffusion.units.networks import Condition, UnitNetworks, UnitNetworksConfig
from gencsp.diffusion.units.sampler import gradient_of, reverse_process
from gencsp.diffusion.units.training import Examples, Fitted, train
from gencsp.errors import TrainingDataError, UnitError
from gencsp.proposers.generators import spawn_generators
from gencsp.proposers.units.arrangement import Arrangement
from gencsp.proposers.units.checks import Fault, fault_of
from gencsp.proposers.units.crystal import UnitCrystal
from gencsp.proposers.units.descriptor import Descriptor, same_units
from gencsp.proposers.units.model_file import ModelContent, read_model, write_model
from gencsp.proposers.units.model_settings import UnitModelSettings
from gencsp.proposers.units.push_apart import pushed_apart
from gencsp.proposers.units.separations import least_between
from gencsp.proposers.units.vectors import VectorSpace

Array = NDArray[np.float64]

#: Å and degrees: cells whose edges and angles differ by less are the same.
SAME_CELL = 1e-3


@dataclass(frozen=True, slots=True)
class UnitExample:
    """A crystal of units and its energy.

    Attributes:
        crystal: of rigid units; :func:`~gencsp.proposers.units.relaxed.rigid_fit` makes one of a
            relaxed crystal.
        energy: eV/atom.
    """

    crystal: UnitCrystal
    energy: float


class UnitModel:
    """Two networks and what is needed to make crystals with them.

    Args:
        networks: trained.
        content: vectors, examples and settings that belong to them.

    Attributes:
        failures: vectors so far that gave no sound crystal, by the reason why.
        trainings: how the trainings of the noise and of the energy network went; empty for a model
            that was loaded.
    """

    def __init__(self, networks: UnitNetworks, content: ModelContent) -> None:
        self.networks = networks
        self.content = content
        self.failures: Counter[Fault] = Counter()
        self.trainings: dict[str, Fitted] = {}

    @classmethod
    def fit(
        cls,
        examples: Sequence[UnitExample],
        settings: UnitModelSettings | None = None,
        *,
        rng: np.random.Generator,
    ) -> UnitModel:
        """Train a model.

        Args:
            examples: crystals of the same units with their energies, some hundred at least.
            settings: of the model; ``None`` for the defaults.
            rng: the only source of chance.

        Raises:
            TrainingDataError: fewer than two examples, crystals of unlike units, or an energy that
                is no number.
        """
        settings = settings or UnitModelSettings()
        _check_examples(examples)
        descriptor = Descriptor(examples[0].crystal.units, settings.encoding)
        encoded = [descriptor.encode(one.crystal) for one in examples]
        cells = np.array([one.crystal.cell.cellpar() for one in examples])
        kept = settings.cell == "kept" or (settings.cell == "auto" and _share_cells(cells))
        space = VectorSpace.fit(descriptor, encoded, cell_kept=kept)
        energies = np.array([one.energy for one in examples])
        spread = float(energies.std())
        content = ModelContent(
            space=space,
            settings=settings,
            which=tuple(space.arrangements.index(arrangement) for arrangement, _ in encoded),
            cells=cells,
            energies=energies,
            energy_mean=float(energies.mean()),
            energy_scale=spread if spread > 0 else 1.0,
        )
        config = UnitNetworksConfig(
            length=space.length,
            slots=sum(space.slots),
            groups=len(space.groups),
            kinds=len(space.kinds),
            periodic=space.periodic,
            layers=settings.layers,
            noise_width=settings.noise_width,
            energy_width=settings.energy_width,
        )
        fitted = train(
            Examples(
                space.standardised(encoded),
                torch.from_numpy(content.standard_energies).float(),
                space.condition([arrangement for arrangement, _ in encoded], cells),
            ),
            config,
            settings.training,
            content.noise,
            selected=torch.from_numpy(np.flatnonzero(content.selected)),
            rng=rng,
        )
        model = cls(fitted.networks, content)
        model.trainings = {"noise": fitted.noise, "energy": fitted.energy}
        return model

    @property
    def settings(self) -> UnitModelSettings:
        """Those that it was trained with."""
        return self.content.settings

    @property
    def digest(self) -> str:
        """Short hash of the weights."""
        state = self.networks.state_dict()
        return digest_of({key: one.detach().cpu().contiguous() for key, one in state.items()})

    def sample(self, n: int, *, guidance: float, rng: np.random.Generator) -> Iterator[UnitCrystal]:
        """Generate crystals, lazily; those with a fault are counted in ``failures`` and dropped.

        Args:
            n: how many; there are fewer where too many vectors give no sound crystal, see
                ``settings.attempts``.
            guidance: strength of the pull towards low energies, per standard deviation of the
                energies of the selected examples (``learn_from``); 0 for none.
            rng: the only source of chance; it is advanced at once.

        Raises:
            RequestError: a number out of its range.
        """
        check("n", n, Natural)
        check("guidance", guidance, NonNegative)
        # Within, energies are in standard deviations of all examples, of which those of the lowest
        # span so little that the same pull would do nothing to them.
        strength = guidance * self.content.energy_scale / self.content.selected_scale
        return self._sample(n, strength, spawn_generators(rng))

    def energies_of(self, crystals: Sequence[UnitCrystal]) -> Array:
        """What the energy network says of crystals whose arrangement it knows, eV/atom, (n,).

        Raises:
            TrainingDataError: an arrangement that no example had.
        """
        space = self.content.space
        encoded = [space.descriptor.encode(one) for one in crystals]
        if any(arrangement not in space.arrangements for arrangement, _ in encoded):
            raise TrainingDataError(
                "a crystal has an arrangement of units that no example had, of which the energy "
                "network knows nothing: leave it out."
            )
        cells = np.array([one.cell.cellpar() for one in crystals])
        condition = space.condition([arrangement for arrangement, _ in encoded], cells)
        z = space.standardised(encoded)
        with torch.no_grad():
            found = self.networks.predict_energy(z, torch.zeros(len(z)), condition)
        content = self.content
        return found.double().numpy() * content.energy_scale + content.energy_mean

    def save(self, path: Path) -> str:
        """Write the model to a safetensors file; returns the digest of its weights."""
        return write_model(self.networks, self.content, path)

    @classmethod
    def load(cls, path: Path | None = None) -> UnitModel:
        """Read a model from a file of :meth:`save`; without one there is none, and it says so.

        Raises:
            WeightsError: the file is missing, damaged, or of another kind.
        """
        return cls(*read_model(path))

    def _sample(
        self, n: int, guidance: float, rngs: Iterator[np.random.Generator]
    ) -> Iterator[UnitCrystal]:
        settings, space = self.settings, self.content.space
        elements = sorted({s for unit in space.descriptor.units for s in unit.symbols})
        least = least_between(
            elements,
            separation=settings.separation,
            unbonded=settings.unbonded,
            given=settings.separations,
        )
        made, left = 0, n * settings.attempts
        while made < n and left > 0:
            size = min(settings.batch_size, left)
            left -= size
            for arrangement, vector in self._vectors(size, guidance, next(rngs)):
                try:
                    crystal = space.descriptor.decode(arrangement, vector)
                except UnitError:
                    self.failures[Fault.NO_LATTICE] += 1
                    continue
                crystal = pushed_apart(
                    crystal, elements=elements, least=least, steps=settings.push_steps
                )
                fault = fault_of(
                    crystal.atoms(),
                    crystal.space_group,
                    elements=elements,
                    least=least,
                    symprec=settings.symprec,
                )
                if fault is not None:
                    self.failures[fault] += 1
                    continue
                yield crystal
                made += 1
                if made == n:
                    return

    def _vectors(
        self, n: int, guidance: float, rng: np.random.Generator
    ) -> list[tuple[Arrangement, Array]]:
        """Arrangements and vectors, one for each of n draws."""
        content, space = self.content, self.content.space
        weights = content.selected.astype(np.float64)
        if self.settings.arrangements == "energy":
            energies = content.standard_energies
            weights *= np.exp(-guidance * (energies - energies.min()))
        chosen = rng.choice(len(weights), size=n, p=weights / weights.sum())
        arrangements = [space.arrangements[content.which[k]] for k in chosen]
        cells = content.cells[chosen]
        condition = space.condition(arrangements, cells)
        found = self._denoised(condition, guidance, rng).double().numpy()
        return [
            (arrangement, space.vector(arrangement, row, cell))
            for arrangement, row, cell in zip(arrangements, found, cells, strict=True)
        ]

    def _denoised(self, condition: Condition, guidance: float, rng: np.random.Generator) -> Tensor:
        """Standardised vectors, shape (b, d)."""
        networks, mask, schedule = self.networks, condition.mask, self.content.noise

        def drawn() -> Tensor:
            return torch.from_numpy(rng.standard_normal(mask.shape)).float() * mask

        def times(z: Tensor, t: int) -> Tensor:
            return torch.full((len(z),), t)

        def noise(z: Tensor, t: int) -> Tensor:
            steps = times(z, t)
            level = schedule.noise_level(steps)
            return networks.predict_noise(z, steps, condition, noise_level=level)

        def energy(z: Tensor, t: int) -> Tensor:
            return networks.predict_energy(z, times(z, t), condition)

        with torch.no_grad():
            return reverse_process(
                noise,
                drawn(),
                lambda _: drawn(),
                schedule=schedule,
                energy_gradient=gradient_of(energy),
                guidance=guidance,
                reach=torch.from_numpy(self.content.space.reach).float(),
            )


def _check_examples(examples: Sequence[UnitExample]) -> None:
    if len(examples) < 2:
        raise TrainingDataError(
            f"{len(examples)} examples are too few to train a model of units on: give some hundred."
        )
    units = examples[0].crystal.units
    if not all(same_units(one.crystal.units, units) for one in examples):
        raise TrainingDataError(
            "the examples consist of unlike units: train one model for each set of units."
        )
    if not np.isfinite([one.energy for one in examples]).all():
        raise TrainingDataError(
            "an example has an energy that is no number: leave out what failed to relax."
        )


def _share_cells(cells: Array) -> bool:
    """Whether most crystals have the cell of another: a search within a given cell made them."""
    rounded = np.rint(cells / SAME_CELL).astype(np.int64)
    return 2 * len(np.unique(rounded, axis=0)) <= len(cells)
