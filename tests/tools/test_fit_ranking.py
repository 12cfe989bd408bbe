"""The regression finds the law that its structures follow, and folds keep compositions apart."""

from __future__ import annotations

import fit_ranking as fitting
import numpy as np
import pytest

from gencsp.proposers.evidence import Evidence, Kind, probabilities

LAW = {"bias": 0.0, "energy": -1.2, "model": -0.8, "agreement": 0.9}
BIASES = {"pigen": 0.5, "score": -0.5, "symmetric": 1.0, "random": -1.0}


@pytest.fixture(scope="module")
def sample() -> list[fitting.Compared]:
    """Structures that are right as often as the law says."""
    rng = np.random.default_rng(0)
    made = []
    for place in range(400):
        for name, bias in BIASES.items():
            evidence = Evidence(
                enthalpies=rng.exponential(0.1, 20),
                agreement=rng.integers(1, 10, 20) / 20,
                losses=rng.exponential(0.5, 20),
            )
            p = probabilities(evidence, "joint", table={"joint": LAW | {"bias": bias}})
            made.append(fitting.Compared(place, name, evidence, rng.random(20) < p))
    return made


def test_the_law_is_found(sample: list[fitting.Compared]) -> None:
    found = fitting.fitted(sample, "joint")
    for name, weight in LAW.items():
        assert found[name] == pytest.approx(weight, abs=0.1)
    for name, bias in BIASES.items():
        assert found[f"bias of {name}"] == pytest.approx(bias, abs=0.15)


@pytest.mark.parametrize("kind", fitting.TERMS)
def test_left_out_confidences_are_calibrated_by_proposer(
    sample: list[fitting.Compared], kind: Kind
) -> None:
    said = fitting.cross_validated(sample, kind)
    assert all(len(p) == len(one.right) for p, one in zip(said, sample, strict=True))
    first = fitting.firsts(sample, said, "symmetric")
    assert first["trials"] == 400
    if kind == "joint":
        # Half a Wilson interval of 400 firsts.
        assert first["said"] == pytest.approx(first["share"], abs=0.05)


def test_what_is_said_of_a_composition_does_not_depend_on_its_own_truth(
    sample: list[fitting.Compared],
) -> None:
    few = sample[:80]
    wrong = [
        fitting.Compared(one.place, one.proposer, one.evidence, ~one.right)
        if one.place % fitting.FOLDS == 3
        else one
        for one in few
    ]
    before, after = (fitting.cross_validated(those, "joint") for those in (few, wrong))
    for one, p, q in zip(few, before, after, strict=True):
        assert (p.tolist() == q.tolist()) is (one.place % fitting.FOLDS == 3)
