"""Crystals with partly occupied and mixed sites from CIF blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp.descriptors.flaws import FULL
from gencsp.disorder.counts import composition_distance
from gencsp.disorder.crystal import MOST_SHARE, DisorderedCrystal, SiteGroup
from gencsp.errors import RequestError, StructureFileError
from gencsp.io.cif.block import Block
from gencsp.io.cif.checks import formula_of
from gencsp.io.cif.reader import cell_of
from gencsp.io.cif.sites import Site, listed_sites
from gencsp.io.cif.symmetry import Operations, orbit, possible_operations
from gencsp.io.content import check_size, parsing

Array = NDArray[np.float64]

#: Å: sites of two rows this near are one place.
ONE_PLACE = 0.05
#: Share of atoms by which sites and formula may differ: occupancies and amounts are rounded.
FORMULA_WITHIN = 0.03


@dataclass(slots=True)
class _Group:
    """An orbit of sites, and what occupies it."""

    labels: list[str]
    shares: dict[str, float]
    places: Array


def read_disordered(block: Block) -> DisorderedCrystal:
    """The mean crystal of one block; one without disorder is read as well.

    Rows at one place are one group of mixed sites. Alternative sites near each other (split
    positions, disorder groups) are groups of their own. The crystal is held against the formula of
    the file, where there is one.

    Raises:
        StructureFileError: occupancies of a site add up to more than 1, the file contradicts
            itself, or its space group can be meant in several ways.
    """
    with parsing(block.where):
        formula = formula_of(block)
        sites, shares, _ = listed_sites(block, tuple(formula), disordered=True)
        cell = cell_of(block)
        found: list[DisorderedCrystal] = []
        misfit = ""
        for operations in possible_operations(block):
            if not operations.fit(cell):
                continue
            crystal = _crystal(block, sites, shares, cell, operations)
            if formula and composition_distance(crystal.amounts, formula) > FORMULA_WITHIN:
                given = " ".join(f"{symbol}{amount:g}" for symbol, amount in formula.items())
                misfit = f"its sites give {crystal.formula}, its formula is '{given}'"
                continue
            found.append(crystal)
    if not found:
        why = misfit or "its cell does not have the symmetry of its operations"
        raise StructureFileError(f"{block.where} contradicts itself: {why}.")
    if len(found) > 1:
        raise StructureFileError(
            f"{block.where} lists no symmetry operations, and its space group can be meant in "
            f"{len(found)} ways: add _space_group_symop_operation_xyz."
        )
    return found[0]


def _crystal(
    block: Block,
    sites: Sequence[Site],
    shares: Sequence[float],
    cell: Array,
    operations: Operations,
) -> DisorderedCrystal:
    groups: list[_Group] = []
    for site, share in zip(sites, shares, strict=True):
        places = orbit(site.place, operations, cell).places
        there = next((group for group in groups if _same(group.places, places, cell)), None)
        if there is None:
            groups.append(_Group([site.label], {site.symbol: share}, places))
        else:
            there.labels.append(site.label)
            there.shares[site.symbol] = there.shares.get(site.symbol, 0.0) + share
        check_size(sum(len(group.places) for group in groups), block.where)
    tags = np.repeat(np.arange(len(groups)), [len(group.places) for group in groups])
    atoms = Atoms(
        ["X"] * len(tags),
        scaled_positions=np.concatenate([group.places for group in groups]),
        cell=cell,
        pbc=True,
        tags=tags,
    )
    try:
        return DisorderedCrystal(
            atoms,
            tuple(SiteGroup("/".join(g.labels), _rounded(g.shares)) for g in groups),
            block.where,
        )
    except RequestError as error:
        raise StructureFileError(str(error)) from error


def _same(places: Array, others: Array, cell: Array) -> bool:
    """Whether two orbits are the same sites."""
    if len(places) != len(others):
        return False
    away = places - others[0]
    away -= np.round(away)
    return bool((np.linalg.norm(away @ cell, axis=1) < ONE_PLACE).any())


def _rounded(shares: Mapping[str, float]) -> dict[str, float]:
    """Shares that fill a site within rounding, such as 0.333 + 0.667 or 1.02, as exactly one."""
    total = sum(shares.values())
    if FULL <= total <= MOST_SHARE:
        return {symbol: share / total for symbol, share in shares.items()}
    return dict(shares)
