"""Probability and energy together: Bayes' rule on paper, and energies against ASE's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from ase.units import GPa
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gencsp.composition import Composition
from gencsp.diffusion.batch import ScoreModel
from gencsp.diffusion.positions.sampler import SamplerSettings
from gencsp.potentials import get_potential
from gencsp.proposers.base import Request
from gencsp.proposers.energy_order import (
    COMPARED,
    TRUST,
    by_probability_and_energy,
    relaxed_enthalpies,
)
from gencsp.proposers.substitution import SubstitutionProposer, Try

REQUEST = Request(composition=Composition.parse("SnTiO3"), n=14, units=(1, 2))


def proposals(confidences: Sequence[float]) -> list[Atoms]:
    made = []
    for k, confidence in enumerate(confidences):
        atoms = bulk("Cu")
        atoms.info |= {"confidence": confidence, "place": k}
        made.append(atoms)
    return made


SHARES = st.lists(st.floats(0.001, 0.4), min_size=1, max_size=8)


@given(shares=SHARES, data=st.data())
def test_the_posterior_is_that_of_bayes(shares: list[float], data: st.DataObject) -> None:
    prior = sorted(shares, reverse=True)
    energies = data.draw(st.lists(st.floats(-5.0, -4.8), min_size=len(prior), max_size=len(prior)))
    made = by_probability_and_energy(proposals(prior), np.array(energies))
    expected = [p * math.exp(-e / TRUST) for p, e in zip(prior, energies, strict=True)]
    total = sum(expected)
    found = [atoms.info["confidence"] for atoms in made]
    assert found == sorted(found, reverse=True)
    # Further coordinates of a skeleton add to its own probability, so a sum may exceed one.
    whole = min(sum(prior), 1.0)
    assert max(found) <= 1.0
    assert sum(found) == pytest.approx(whole, abs=1e-3)
    for atoms in made:
        share = whole * expected[atoms.info["place"]] / total
        assert atoms.info["confidence"] == pytest.approx(share, abs=1e-4)


def test_a_prior_takes_the_place_of_the_confidences_in_the_order_alone() -> None:
    made = by_probability_and_energy(
        proposals([0.2, 0.3, 0.1]), np.array([-4.0, -4.0, -4.0]), prior=[0.5, 0.1, 0.4]
    )
    assert [atoms.info["place"] for atoms in made] == [0, 2, 1]
    assert [a.info["confidence"] for a in made] == pytest.approx([0.3, 0.24, 0.06], abs=1e-4)


def test_what_did_not_relax_comes_last() -> None:
    made = by_probability_and_energy(proposals([0.5, 0.3, 0.1]), np.array([np.nan, -4.0, -4.1]))
    assert [atoms.info["place"] for atoms in made] == [2, 1, 0]
    assert made[-1].info["confidence"] == 0.0
    same = by_probability_and_energy(proposals([0.5, 0.3]), np.array([np.nan, np.nan]))
    assert [atoms.info["confidence"] for atoms in same] == [0.5, 0.3]


@pytest.mark.parametrize("pressure", [0.0, 20.0])
def test_enthalpies_are_those_of_ase(pressure: float) -> None:
    structures = [bulk("Cu", "fcc", a=3.7), bulk("Cu", "bcc", a=2.8)]
    found = relaxed_enthalpies(get_potential(EMT()))(structures, pressure)
    for atoms, enthalpy in zip(structures, found, strict=True):
        own = atoms.copy()
        own.calc = EMT()
        BFGS(FrechetCellFilter(own, scalar_pressure=pressure * GPa), logfile=None).run(fmax=1e-3)
        expected = own.get_potential_energy() + pressure * GPa * own.get_volume()
        assert enthalpy == pytest.approx(expected / len(own), abs=2e-3)


def test_what_does_not_relax_has_no_enthalpy() -> None:
    collapsed = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 0.001]], cell=[3, 3, 3], pbc=True)
    (enthalpy,) = relaxed_enthalpies(get_potential(EMT()))([collapsed], 0.0)
    assert math.isnan(enthalpy)


def by_volume(structures: Sequence[Atoms], pressure: float) -> NDArray[np.float64]:  # noqa: ARG001
    return np.array([atoms.cell.volume / len(atoms) for atoms in structures])


def test_the_first_ones_are_ordered_and_the_others_follow(
    model: ScoreModel, quick: SamplerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the shares of the votes and the energies, in one call and in several."""
    label = SubstitutionProposer._label
    shares: list[float] = []

    def noted(self: SubstitutionProposer, one: Try, atoms: Atoms) -> Atoms:
        shares.append(one.share)
        return label(self, one, atoms)

    monkeypatch.setattr(SubstitutionProposer, "_label", noted)
    plain = SubstitutionProposer(model, sampler=quick)
    ranked = SubstitutionProposer(model, sampler=quick, enthalpies=by_volume)

    def run(proposer: SubstitutionProposer, n: int, offset: int = 0) -> list[Atoms]:
        request = replace(REQUEST, n=n, offset=offset)
        return list(proposer.propose(request, rng=np.random.default_rng(0)))

    before = run(plain, 14)
    first, prior = before[:COMPARED], shares[:COMPARED]
    after = run(ranked, 14)
    assert len(after) == 14
    as_before = by_probability_and_energy(first, by_volume(first, 0.0), prior=prior)
    for one, other in zip([*as_before, *before[COMPARED:]], after, strict=True):
        assert one.info == other.info
    parts = [*run(ranked, 3), *run(ranked, 7, 3), *run(ranked, 4, 10)]
    assert [a.info for a in parts] == [a.info for a in after]
    assert [a.info for a in run(ranked, 1)] == [after[0].info]
