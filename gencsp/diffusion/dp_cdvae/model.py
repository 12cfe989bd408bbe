"""A trained DP-CDVAE, its weights file, and its encoder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from numpy.typing import NDArray

from gencsp.composition import ELEMENTS
from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.dp_cdvae.process import DpCdvaeProcess
from gencsp.diffusion.networks.dp_cdvae import DpCdvaeNetwork
from gencsp.diffusion.networks.engines import place
from gencsp.diffusion.projection import require_crystal
from gencsp.diffusion.weights_file import save_network, stored_network
from gencsp.errors import RequestError, WeightsError

#: Weights that ship with gencsp, by the crystals that they know.
SHIPPED = ("dp-cdvae-perov-5", "dp-cdvae-carbon-24")
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Heads:
    """What is read from latent vectors.

    Attributes:
        lattice: standardised lengths and angles, shape (b, 6).
        atom_count: ln of the probability of 1, 2, … atoms, shape (b, most_atoms).
        composition: ln of the share of each element, by atomic number, shape (b, 95).
    """

    lattice: Array
    atom_count: Array
    composition: Array


@dataclass(frozen=True, slots=True)
class DpCdvaeModel:
    """A network with its forward process.

    Attributes:
        network: encoders, heads and denoiser.
        process: the noise, and the scale of the lattices.
        digest: short hash of the weights.
    """

    network: DpCdvaeNetwork
    process: DpCdvaeProcess
    digest: str

    @property
    def latent(self) -> int:
        """Length of z."""
        return self.network.config.latent

    @property
    def most_atoms(self) -> int:
        """Most atoms in a cell."""
        return self.network.config.most_atoms

    @property
    def prior_mean(self) -> Array:
        """Mean of the prior of z, shape (latent,)."""
        return self.network.prior.mean.double().cpu().numpy()

    @property
    def prior_width(self) -> Array:
        """Standard deviations of the prior of z, shape (latent,)."""
        return self.network.prior.scale.double().cpu().numpy()

    def knows(self, atoms: Atoms) -> bool:
        """Whether the model has room for a crystal and knows its elements."""
        return len(atoms) <= self.most_atoms and not _unknown(atoms)

    def require(self, atoms: Atoms) -> None:
        """Raise if a structure cannot be encoded.

        Raises:
            RequestError: it is no crystal, has too many atoms, or an unknown element.
        """
        require_crystal(atoms)
        if len(atoms) > self.most_atoms:
            raise RequestError(
                f"{atoms.get_chemical_formula()} has {len(atoms)} atoms, and this model knows "
                f"up to {self.most_atoms}: give smaller cells, or train with larger ones."
            )
        if unknown := _unknown(atoms):
            raise RequestError(
                f"the model knows no element {', '.join(unknown)}: leave such crystals out."
            )

    @torch.no_grad()
    def encode(self, structures: Sequence[Atoms]) -> tuple[Array, Array]:
        """μ and σ of z for crystals (eq. 8), both (b, latent), float64.

        Args:
            structures: fully periodic; their constraints and calculators do not count.

        Raises:
            RequestError: one is no crystal, has too many atoms, or an unknown element.
        """
        for atoms in structures:
            self.require(atoms)
        parameter = next(self.network.parameters())
        batch = CrystalBatch.from_atoms(structures)
        local = batch.to(dtype=parameter.dtype, device=parameter.device)
        mean, log_variance = (x.double().cpu() for x in self.network.encode(local))
        return mean.numpy(), torch.exp(0.5 * log_variance).numpy()

    @torch.no_grad()
    def heads(self, z: Array) -> Heads:
        """What is read from latent vectors, shape (b, latent)."""
        decoded = self.network.decode(torch.as_tensor(z).to(next(self.network.parameters())))
        lattice, count, composition = (x.double().cpu() for x in decoded)
        return Heads(
            lattice.numpy(),
            torch.log_softmax(count, 1).numpy(),
            torch.log_softmax(composition, 1).numpy(),
        )


def _unknown(atoms: Atoms) -> list[str]:
    """Symbols of what is no element of the model."""
    return sorted(set(atoms.get_chemical_symbols()) - set(ELEMENTS))


def save_dp_cdvae(
    network: torch.nn.Module, process: DpCdvaeProcess, path: Path, *, notes: str = ""
) -> str:
    """Write the weights and all settings needed to use them; returns their digest."""
    return save_network(network, path, dp_cdvae_process=json.dumps(process.describe()), notes=notes)


def load_dp_cdvae(path: Path | None = None, *, device: str = "auto") -> DpCdvaeModel:
    """Load a DP-CDVAE from a safetensors file.

    Args:
        path: the file, or one of :data:`SHIPPED`.
        device: where the network runs, see :func:`gencsp.executors.devices.find_device`.

    Raises:
        EngineError: the device is not there.
        WeightsError: nothing is given, because none of those that ship knows all kinds of crystals;
            or the file is missing, damaged, or holds something else.
    """
    if path is None:
        raise WeightsError(
            f"no weights of a DP-CDVAE are given: name their file as 'weights', or those that ship "
            f"with gencsp for one kind of crystal each, {' and '.join(SHIPPED)}; "
            f"'gencsp train dp-cdvae' makes others."
        )
    with stored_network(
        path,
        what="weights of a DP-CDVAE",
        needed="dp_cdvae_process",
        command="gencsp train dp-cdvae",
    ) as stored:
        if not isinstance(stored.network, DpCdvaeNetwork):
            raise WeightsError(
                f"{path} holds a {type(stored.network).__name__}: give weights that "
                f"'gencsp train dp-cdvae' made."
            )
        process = DpCdvaeProcess.from_description(json.loads(stored.metadata["dp_cdvae_process"]))
        model = DpCdvaeModel(stored.network, process, stored.digest)
    place(model.network, device=device)
    return model
