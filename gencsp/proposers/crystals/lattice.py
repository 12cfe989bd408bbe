"""Random Bravais lattices of a given volume, unconditional or fit for a space group.

The search over lattices of CHGGen (Section III.B and *Hyperparameters*). Its text samples "the
ratio of c/a and b/a uniformly between N(-0.75, 1.25)", which is neither a uniform nor a normal
distribution. It is read here as a uniform draw from [0.75, 1.25], a window around one; the
rhombohedral and the free angles, of which the paper gives no window, are drawn from [60°, 120°],
where every reduced cell has its angles. :class:`ShapeWindow` changes all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt, Unit
from ase.cell import Cell
from ase.geometry.minkowski_reduction import minkowski_reduce
from numpy.typing import NDArray

from gencsp.deck import Positive, check_fields
from gencsp.descriptors.flaws import Limits, cell_flaws
from gencsp.errors import RequestError

Array = NDArray[np.float64]


class Bravais(StrEnum):
    """The 14 Bravais lattices by their IUCr symbols (S: one-face centred)."""

    CUBIC_P = "cP"
    CUBIC_I = "cI"
    CUBIC_F = "cF"
    TETRAGONAL_P = "tP"
    TETRAGONAL_I = "tI"
    HEXAGONAL_P = "hP"
    RHOMBOHEDRAL = "hR"
    ORTHORHOMBIC_P = "oP"
    ORTHORHOMBIC_S = "oS"
    ORTHORHOMBIC_I = "oI"
    ORTHORHOMBIC_F = "oF"
    MONOCLINIC_P = "mP"
    MONOCLINIC_S = "mS"
    TRICLINIC_P = "aP"


#: Degrees between two vectors that do not lie on a line.
CellAngle = Annotated[float, Gt(0), Lt(180), Unit("degrees")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeWindow:
    """Limits on the shapes of conventional cells that are drawn.

    Attributes:
        ratio: least and largest b/a and c/a.
        angle: least and largest free angle, degrees.
        min_height: least distance between opposite faces of the reduced primitive cell, as a
            fraction of the cube root of its volume; a flatter draw is made again.
    """

    ratio: tuple[Positive, Positive] = (0.75, 1.25)
    angle: tuple[CellAngle, CellAngle] = (60.0, 120.0)
    min_height: Annotated[float, Ge(0), Lt(0.9)] = 0.4

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("ratio", "angle"):
            least, most = getattr(self, name)
            if least > most:
                raise RequestError(f"{name} is ({least}, {most}): give the smaller one first.")


DEFAULT_WINDOW = ShapeWindow()

_LAST_OF_SYSTEM = ((2, "a"), (15, "m"), (74, "o"), (142, "t"), (194, "h"), (230, "c"))
_CENTRED: dict[str, tuple[int, ...]] = {
    "C": (5, 8, 9, 12, 15, 20, 21, 35, 36, 37, *range(63, 69)),
    "A": (38, 39, 40, 41),
    "I": (
        *(23, 24, 44, 45, 46, 71, 72, 73, 74, 79, 80, 82, 87, 88, 97, 98, 107, 108, 109, 110),
        *(119, 120, 121, 122, 139, 140, 141, 142, 197, 199, 204, 206, 211, 214, 217, 220),
        *(229, 230),
    ),
    "F": (22, 42, 43, 69, 70, 196, 202, 203, 209, 210, 216, 219, 225, 226, 227, 228),
    "R": (146, 148, 155, 160, 161, 166, 167),
}
#: Rows are primitive vectors in units of the conventional ones (International Tables A, obverse
#: setting for R on hexagonal axes).
PRIMITIVE: dict[str, Array] = {
    "P": np.eye(3),
    "A": np.array([[1, 0, 0], [0, 0.5, -0.5], [0, 0.5, 0.5]]),
    "C": np.array([[0.5, -0.5, 0], [0.5, 0.5, 0], [0, 0, 1]]),
    "I": np.array([[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]]),
    "F": np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]),
    "R": np.array([[2, 1, 1], [-1, 1, 1], [-1, -2, 1]]) / 3,
}


def centring(space_group: int) -> str:
    """Centring letter (P, A, C, I, F or R) of a space group in its standard setting.

    Raises:
        RequestError: the number is not from 1 to 230.
    """
    _check(space_group)
    return next((letter for letter, groups in _CENTRED.items() if space_group in groups), "P")


def bravais(space_group: int) -> Bravais:
    """Bravais lattice of a space group; raises as :func:`centring`."""
    _check(space_group)
    system = next(letter for last, letter in _LAST_OF_SYSTEM if space_group <= last)
    letter = centring(space_group)
    return Bravais(system + ("S" if letter in "AC" else letter))


def random_lattice(
    volume: float,
    *,
    rng: np.random.Generator,
    kind: Bravais | None = None,
    window: ShapeWindow = DEFAULT_WINDOW,
) -> Cell:
    """A random primitive cell, Minkowski-reduced.

    Args:
        volume: of the primitive cell, Å³ (N·V₀ in the paper).
        rng: where the draws come from.
        kind: Bravais lattice; ``None`` draws one of the 14, each equally likely.
        window: shapes allowed.

    Raises:
        RequestError: the volume is not positive, or the window admits no cell of this kind.
    """
    chosen = list(Bravais)[int(rng.integers(len(Bravais)))] if kind is None else Bravais(kind)
    letter = "C" if chosen[1] == "S" else chosen[1]
    for _ in range(1000):
        cell = primitive_cell(_random_shape(chosen, rng, window), letter, volume=volume)
        if not cell_flaws(cell.array, Limits(least_height=window.min_height)):
            return cell
    raise RequestError(f"no {chosen} cell fits {window}: widen its ratios or lower min_height.")


def space_group_lattice(
    space_group: int,
    *,
    volume: float,
    rng: np.random.Generator,
    window: ShapeWindow = DEFAULT_WINDOW,
) -> Cell:
    """A random conventional cell, in the standard setting, that a space group can act on.

    ``volume`` (Å³) is that of the *primitive* cell, so that it is N·V₀ for the N atoms in there;
    :func:`primitive_cell` leads to it. Raises as :func:`random_lattice`.
    """
    kind, letter = bravais(space_group), centring(space_group)
    for _ in range(1000):
        shape = _random_shape(kind, rng, window)
        primitive = primitive_cell(shape, letter, volume=1.0)
        if not cell_flaws(primitive.array, Limits(least_height=window.min_height)):
            return scaled(shape, volume / abs(np.linalg.det(PRIMITIVE[letter])))
    raise RequestError(f"no {kind} cell fits {window}: widen its ratios or lower min_height.")


def primitive_cell(conventional: Cell, letter: str, *, volume: float | None = None) -> Cell:
    """Minkowski-reduced primitive cell of a conventional one, with ``volume`` (Å³) if given."""
    reduced, _ = minkowski_reduce(PRIMITIVE[letter] @ conventional.array)
    cell = Cell(reduced if np.linalg.det(reduced) > 0 else -reduced)
    return cell if volume is None else scaled(cell, volume)


def scaled(cell: Cell, volume: float) -> Cell:
    """The same shape with another volume, Å³.

    Raises:
        RequestError: the volume is not positive and finite.
    """
    if not (np.isfinite(volume) and volume > 0):
        raise RequestError(f"volume is {volume}: a cell needs a positive, finite volume in Å³.")
    return Cell(cell.array * (volume / cell.volume) ** (1 / 3))


def conventional_shape(kind: Bravais, parameters: tuple[float, ...]) -> Cell:
    """Conventional cell with a = 1 Å from the free parameters of its kind.

    Free parameters: none for cubic; c/a for tetragonal, hexagonal and (hexagonal axes)
    rhombohedral; b/a, c/a for orthorhombic; b/a, c/a, β for monoclinic (b unique); b/a, c/a, α, β,
    γ for triclinic; angles in degrees.

    Raises:
        RequestError: another number of parameters, or angles that no cell can have.
    """
    if len(parameters) != N_FREE[kind[0]]:
        raise RequestError(f"{kind} has {N_FREE[kind[0]]} free parameters, not {len(parameters)}.")
    angles = [90.0, 90.0, 90.0]
    ratios = (1.0, *parameters[:2]) if kind[0] in "oma" else (1.0, 1.0, *(parameters or (1.0,)))
    if kind[0] == "h":
        angles[2] = 120.0
    elif kind[0] == "m":
        angles[1] = parameters[2]
    elif kind[0] == "a":
        angles = list(parameters[2:])
        cosines = np.cos(np.radians(angles))
        if 1 - np.sum(cosines**2) + 2 * np.prod(cosines) < 1e-3:
            raise RequestError(f"no cell has the angles {angles}.")
    return Cell.fromcellpar([*ratios, *angles])


#: Free shape parameters of each crystal system.
N_FREE: dict[str, int] = {"c": 0, "t": 1, "h": 1, "o": 2, "m": 3, "a": 5}


def _random_shape(kind: Bravais, rng: np.random.Generator, window: ShapeWindow) -> Cell:
    """Conventional cell of arbitrary volume with its free ratios and angles drawn."""
    if kind is Bravais.RHOMBOHEDRAL:
        return _hexagonal_axes(_rhombohedral_angle(rng, window))
    n_angles = {"m": 1, "a": 3}.get(kind[0], 0)
    n_ratios = N_FREE[kind[0]] - n_angles
    for _ in range(1000):
        ratios = rng.uniform(*window.ratio, size=n_ratios)
        angles = rng.uniform(*window.angle, size=n_angles)
        try:
            return conventional_shape(kind, (*ratios, *angles))
        except RequestError:  # three angles that no cell can have: draw again
            continue
    raise RequestError(f"no {kind} cell has angles within {window.angle} degrees.")


def _rhombohedral_angle(rng: np.random.Generator, window: ShapeWindow) -> float:
    """Angle between the primitive vectors; at 120° and above they lie in a plane or nowhere."""
    low, high = window.angle
    return float(rng.uniform(min(low, 115.0), min(high, 115.0)))


def _hexagonal_axes(angle: float) -> Cell:
    """Hexagonal axes of the rhombohedral lattice with this angle (degrees) and edge 1 Å."""
    cosine = np.cos(np.radians(angle))
    a = np.sqrt(2 * (1 - cosine))
    c = np.sqrt(3 * (1 + 2 * cosine))
    return Cell.fromcellpar([a, a, c, 90, 90, 120])


def _check(space_group: int) -> None:
    if not 1 <= space_group <= 230:
        raise RequestError(f"{space_group} is not a space-group number: they run from 1 to 230.")
