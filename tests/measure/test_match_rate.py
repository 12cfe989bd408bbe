"""The match rate of reconstructions is that of pymatgen's matcher, and of nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from pymatgen.analysis.structure_matcher import StructureMatcher

from gencsp.errors import RequestError
from gencsp.measure.match_rate import (
    MatchRate,
    best_distance,
    distance,
    match_everyone,
    match_rate,
    match_rate_at,
)
from gencsp.similarity.matching import STANDARD, as_structure


def salt(shift: float = 0.0) -> Atoms:
    """CsCl with its second atom moved along the diagonal, in parts of the cell."""
    middle = 0.5 + shift
    return Atoms("CsCl", scaled_positions=[(0, 0, 0), (middle,) * 3], cell=[4.0] * 3, pbc=True)


def test_distances_by_hand() -> None:
    """Both atoms share the displacement d: each is d/2 off, in units of (V/N)^(1/3)."""
    assert distance(salt(), salt()) == pytest.approx(0.0, abs=1e-8)
    moved = 4.0 * 0.1 * np.sqrt(3)
    assert distance(salt(0.1), salt()) == pytest.approx(moved / 2 / (64 / 2) ** (1 / 3), rel=1e-6)


def test_the_cell_the_origin_and_the_volume_do_not_matter() -> None:
    one = salt(0.05)
    other = make_supercell(one, [[1, 1, 0], [0, 1, 0], [0, 0, 2]])[::-1]
    other.translate([0.3, 0.2, 0.1])
    other.set_cell(other.cell * 1.3, scale_atoms=True)
    assert distance(other, one) == pytest.approx(0.0, abs=1e-5)


def test_the_tolerances_are_those_of_the_paper() -> None:
    """stol 0.5, angle_tol 10, ltol 0.3, with everything else as pymatgen has it."""
    matcher = StructureMatcher(stol=0.5, angle_tol=10, ltol=0.3)
    rng = np.random.default_rng(2)
    found = []
    for _ in range(12):
        crystal = Atoms("TiO2", scaled_positions=rng.random((3, 3)), cell=[4, 4.2, 4.6], pbc=True)
        made = crystal.copy()
        made.positions += rng.normal(scale=0.5, size=(3, 3))
        made.set_cell(made.cell.array @ (np.eye(3) + rng.normal(scale=0.12, size=(3, 3))))
        expected = matcher.get_rms_dist(as_structure(made), as_structure(crystal))
        found.append(distance(made, crystal))
        if expected is None:
            assert np.isnan(found[-1])
        else:
            assert found[-1] == pytest.approx(expected[0])
    assert 0 < np.isnan(found).sum() < len(found)


def test_the_reconstruction_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in CDVAE's program; pymatgen's matcher is not symmetric."""
    order: list[float] = []

    def watched(one: Atoms, other: Atoms, **_: object) -> float:
        order.extend([one.cell.volume, other.cell.volume])
        return 0.0

    monkeypatch.setattr("gencsp.measure.match_rate.distance", watched)
    crystal, made = salt(), salt()
    made.set_cell(made.cell * 2)
    match_rate([(crystal, made)])
    assert order == pytest.approx([made.cell.volume, crystal.cell.volume])


def test_what_matches_and_what_does_not() -> None:
    crowded = salt()
    crowded.positions[1] = (0, 0, 0.3)
    flat = salt()
    flat.set_cell([[4, 0, 0], [4, 1e-4, 0], [0, 0, 4]], scale_atoms=True)
    pairs = [
        (salt(), salt(0.1)),
        (salt(), bulk("NaCl", "cesiumchloride", a=4.0)),
        (salt(), crowded),
        (salt(), flat),
        (salt(), bulk("Cs", a=6.1)),
    ]
    found = match_rate(pairs)
    assert (found.crystals, found.matched, found.share) == (5, 1, 0.2)
    assert found.rms == pytest.approx(distance(salt(0.1), salt()))
    nothing = MatchRate.of([])
    assert np.isnan(nothing.share)
    assert np.isnan(nothing.rms)


def test_what_nothing_matches_counts_with_the_tolerance() -> None:
    """cRMSE: the mean of 0.1, stol and 0.3; RMSE leaves out what has no match."""
    found = MatchRate.of([0.1, float("nan"), 0.3])
    assert (found.crystals, found.matched) == (3, 2)
    assert found.rms == pytest.approx(0.2)
    assert found.corrected_rms == pytest.approx((0.1 + 0.5 + 0.3) / 3)
    strict = MatchRate.of([0.1, float("nan"), 0.3], tolerances=STANDARD)
    assert strict.corrected_rms == pytest.approx((0.1 + 0.3 + 0.3) / 3)
    assert np.isnan(MatchRate.of([]).corrected_rms)


def test_the_tolerances_that_are_given_count() -> None:
    """At equal volume the vector is 22 % longer: within ltol 0.3, beyond 0.2."""
    longer = salt()
    longer.set_cell([4.0, 4.0, 5.4], scale_atoms=True)
    assert not np.isnan(distance(longer, salt()))
    assert np.isnan(distance(longer, salt(), tolerances=STANDARD))
    assert match_rate([(salt(), longer)], tolerances=STANDARD).matched == 0


def test_only_the_first_k_samples_count() -> None:
    """The nearest of them, in their order, whatever comes later."""
    wrong = bulk("NaCl", "rocksalt", a=5.6)
    rows = [[wrong, salt(0.1), salt(0.02)], [salt()], []]
    rates = [match_rate_at(k, [salt()] * 3, rows) for k in (1, 2, 3)]
    assert [one.matched for one in rates] == [1, 2, 2]
    assert rates[1].rms == pytest.approx(distance(salt(0.1), salt()) / 2)
    assert rates[2].rms == pytest.approx(distance(salt(0.02), salt()) / 2)
    assert rates[2].corrected_rms == pytest.approx((distance(salt(0.02), salt()) + 0.5) / 3)
    with pytest.raises(RequestError, match="a list of samples for each crystal"):
        match_rate_at(1, [salt()], [])
    with pytest.raises(RequestError):
        match_rate_at(0, [salt()], [[salt()]])


def test_polymorphs_may_come_in_another_order() -> None:
    """In pairs neither is found, by METRe both; one structure may match several references."""
    rocksalt, cscl = bulk("NaCl", "rocksalt", a=5.6), bulk("NaCl", "cesiumchloride", a=3.4)
    other = bulk("MgO", "rocksalt", a=4.2)
    pairs = match_rate([(rocksalt, cscl), (cscl, rocksalt)])
    assert pairs.matched == 0
    found = match_everyone([rocksalt, cscl, other], [cscl * (2, 1, 1), rocksalt])
    assert (found.crystals, found.matched) == (3, 2)
    assert found.rms == pytest.approx(0.0, abs=1e-6)
    assert found.corrected_rms == pytest.approx(0.5 / 3, abs=1e-6)
    assert match_everyone([rocksalt, rocksalt], [rocksalt]).matched == 2
    assert match_everyone([rocksalt], []).matched == 0


def test_the_nearest_of_several_counts_and_what_does_not_match_is_left_out() -> None:
    made = [bulk("NaCl", "rocksalt", a=5.6), salt(0.1), salt(0.02), salt(0.05)]
    assert best_distance(made, salt()) == pytest.approx(distance(salt(0.02), salt()))
    assert np.isnan(best_distance([], salt()))
