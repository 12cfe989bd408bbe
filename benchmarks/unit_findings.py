"""What crystals of rigid units have come to: energies, space groups, the best, what is new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import spglib
from ase import Atoms
from ase.cell import Cell
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor
from scipy.stats import mannwhitneyu
from unit_compounds import Array

from gencsp.measure.statistics import bootstrap_interval, share
from gencsp.proposers.units.crystal import UnitCrystal
from gencsp.similarity import StructureIndex
from gencsp.symmetry.answers import answer

#: eV/atom above the known phase that count as near.
NEAR = 0.05
#: eV/atom: energies of one crystal are no further apart.
SAME_ENERGY = 1e-3
#: Å: tolerance of spglib for tables and histograms.
SYMPREC = 0.1
BEST = 3


def energies_of(structures: Sequence[Atoms]) -> Array:
    """eV/atom, of those that relaxed."""
    found = np.array([float(atoms.info["energy_per_atom"]) for atoms in structures])
    return np.asarray(found[np.isfinite(found)])


def summary(structures: Sequence[Atoms], known: Atoms, examples: Sequence[Atoms]) -> dict[str, Any]:
    """Energies above the known phase, when that was found, and how many crystals are new."""
    above = energies_of(structures) - known.info["energy_per_atom"]
    return {
        "n": len(structures),
        "failed": len(structures) - len(above),
        "above_known": spread(above),
        "near": share(int((above < NEAR).sum()), len(structures)),
        "new_near": new_near(structures, examples, known.info["energy_per_atom"] + NEAR),
        "known_found_after": first_match(structures, known),
    }


def new_near(structures: Sequence[Atoms], examples: Sequence[Atoms], most: float) -> int:
    """Distinct crystals below an energy (eV/atom) that are none of the examples."""
    index = StructureIndex(same_energy=SAME_ENERGY)

    def added(some: Sequence[Atoms]) -> list[bool]:
        low = [atoms for atoms in some if atoms.info["energy_per_atom"] < most]
        return [index.add(atoms, float(atoms.info["energy_per_atom"])) is None for atoms in low]

    added(examples)
    return sum(added(structures))


def first_match(structures: Sequence[Atoms], known: Atoms) -> int | None:
    """Relaxations until the known phase, by pymatgen's ``StructureMatcher``; ``None`` if never."""
    matcher = StructureMatcher()
    wanted = AseAtomsAdaptor.get_structure(known)
    for k, atoms in enumerate(structures, start=1):
        near = abs(atoms.info["energy_per_atom"] - known.info["energy_per_atom"]) < NEAR
        if near and matcher.fit(AseAtomsAdaptor.get_structure(atoms), wanted):
            return k
    return None


def rank_tests(kinds: dict[str, list[Atoms]]) -> dict[str, float]:
    """P that energies of one kind are as low as those of another by chance (Mann-Whitney)."""
    found = {}
    names = list(kinds)
    for k, worse in enumerate(names):
        for better in names[k + 1 :]:
            test = mannwhitneyu(
                energies_of(kinds[better]), energies_of(kinds[worse]), alternative="less"
            )
            found[f"{better} below {worse}"] = float(test.pvalue)
    return found


def spread(values: Array) -> dict[str, Any]:
    """Quantiles, and the median with its interval, of what is finite."""
    found = values[np.isfinite(values)]
    if not len(found):
        return {}
    low, high = bootstrap_interval(found.tolist(), rng=np.random.default_rng(0))
    median = {"value": float(np.median(found)), "low": low, "high": high}
    return {"quantiles": quantiles(found), "median": median}


def quantiles(values: Array) -> dict[str, float]:
    levels = (0, 5, 25, 50, 75, 95)
    return {
        str(q): round(float(v), 5)
        for q, v in zip(levels, np.percentile(values, levels), strict=True)
    }


def histogram(crystals: Sequence[UnitCrystal]) -> dict[str, int]:
    """Space groups in which crystals were drawn: Fig. S1."""
    counts = Counter(crystal.space_group for crystal in crystals)
    return {str(group): counts[group] for group in sorted(counts)}


def groups_of(structures: Sequence[Atoms]) -> dict[str, int]:
    """Space groups of relaxed crystals."""
    counts = Counter(data.number for data in map(symmetry, structures) if data is not None)
    return {str(group): counts[group] for group in sorted(counts)}


def symmetry(atoms: Atoms) -> Any:
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    return answer(spglib.get_symmetry_dataset, cell, symprec=SYMPREC)


def best(structures: Sequence[Atoms]) -> list[dict[str, Any]]:
    """The lowest ones, in the form of Tables S1 and S2."""
    sound = [atoms for atoms in structures if np.isfinite(atoms.info["energy_per_atom"])]
    lowest = sorted(sound, key=lambda atoms: float(atoms.info["energy_per_atom"]))[:BEST]
    return [described(atoms) for atoms in lowest]


def described(atoms: Atoms) -> dict[str, Any]:
    """Space group, conventional cell (Å and degrees), Wyckoff letters and coordinates."""
    energy = float(atoms.info["energy_per_atom"])
    data = symmetry(atoms)
    if data is None:
        return {"energy": energy}
    return {
        "energy": energy,
        "space_group": f"{data.international} ({data.number})",
        "cell": np.round(Cell(data.std_lattice).cellpar(), 3).tolist(),
        "sites": list(_sites(data)),
    }


def _sites(data: Any) -> Iterator[list[Any]]:
    """Element, multiplicity and letter, and coordinates of the first atom of each orbit."""
    standard = (data.std_lattice, data.std_positions, data.std_types)
    again = answer(spglib.get_symmetry_dataset, standard, symprec=SYMPREC)
    if again is None:
        return
    orbits = again.crystallographic_orbits
    for orbit in np.unique(orbits):
        members = np.flatnonzero(orbits == orbit)
        first = members[0]
        symbol = Atoms(numbers=[data.std_types[first]]).get_chemical_symbols()[0]
        place = f"{symbol}({len(members)}{again.wyckoffs[first]})"
        yield [place, *np.round(data.std_positions[first], 4).tolist()]
