"""Filter E: energy above the convex hull after relaxation.

Source: PIGEN, Fig. 4e and Extended Data Table 2, at 100, 50, 35 and 25 meV/atom: one threshold is
the filter's, and :mod:`gencsp.filters.summary` counts survivors at all four. The paper relaxes
with CHGNet and takes the energy from DFT; here both come from CHGNet, and so do the references
(``gencsp/data/references_chgnet-0.3.0.md``), so that they are on one footing. S (stable) of
MatterGen's S.U.N. is the same at 100 meV/atom. The distance is the decomposition energy of
:mod:`gencsp.convex_hull.hull`: negative for what lies below the known phases. Where none of these
has the composition, the note of a negative value says "no reference".
"""

from __future__ import annotations

from abc import abstractmethod
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
from ase import Atoms
from pydantic import Field, PrivateAttr

from gencsp.composition import Composition
from gencsp.convex_hull.entries import same_pressure
from gencsp.convex_hull.hull import Hull
from gencsp.convex_hull.under_pressure import default_cache, references_at
from gencsp.deck import EngineName, Fmax, Natural, Pressure
from gencsp.errors import HullReferenceError
from gencsp.filters.base import ConfiguredFilter, Verdict
from gencsp.minimise.settings import Minimiser, RelaxSettings
from gencsp.potentials.base import Engine
from gencsp.potentials.chgnet.select import get_engine
from gencsp.records import NO_REFERENCE, NO_REFERENCE_BELOW
from gencsp.store.base import portable


class HullEnergy(ConfiguredFilter):
    """E: passes a structure at most ``threshold`` (eV/atom) above the hull once it is relaxed.

    A subclass chooses the potential: :class:`ChgnetHullEnergy` is the one
    that is found under the name ``hull_energy``. A structure that does not converge, or whose
    elements the hull lacks, does not pass, and the note says why. Under pressure these are
    enthalpies, on a hull at the same pressure.
    """

    name: ClassVar[str] = "hull_energy"
    quantity: ClassVar[str] = "energy above the hull (eV/atom)"
    costly: ClassVar[bool] = True

    threshold: float = Field(0.1, description="eV/atom.")
    entries: Path | None = Field(None, description="Hull entries of your own.")
    pressure: Pressure = Field(0.0, description="Pressure at which to relax, GPa.")

    def judge(self, atoms: Atoms) -> Verdict:
        """See :class:`~gencsp.filters.base.Filter`.

        Raises:
            StructureFileError, HullReferenceError: the entries cannot be read, or were made by
                another model than the one that relaxes, or at another pressure; no reference
                converged at the pressure.
            EngineError: the potential is not available.
        """
        window = (-np.inf, self.threshold)
        hull = self.hull_of(atoms)
        hull.require_model(self.model_name())
        hull.require_pressure(self.pressure)
        energy, reason = self.relaxed_energy(atoms)
        if reason:
            return self.verdict(float("nan"), window, reason)
        composition = Composition.of(atoms)
        try:
            above = hull.decomposition_energy(composition, energy)
        except HullReferenceError as error:
            return self.verdict(float("nan"), window, str(error))
        lacks = above < NO_REFERENCE_BELOW and not hull.references(composition)
        return self.verdict(above, window, NO_REFERENCE if lacks else "")

    def hull_of(self, atoms: Atoms) -> Hull:
        """The hull on which a structure is judged; that of zero pressure without entries."""
        del atoms  # where references are relaxed for a pressure, its elements say which
        return load_hull(self.entries)

    @abstractmethod
    def model_name(self) -> str:
        """What makes the energies, as the hull names it."""

    @abstractmethod
    def relaxed_energy(self, atoms: Atoms) -> tuple[float, str]:
        """Energy (under pressure, enthalpy) of the relaxed structure, eV/atom, or why not.

        ``atoms`` stays as it is.
        """


@cache
def load_hull(entries: Path | None) -> Hull:
    """The hull of a file, or (``None``) the one that ships with gencsp; read once."""
    return Hull.load(entries)


class ChgnetHullEnergy(HullEnergy):
    """See :class:`~gencsp.filters.hull_energy.HullEnergy`; one thread."""

    fmax: Fmax = Field(0.05, description="Relaxed when no force exceeds this, eV/Å.")
    steps: Natural = Field(500, description="Most minimiser steps.")
    minimiser: Minimiser = Field("quasi-newton", description="How to relax.")
    engine: EngineName = Field("auto", description="Relaxation engine.")
    device: str = Field("auto", description="Where it runs: cpu, cuda, ...")
    #: Under pressure: of each chemical system, read once.
    _hulls: dict[tuple[str, ...], Hull] = PrivateAttr(default_factory=dict)

    def hull_of(self, atoms: Atoms) -> Hull:
        """The shipped crystals, relaxed at the pressure once and kept, or the entries given."""
        if self.entries is not None or same_pressure(self.pressure, 0.0):
            return super().hull_of(atoms)
        system = tuple(sorted(set(atoms.get_chemical_symbols())))
        if system not in self._hulls:
            found = references_at(self.pressure, [system], self._potential(), cache=default_cache())
            self._hulls[system] = Hull(found.entries, model=found.model, pressure=found.pressure)
        return self._hulls[system]

    def model_name(self) -> str:
        """See :class:`~gencsp.filters.hull_energy.HullEnergy`."""
        return self._potential().model

    def relaxed_energy(self, atoms: Atoms) -> tuple[float, str]:
        """See :class:`~gencsp.filters.hull_energy.HullEnergy`."""
        settings = RelaxSettings(
            fmax=self.fmax, steps=self.steps, minimiser=self.minimiser, pressure=self.pressure
        )
        bare = portable(atoms)
        bare.calc = None
        relaxed = next(self._potential().relax([bare], settings, workers=1))
        reason = "" if relaxed.converged else str(relaxed.outcome)
        return relaxed.enthalpy_per_atom, reason

    def _potential(self) -> Engine:
        return get_engine(self.engine, device=self.device)
