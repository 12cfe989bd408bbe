"""The minimisers by name, behind one interface for batches that change as they run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gencsp.deck import Count, Natural, NonNegative, Positive, Share
from gencsp.minimise.crystals import FloatArray, IntArray
from gencsp.minimise.fire import FireState, fire_step
from gencsp.minimise.quasi_newton import Point, TrustRegion
from gencsp.minimise.settings import (
    FIRE,
    TRUST_REGION,
    Cut,
    FireSettings,
    Growth,
    TrustRegionSettings,
)
from gencsp.plugins import Choice, Configured, Registry


@runtime_checkable
class BatchMinimiser(Protocol):
    """Turns generalised forces into displacements, for a batch whose structures change.

    Every structure has a row of three coordinates for each atom and three for its cell. Each
    iteration calls ``judge``, then ``take`` to keep the unfinished ones, then ``step``.
    """

    def join(self, sizes: IntArray, volumes: FloatArray) -> None:
        """Add structures, given their numbers of atoms (b,) and volumes (b,) in Å³."""
        ...

    def judge(self, forces: FloatArray, enthalpies: FloatArray) -> list[Point]:
        """Judge the points with forces (r, 3) in eV/Å and enthalpies (b,) in eV.

        A point that could not be evaluated has an enthalpy that is not finite.
        """
        ...

    def take(self, chosen: NDArray[np.bool_]) -> None:
        """Remove the structures for which ``chosen`` (b,) is false."""
        ...

    def step(self) -> FloatArray:
        """Displacements (r, 3) from the points that were judged."""
        ...


class Fire:
    """FIRE over the whole batch at once. It accepts every point whose enthalpy is finite."""

    def __init__(self, settings: FireSettings = FIRE) -> None:
        self._settings = settings
        self._state = FireState.initial(np.zeros(0, dtype=np.int64))
        self._forces = np.zeros((0, 3))

    def join(self, sizes: IntArray, volumes: FloatArray) -> None:  # noqa: ARG002
        """See :class:`BatchMinimiser`."""
        self._state = self._state.join(FireState.initial(sizes + 3, self._settings))

    def judge(self, forces: FloatArray, enthalpies: FloatArray) -> list[Point]:
        """See :class:`BatchMinimiser`."""
        self._forces = forces
        return [Point.ACCEPTED if np.isfinite(e) else Point.DEAD_END for e in enthalpies]

    def take(self, chosen: NDArray[np.bool_]) -> None:
        """See :class:`BatchMinimiser`."""
        self._forces = self._forces[np.repeat(chosen, self._state.rows)]
        self._state = self._state.take(chosen)

    def step(self) -> FloatArray:
        """See :class:`BatchMinimiser`."""
        self._state, move = fire_step(self._state, self._forces, self._settings)
        return move


class _FireAlone(Fire):
    """FIRE for one structure among those of the quasi-Newton."""

    def __init__(self, atoms: int) -> None:
        super().__init__()
        self.rows = atoms + 3
        self.join(np.array([atoms]), np.ones(1))


class QuasiNewton:
    """A trust-region quasi-Newton for each structure of the batch; FIRE for those too large."""

    def __init__(self, settings: TrustRegionSettings = TRUST_REGION) -> None:
        self._settings = settings
        self._each: list[TrustRegion | _FireAlone] = []

    def join(self, sizes: IntArray, volumes: FloatArray) -> None:
        """See :class:`BatchMinimiser`."""
        for size, volume in zip(sizes.tolist(), volumes.tolist(), strict=True):
            large = size > self._settings.most_atoms
            self._each.append(
                _FireAlone(size) if large else TrustRegion(size, volume, self._settings)
            )

    def judge(self, forces: FloatArray, enthalpies: FloatArray) -> list[Point]:
        """See :class:`BatchMinimiser`."""
        ends = np.cumsum([one.rows for one in self._each])
        return [
            one.judge(part, float(value))
            if isinstance(one, TrustRegion)
            else one.judge(part, np.array([value]))[0]
            for one, part, value in zip(
                self._each, np.split(forces, ends[:-1]), enthalpies, strict=True
            )
        ]

    def take(self, chosen: NDArray[np.bool_]) -> None:
        """See :class:`BatchMinimiser`."""
        self._each = [one for one, stays in zip(self._each, chosen, strict=True) if stays]

    def step(self) -> FloatArray:
        """See :class:`BatchMinimiser`."""
        return np.concatenate([one.step() for one in self._each])


class ConfiguredMinimiser(Configured):
    """Base of the options of minimisers; ``build`` makes one without structures yet."""

    kind: ClassVar[str] = "minimiser"

    def build(self, context: None) -> BatchMinimiser:
        """A minimiser without structures yet."""
        raise NotImplementedError


class FireOptions(ConfiguredMinimiser):
    """Options of :class:`Fire`: those of ASE's ``FIRE``, by the same names.

    See :class:`~gencsp.minimise.settings.FireSettings`. The native engine has the defaults built
    in; with others the structures are relaxed by this minimiser in Python, on the same numbers.
    """

    name = "fire"

    dt: Positive = Field(default=FIRE.dt, description="First time step.")
    maxstep: Positive = Field(default=FIRE.maxstep, description="Longest step, Å.")
    dtmax: Positive = Field(default=FIRE.dtmax, description="Longest time step.")
    Nmin: Natural = Field(
        default=FIRE.Nmin, description="Steps downhill before the time step grows."
    )
    finc: Growth = Field(default=FIRE.finc, description="Factor by which it grows.")
    fdec: Cut = Field(default=FIRE.fdec, description="Factor by which it shrinks uphill.")
    astart: Share = Field(
        default=FIRE.astart, description="Share of the force in the velocity at first."
    )
    fa: Share = Field(default=FIRE.fa, description="Factor by which that share shrinks.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.dt > self.dtmax:
            raise ValueError(f"dt is {self.dt} and dtmax {self.dtmax}")
        return self

    @property
    def settings(self) -> FireSettings:
        """The same values as :class:`.FireSettings`."""
        return FireSettings(**self.model_dump())

    def build(self, context: None) -> BatchMinimiser:  # noqa: ARG002
        """See :class:`ConfiguredMinimiser`."""
        return Fire(self.settings)


class QuasiNewtonOptions(ConfiguredMinimiser):
    """Options of :class:`QuasiNewton`, the fields of :class:`.TrustRegionSettings`."""

    name = "quasi-newton"

    atom_stiffness: Positive = Field(
        default=TRUST_REGION.atom_stiffness, description="Of the first Hessian, eV/Å²."
    )
    cell_stiffness: Positive = Field(
        default=TRUST_REGION.cell_stiffness, description="Of the first Hessian, eV/Å³."
    )
    first_radius: Positive = Field(
        default=TRUST_REGION.first_radius, description="Longest first step of an atom, Å."
    )
    least_radius: Positive = Field(default=TRUST_REGION.least_radius, description="Å.")
    most_radius: Positive = Field(default=TRUST_REGION.most_radius, description="Å.")
    uphill: NonNegative = Field(
        default=TRUST_REGION.uphill,
        description="Rise taken back, eV per square root of atoms.",
    )
    most_atoms: Count = Field(
        default=TRUST_REGION.most_atoms, description="Larger structures are relaxed by FIRE."
    )

    @property
    def settings(self) -> TrustRegionSettings:
        """The same values as :class:`.TrustRegionSettings`."""
        return TrustRegionSettings(**self.model_dump())

    def build(self, context: None) -> BatchMinimiser:  # noqa: ARG002
        """See :class:`ConfiguredMinimiser`."""
        return QuasiNewton(self.settings)


#: All minimisers, by name.
MINIMISERS: Registry[BatchMinimiser] = Registry(
    "gencsp.minimisers", kind="minimiser", contract=BatchMinimiser
)


def minimiser_text(given: str | Mapping[str, Any] | Choice) -> str:
    """A minimiser as settings hold it: its name with its options, which are checked.

    Raises:
        RequestError: there is none of this name.
        DeckError: an option that it does not have, or out of its range.
        PluginError: its package is at fault.
    """
    choice = Choice.read(given)
    MINIMISERS.configure(choice)
    return str(choice)
