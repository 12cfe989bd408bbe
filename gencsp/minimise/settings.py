"""The settings that every relaxation engine obeys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from gencsp.deck import (
    Fmax,
    Natural,
    NonNegative,
    Positive,
    Pressure,
    Seconds,
    Share,
    Symprec,
    check_fields,
)
from gencsp.errors import RequestError
from gencsp.symmetry.tolerances import KEPT_SYMPREC

#: Factors by which FIRE lengthens and shortens its time step.
Growth = Annotated[float, Ge(1)]
Cut = Annotated[float, Gt(0), Lt(1)]
#: What becomes of a structure whose rigid units broke.
BrokenUnits = Literal["keep", "drop"]
#: A minimiser by name, with options where it has some: ``quasi-newton:first_radius=0.2``.
Minimiser = str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRegionSettings:
    """Constants of the quasi-Newton minimiser; chosen in ``benchmarks/minimisers.py``.

    Attributes:
        atom_stiffness: of the springs that hold the atoms in the first Hessian, eV/Å².
        cell_stiffness: bulk modulus of the cell in the first Hessian, eV/Å³ (1 is 160 GPa).
        first_radius: how far the first step may move an atom, Å. A cell's row counts by what it
            does to an edge of the mean length.
        least_radius: Å.
        most_radius: Å.
        uphill: rise of the enthalpy beyond which a step is taken back, eV per square root of atoms.
        most_atoms: larger structures are relaxed by FIRE, because the effort of a step on a dense
            Hessian grows with the cube of the atoms.
    """

    atom_stiffness: Positive = 30.0
    cell_stiffness: Positive = 1.0
    first_radius: Positive = 0.3
    least_radius: Positive = 0.01
    most_radius: Positive = 1.0
    uphill: NonNegative = 0.02
    most_atoms: Natural = 300

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.least_radius <= self.first_radius <= self.most_radius:
            raise RequestError(
                f"first_radius is {self.first_radius} Å: it must lie between least_radius, "
                f"{self.least_radius}, and most_radius, {self.most_radius}."
            )


#: The ones that every engine uses.
TRUST_REGION = TrustRegionSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class FireSettings:
    """The constants of FIRE, with the names and the defaults of ASE's ``FIRE``.

    Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006), recommend Nmin, finc, fdec, astart and fa.

    Attributes:
        dt: time step of the first step, in units where the mass is one.
        maxstep: longest step over all degrees of freedom of a structure together, Å.
        dtmax: longest time step.
        Nmin: steps downhill in a row after which the time step grows.
        finc: factor by which it grows.
        fdec: factor by which it shrinks after a step uphill.
        astart: share of the force's direction in the velocity, at the start (ASE's ``a``) and after
            a step uphill.
        fa: factor by which that share shrinks as the time step grows.
    """

    dt: Positive = 0.1
    maxstep: Positive = 0.2
    dtmax: Positive = 1.0
    Nmin: Natural = 5
    finc: Growth = 1.1
    fdec: Cut = 0.5
    astart: Share = 0.1
    fa: Share = 0.99

    def __post_init__(self) -> None:
        check_fields(self)
        if self.dt > self.dtmax:
            raise RequestError(f"dt is {self.dt}: it must not be above dtmax, {self.dtmax}.")


#: The ones of ASE, which the native engine computes with.
FIRE = FireSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaxSettings:
    """How to relax.

    Attributes:
        fmax: converged when no generalised force exceeds this, eV/Å (atoms and, unless
            ``fixed_cell``, the cell gradient of ASE's ``FrechetCellFilter``).
        steps: most minimiser steps.
        pressure: external hydrostatic pressure, GPa.
        fixed_cell: keep the cell, relax atoms only.
        keep_symmetry: project forces, stress and steps on the space group of the start
            (found by spglib at ``symprec``), as ASE's ``FixSymmetry`` does.
        symprec: tolerance of that space group, Å.
        minimiser: by name, see :data:`~gencsp.minimise.minimisers.MINIMISERS`: the trust-region
            ``quasi-newton``, ``fire``, or one of another package.
        time_limit: wall seconds for one structure; ``None`` for no limit.
        ceiling: stop a structure that stays above this energy, eV/atom; ``None`` for no limit.
        rigid_units: relax in two stages: at first the rigid units that structures name (see
            :mod:`gencsp.units.members`) move and turn as a whole, then every atom is free. Steps
            and time are limited in each stage. A structure that names no units is bad input.
        broken_units: whether a structure is a result whose units broke, see
            :mod:`gencsp.units.broken`.
    """

    fmax: Fmax = 0.1
    steps: Natural = 200
    pressure: Pressure = 0.0
    fixed_cell: bool = False
    keep_symmetry: bool = False
    symprec: Symprec = KEPT_SYMPREC
    minimiser: Minimiser = "quasi-newton"
    time_limit: Seconds | None = None
    ceiling: float | None = None
    rigid_units: bool = False
    broken_units: BrokenUnits = "keep"

    def __post_init__(self) -> None:
        check_fields(self)
