"""Evidence and the regression: energies and groups of known crystals, the logistic law by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from hypothesis import given
from hypothesis import strategies as st

from gencsp.potentials import get_potential
from gencsp.proposers.energy_order import TRUST, relaxed_enthalpies
from gencsp.proposers.evidence import (
    FARTHEST,
    KINDS,
    LEAST_LOSS,
    Evidence,
    probabilities,
    ranking_table,
    relaxed_evidence,
)

TABLE = {
    "energy": {"bias": -1.0, "energy": -0.5},
    "joint": {
        "bias": 0.3,
        "bias of symmetric": 1.5,
        "energy": -0.5,
        "model": -2.0,
        "agreement": 0.7,
    },
}


def shaken(seed: int) -> Atoms:
    atoms = bulk("Cu", "fcc", a=3.7, cubic=True)
    atoms.rattle(0.05, seed=seed)
    return atoms


def test_structures_agree_with_those_that_relax_to_the_same_crystal() -> None:
    far = Atoms("Cu4", positions=np.zeros((4, 3)), cell=np.eye(3) * 3.7, pbc=True)
    bcc = bulk("Cu", "bcc", a=2.9, cubic=True) * (2, 1, 1)
    structures = [shaken(1), bcc, far, shaken(2), shaken(3)]
    enthalpies, agreement = relaxed_evidence(get_potential(EMT()), structures, 0.0)
    # EMT holds a cubic cell of bcc where it is; four atoms in one place have no energy at all.
    assert agreement.tolist() == pytest.approx([3 / 5, 1 / 5, 0.0, 3 / 5, 3 / 5])
    assert np.isnan(enthalpies[2])
    own = relaxed_enthalpies(get_potential(EMT()))([structures[k] for k in (0, 1)], 0.0)
    assert enthalpies[:2] == pytest.approx(own)


def test_what_is_not_known_is_no_variable() -> None:
    assert Evidence().terms() == {}
    assert set(Evidence(losses=np.zeros(2)).terms()) == {"model"}


def test_energies_are_relative_to_the_lowest_of_those_compared() -> None:
    evidence = Evidence(
        enthalpies=np.array([-4.0, -4.03, np.nan, 9.0]),
        agreement=np.array([0.25, 0.5, 0.0, 0.25]),
        losses=np.array([0.7, 0.5, 0.9, 0.6]),
    )
    terms = evidence.terms()
    assert terms["energy"] ** 2 == pytest.approx([0.03 / TRUST, 0.0, FARTHEST, FARTHEST])
    expected = [math.log(x + LEAST_LOSS) for x in (0.7, 0.5, 0.9, 0.6)]
    assert terms["model"] == pytest.approx(expected)
    assert terms["agreement"] == pytest.approx([math.log(x) for x in (0.25, 0.5, 0.125, 0.25)])
    none = Evidence(enthalpies=np.full(3, np.nan)).terms()["energy"]
    assert none.tolist() == [math.sqrt(FARTHEST)] * 3


@given(
    energies=st.lists(st.floats(-5.0, -4.5), min_size=2, max_size=6),
    shift=st.floats(-2.0, 2.0),
)
def test_probabilities_are_logistic_and_know_no_zero_of_energy(
    energies: list[float], shift: float
) -> None:
    values = np.array(energies)
    found = probabilities(Evidence(enthalpies=values), "energy", table=TABLE)
    for energy, p in zip(energies, found, strict=True):
        above = min((energy - min(energies)) / TRUST, FARTHEST)
        assert p == pytest.approx(1 / (1 + math.exp(1.0 + 0.5 * math.sqrt(above))), rel=1e-6)
    moved = probabilities(Evidence(enthalpies=values + shift), "energy", table=TABLE)
    assert moved == pytest.approx(found, rel=1e-6)


def test_all_variables_count_with_their_weights() -> None:
    evidence = Evidence(
        enthalpies=np.array([-1.0, -1.0]),
        agreement=np.array([0.5, 1.0]),
        losses=np.array([0.4, 0.5]),
    )
    model = [-2.0 * math.log(loss + LEAST_LOSS) for loss in (0.4, 0.5)]
    without = [model[0] + 0.7 * math.log(0.5), model[1]]
    for proposer, bias in (("pigen", 0.3), ("symmetric", 1.5)):
        found = probabilities(evidence, "joint", proposer=proposer, table=TABLE)
        logits = [math.log(p / (1 - p)) for p in found]
        assert logits == pytest.approx([bias + one for one in without])


def test_the_shipped_table_says_what_physics_says() -> None:
    table = ranking_table()
    assert set(table) == set(KINDS)
    for weights in table.values():
        assert weights.get("energy", -1.0) < 0
        assert weights.get("model", -1.0) < 0
    assert table["agreement"]["agreement"] > 0
