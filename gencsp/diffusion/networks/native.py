"""Density networks in C++: predictions with frozen weights, several times faster than torch.

The extension is built when gencsp is installed with a C++ compiler at hand; where it is missing, or
cannot run a network, the network predicts with torch. What is predicted of a crystal depends on
neither the other crystals of a batch nor the number of threads. ``GENCSP_ISA`` in the environment
forces one of the instruction sets that :func:`instruction_sets` lists.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.networks import _denoiser
from gencsp.diffusion.networks.predictions import AtomPredictions
from gencsp.errors import EngineError


def has_kernels(*, channels: int, layers: int, n_radial: int) -> bool:
    """Whether the extension can run a network of these sizes."""
    return not _denoiser.why_not(channels=channels, layers=layers, n_radial=n_radial)


def instruction_sets() -> list[str]:
    """Instruction sets that the extension can use on this processor, best first."""
    return list(_denoiser.available_isas())


class NativeDenoiser:
    """The layers of a density network, or of a joint one, by the C++ extension.

    They are :class:`~gencsp.diffusion.networks.density.DensityNetwork` and
    :class:`~gencsp.diffusion.networks.joint.JointNetwork`; what belongs to whole crystals stays
    there. Weights are copied, so a network that learns must not keep one.

    Args:
        weights: state dictionary of the network.
        joint: which of the two.
        channels, layers, n_radial, reach, waves: of its configuration.
        isa: instruction set, one of :func:`instruction_sets`; by default ``GENCSP_ISA`` from the
            environment, else the best that this processor has.

    Raises:
        EngineError: there is no such instruction set here, or the extension has no kernels for
            networks of these sizes.
    """

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        *,
        joint: bool,
        channels: int,
        layers: int,
        n_radial: int,
        reach: float,
        waves: int = 0,
        isa: str | None = None,
    ) -> None:
        wanted = os.environ.get("GENCSP_ISA", "") if isa is None else isa
        if wanted and wanted not in instruction_sets():
            raise EngineError(
                f"instruction set {wanted!r} is not available here: choose from "
                f"{', '.join(instruction_sets())}."
            )
        arrays = {
            name: np.ascontiguousarray(value.detach().float().cpu().numpy())
            for name, value in weights.items()
        }
        try:
            self._network = _denoiser.Network(
                arrays,
                joint=joint,
                channels=channels,
                layers=layers,
                n_radial=n_radial,
                waves=waves,
                reach=reach,
                isa=wanted,
            )
        except ValueError as error:
            raise EngineError(
                f"the native denoiser cannot run this network: {error}. Take the engine 'torch'."
            ) from error

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies of a network may be trained, so they do not keep this copy of its weights."""
        return type(None), ()

    @property
    def isa(self) -> str:
        """Instruction set in use."""
        return str(self._network.isa)

    def vectors(self, crystals: CrystalBatch, noise: Tensor) -> Tensor:
        """Displacements before their gain, shape (n, 3); ``noise`` has the shape (b, c)."""
        return torch.from_numpy(self._predict(crystals, noise)["vectors"])

    def predictions(self, crystals: CrystalBatch, noise: Tensor) -> AtomPredictions:
        """All that a joint network gives of its atoms; ``noise`` has the shape (b, c)."""
        found = self._predict(crystals, noise)
        return AtomPredictions(*(torch.from_numpy(found[name]) for name in AtomPredictions._fields))

    def _predict(self, crystals: CrystalBatch, noise: Tensor) -> dict[str, NDArray[np.float32]]:
        first = np.zeros(crystals.n_crystals + 1, np.int32)
        np.cumsum(crystals.sizes.numpy(), out=first[1:])
        try:
            found: dict[str, NDArray[np.float32]] = self._network.predict(
                crystals.numbers.to(torch.int32).numpy(),
                crystals.positions.double().contiguous().numpy(),
                crystals.cells.double().contiguous().numpy(),
                first,
                noise.contiguous().numpy(),
                workers=torch.get_num_threads(),
            )
        except ValueError as error:
            raise EngineError(
                f"the native denoiser cannot take these crystals: {error}."
            ) from error
        return found
