"""The host of a series, and the places of its guests."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from ase import Atoms
from ase.spacegroup import crystal
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor

from gencsp.composition import Composition
from gencsp.disorder.crystal import DisorderedCrystal, SiteGroup
from gencsp.errors import CompositionError, RequestError
from gencsp.intercalation.sites import digest_of, guest_orders, host_and_given, host_first

#: LiCoO2 in its hexagonal cell of three formula units.
LAYERED = crystal(
    ["Li", "Co", "O"],
    [(0, 0, 0.5), (0, 0, 0), (0, 0, 0.26)],
    spacegroup=166,
    cellpar=[2.82, 2.82, 14.05, 90, 90, 120],
)
UNIT = Composition.parse("CoO2")


def test_the_guests_are_taken_out_and_remembered() -> None:
    host, (given,) = host_and_given(LAYERED, "Li")
    assert Counter(host.get_chemical_symbols()) == {"Co": 1, "O": 2}
    assert given.get_chemical_symbols()[-1] == "Li"
    assert Counter(given.get_chemical_symbols()) == {"Co": 1, "O": 2, "Li": 1}
    matcher = StructureMatcher()
    adapt = AseAtomsAdaptor.get_structure
    assert matcher.fit(adapt(given), adapt(LAYERED))
    bare = LAYERED[[symbol != "Li" for symbol in LAYERED.symbols]]
    assert matcher.fit(adapt(host), adapt(bare))
    # A host without guests has nothing to remember.
    again, nothing = host_and_given(bare, "Li")
    assert nothing == []
    assert matcher.fit(adapt(again), adapt(host))


def test_wrong_guests() -> None:
    with pytest.raises(CompositionError, match="Xx"):
        host_and_given(LAYERED, "Xx")
    with pytest.raises(RequestError, match="leaves no host atoms"):
        host_and_given(Atoms("Li", cell=[3] * 3, pbc=True), "Li")


def test_orders_have_the_contents_and_sites_of_the_crystal() -> None:
    _, (given,) = host_and_given(LAYERED, "Li")
    series = [Fraction(0), Fraction(1, 2), Fraction(1), Fraction(3, 2)]
    found = guest_orders(DisorderedCrystal.of(given), "Li", UNIT, series, n=4, max_atoms=16, seed=0)
    # At 0 and 1 there is nothing to order, and beyond 1 there are no sites.
    assert 1 <= len(found) <= 4
    for atoms in found:
        counts = Counter(atoms.get_chemical_symbols())
        assert counts["Li"] / counts["Co"] == 0.5
        symbols = atoms.get_chemical_symbols()
        assert symbols[-counts["Li"] :] == ["Li"] * counts["Li"]
        # Lithium lies in its layers, half way between layers of cobalt.
        cobalt = atoms.positions[[s == "Co" for s in symbols]]
        for place in atoms.positions[[s == "Li" for s in symbols]]:
            heights = (place - cobalt)[:, 2] % (14.05 / 3)
            assert np.allclose(heights, 14.05 / 6, atol=1e-3)
    none = guest_orders(DisorderedCrystal.of(given), "Li", UNIT, series, n=0, max_atoms=16, seed=0)
    assert none == []
    assert guest_orders(None, "Li", UNIT, series, n=4, max_atoms=16, seed=0) == []


def test_partly_occupied_sites_take_more_guests_than_they_have() -> None:
    _, (given,) = host_and_given(LAYERED, "Li")
    whole = DisorderedCrystal.of(given)
    groups = tuple(
        SiteGroup(group.label, {"Li": 0.25} if "Li" in group.shares else group.shares)
        for group in whole.groups
    )
    mean = DisorderedCrystal(whole.sites, groups, "Li0.25CoO2")
    series = [Fraction(1, 4), Fraction(1, 2), Fraction(5, 4)]
    found = guest_orders(mean, "Li", UNIT, series, n=2, max_atoms=16, seed=0)
    counts = [Counter(atoms.get_chemical_symbols()) for atoms in found]
    assert {one["Li"] / one["Co"] for one in counts} == {0.25, 0.5}


def test_a_disordered_host_gives_no_orders() -> None:
    _, (given,) = host_and_given(LAYERED, "Li")
    whole = DisorderedCrystal.of(given)
    groups = tuple(
        SiteGroup(group.label, {"Co": 0.5, "Ni": 0.5} if "Co" in group.shares else group.shares)
        for group in whole.groups
    )
    mean = DisorderedCrystal(whole.sites, groups, "LiCo0.5Ni0.5O2")
    unit = Composition.parse("CoNiO4")
    assert guest_orders(mean, "Li", unit, [Fraction(1)], n=2, max_atoms=16, seed=0) == []


def test_the_digest_tells_hosts_apart() -> None:
    host, (given,) = host_and_given(LAYERED, "Li")
    moved = host.copy()
    moved.positions[0, 2] += 1e-3
    noisy = host.copy()
    noisy.positions += 1e-9
    assert digest_of([host]) == digest_of([noisy])
    assert len({digest_of([host]), digest_of([moved]), digest_of([host, given])}) == 3


def test_guests_come_last() -> None:
    mixed = Atoms("LiCoLiO2", positions=np.arange(15).reshape(5, 3), cell=[20] * 3, pbc=True)
    ordered = host_first(mixed, "Li")
    assert ordered.get_chemical_symbols() == ["Co", "O", "O", "Li", "Li"]
    assert sorted(map(tuple, ordered.positions)) == sorted(map(tuple, mixed.positions))
