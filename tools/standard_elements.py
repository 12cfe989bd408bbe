"""Standard crystals of the elements, built explicitly where OQMD-ICSD may lack the ground state.

Close-packed and body-centred stackings serve every metal at the volume that
:func:`gencsp.proposers.crystals.volume.predict_volume` gives; other structures carry their measured
lattice constants (J. Donohue, The Structures of the Elements, Wiley (1974)) and are relaxed like
the rest.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal

from gencsp.composition import ELEMENTS, Composition
from gencsp.proposers.crystals.volume import predict_volume

NOBLE_GASES = frozenset({"He", "Ne", "Ar", "Kr", "Xe"})
#: Molecules and covalent networks, for which a close packing means nothing.
COVALENT = frozenset({"H", "B", "C", "N", "O", "F", "P", "S", "Cl", "As", "Se", "Br", "Te", "I"})
#: Heights (in layers) and positions A, B, C of the close-packed stackings of metals.
STACKINGS = {"hcp": "AB", "dhcp": "ABAC", "9R": "ABABCBCAC"}
DIAMOND = {"C": 3.567, "Si": 5.431, "Ge": 5.658, "Sn": 6.489}
#: element: (name, site, space group, cell parameters in Å and degrees).
OTHERS: dict[str, tuple[str, tuple[float, float, float], int, tuple[float, ...]]] = {
    "U": ("alpha-U", (0, 0.1025, 0.25), 63, (2.854, 5.870, 4.955, 90, 90, 90)),
    "Se": ("trigonal", (0.2254, 0, 1 / 3), 152, (4.366, 4.366, 4.954, 90, 90, 120)),
    "Te": ("trigonal", (0.2636, 0, 1 / 3), 152, (4.457, 4.457, 5.929, 90, 90, 120)),
    "Sn": ("beta-Sn", (0, 0, 0), 141, (5.831, 5.831, 3.182, 90, 90, 90)),
    "Hg": ("alpha-Hg", (0, 0, 0), 166, (3.464, 3.464, 6.708, 90, 90, 120)),
    "In": ("bct", (0, 0, 0), 139, (3.253, 3.253, 4.947, 90, 90, 90)),
    "Pa": ("bct", (0, 0, 0), 139, (3.929, 3.929, 3.241, 90, 90, 90)),
}


def standard_elements() -> Iterator[tuple[str, Atoms]]:
    """Source id such as ``standard-fcc-Ni`` and structure, element by element."""
    for symbol in ELEMENTS:
        volume = predict_volume(Composition.parse(symbol)).value
        if symbol not in COVALENT:
            yield f"standard-fcc-{symbol}", bulk(symbol, "fcc", a=(4 * volume) ** (1 / 3))
            yield f"standard-hcp-{symbol}", stacking(symbol, STACKINGS["hcp"], volume)
        if symbol not in COVALENT | NOBLE_GASES:
            yield f"standard-bcc-{symbol}", bulk(symbol, "bcc", a=(2 * volume) ** (1 / 3))
            for name in ("dhcp", "9R"):
                yield f"standard-{name}-{symbol}", stacking(symbol, STACKINGS[name], volume)
        if symbol in DIAMOND:
            yield f"standard-diamond-{symbol}", bulk(symbol, "diamond", a=DIAMOND[symbol])
        if symbol in OTHERS:
            name, site, group, cell = OTHERS[symbol]
            atoms = crystal(symbol, [site], spacegroup=group, cellpar=cell, primitive_cell=True)
            yield f"standard-{name}-{symbol}", Atoms(atoms)


def stacking(symbol: str, layers: str, volume: float) -> Atoms:
    """Ideal close packing of one atom a layer; ``volume`` in Å³/atom."""
    a = (volume * np.sqrt(2)) ** (1 / 3)
    height = a * np.sqrt(2 / 3)
    shift = {"A": (0, 0), "B": (1 / 3, 2 / 3), "C": (2 / 3, 1 / 3)}
    fractional = [(*shift[layer], k / len(layers)) for k, layer in enumerate(layers)]
    cell = [[a, 0, 0], [-a / 2, a * np.sqrt(3) / 2, 0], [0, 0, height * len(layers)]]
    return Atoms([symbol] * len(layers), scaled_positions=fractional, cell=cell, pbc=True)
