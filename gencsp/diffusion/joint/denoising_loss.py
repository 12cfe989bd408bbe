"""How well a joint network takes the noise off crystals again: a measure of their likelihood.

The coordinate term of the training loss, for each crystal by itself. Averaged over times it bounds
the likelihood of diffusion models (Ho et al., NeurIPS 2020, eq. 14; Li et al., ICCV 2023, compare
classes by it): of structures of one composition, the network has seen more like those with the
lower loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from ase import Atoms
from numpy.typing import NDArray

from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.joint.model import JointModel
from gencsp.diffusion.joint.process import JointState, add_noise
from gencsp.diffusion.networks.joint import N_CONDITIONS

#: At these times the loss tells structures apart; before, all are near their sites, and after,
#: nothing of them is left (validation compositions, ``tools/fit_ranking.py``).
TIMES: Final = (0.2, 0.3, 0.4, 0.5, 0.6)
#: Noises at each time.
DRAWS: Final = 6


def denoising_losses(
    model: JointModel,
    structures: Sequence[Atoms],
    *,
    times: Sequence[float] = TIMES,
    draws: int = DRAWS,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Mean squared error of σ·score of each structure, its species shown and no target given.

    Args:
        model: the joint model.
        structures: periodic crystals.
        times: of the forward process, from 0 (no noise) to 1.
        draws: noises at each time.
        seed: of the noises. What is drawn for a structure depends on those before it.

    Returns:
        Means over times, draws and atoms, no unit, shape (n,).
    """
    if not structures:
        return np.zeros(0)
    objective = model.objective
    device = next(model.network.parameters()).device
    clean = JointState.of(CrystalBatch.from_atoms(structures), objective.process.scale)
    shown = torch.zeros(len(structures), dtype=torch.float64)
    free = torch.full((len(structures), N_CONDITIONS), torch.nan)
    rng = np.random.default_rng(seed)
    total = np.zeros(len(structures))
    for time in times:
        for _ in range(draws):
            noised = add_noise(clean, torch.full_like(shown, time), shown, objective.process, rng)
            with torch.no_grad():
                terms = objective.terms(model.network, noised, clean, free, device)
            total += terms.frac.cpu().numpy()
    return total / (len(times) * draws)
