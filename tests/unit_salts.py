"""Small crystals of rigid units, and a calculator by which they are relaxed as they are."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.cell import Cell
from scipy.spatial.transform import Rotation

from gencsp.proposers.units.crystal import Placement, UnitCrystal
from gencsp.units.unit import RigidUnit

_HALF = np.radians(52)
#: N-H 1.03 Å, H-N-H 104°.
NH2 = RigidUnit(
    "NH2",
    ("N", "H", "H"),
    1.03
    * np.array([[0, 0, 0], [np.sin(_HALF), 0, np.cos(_HALF)], [-np.sin(_HALF), 0, np.cos(_HALF)]]),
    ((0, 1), (0, 2)),
)
NH4 = RigidUnit(
    "NH4",
    ("N", "H", "H", "H", "H"),
    1.03
    / 3**0.5
    * np.array([[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=float),
    ((0, 1), (0, 2), (0, 3), (0, 4)),
)
NA, CL = RigidUnit.atom("Na"), RigidUnit.atom("Cl")


class Instant(Calculator):  # type: ignore[misc]
    """Every structure is relaxed as it is; its energy follows from its distances."""

    implemented_properties = ("energy", "forces", "stress")

    def calculate(self, atoms=None, properties=None, system_changes=()):  # type: ignore[no-untyped-def]
        super().calculate(atoms, properties, system_changes)
        energy = float(np.sin(atoms.get_all_distances(mic=True)).sum())
        self.results = {
            "energy": energy,
            "forces": np.zeros((len(atoms), 3)),
            "stress": np.zeros(6),
        }


def instant() -> Instant:
    """Makes the calculator in whichever process it is called."""
    return Instant()


def sodium_amide() -> Atoms:
    """Four formula units in P2_1/c, far from any minimum; the cell cuts units once wrapped."""
    return UnitCrystal(
        14,
        Cell.fromcellpar([5.5, 6.2, 5.0, 90, 110, 90]),
        (NA, NH2),
        (
            Placement(0, "e", np.array([0.1, 0.15, 0.3]), np.eye(3)),
            Placement(
                1,
                "e",
                np.array([0.52, 0.3, 0.05]),
                Rotation.from_rotvec([0.3, 0.5, 0.8]).as_matrix(),
            ),
        ),
    ).atoms()


def ammonium_chloride(turn: float = 0.0) -> Atoms:
    """One formula unit in the CsCl arrangement (P-43m, a = 3.87 Å), its NH4 turned about z."""
    rotation = Rotation.from_rotvec([0, 0, turn]).as_matrix()
    atoms = Atoms(
        ["Cl", *NH4.symbols],
        positions=np.vstack([[0, 0, 0], NH4.placed([1.935] * 3, rotation)]),
        cell=[3.87] * 3,
        pbc=True,
    )
    atoms.set_array("unit", np.array([0, 1, 1, 1, 1, 1]))
    atoms.set_array("unit_atom", np.array([0, 0, 1, 2, 3, 4]))
    atoms.info["unit_names"] = "Cl;NH4"
    return atoms


def bond_lengths(atoms: Atoms) -> np.ndarray:
    """Lengths of N-H bonds within units, Å, by minimum images, in order."""
    unit = atoms.get_array("unit")
    return np.array(
        [
            atoms.get_distance(i, j, mic=True)
            for i in range(len(atoms))
            for j in range(len(atoms))
            if atoms.symbols[i] == "N" and atoms.symbols[j] == "H" and unit[i] == unit[j]
        ]
    )
