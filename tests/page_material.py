"""Small runs and pools to make report pages of, with parts that cost nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase import Atoms
from cheap_parts import SETTINGS, cheap_cycle
from cheap_search import cheap_search, manifest
from numpy.typing import NDArray

from gencsp import records
from gencsp.composition import Composition
from gencsp.convex_hull.hull import Hull
from gencsp.convex_hull.table import HullEntry
from gencsp.executors import ThisProcess
from gencsp.powder.reflections import Reflections
from gencsp.runs.decks import SearchDeck
from gencsp.runs.settings import save_deck
from gencsp.searches.settings import cycle_manifest
from gencsp.store import DiskStore

#: Texts that must never be read as markup.
HOSTILE = (
    "[/foo]",
    "<script>alert(1)</script>",
    "</script><script>window.broken = true</script>",
    "<img src=x onerror='window.broken = true'>",
    "two\nlines, \"quotes\" \u2028 & 'more' <!--",
)


def search_folder(folder: Path, *, budget: int = 24) -> Path:
    """A finished search of LiSi2."""
    with DiskStore(folder, manifest("genetic")) as store:
        search = cheap_search("genetic", store, ThisProcess(), budget=budget)
        search.run()
        search.ranking()
    save_deck(SearchDeck.make(formula="LiSi2", method="genetic", budget=budget), folder)
    return folder


def cycle_folder(folder: Path) -> Path:
    """A finished cycle of LiSi2."""
    with DiskStore(folder, cycle_manifest(SETTINGS)) as store:
        cycle = cheap_cycle(store, ThisProcess())
        cycle.run()
        cycle.ranking()
    return folder


def hull_of(*elements: str, **phases: float) -> Hull:
    """A hull of elements at -1 eV/atom and of phases at energies of their own."""
    energies = {**dict.fromkeys(elements, -1.0), **phases}
    return Hull(
        [
            HullEntry(composition=Composition.parse(s), energy_per_atom=e, model="cheap")
            for s, e in energies.items()
        ],
        model="cheap",
    )


def rock_salt(structure_id: str = "salt", **info: object) -> Atoms:
    """NaCl, with energies."""
    places = [(0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)]
    places += [(0.5, 0, 0), (0, 0.5, 0), (0, 0, 0.5), (0.5, 0.5, 0.5)]
    atoms = Atoms("Na4Cl4", scaled_positions=places, cell=[5.64] * 3, pbc=True)
    atoms.info |= {
        records.STRUCTURE_ID: structure_id,
        records.PROPOSER: "random",
        records.STAGE: "relaxed",
        records.OUTCOME: "converged",
        records.ENERGY_PER_ATOM: -3.0,
        records.ENTHALPY_PER_ATOM: -3.0,
        records.ENERGY_MODEL: "cheap",
        records.DECOMPOSITION_ENERGY: 0.0,
        records.SPACE_GROUP: "Fm-3m",
        records.SPACE_GROUP_NUMBER: 225,
        **info,
    }
    return atoms


def profile(
    atoms: Atoms, wavelength: float, last: float = 70.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A measured powder pattern of a crystal: angles from 10 degrees on, and counts."""
    grid = np.arange(10.0, last, 0.02)
    longest = 2 * np.sin(np.radians(last / 2)) / wavelength
    angles, strengths = Reflections.of(atoms, longest=longest).lines(wavelength)
    counts = (strengths * np.exp(-0.5 * ((grid[:, None] - angles) / 0.06) ** 2)).sum(axis=1)
    return grid, 1e4 * counts / counts.max() + 20


def pool_of(elements: str, n: int, seed: int = 0) -> list[Atoms]:
    """Structures of some elements at random places, with energies."""
    rng, symbols = np.random.default_rng(seed), elements.split("-")
    pool = []
    for number in range(n):
        chosen = [*symbols, *rng.choice(symbols, 4)]
        atoms = Atoms(chosen, scaled_positions=rng.random((len(chosen), 3)), cell=[5] * 3, pbc=True)
        above = float(rng.random())
        atoms.info = rock_salt(f"p{number}").info | {
            records.DECOMPOSITION_ENERGY: above,
            records.ENERGY_PER_ATOM: above - 1.0,
            records.ENTHALPY_PER_ATOM: above - 1.0,
            records.SPACE_GROUP: "P1",
            records.SPACE_GROUP_NUMBER: 1,
            records.PROPOSER: ("random", "symmetric")[number % 2],
        }
        pool.append(atoms)
    return pool
