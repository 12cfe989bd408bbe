"""Random crystals with symmetry, as in AIRSS (Pickard and Needs, 2011), made by PyXtal.

The baseline that every generative proposer has to beat, and the reference for any faster generator
of random crystals.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from ase import Atoms
from pyxtal import pyxtal
from pyxtal.lattice import Lattice
from pyxtal.msg import Comp_CompatibilityError, VolumeError
from pyxtal.symmetry import Group
from pyxtal.tolerance import Tol_matrix

from gencsp.diffusion.lattice import PRIMITIVE, centring
from gencsp.errors import RequestError
from gencsp.proposers.base import Request
from gencsp.proposers.checks import has_composition, keeps_apart
from gencsp.proposers.drawing import draw_units, mark, volume_per_atom
from gencsp.proposers.options import ATTEMPTS, SEPARATION, ProposerOptions
from gencsp.proposers.streams import streams
from gencsp.proposers.wyckoff import primitive

#: PyXtal gives up a crystal after this many attempts of its own.
PYXTAL_COUNT = 1


class RandomProposer:
    """Random space group, Wyckoff sites, lattice and free coordinates at the predicted volume.

    Space groups are drawn evenly from those (of ``request.space_groups``) that can hold the
    composition in a primitive cell of the drawn number of formula units.
    """

    name = "random"

    def __init__(self, *, attempts: int = ATTEMPTS, separation: float = SEPARATION) -> None:
        self.attempts = attempts
        self.separation = separation
        self.failures = 0

    @classmethod
    def from_options(cls, options: ProposerOptions) -> RandomProposer:
        return cls(attempts=options.attempts, separation=options.separation)

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        """See :class:`~gencsp.proposers.base.Proposer`.

        Raises:
            RequestError: a host or a fixed cell, which random crystals cannot honour, or space
                groups none of which can hold the composition.
        """
        if request.host is not None or request.cell is not None:
            raise RequestError(
                "the random proposer makes its own cell and atoms: use 'score' with a host or a "
                "fixed cell."
            )
        wanted = request.space_groups or tuple(range(1, 231))
        if not any(_holds(g, _counts(request, u)) for u in request.units for g in wanted):
            raise RequestError(
                f"none of the space groups asked for can hold {request.composition} in a primitive "
                f"cell of {', '.join(map(str, request.units))} formula units: allow more of either."
            )
        return self._propose(request, wanted, streams(rng))

    def _propose(
        self, request: Request, wanted: tuple[int, ...], rngs: Iterator[np.random.Generator]
    ) -> Iterator[Atoms]:
        volume = volume_per_atom(request)
        made = 0
        for _ in range(request.n * self.attempts):
            if made == request.n:
                return
            atoms = _draw(request, wanted, volume, next(rngs))
            if (
                atoms is None
                or not has_composition(atoms, request.composition, request.units)
                or not keeps_apart(atoms, separation=self.separation)
            ):
                self.failures += 1
                continue
            made += 1
            yield mark(atoms, proposer=self.name)


def _draw(
    request: Request, wanted: tuple[int, ...], volume: float, rng: np.random.Generator
) -> Atoms | None:
    units = draw_units(request.units, rng)
    counts = _counts(request, units)
    shuffled = (int(group) for group in rng.permutation(wanted))
    number = next((group for group in shuffled if _holds(group, counts)), None)
    if number is None:
        return None
    symbols = request.composition.elements
    return random_crystal(number, dict(zip(symbols, counts, strict=True)), volume=volume, rng=rng)


def _counts(request: Request, units: int) -> tuple[int, ...]:
    """Atoms of each element in a cell of so many formula units."""
    return tuple(n * units for _, n in request.composition.counts)


def random_crystal(
    space_group: int, counts: dict[str, int], *, volume: float, rng: np.random.Generator
) -> Atoms | None:
    """A random crystal in its primitive cell, or ``None`` where PyXtal finds none.

    Args:
        space_group: number.
        counts: atoms of each element in the primitive cell.
        volume: Å³/atom.
        rng: handed on to PyXtal, which uses no other source of randomness.
    """
    nodes = round(1 / np.linalg.det(PRIMITIVE[centring(space_group)]))
    numbers = [n * nodes for n in counts.values()]
    group = _group(space_group)
    crystal = pyxtal()
    try:
        lattice = Lattice(group.lattice_type, volume * sum(numbers), random_state=rng)
        crystal.from_random(
            3,
            group,
            list(counts),
            numbers,
            lattice=lattice,
            max_count=PYXTAL_COUNT,
            random_state=rng,
            tm=_tolerances(),
        )
    except (Comp_CompatibilityError, VolumeError, RuntimeError):
        return None
    if not crystal.valid:
        return None
    return primitive(crystal.to_ase(resort=False), centring(space_group))


@lru_cache(maxsize=4096)
def _holds(space_group: int, counts: tuple[int, ...]) -> bool:
    nodes = round(1 / np.linalg.det(PRIMITIVE[centring(space_group)]))
    compatible, _ = _group(space_group).check_compatible([n * nodes for n in counts])
    return bool(compatible)


@lru_cache(maxsize=230)
def _group(space_group: int) -> Group:
    return Group(space_group)


@lru_cache(maxsize=1)
def _tolerances() -> Tol_matrix:
    return Tol_matrix(prototype="atomic")
