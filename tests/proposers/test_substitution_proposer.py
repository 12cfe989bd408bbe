"""Substitution: known crystals in the order of their likelihood, at the volume to be expected."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor

from gencsp.composition import Composition
from gencsp.diffusion.batch import ScoreModel
from gencsp.diffusion.positions.sampler import SamplerSettings
from gencsp.errors import RequestError
from gencsp.proposers.base import Request
from gencsp.proposers.checks import has_composition, keeps_apart
from gencsp.proposers.crystals.confidence import Votes, confidence
from gencsp.proposers.crystals.known_crystals import known_crystals
from gencsp.proposers.crystals.symmetry_prior import (
    Candidate,
    Family,
    Likely,
    Skeleton,
    Template,
    symmetry_prior,
)
from gencsp.proposers.crystals.volume import predict_volume
from gencsp.proposers.substitution import (
    SubstitutionProposer,
    Try,
    expected_volume,
    substituted,
)

NITRIDE = Composition.parse("ScN")
REQUEST = Request(composition=Composition.parse("SnTiO3"), n=12, units=(1, 2))


def run(proposer: SubstitutionProposer, request: Request, seed: int = 0) -> list[Atoms]:
    return list(proposer.propose(request, rng=np.random.default_rng(seed)))


@pytest.fixture
def proposer(model: ScoreModel, quick: SamplerSettings) -> SubstitutionProposer:
    return SubstitutionProposer(model, sampler=quick)


@pytest.mark.parametrize(
    ("formula", "known"),
    [
        ("TbSb", bulk("TbSb", "rocksalt", a=6.17)),
        ("BAs", bulk("BAs", "zincblende", a=4.78)),
        ("DyCu", bulk("DyCu", "cesiumchloride", a=3.46)),
    ],
)
def test_first_is_what_the_textbook_says(
    proposer: SubstitutionProposer, formula: str, known: Atoms
) -> None:
    (first,) = run(proposer, Request(composition=Composition.parse(formula), n=1))
    matcher = StructureMatcher(ltol=0.2, stol=0.3, angle_tol=5)
    assert matcher.fit(AseAtomsAdaptor.get_structure(first), AseAtomsAdaptor.get_structure(known))
    assert first.get_volume() == pytest.approx(known.get_volume(), rel=0.12)
    assert first.info["confidence"] > 0.5
    assert (first.info["proposer"], first.info["model"]) == ("substitution", "")


def test_likeliest_first_each_what_was_asked_for(proposer: SubstitutionProposer) -> None:
    made = run(proposer, REQUEST)
    assert len(made) == 12
    assert all(0 < atoms.info["confidence"] < 1 for atoms in made)
    for atoms in made:
        assert has_composition(atoms, REQUEST.composition, (1, 2))
        assert keeps_apart(atoms, separation=0.6)
        assert not atoms.constraints
    groups = symmetry_prior().known(REQUEST.composition, (1, 2)).ranked()
    assert made[0].info["proposed_space_group"] == groups[0].space_group


def test_asking_for_more_changes_nothing_before(proposer: SubstitutionProposer) -> None:
    few = run(proposer, replace(REQUEST, n=3))
    many = run(proposer, REQUEST)
    for one, other in zip(few, many, strict=False):
        assert one.info == other.info
        np.testing.assert_array_equal(one.positions, other.positions)


@pytest.mark.parametrize("separation", [0.6, 0.85])
def test_an_offset_goes_on_where_another_call_ended(
    model: ScoreModel, quick: SamplerSettings, separation: float
) -> None:
    """Also where the other call has rejected some."""
    proposer = SubstitutionProposer(model, sampler=quick, separation=separation)
    whole = run(proposer, replace(REQUEST, n=20))
    rest = run(proposer, replace(REQUEST, n=13, offset=7))
    assert len(whole) == 20
    for one, other in zip(whole[7:], rest, strict=True):
        assert one.info == other.info
        if not one.info["model"]:
            np.testing.assert_array_equal(one.positions, other.positions)
    assert run(proposer, replace(REQUEST, offset=100_000)) == []


def test_confidences_are_those_of_the_votes(proposer: SubstitutionProposer) -> None:
    known = symmetry_prior().known(NITRIDE, (1,)).candidates()
    assert sum(one.probability for one in known) == pytest.approx(1.0)
    said = {
        one.skeleton.space_group: confidence(
            Votes(
                share=one.probability,
                likeness=max(crystal.weight for crystal in one.crystals),
                n_free=0,
                generated=False,
            )
        )
        for one in reversed(known)
        if not one.skeleton.n_free
    }
    asked = Request(composition=NITRIDE, n=5)
    first = next(iter(proposer.propose(asked, rng=np.random.default_rng(0))))
    expected = said[first.info["proposed_space_group"]]
    assert first.info["confidence"] == pytest.approx(expected, abs=1e-4)


def test_votes_decide_the_order_and_a_skeleton_comes_again_at_a_tenth(
    proposer: SubstitutionProposer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Try] = []
    label = SubstitutionProposer._label

    def noted(self: SubstitutionProposer, one: Try, atoms: Atoms) -> Atoms:
        tried.append(one)
        return label(self, one, atoms)

    monkeypatch.setattr(SubstitutionProposer, "_label", noted)
    made = run(proposer, replace(REQUEST, n=20))
    shares = [one.votes.share * 0.1**one.nth for one in tried]
    assert shares == sorted(shares, reverse=True)
    assert any(one.nth for one in tried)
    for one, atoms in zip(tried, made, strict=True):
        expected = 0.1**one.nth * confidence(one.votes)
        assert atoms.info["confidence"] == pytest.approx(expected, abs=1e-4)


def test_elements_are_replaced_and_nothing_else() -> None:
    known = symmetry_prior().known(REQUEST.composition, (1,)).candidates()
    tried = 0
    for candidate in known[:5]:
        for crystal in candidate.crystals:
            atoms = substituted(crystal, 12.5)
            if atoms is None:
                continue
            own = known_crystals().crystal(crystal.template.name, crystal.formula)
            assert own is not None
            new = dict(zip(crystal.elements, crystal.symbols, strict=True))
            assert [new[symbol] for symbol in own.symbols] == list(atoms.symbols)
            assert atoms.get_volume() / len(atoms) == pytest.approx(12.5)
            np.testing.assert_allclose(atoms.get_scaled_positions(), own.get_scaled_positions())
            np.testing.assert_allclose(atoms.cell.angles(), own.cell.angles())
            tried += 1
    assert tried > 50


def likely(formula: str, weight: float, times: float) -> Likely:
    """A rock salt of two elements that is so many times as large as predicted."""
    composition = Composition.parse(formula)
    elements = np.array([[_index(symbol) for symbol, _ in composition.counts]])
    template = Template("225 1a 1b", 225, ((1, "a"), (1, "b")))
    volume = times * predict_volume(composition).value
    family = Family(elements, (template,), ((),), (volume,))
    return Likely(weight, family, 0, ("Sc", "N"))


def _index(symbol: str) -> int:
    from gencsp.composition import ELEMENTS

    return ELEMENTS.index(symbol)


def test_volume_follows_that_of_the_similar_crystals() -> None:
    """As a geometric mean by their weights, where the request names none."""
    crystals = (likely("TiN", 0.75, 1.2), likely("GdSb", 0.25, 0.9))
    candidate = Candidate(Skeleton(225, (("Sc", "a"), ("N", "b")), ()), 1.0, crystals)
    asked = Request(composition=NITRIDE, n=1)
    expected = predict_volume(NITRIDE).value * 1.2**0.75 * 0.9**0.25
    assert expected_volume(asked, candidate) == pytest.approx(expected)
    assert expected_volume(replace(asked, volume_per_atom=9.0), candidate) == 9.0
    assert expected_volume(replace(asked, pressure=50.0), candidate) < 0.95 * expected


def without_coordinates() -> tuple[Composition, Candidate]:
    """A composition of which a skeleton with free coordinates has none at hand."""
    for family in symmetry_prior().families.values():
        for row, template in enumerate(family.templates):
            one = Likely(1.0, family, row, ())
            if (template.name, one.formula) not in known_crystals():
                composition = one.composition.reduced
                units = (one.composition.size // composition.size,)
                for found in symmetry_prior().known(composition, units).candidates()[:3]:
                    if found.skeleton.n_free and not any(
                        (c.template.name, c.formula) in known_crystals() for c in found.crystals
                    ):
                        return one.composition, found
    raise AssertionError("none")


def test_coordinates_that_are_not_at_hand_are_generated(proposer: SubstitutionProposer) -> None:
    composition, candidate = without_coordinates()
    asked = Request(composition=composition, n=6)
    made = run(
        SubstitutionProposer(proposer.model, sampler=proposer.sampler, separation=0.3), asked
    )
    generated = [atoms for atoms in made if atoms.info["model"]]
    assert generated
    assert {atoms.info["model"] for atoms in generated} == {proposer.model.digest}
    groups = {atoms.info["proposed_space_group"] for atoms in generated}
    assert candidate.skeleton.space_group in groups


def test_space_groups_and_what_is_refused(proposer: SubstitutionProposer) -> None:
    made = run(proposer, replace(REQUEST, space_groups=(62, 99)))
    assert {atoms.info["proposed_space_group"] for atoms in made} <= {62, 99}
    for change in ({"host": bulk("Cu")}, {"cell": bulk("Cu").cell}):
        with pytest.raises(RequestError, match="use 'score' with a host or a fixed cell"):
            run(proposer, replace(REQUEST, **change))


def test_what_has_no_room_is_counted(model: ScoreModel, quick: SamplerSettings) -> None:
    proposer = SubstitutionProposer(model, sampler=quick, separation=0.99)
    assert len(run(proposer, replace(REQUEST, volume_per_atom=5.0))) < REQUEST.n
    assert proposer.failures == proposer.rejected.total() > 0


def test_a_stoichiometry_that_no_known_crystal_has(proposer: SubstitutionProposer) -> None:
    assert run(proposer, Request(composition=Composition.parse("Li17Si13"), n=2)) == []
