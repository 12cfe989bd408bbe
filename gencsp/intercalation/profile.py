r"""The convex hull over the guest content, the voltage profile, and the change of volume.

Between two neighbouring contents x₁ < x₂ on the hull the voltage against the metal of the guest is

    V = −[E(x₂) − E(x₁) − (x₂ − x₁) E_metal] / (z (x₂ − x₁) e),

with E the energy of a formula unit of the host with its guests, E_metal that of an atom of the
metal, and z the charge of a guest ion (M. K. Aydinol, A. F. Kohan, G. Ceder, K. Cho, J.
Joannopoulos, Phys. Rev. B 56, 1354 (1997), eq. 3: energies stand for Gibbs energies, as entropy and
the work of volume are small). Under pressure the energies are enthalpies.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from ase import Atoms

from gencsp import records
from gencsp.composition import Composition
from gencsp.errors import RequestError
from gencsp.intercalation.contents import content_of

#: eV per formula unit: what lies so little above the hull over x is on it.
ON_HULL = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The lowest structure at a guest content.

    Attributes:
        x: guest atoms for each formula unit of the host.
        energy: eV per formula unit of the host, guests included.
        volume: Å³ per formula unit of the host.
        label: id of the structure.
    """

    x: Fraction
    energy: float
    volume: float
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A plateau of the voltage profile.

    Attributes:
        first, last: the guest contents where it begins and ends.
        voltage: V against the metal of the guest.
        volume_change: (V(last) − V(first)) / V(first).
    """

    first: Fraction
    last: Fraction
    voltage: float
    volume_change: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a series of guest contents says.

    Attributes:
        points: the lowest structure of each content, by x.
        formation: for each point the energy in eV per formula unit against the mixture of the first
            and the last point at its content.
        above: for each point the energy above the hull over x, eV per formula unit.
        steps: the voltage profile by x; empty without the energy of the metal.
        average_voltage: between the first and the last content, V; ``None`` without it.
    """

    points: tuple[Point, ...]
    formation: tuple[float, ...]
    above: tuple[float, ...]
    steps: tuple[Step, ...]
    average_voltage: float | None

    @property
    def stable(self) -> tuple[Point, ...]:
        """The points on the hull over x."""
        return tuple(p for p, above in zip(self.points, self.above, strict=True) if above == 0.0)

    def volume_change(self, point: Point) -> float:
        """(V(x) − V(first)) / V(first)."""
        return relative(self.points[0], point)


def profile(
    points: Sequence[Point], *, metal: float | None = None, charge: int | None = None
) -> Profile:
    """The hull over x of points, and their voltage profile.

    Args:
        points: one or several for each content; the lowest counts.
        metal: energy of an atom of the guest's metal, eV; ``None`` for no voltages.
        charge: of a guest ion, in e; needed with ``metal``.

    Raises:
        RequestError: fewer than two contents, or a charge that is not above zero.
    """
    lowest: dict[Fraction, Point] = {}
    for point in points:
        if point.x not in lowest or point.energy < lowest[point.x].energy:
            lowest[point.x] = point
    ordered = [lowest[x] for x in sorted(lowest)]
    if len(ordered) < 2:
        raise RequestError(
            "a hull over the guest content needs structures at two contents, and there are "
            f"{len(ordered)}: give more contents, or allow more --steps."
        )
    if metal is not None and (charge is None or charge < 1):
        raise RequestError(f"the charge of a guest is {charge}: give a whole number above zero.")
    corners = _lower_hull(ordered)
    above = tuple(_above(point, corners) for point in ordered)
    ends = (ordered[0], ordered[-1])
    steps: tuple[Step, ...] = ()
    average = None
    if metal is not None and charge is not None:
        pairs = itertools.pairwise(corners)
        steps = tuple(
            Step(
                first=one.x,
                last=two.x,
                voltage=voltage(one, two, metal=metal, charge=charge),
                volume_change=relative(one, two),
            )
            for one, two in pairs
        )
        average = voltage(*ends, metal=metal, charge=charge)
    return Profile(
        points=tuple(ordered),
        formation=tuple(point.energy - _between(point.x, *ends) for point in ordered),
        above=above,
        steps=steps,
        average_voltage=average,
    )


def point_of(atoms: Atoms, guest: str, unit: Composition) -> Point:
    """Enthalpy and volume of a relaxed structure, per formula unit of the host.

    Raises:
        RequestError: the structure has no energy.
    """
    enthalpy = records.number(atoms.info, records.ENTHALPY_PER_ATOM)
    if enthalpy is None:
        raise RequestError(f"{atoms.symbols} has no energy: relax it first.")
    host_atoms = len(atoms) - atoms.get_chemical_symbols().count(guest)
    units = host_atoms / unit.size
    return Point(
        x=content_of(atoms, guest, unit),
        energy=enthalpy * len(atoms) / units,
        volume=float(atoms.cell.volume) / units,
        label=str(atoms.info.get(records.STRUCTURE_ID, "")),
    )


def voltage(first: Point, last: Point, *, metal: float, charge: int) -> float:
    """Voltage in V between two contents; see the module for the formula and its source."""
    guests = float(last.x - first.x)
    return -(last.energy - first.energy - guests * metal) / (guests * charge)


def relative(first: Point, last: Point) -> float:
    """Relative change of the volume from one point to another."""
    return (last.volume - first.volume) / first.volume


def _lower_hull(points: Sequence[Point]) -> list[Point]:
    """The corners of the lower convex hull of points that are sorted by x (Andrew's algorithm)."""
    corners: list[Point] = []
    for point in points:
        while len(corners) > 1 and corners[-1].energy >= _between(
            corners[-1].x, corners[-2], point
        ):
            corners.pop()
        corners.append(point)
    return corners


def _above(point: Point, corners: Sequence[Point]) -> float:
    right = next(k for k, corner in enumerate(corners) if corner.x >= point.x)
    if corners[right].x == point.x:
        return 0.0
    above = point.energy - _between(point.x, corners[right - 1], corners[right])
    return 0.0 if above < ON_HULL else above


def _between(x: Fraction, first: Point, last: Point) -> float:
    share = float((x - first.x) / (last.x - first.x))
    return (1 - share) * first.energy + share * last.energy
