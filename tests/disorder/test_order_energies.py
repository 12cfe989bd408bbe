"""Orders chosen by the energy that a potential gives them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.neighborlist import neighbor_list

import gencsp
from gencsp import records
from gencsp.disorder.approximants import approximants
from gencsp.disorder.crystal import DisorderedCrystal, SiteGroup
from gencsp.errors import DeckError, RequestError

ALLOY = """data_alloy
_symmetry_space_group_name_H-M 'F m -3 m'
_cell_length_a 3.9
_cell_length_b 3.9
_cell_length_c 3.9
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
M1 Cu 0 0 0 0.625
M2 Au 0 0 0 0.375
"""


def mixed(shares: dict[str, float]) -> DisorderedCrystal:
    crystal = DisorderedCrystal.of(bulk("Cu", "fcc", a=3.9))
    return DisorderedCrystal(crystal.sites, (SiteGroup("M", shares),), "alloy")


class Unlike:
    """Energy falls with the share of unlike neighbours; counts what it is asked for."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, structures: Sequence[Atoms]) -> list[float]:
        self.batches.append(len(structures))
        found = []
        for atoms in structures:
            i, j = neighbor_list("ij", atoms, 3.0)
            found.append(-float((atoms.numbers[i] != atoms.numbers[j]).sum()) / len(atoms))
        return found


def test_the_lowest_of_all_orders_are_taken_where_all_can_be_evaluated() -> None:
    mean = mixed({"Cu": 0.625, "Au": 0.375})
    energies = Unlike()
    every = approximants(mean, n=100, max_atoms=8, energies=energies)
    assert len(every.structures) == sum(energies.batches) == 12
    chosen = approximants(mean, n=3, max_atoms=8, energies=energies)
    assert chosen.energies == every.energies[:3] == tuple(sorted(every.energies)[:3])
    assert list(energies(chosen.structures)) == list(chosen.energies)
    # No swaps: as many single points as there are orders.
    assert energies.batches[-4:-1] == energies.batches[:3]


def test_orders_beyond_those_that_are_evaluated_are_reached_by_swaps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mean = mixed({"Cu": 0.625, "Au": 0.375})
    every = approximants(mean, n=100, max_atoms=8, energies=Unlike())
    monkeypatch.setattr("gencsp.disorder.approximants.MOST_ORDERS", 20)
    monkeypatch.setattr("gencsp.disorder.approximants.DRAWN", 1)
    monkeypatch.setattr("gencsp.disorder.approximants.SHAPES", 1)
    energies = Unlike()
    found = approximants(mean, n=2, max_atoms=8, seed=1, energies=energies)
    assert not found.enumerated
    assert all(Counter(a.symbols) == {"Cu": 5, "Au": 3} for a in found.structures)
    assert list(found.energies) == sorted(found.energies)
    # What is drawn first is higher; each round of swaps is one batch.
    drawn, *rounds = energies.batches
    assert (drawn, rounds) == (2, [2] * 20)
    first = approximants(mean, n=2, max_atoms=8, seed=1)
    assert found.energies[0] < min(energies(first.structures))
    assert found.energies[0] >= min(every.energies)
    again = approximants(mean, n=2, max_atoms=8, seed=1, energies=Unlike())
    assert again.energies == found.energies


def test_swaps_keep_split_positions_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs of sites 0.7 Å apart, of which one is free."""
    monkeypatch.setattr("gencsp.disorder.approximants.EVALUATED", 1)
    places = [(0.5, 0.5, 0.5), (0.07, 0.07, 0.07), (-0.07, -0.07, -0.07)]
    cell = np.array([[0, 2.6, 2.6], [2.6, 0, 2.6], [2.6, 2.6, 0]])
    sites = Atoms(["X"] * 3, scaled_positions=places, cell=cell, pbc=True, tags=[0, 1, 1])
    groups = (SiteGroup("O", {"O": 1.0}), SiteGroup("M", {"Mg": 0.25, "Ca": 0.25}))
    crystal = DisorderedCrystal(sites, groups, "split")
    found = approximants(crystal, n=3, max_atoms=8, energies=Unlike())
    for atoms in found.structures:
        away = atoms.get_all_distances(mic=True)[np.triu_indices(len(atoms), k=1)]
        assert away.min() > 1.5


def test_what_the_potential_cannot_evaluate_comes_last() -> None:
    def failing(structures: Sequence[Atoms]) -> list[float]:
        return [float("nan") if k else 1.0 for k in range(len(structures))]

    mean = mixed({"Cu": 0.625, "Au": 0.375})
    found = approximants(mean, n=2, max_atoms=8, energies=failing)
    assert found.energies == (1.0, 1.0)


@pytest.mark.parametrize(
    ("given", "by_potential"),
    [({}, True), ({"by": "ewald"}, False)],
)
def test_an_alloy_is_ordered_by_the_potential(
    given: dict[str, Any], by_potential: bool, tmp_path: Path
) -> None:
    file = tmp_path / "alloy.cif"
    file.write_text(ALLOY)
    cells = gencsp.order(file, n=3, max_atoms=8, potential=EMT(), seed=3, **given)
    energies = []
    for atoms in cells:
        assert records.EWALD_ENERGY not in atoms.info
        copy = atoms.copy()
        copy.calc = EMT()
        energies.append(copy.get_potential_energy() / len(copy))
    everything = gencsp.order(file, n=100, max_atoms=8, potential=EMT())
    lowest = []
    for atoms in everything:
        atoms.calc = EMT()
        lowest.append(atoms.get_potential_energy() / len(atoms))
    assert (energies == pytest.approx(sorted(lowest)[:3])) is by_potential


def test_what_is_no_way_to_choose(tmp_path: Path) -> None:
    file = tmp_path / "alloy.cif"
    file.write_text(ALLOY)
    by: Any = "random"
    with pytest.raises(RequestError, match="by is 'random'"):
        gencsp.order(file, by=by)
    with pytest.raises(DeckError, match="order_by"):
        gencsp.cycle(host=file, guests=["Cu"], order=2, order_by="random")
