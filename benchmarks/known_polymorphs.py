"""Polymorphs that are known to be different crystals, from published structures.

Each is given by its space group, cell (Å, degrees) and sites, or by the sequence of its layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.spacegroup import crystal

Site = tuple[str, tuple[float, float, float]]

#: By name: formula, space group, cell and sites.
PUBLISHED: dict[str, tuple[str, int, Sequence[float], Sequence[Site]]] = {
    # Levien, Prewitt and Weidner, Am. Mineral. 65, 920 (1980).
    "alpha-quartz": (
        "SiO2", 154, (4.916, 4.916, 5.405, 90, 90, 120),
        (("Si", (0.4697, 0, 2 / 3)), ("O", (0.4135, 0.2669, 0.7858))),
    ),
    # Kihara, Eur. J. Mineral. 2, 63 (1990).
    "beta-quartz": (
        "SiO2", 180, (4.997, 4.997, 5.457, 90, 90, 120),
        (("Si", (0.5, 0, 0)), ("O", (0.2076, 0.4152, 0.5))),
    ),
    # Downs and Palmer, Am. Mineral. 79, 9 (1994).
    "alpha-cristobalite": (
        "SiO2", 92, (4.971, 4.971, 6.928, 90, 90, 90),
        (("Si", (0.3003, 0.3003, 0)), ("O", (0.2392, 0.1044, 0.1787))),
    ),
    # Peacor, Z. Kristallogr. 138, 274 (1973).
    "beta-cristobalite": (
        "SiO2", 227, (7.12, 7.12, 7.12, 90, 90, 90),
        (("Si", (0, 0, 0)), ("O", (1 / 8, 1 / 8, 1 / 8))),
    ),
    # Wright and Leadbetter, Philos. Mag. 31, 1391 (1975).
    "tilted beta-cristobalite": (
        "SiO2", 122, (5.042, 5.042, 7.131, 90, 90, 90),
        (("Si", (0, 0, 0)), ("O", (0.0896, 0.25, 0.125))),
    ),
    # Kihara, Z. Kristallogr. 148, 237 (1978).
    "tridymite": (
        "SiO2", 194, (5.052, 5.052, 8.27, 90, 90, 120),
        (("Si", (1 / 3, 2 / 3, 0.062)), ("O", (1 / 3, 2 / 3, 0.25)), ("O", (0.5, 0, 0))),
    ),
    # Ross, Shu, Hazen and Gasparik, Am. Mineral. 75, 739 (1990).
    "stishovite": (
        "SiO2", 136, (4.18, 4.18, 2.667, 90, 90, 90),
        (("Si", (0, 0, 0)), ("O", (0.3061, 0.3061, 0))),
    ),
    # Sasaki, Prewitt, Bass and Schulze, Acta Cryst. C43, 1668 (1987).
    "orthorhombic CaTiO3": (
        "CaTiO3", 62, (5.4423, 7.6401, 5.3796, 90, 90, 90),
        (
            ("Ca", (0.0356, 0.25, -0.0068)), ("Ti", (0.5, 0, 0)),
            ("O", (0.4838, 0.25, 0.0716)), ("O", (0.2888, 0.0371, 0.7108)),
        ),
    ),
    # Yashima and Ali, Solid State Ionics 180, 120 (2009), this and the next.
    "tetragonal CaTiO3": (
        "CaTiO3", 140, (5.498, 5.498, 7.783, 90, 90, 90),
        (("Ca", (0, 0.5, 0.25)), ("Ti", (0, 0, 0)), ("O", (0, 0, 0.25)), ("O", (0.228, 0.728, 0))),
    ),
    "cubic CaTiO3": (
        "CaTiO3", 221, (3.897, 3.897, 3.897, 90, 90, 90),
        (("Ca", (0, 0, 0)), ("Ti", (0.5, 0.5, 0.5)), ("O", (0.5, 0.5, 0))),
    ),
    # Jauch and Palmer, Phys. Rev. B 60, 2961 (1999), this and the next.
    "tetragonal SrTiO3": (
        "SrTiO3", 140, (5.507, 5.507, 7.796, 90, 90, 90),
        (("Sr", (0, 0.5, 0.25)), ("Ti", (0, 0, 0)), ("O", (0, 0, 0.25)), ("O", (0.241, 0.741, 0))),
    ),
    "cubic SrTiO3": (
        "SrTiO3", 221, (3.905, 3.905, 3.905, 90, 90, 90),
        (("Sr", (0, 0, 0)), ("Ti", (0.5, 0.5, 0.5)), ("O", (0.5, 0.5, 0))),
    ),
    # Shirane, Pepinsky and Frazer, Acta Cryst. 9, 131 (1956), this and the next.
    "tetragonal PbTiO3": (
        "PbTiO3", 99, (3.904, 3.904, 4.15, 90, 90, 90),
        (
            ("Pb", (0, 0, 0)), ("Ti", (0.5, 0.5, 0.541)),
            ("O", (0.5, 0.5, 0.112)), ("O", (0.5, 0, 0.612)),
        ),
    ),
    "cubic PbTiO3": (
        "PbTiO3", 221, (3.97, 3.97, 3.97, 90, 90, 90),
        (("Pb", (0, 0, 0)), ("Ti", (0.5, 0.5, 0.5)), ("O", (0.5, 0.5, 0))),
    ),
    # Kwei, Lawson, Billinge and Cheong, J. Phys. Chem. 97, 2368 (1993), this and the next three.
    "cubic BaTiO3": (
        "BaTiO3", 221, (3.996, 3.996, 3.996, 90, 90, 90),
        (("Ba", (0, 0, 0)), ("Ti", (0.5, 0.5, 0.5)), ("O", (0.5, 0.5, 0))),
    ),
    "tetragonal BaTiO3": (
        "BaTiO3", 99, (3.997, 3.997, 4.0314, 90, 90, 90),
        (
            ("Ba", (0, 0, 0)), ("Ti", (0.5, 0.5, 0.5224)),
            ("O", (0.5, 0.5, -0.0244)), ("O", (0.5, 0, 0.4895)),
        ),
    ),
    "orthorhombic BaTiO3": (
        "BaTiO3", 38, (3.9841, 5.6741, 5.6916, 90, 90, 90),
        (
            ("Ba", (0, 0, 0)), ("Ti", (0.5, 0, 0.517)),
            ("O", (0, 0, 0.489)), ("O", (0.5, 0.2561, 0.2343)),
        ),
    ),
    "rhombohedral BaTiO3": (
        "BaTiO3", 160, (5.652, 5.652, 6.951, 90, 90, 120),
        (("Ba", (0, 0, 0)), ("Ti", (0, 0, 0.4873)), ("O", (0.166, 0.834, 0.347))),
    ),
    # Howard, Hill and Reichert, Acta Cryst. B44, 116 (1988), this and the next two.
    "monoclinic ZrO2": (
        "ZrO2", 14, (5.1505, 5.2116, 5.3173, 90, 99.23, 90),
        (
            ("Zr", (0.2754, 0.0395, 0.2083)),
            ("O", (0.07, 0.3317, 0.3447)), ("O", (0.4496, 0.7569, 0.4792)),
        ),
    ),
    "tetragonal ZrO2": (
        "ZrO2", 137, (3.596, 3.596, 5.184, 90, 90, 90),
        (("Zr", (0, 0, 0)), ("O", (0, 0.5, 0.2044))),
    ),
    "cubic ZrO2": (
        "ZrO2", 225, (5.09, 5.09, 5.09, 90, 90, 90),
        (("Zr", (0, 0, 0)), ("O", (0.25, 0.25, 0.25))),
    ),
    # Kisi, Howard and Hill, J. Am. Ceram. Soc. 72, 1757 (1989).
    "orthorhombic ZrO2": (
        "ZrO2", 29, (5.068, 5.26, 5.077, 90, 90, 90),
        (
            ("Zr", (0.267, 0.033, 0.258)),
            ("O", (0.068, 0.361, 0.106)), ("O", (0.537, 0.229, 0.0)),
        ),
    ),
    # Howard, Sabine and Dickson, Acta Cryst. B47, 462 (1991), this and the next.
    "rutile": (
        "TiO2", 136, (4.5937, 4.5937, 2.9587, 90, 90, 90),
        (("Ti", (0, 0, 0)), ("O", (0.3048, 0.3048, 0))),
    ),
    "anatase": (
        "TiO2", 141, (3.7845, 3.7845, 9.5143, 90, 90, 90),
        (("Ti", (0, 0, 0)), ("O", (0, 0, 0.2081))),
    ),
    # Meagher and Lager, Can. Mineral. 17, 77 (1979).
    "brookite": (
        "TiO2", 61, (9.174, 5.449, 5.138, 90, 90, 90),
        (
            ("Ti", (0.1289, 0.0972, 0.8628)),
            ("O", (0.0095, 0.1491, 0.1835)), ("O", (0.2314, 0.111, 0.5366)),
        ),
    ),
    # Grey, Li, Madsen and Braunshausen, Mater. Res. Bull. 23, 743 (1988).
    "TiO2 II": (
        "TiO2", 60, (4.541, 5.493, 4.906, 90, 90, 90),
        (("Ti", (0, 0.171, 0.25)), ("O", (0.286, 0.376, 0.412))),
    ),
    # Swanson and Tatge, Natl. Bur. Stand. Circ. 539, 1 (1953); a at high temperature or pressure.
    "bcc iron": ("Fe", 229, (2.866, 2.866, 2.866, 90, 90, 90), (("Fe", (0, 0, 0)),)),
    "fcc iron": ("Fe", 225, (3.57, 3.57, 3.57, 90, 90, 90), (("Fe", (0, 0, 0)),)),
    "hcp iron": ("Fe", 194, (2.45, 2.45, 3.93, 90, 90, 120), (("Fe", (1 / 3, 2 / 3, 0.25)),)),
    # Textbook: Wyckoff, Crystal Structures, vol. 1 (1963).
    "rock-salt ZnS": (
        "ZnS", 225, (5.06, 5.06, 5.06, 90, 90, 90), (("Zn", (0, 0, 0)), ("S", (0.5, 0.5, 0.5)))
    ),
}  # fmt: skip

#: Polytypes by the places of their layers (Ramsdell's symbols): formula, lattice parameter of a
#: layer in Å, and the sequence. In each layer the second atom is above the first.
POLYTYPES: dict[str, tuple[tuple[str, str], float, str]] = {
    "diamond": (("C", "C"), 2.522, "ABC"),
    "lonsdaleite": (("C", "C"), 2.51, "AB"),
    "zincblende": (("Zn", "S"), 3.823, "ABC"),
    "wurtzite": (("Zn", "S"), 3.823, "AB"),
    "4H ZnS": (("Zn", "S"), 3.823, "ABCB"),
    "3C SiC": (("Si", "C"), 3.08, "ABC"),
    "2H SiC": (("Si", "C"), 3.08, "AB"),
    "4H SiC": (("Si", "C"), 3.08, "ABCB"),
    "6H SiC": (("Si", "C"), 3.08, "ABCACB"),
    "zincblende BN": (("B", "N"), 2.557, "ABC"),
    "wurtzite BN": (("B", "N"), 2.555, "AB"),
}

#: Stackings of honeycomb layers: formula, lattice parameter and distance of layers in Å, and the
#: layers, a primed one with its species exchanged.
STACKINGS: dict[str, tuple[tuple[str, str], float, float, tuple[str, ...]]] = {
    "graphite AB": (("C", "C"), 2.461, 3.354, ("A", "B")),
    "graphite ABC": (("C", "C"), 2.461, 3.354, ("A", "B", "C")),
    "graphite AA": (("C", "C"), 2.461, 3.6, ("A",)),
    "BN AA'": (("B", "N"), 2.504, 3.33, ("A", "A'")),
    "BN AB": (("B", "N"), 2.504, 3.33, ("A", "B")),
    "BN ABC": (("B", "N"), 2.504, 3.33, ("A", "B", "C")),
    "BN AA": (("B", "N"), 2.504, 3.5, ("A",)),
}

#: Fractions of the lattice vectors of a layer by which it is shifted.
_SHIFTS = {"A": (0.0, 0.0), "B": (1 / 3, 2 / 3), "C": (2 / 3, 1 / 3)}


def known_polymorphs() -> dict[str, Atoms]:
    """All of them, primitive cells, by name."""
    found = {name: _published(*given[1:]) for name, given in PUBLISHED.items()}
    found |= {name: _polytype(*given) for name, given in POLYTYPES.items()}
    found |= {name: _stacking(*given) for name, given in STACKINGS.items()}
    return found


def _published(group: int, cell: Sequence[float], sites: Sequence[Site]) -> Atoms:
    made: Any = crystal(
        [symbol for symbol, _ in sites],
        [place for _, place in sites],
        spacegroup=group,
        cellpar=list(cell),
        primitive_cell=True,
    )
    return _plain(made)


def _polytype(species: tuple[str, str], a: float, layers: str) -> Atoms:
    """Tetrahedra that share corners: the layers are √(2/3) a apart."""
    apart = a * np.sqrt(2 / 3)
    places = [
        (*_SHIFTS[layer], (number + height) / len(layers))
        for number, layer in enumerate(layers)
        for height in (0, 0.75)
    ]
    return _layered(list(species) * len(layers), a, apart * len(layers), places)


def _stacking(species: tuple[str, str], a: float, apart: float, layers: Sequence[str]) -> Atoms:
    places: list[tuple[float, float, float]] = []
    symbols: list[str] = []
    for number, layer in enumerate(layers):
        x, y = _SHIFTS[layer[0]]
        z = number / len(layers)
        places += [(x, y, z), (x + 1 / 3, y + 2 / 3, z)]
        symbols += species[::-1] if layer.endswith("'") else species
    return _layered(symbols, a, apart * len(layers), places)


def _layered(symbols: Sequence[str], a: float, c: float, places: Any) -> Atoms:
    cell = [a, a, c, 90, 90, 120]
    return _plain(Atoms(symbols, scaled_positions=places, cell=cell, pbc=True))


def _plain(atoms: Atoms) -> Atoms:
    return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
