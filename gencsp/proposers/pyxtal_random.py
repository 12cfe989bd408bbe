"""Random crystals made by PyXtal: the independent reference of the proposer ``random``."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

import numpy as np
from ase import Atoms
from pyxtal import pyxtal
from pyxtal.lattice import Lattice
from pyxtal.msg import Comp_CompatibilityError, VolumeError
from pyxtal.symmetry import Group
from pyxtal.tolerance import Tol_matrix

from gencsp.proposers.checks import keeps_distances
from gencsp.proposers.crystals.lattice import PRIMITIVE, centring
from gencsp.proposers.crystals.random_crystals import Recipe
from gencsp.proposers.crystals.wyckoff import primitive
from gencsp.proposers.random import RandomOptions, RandomProposer

#: PyXtal gives up a crystal after this many rounds of its own 25 or 400 attempts.
PYXTAL_COUNT = 1


class PyxtalProposer(RandomProposer):
    """The same distribution as :class:`~gencsp.proposers.random.RandomProposer`, by PyXtal.

    PyXtal is given the same least distances. It checks them in the conventional cell, where it
    misses some in a skewed cell, and its older releases take the wrong one for pairs of unlike
    elements, so its crystals are checked again.
    """

    name = "pyxtal"
    block = 1

    def _draw(self, recipes: list[Recipe | None]) -> list[Atoms | None]:
        return [None if recipe is None else pyxtal_crystal(recipe) for recipe in recipes]


class PyxtalOptions(RandomOptions):
    """Options of :class:`PyxtalProposer`."""

    name = "pyxtal"
    block: ClassVar[int | None] = None
    maker: ClassVar[type[RandomProposer]] = PyxtalProposer


def pyxtal_crystal(recipe: Recipe) -> Atoms | None:
    """A random crystal in its primitive cell, or ``None`` where PyXtal finds none that is apart.

    ``recipe.rng`` is passed to PyXtal, which uses no other source of randomness.
    """
    crystal = draw_with_pyxtal(recipe)
    if crystal is None:
        return None
    atoms = primitive(crystal.to_ase(resort=False), centring(recipe.space_group))
    if sorted(atoms.get_chemical_symbols()) != sorted(np.repeat(recipe.symbols, recipe.counts)):
        return None
    return atoms if keeps_distances(atoms, recipe.symbols, recipe.least) else None


def draw_with_pyxtal(recipe: Recipe) -> pyxtal | None:
    """PyXtal's own object with its Wyckoff sites, as it comes, or ``None`` where it gives up."""
    nodes = round(1 / np.linalg.det(PRIMITIVE[centring(recipe.space_group)]))
    group = pyxtal_group(recipe.space_group)
    crystal = pyxtal()
    try:
        lattice = Lattice(group.lattice_type, recipe.volume * nodes, random_state=recipe.rng)
        crystal.from_random(
            3,
            group,
            list(recipe.symbols),
            [n * nodes for n in recipe.counts],
            lattice=lattice,
            max_count=PYXTAL_COUNT,
            random_state=recipe.rng,
            tm=_tolerances(recipe.symbols, recipe.least.tobytes()),
        )
    except (Comp_CompatibilityError, VolumeError, RuntimeError):
        return None
    return crystal if crystal.valid else None


@lru_cache(maxsize=230)
def pyxtal_group(space_group: int) -> Group:
    """PyXtal's tables of a space group, kept in memory."""
    return Group(space_group)


@lru_cache(maxsize=64)
def _tolerances(symbols: tuple[str, ...], least: bytes) -> Tol_matrix:
    table = np.frombuffer(least).reshape(len(symbols), -1)
    tolerances = Tol_matrix(prototype="atomic")
    for symbol, row in zip(symbols, table, strict=True):
        for other, distance in zip(symbols, row, strict=True):
            tolerances.set_tol(symbol, other, distance)
    return tolerances
