"""Units that come with gencsp: small molecules and the ions of common salts.

Their geometries are built from the bond lengths and angles of the sources named below, rounded to
what crystals share, so that their point groups are exact. A relaxation corrects what differs. AMCSD
is the American Mineralogist Crystal Structure Database, from whose coordinates lengths were
computed.

* NH2-: N-H 1.03 Å, H-N-H 104°, the supplement on NaNH2.
* NH4+, CH3NH3+: N-H 1.03 Å, C-H 1.09 Å, C-N-H 110.8°, N-C-H 110.5°, the means of neutron
  diffraction for NH4, NH3 and CH3 groups (*On the estimation of second moment for organic compounds
  in wideline PMR: analysis of group geometry*); C-N 1.49 Å (Allen et al., below; not looked up).
* H2O: 0.958 Å, 104.48° (NIST's CCCBDB, after Hoy and Bunker, J. Mol. Spectrosc. 74, 1, 1979).
* CN-: 1.177 Å (abstract of Bradforth et al., J. Chem. Phys. 98, 800, 1993).
* NO3-: 1.247 Å; CO3 2-: 1.284 Å; SO4 2-: 1.473 Å; PO4 3-: 1.537 Å (Gagné and Hawthorne, Acta
  Cryst. B 74, 79, 2018; not looked up). The medians of nitrates, carbonates, sulfates and
  lithium phosphate in AMCSD are within 0.01 Å of these.
* BF4-: 1.386 Å, NaBF4 and KBF4 in AMCSD (ferruccite and avogadrite: Acta Cryst. B 24, 1968, and 25,
  1969; Can. J. Chem. 47, 2579, 1969). Means of organic salts are shorter by 0.02 Å.
* C2O4 2-, planar: C-C 1.567 Å, C-O 1.259 Å, O-C-O 125.7°, Na2C2O4 in AMCSD (natroxalate: Reed and
  Olmstead, Acta Cryst. B 37, 938, 1981).
* Benzene: C-C 1.391 Å, C-H 1.080 Å (abstract of Gauss and Stanton, J. Phys. Chem. A 104, 2865,
  2000).
* Urea, planar: C-O 1.261 Å, C-N 1.345 Å, N-H 1.009 and 1.005 Å, O-C-N 121.4°, C-N-H 119.1° (the H
  on the side of O) and 120.5°, from the coordinates of the CSD's entry UREAXX12, by neutrons at
  12 K (Swaminathan et al., Acta Cryst. B 40, 300, 1984).

Of these, the papers could not be looked up; relaxed crystals of the Materials Project (PBE) say how
far they may be off:

* OH-: 0.964 Å (Rosenbaum et al., J. Chem. Phys. 84, 5308, 1986); PBE 0.975 Å.
* H3O+: 0.976 Å, 111.3° (Sears et al., J. Chem. Phys. 83, 2676, 1985); Kollman and Bender's abstract
  estimates 0.97 to 0.98 Å and 110 to 112°.
* N3-: 1.188 Å (Polak et al., J. Am. Chem. Soc. 109, 2884, 1987); PBE 1.188 Å.
* NO2-: 1.240 Å, 114.9° (NaNO2; Kay and Frazer, Acta Cryst. 14, 56, 1961); PBE 1.273 Å, 114° to
  115.3°.
* ClO4-: 1.436 Å (Gagné and Hawthorne, above); PBE 1.465 Å.
* BH4-: 1.22 Å (LiBH4 by neutrons; Hartman et al., J. Solid State Chem. 180, 1298, 2007); PBE
  1.228 Å.
* AlH4-: 1.626 Å (NaAlD4 by neutrons; Hauback et al., J. Alloys Compd. 358, 142, 2003); PBE 1.630 Å.
* PF6-: 1.579 Å, the mean of crystals (Allen et al., J. Chem. Soc. Perkin Trans. 2, S1, 1987); PBE
  1.638 Å.
* CO2: 1.160 Å (CRC Handbook of Chemistry and Physics).

PBE makes bonds to O and F longer than they are: by 0.02 to 0.03 Å in the nitrates, sulfates,
phosphates and tetrafluoroborates above.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from gencsp.units.unit import RigidUnit

Array = NDArray[np.float64]

#: Other names of built-in units.
ALIASES: dict[str, str] = {
    "amide": "NH2", "ammonium": "NH4", "water": "H2O", "hydroxide": "OH", "hydronium": "H3O",
    "cyanide": "CN", "azide": "N3", "nitrite": "NO2", "nitrate": "NO3", "carbonate": "CO3",
    "sulfate": "SO4", "phosphate": "PO4", "perchlorate": "ClO4", "borohydride": "BH4",
    "alanate": "AlH4", "tetrafluoroborate": "BF4", "hexafluorophosphate": "PF6",
    "oxalate": "C2O4", "methylammonium": "CH3NH3", "benzene": "C6H6", "urea": "CO(NH2)2",
}  # fmt: skip


def builtin_names() -> tuple[str, ...]:
    """Names of the built-in units, without their aliases."""
    return tuple(_BUILDERS)


def builtin_unit(name: str) -> RigidUnit | None:
    """A built-in unit by its name or one of its aliases; ``None`` if there is none."""
    return _made(ALIASES.get(name, name))


@cache
def _made(name: str) -> RigidUnit | None:
    """One object for each unit, whatever it is called."""
    return _BUILDERS[name](name) if name in _BUILDERS else None


#: Makes a unit of a given name.
Builder = Callable[[str], RigidUnit]


def _star(centre: str, ligand: str, directions: Array, length: float, charge: int) -> Builder:
    """An atom and others around it at one distance, Å."""
    unit = directions / np.linalg.norm(directions, axis=1)[:, None]

    def build(name: str) -> RigidUnit:
        symbols = (centre, *[ligand] * len(unit))
        bonds = tuple((0, k) for k in range(1, len(symbols)))
        positions = np.vstack([np.zeros(3), length * unit])
        return RigidUnit(name, symbols, positions, bonds, charge=charge)

    return build


def _diatomic(first: str, second: str, length: float, charge: int) -> Builder:
    return _star(first, second, np.array([[0.0, 0.0, 1.0]]), length, charge)


def _line(outer: str, centre: str, length: float, charge: int) -> Builder:
    return _star(centre, outer, np.array([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]), length, charge)


def _bent(centre: str, ligand: str, length: float, degrees: float, charge: int) -> Builder:
    half = np.radians(degrees) / 2
    directions = np.array([[s * np.sin(half), 0.0, np.cos(half)] for s in (1, -1)])
    return _star(centre, ligand, directions, length, charge)


def _triangle(centre: str, ligand: str, length: float, charge: int) -> Builder:
    return _star(centre, ligand, _cone(90.0), length, charge)


def _pyramid(centre: str, ligand: str, length: float, degrees: float, charge: int) -> Builder:
    """Three atoms around another one, with an angle between each two bonds."""
    # Bonds at an angle t to the axis make the angle 2 arcsin(sin(60°) sin t) with each other.
    tilt = np.degrees(np.arcsin(np.sin(np.radians(degrees) / 2) / np.sin(np.pi / 3)))
    return _star(centre, ligand, _cone(tilt), length, charge)


def _tetrahedron(centre: str, ligand: str, length: float, charge: int) -> Builder:
    directions = np.array([one for one in product((1.0, -1.0), repeat=3) if np.prod(one) > 0])
    return _star(centre, ligand, directions, length, charge)


def _octahedron(centre: str, ligand: str, length: float, charge: int) -> Builder:
    return _star(centre, ligand, np.vstack([np.eye(3), -np.eye(3)]), length, charge)


def _cone(degrees: float, start: float = 0.0) -> Array:
    """Three unit vectors at an angle to z, and at 120° to each other about it."""
    tilt = np.radians(degrees)
    turns = np.radians(start + np.array([0.0, 120.0, 240.0]))
    across = np.sin(tilt) * np.column_stack([np.cos(turns), np.sin(turns)])
    return np.column_stack([across, np.full(3, np.cos(tilt))])


def _oxalate(name: str) -> RigidUnit:
    half_bond, length, half = 1.567 / 2, 1.259, np.radians(125.7) / 2
    reach = half_bond + length * np.cos(half)
    carbons = [[0.0, 0.0, s * half_bond] for s in (1, -1)]
    oxygens = [[t * length * np.sin(half), 0.0, s * reach] for s in (1, -1) for t in (1, -1)]
    bonds = ((0, 1), (0, 2), (0, 3), (1, 4), (1, 5))
    return RigidUnit(name, ("C", "C", *"OOOO"), np.array(carbons + oxygens), bonds, charge=-2)


def _methylammonium(name: str) -> RigidUnit:
    """Staggered, C at the origin and N along z."""
    nitrogen = np.array([0.0, 0.0, 1.49])
    of_carbon = 1.09 * _cone(110.5)
    of_nitrogen = nitrogen - [[1, 1, -1]] * (1.03 * _cone(180 - 110.8))
    positions = np.vstack([np.zeros(3), of_carbon, nitrogen, of_nitrogen])
    bonds = ((0, 1), (0, 2), (0, 3), (0, 4), (4, 5), (4, 6), (4, 7))
    return RigidUnit(name, ("C", *"HHH", "N", *"HHH"), positions, bonds, charge=1)


def _benzene(name: str) -> RigidUnit:
    angles = np.radians(60.0 * np.arange(6))
    ring = np.column_stack([np.cos(angles), np.sin(angles), np.zeros(6)])
    bonds = (*((k, (k + 1) % 6) for k in range(6)), *((k, k + 6) for k in range(6)))
    positions = np.vstack([1.391 * ring, (1.391 + 1.080) * ring])
    return RigidUnit(name, (*"CCCCCC", *"HHHHHH"), positions, bonds, charge=0)


def _urea(name: str) -> RigidUnit:
    """C at the origin, O along z, the others in the xz plane."""

    def along(degrees: float, side: int) -> Array:
        angle = np.radians(degrees)
        return np.array([side * np.sin(angle), 0.0, np.cos(angle)])

    positions = [np.zeros(3), np.array([0.0, 0.0, 1.261])]
    for side in (1, -1):
        nitrogen = 1.345 * along(121.4, side)
        # The bond from N to C points along 121.4° + 180°; H is turned from it to either side.
        toward_oxygen = nitrogen + 1.009 * along(121.4 + 180 + 119.1, side)
        away = nitrogen + 1.005 * along(121.4 + 180 - 120.5, side)
        positions += [nitrogen, toward_oxygen, away]
    bonds = ((0, 1), (0, 2), (2, 3), (2, 4), (0, 5), (5, 6), (5, 7))
    symbols = ("C", "O", *"NHH", *"NHH")
    return RigidUnit(name, symbols, np.array(positions), bonds, charge=0)


_BUILDERS: dict[str, Builder] = {
    "NH2": _bent("N", "H", 1.03, 104.0, -1),
    "NH4": _tetrahedron("N", "H", 1.03, 1),
    "H2O": _bent("O", "H", 0.958, 104.48, 0),
    "OH": _diatomic("O", "H", 0.964, -1),
    "H3O": _pyramid("O", "H", 0.976, 111.3, 1),
    "CN": _diatomic("C", "N", 1.177, -1),
    "N3": _line("N", "N", 1.188, -1),
    "NO2": _bent("N", "O", 1.240, 114.9, -1),
    "NO3": _triangle("N", "O", 1.247, -1),
    "CO3": _triangle("C", "O", 1.284, -2),
    "SO4": _tetrahedron("S", "O", 1.473, -2),
    "PO4": _tetrahedron("P", "O", 1.537, -3),
    "ClO4": _tetrahedron("Cl", "O", 1.436, -1),
    "BH4": _tetrahedron("B", "H", 1.22, -1),
    "AlH4": _tetrahedron("Al", "H", 1.626, -1),
    "BF4": _tetrahedron("B", "F", 1.386, -1),
    "PF6": _octahedron("P", "F", 1.579, -1),
    "C2O4": _oxalate,
    "CH3NH3": _methylammonium,
    "C6H6": _benzene,
    "CO(NH2)2": _urea,
    "CO2": _line("O", "C", 1.160, 0),
}
