"""A second reading of a CIF block, by pymatgen, or by gemmi where that takes too long or fails."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache

import gemmi
import numpy as np
from ase import Atoms

from gencsp.io.cif.sites import Site
from gencsp.io.cif.symmetry import SAME_SITE, Operations

#: Sites times operations: pymatgen compares each with all others.
QUICK = 4000


@lru_cache(maxsize=256)
def operations_by_pymatgen(symbol: str) -> frozenset[str] | None:
    """What pymatgen's tables have for a Hermann-Mauguin symbol; ``None`` where they lack it.

    It takes pymatgen most of a second to multiply the operations of a cubic group.
    """
    from pymatgen.symmetry.groups import SpaceGroup

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = SpaceGroup(symbol.replace(" ", "")).symmetry_ops
        except ValueError:
            return None
    return frozenset(gemmi.Op(op.as_xyz_str()).wrap().triplet() for op in found)


def second_formula(
    sites: Sequence[Site],
    firsts: Sequence[int],
    atoms: Atoms,
    operations: Operations,
) -> str | None:
    """The atoms of the cell as another program reads them, as a formula in Hill's order.

    ``None`` where no other can read the file: one whose operations are in no table.

    Args:
        sites: of the file.
        firsts: for each, the number of its first atom.
        atoms: the crystal as gencsp reads it.
        operations: that made it.
    """
    if len(sites) * len(operations) <= QUICK:
        found = _by_pymatgen(sites, atoms, operations)
        if found is not None:
            return str(found.get_chemical_formula())
    by_gemmi = _by_gemmi(sites, firsts, atoms, operations)
    return None if by_gemmi is None else str(by_gemmi.get_chemical_formula())


def _by_pymatgen(sites: Sequence[Site], atoms: Atoms, operations: Operations) -> Atoms | None:
    from pymatgen.io.cif import CifParser

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            parser = CifParser.from_str(_short(sites, atoms, operations), check_cif=False)
            structure = parser.parse_structures(primitive=False, check_occu=False)[0]
        except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError):
            # It knows fewer symbols, and refuses more.
            return None
    symbols = [str(site.species.elements[0].symbol) for site in structure]
    places = structure.frac_coords
    kept = _merged(symbols, places, structure.lattice.matrix)
    return Atoms(
        ["H" if symbols[n] in ("D", "T") else symbols[n] for n in kept],
        scaled_positions=places[kept],
        cell=structure.lattice.matrix,
        pbc=True,
    )


def _merged(
    symbols: Sequence[str], places: np.ndarray[tuple[int, ...], np.dtype[np.float64]], cell: object
) -> list[int]:
    """Sites without those that rounded coordinates put beside one of the same element."""
    kept: list[int] = []
    for n, place in enumerate(places):
        apart = places[kept] - place
        near = np.linalg.norm((apart - np.round(apart)) @ cell, axis=1) < SAME_SITE
        if not any(symbols[kept[k]] == symbols[n] for k in np.flatnonzero(near)):
            kept.append(n)
    return kept


def _short(sites: Sequence[Site], atoms: Atoms, operations: Operations) -> str:
    """What tells the crystal, as a CIF."""
    lines = ["data_x"]
    names = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    for name, value in zip(names, atoms.cell.cellpar(), strict=True):
        lines.append(f"_cell_{name} {value:.9f}")
    lines += ["loop_", "_symmetry_equiv_pos_as_xyz"]
    lines += [f"'{triplet}'" for triplet in operations.triplets]
    lines += ["loop_", "_atom_site_label", "_atom_site_type_symbol"]
    lines += [f"_atom_site_fract_{axis}" for axis in "xyz"]
    for place, site in enumerate(sites):
        x, y, z = site.place
        lines.append(f"{site.symbol}{place} {site.symbol} {x:.9f} {y:.9f} {z:.9f}")
    return "\n".join([*lines, ""])


def _by_gemmi(
    sites: Sequence[Site], firsts: Sequence[int], atoms: Atoms, operations: Operations
) -> Atoms | None:
    small = gemmi.SmallStructure()
    small.cell = gemmi.UnitCell(*atoms.cell.cellpar())
    small.symops = list(operations.triplets)
    small.determine_and_set_spacegroup("s")
    known: gemmi.SpaceGroup | None = small.spacegroup
    if known is None:
        return None
    small.setup_cell_images()
    places = atoms.get_scaled_positions()
    for one, first in zip(sites, firsts, strict=True):
        site = gemmi.SmallStructure.Site()
        site.label, site.type_symbol = one.label, one.symbol
        # gemmi leaves a site on the rounded place, of which its images are not certain.
        site.fract = gemmi.Fractional(*places[first])
        site.element = gemmi.Element(one.symbol)
        small.add_site(site)
    return Atoms([site.element.name for site in small.get_all_unit_cell_sites()])
