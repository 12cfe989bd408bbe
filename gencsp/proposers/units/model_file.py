"""Models of crystals of units in safetensors files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gencsp.descriptors.least_distances import LeastDistances
from gencsp.diffusion.units.networks import UnitNetworks
from gencsp.diffusion.units.schedule import LinearSchedule, Schedule
from gencsp.diffusion.units.training import UnitTraining
from gencsp.diffusion.weights_file import save_network, stored_network
from gencsp.errors import WeightsError
from gencsp.proposers.units.model_settings import UnitModelSettings
from gencsp.proposers.units.selection import of_lowest_energy
from gencsp.proposers.units.vectors import VectorSpace
from gencsp.units.unit import RigidUnit

Array = NDArray[np.float64]

#: Entry of the metadata that only these files have.
_ENTRY = "unit_model"
#: Settings of a file from before they were there, whatever the defaults are now.
_BEFORE = {"learn_from": 1.0}
#: eV/atom. Energies that differ by less are those of the same crystal, relaxed from elsewhere.
_LEAST_SPREAD = 1e-3
#: What makes them, for messages.
_COMMAND = "UnitModel.fit"


@dataclass(frozen=True, eq=False)
class ModelContent:
    """What belongs to the networks of a model.

    Attributes:
        space: how crystals become vectors.
        settings: of the model.
        which: the arrangement of each example, as index.
        cells: lattice parameters of each example, Å and degrees, shape (n, 6).
        energies: of each example, eV/atom, shape (n,).
        energy_mean, energy_scale: mean and standard deviation of these.
    """

    space: VectorSpace
    settings: UnitModelSettings
    which: tuple[int, ...]
    cells: Array
    energies: Array
    energy_mean: float
    energy_scale: float

    @property
    def standard_energies(self) -> Array:
        """Of mean 0 and standard deviation 1, shape (n,)."""
        return (self.energies - self.energy_mean) / self.energy_scale

    @cached_property
    def selected(self) -> NDArray[np.bool_]:
        """Whether the noise network learnt from an example, shape (n,)."""
        return of_lowest_energy(self.energies, self.settings.learn_from)

    @cached_property
    def selected_scale(self) -> float:
        """Standard deviation of the energies of the selected examples, at least 1 meV/atom.

        It is that of all, and no less, where all are selected.
        """
        if self.selected.all():
            return self.energy_scale
        return min(self.energy_scale, max(_LEAST_SPREAD, float(self.energies[self.selected].std())))

    @property
    def noise(self) -> Schedule:
        """Of the vectors."""
        return self.settings.noise_of(self.space.periodic)


def write_model(networks: UnitNetworks, content: ModelContent, path: Path) -> str:
    """Write a model; returns the digest of its weights."""
    settings = asdict(content.settings)
    settings["separations"] = content.settings.separations.by_name()
    about = {
        "settings": settings,
        "units": [_describe(unit) for unit in content.space.descriptor.units],
        "space": content.space.describe(),
        "which": content.which,
        "cells": content.cells.tolist(),
        "energies": content.energies.tolist(),
        "energy_mean": content.energy_mean,
        "energy_scale": content.energy_scale,
    }
    return save_network(networks, path, **{_ENTRY: json.dumps(about)})


def read_model(path: Path | None) -> tuple[UnitNetworks, ModelContent]:
    """Read what :func:`write_model` wrote.

    Raises:
        WeightsError: no file is given, or it is missing, damaged, or holds another kind of model.
    """
    if path is None:
        raise WeightsError(
            f"no weights of a model of units are given, and none ship with gencsp: train your own "
            f"with '{_COMMAND}', and name their file as 'weights'."
        )
    with stored_network(
        path,
        what="weights of a model of units",
        needed=_ENTRY,
        command=_COMMAND,
    ) as stored:
        if not isinstance(stored.network, UnitNetworks):
            raise WeightsError(f"{path} holds a {type(stored.network).__name__}: give a UnitModel.")
        about: dict[str, Any] = json.loads(stored.metadata[_ENTRY])
        given = about["settings"]
        settings = UnitModelSettings(
            **{
                **_BEFORE,
                **given,
                "schedule": LinearSchedule(**given["schedule"]),
                "training": UnitTraining(**given["training"]),
                "separations": LeastDistances.parse(given["separations"]),
            }
        )
        units = tuple(_unit(one) for one in about["units"])
        content = ModelContent(
            space=VectorSpace.from_description(units, about["space"]),
            settings=settings,
            which=tuple(about["which"]),
            cells=np.array(about["cells"]),
            energies=np.array(about["energies"]),
            energy_mean=float(about["energy_mean"]),
            energy_scale=float(about["energy_scale"]),
        )
        return stored.network, content


def _describe(unit: RigidUnit) -> dict[str, Any]:
    return {
        "name": unit.name,
        "symbols": unit.symbols,
        "positions": unit.positions.tolist(),
        "bonds": unit.bonds,
        "charge": unit.charge,
    }


def _unit(about: dict[str, Any]) -> RigidUnit:
    return RigidUnit(
        about["name"],
        tuple(about["symbols"]),
        np.array(about["positions"]),
        tuple((int(i), int(j)) for i, j in about["bonds"]),
        charge=about["charge"],
    )
