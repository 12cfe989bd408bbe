"""Order and marks of the table that a search ends in."""

from __future__ import annotations

from ase import Atoms
from ase.build import bulk

from gencsp.searches.ranking import rank


def _found(atoms: Atoms, name: str, energy: float) -> Atoms:
    atoms.info |= {"structure_id": name, "decomposition_energy": energy}
    return atoms


def test_by_energy_and_of_equal_crystals_the_lowest_is_the_original() -> None:
    salt = bulk("NaCl", "rocksalt", a=5.6)
    again = _found(salt.repeat((2, 1, 1)), "again", 0.0025)
    again.info["duplicate_of"] = "of an earlier ranking"
    first = _found(salt.copy(), "first", 0.001)
    first.info["duplicate_of"] = "of an earlier ranking"
    other = _found(bulk("NaCl", "cesiumchloride", a=3.5), "other", 0.0015)
    apart = _found(salt.copy(), "too far in energy", 0.2)
    ranked = rank([apart, again, other, first])
    assert [atoms.info["structure_id"] for atoms in ranked] == [
        "first",
        "other",
        "again",
        "too far in energy",
    ]
    assert [atoms.info.get("duplicate_of") for atoms in ranked] == [None, None, "first", None]
    assert ranked[2] is again
