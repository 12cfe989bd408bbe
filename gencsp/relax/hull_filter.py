"""The filter ``hull_energy`` with CHGNet as its potential."""

from __future__ import annotations

from ase import Atoms
from pydantic import Field

from gencsp.deck_base import Fmax, Natural
from gencsp.engine.base import Engine
from gencsp.engine.select import EngineName, get_engine
from gencsp.filters.hull_energy import HullEnergy
from gencsp.relax.settings import Minimiser, RelaxSettings
from gencsp.store.base import portable


class ChgnetHullEnergy(HullEnergy):
    """See :class:`~gencsp.filters.hull_energy.HullEnergy`; one thread."""

    fmax: Fmax = Field(0.05, description="Relaxed when no force exceeds this, eV/Å.")
    steps: Natural = Field(500, description="Most minimiser steps.")
    minimiser: Minimiser = Field("quasi-newton", description="How to relax.")
    engine: EngineName = Field("auto", description="Relaxation engine.")

    def model_name(self) -> str:
        """See :class:`~gencsp.filters.hull_energy.HullEnergy`."""
        return self._potential().model

    def relaxed_energy(self, atoms: Atoms) -> tuple[float, str]:
        """See :class:`~gencsp.filters.hull_energy.HullEnergy`."""
        settings = RelaxSettings(fmax=self.fmax, steps=self.steps, minimiser=self.minimiser)
        bare = portable(atoms)
        bare.calc = None
        relaxed = next(self._potential().relax([bare], settings, workers=1))
        reason = "" if relaxed.converged else str(relaxed.outcome)
        return relaxed.energy_per_atom, reason

    def _potential(self) -> Engine:
        return get_engine(self.engine)
