"""Ground-state performance of DP-CDVAE's Table III and Fig. S2.

Generated crystals are relaxed, and compared with what they relax to: whether both match, how far
apart their atoms are then, and by how much volume and energy differ (Section II.C).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp.measure.distributions import histogram
from gencsp.measure.match_rate import MatchRate, distance

#: Width of a bin of Fig. S2, eV/atom.
BIN = 0.064
#: Bins from zero on; the last ends at 1.92 eV/atom.
BINS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundStatePair:
    """A generated crystal and what it relaxed to.

    Attributes:
        generated: the crystal as generated.
        energy: its energy, eV/atom; not a number where it has none.
        relaxed: the local minimum; ``None`` where the relaxation did not converge.
        relaxed_energy: its energy, eV/atom; not a number where it did not converge.
    """

    generated: Atoms
    energy: float
    relaxed: Atoms | None
    relaxed_energy: float


@dataclass(frozen=True, slots=True, eq=False)
class GroundState:
    """What relaxation changed of generated crystals.

    Attributes:
        distances: δ_rms of each crystal, shape (n,); not a number where it does not match what it
            relaxed to, or did not relax.
        volumes: ΔV of those that relaxed, relaxed less generated, Å³/atom.
        energies: ΔE of those that relaxed and had an energy before, generated less relaxed,
            eV/atom.
    """

    distances: NDArray[np.float64]
    volumes: NDArray[np.float64]
    energies: NDArray[np.float64]

    @property
    def matches(self) -> MatchRate:
        """Match rate and mean δ_rms."""
        return MatchRate.of(self.distances.tolist())

    @property
    def volume_rms(self) -> float:
        """ΔV_rms, Å³/atom; not a number for none."""
        return root_mean_square(self.volumes)

    @property
    def energy_rms(self) -> float:
        """ΔE_rms, eV/atom; not a number for none."""
        return root_mean_square(self.energies)

    def energy_histogram(self) -> dict[str, object]:
        """Shares of ΔE in bins of 64 meV/atom (Fig. S2), see :func:`.distributions.histogram`."""
        return histogram(self.energies.tolist(), [round(k * BIN, 3) for k in range(BINS + 1)])


def ground_state(pairs: Sequence[GroundStatePair]) -> GroundState:
    """Compare generated crystals with what they relaxed to.

    The relaxed crystal is the one that the other is matched to, as in the paper. One that did not
    relax counts as not matched.
    """
    distances, volumes, energies = [], [], []
    for pair in pairs:
        if pair.relaxed is None:
            distances.append(float("nan"))
            continue
        distances.append(distance(pair.relaxed, pair.generated))
        volumes.append(_volume(pair.relaxed) - _volume(pair.generated))
        energies.append(pair.energy - pair.relaxed_energy)
    known = np.array(energies, dtype=float)
    return GroundState(
        np.array(distances, dtype=float),
        np.array(volumes, dtype=float),
        known[np.isfinite(known)],
    )


def root_mean_square(values: NDArray[np.float64]) -> float:
    """√⟨x²⟩; not a number for no values."""
    return float(np.sqrt(np.mean(np.square(values)))) if len(values) else float("nan")


def _volume(atoms: Atoms) -> float:
    return float(atoms.cell.volume) / len(atoms)
