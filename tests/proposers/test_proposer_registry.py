"""Proposers by name, the mixture, and the one-call face."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from gencsp.composition import Composition
from gencsp.diffusion.batch import ScoreModel
from gencsp.diffusion.samplers import SamplerSettings
from gencsp.errors import CompositionError, RequestError
from gencsp.proposers import get_proposer, propose, proposer_names, registry
from gencsp.proposers.base import Request
from gencsp.proposers.mixture import MixedProposer
from gencsp.proposers.options import ProposerOptions
from gencsp.provenance import Provenance, Stage


@pytest.fixture
def options(model: ScoreModel, quick: SamplerSettings) -> ProposerOptions:
    return ProposerOptions(model=model, sampler=quick, batch_size=4)


def test_ours_are_there(options: ProposerOptions) -> None:
    assert {"guest-orbits", "mixed", "pool", "random", "score", "symmetric"} <= set(
        proposer_names()
    )
    for name in ("guest-orbits", "mixed", "pool", "random", "score", "symmetric"):
        proposer = get_proposer(name, options)
        assert proposer.name == name
        assert proposer.failures == 0


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(RequestError, match="choose from external, guest-orbits, mixed"):
        get_proposer("astrology")


def test_third_party_by_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "their_package.py").write_text(
        "class Theirs:\n    name = 'theirs'\n    failures = 0\n"
        "def make(options):\n    return Theirs()\n"
    )
    info = tmp_path / "their_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their_package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[gencsp.proposers]\ntheirs = their_package:make\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry._registered.cache_clear()
    try:
        assert "theirs" in proposer_names()
        assert get_proposer("theirs").name == "theirs"
    finally:
        registry._registered.cache_clear()


@pytest.mark.parametrize("proposer", ["mixed", "random", "score", "symmetric"])
def test_one_call(options: ProposerOptions, proposer: str) -> None:
    made = list(propose("MgO", n=4, max_atoms=8, proposer=proposer, seed=3, options=options))
    assert len(made) == 4
    ids = set()
    for atoms in made:
        assert Composition.parse("MgO").matches(atoms)
        assert len(atoms) <= 8
        provenance = Provenance.read(atoms)
        assert provenance is not None
        assert provenance.seed == 3
        assert provenance.stage is Stage.GENERATED
        ids.add(provenance.structure_id)
    assert len(ids) == 4
    again = list(propose("MgO", n=4, max_atoms=8, proposer=proposer, seed=3, options=options))
    for a, b in zip(made, again, strict=True):
        np.testing.assert_array_equal(a.positions, b.positions)
        assert a.info == b.info


def test_bad_calls_fail_before_anything_is_made(options: ProposerOptions) -> None:
    with pytest.raises(CompositionError, match="Xx"):
        propose("Xx2O3", options=options)
    with pytest.raises(CompositionError, match="raise the limit"):
        propose("Ca3Al2Si3O12", max_atoms=19, options=options)
    with pytest.raises(RequestError, match="n is 0: give a whole number from 1"):
        propose("MgO", n=0, options=options)


def test_host_through_the_default(options: ProposerOptions) -> None:
    host = bulk("Si", "diamond", a=8.0)
    host.info["structure_id"] = "framework"
    (atoms,) = propose("LiSi2", n=1, max_atoms=6, host=host, options=options)
    assert atoms.get_chemical_formula() == "LiSi2"
    assert atoms.info["parents"] == "framework"
    assert atoms.info["proposer"] == "score"


class Labelled:
    """Makes copper, marked with its name."""

    failures = 2

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: list[Request] = []

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:  # noqa: ARG002
        self.asked.append(request)
        for _ in range(request.n):
            atoms = bulk("Cu")
            atoms.info["by"] = self.name
            yield atoms


def mix(**changes: object) -> list[str]:
    values: dict[str, object] = {"composition": Composition.parse("Cu"), "n": 20}
    mixed = MixedProposer(Labelled("s"), Labelled("g"), Labelled("u"))
    made = mixed.propose(Request(**(values | changes)), rng=np.random.default_rng(0))
    assert mixed.failures == 6
    return [atoms.info["by"] for atoms in made]


def test_shares_of_the_mixture() -> None:
    made = mix()
    assert made.count("s") == 15
    assert made.count("u") == 5
    assert {made[:4].count("u"), made[4:8].count("u")} == {1}
    hosted = mix(host=bulk("Cu"))
    assert (hosted.count("g"), hosted.count("u")) == (15, 5)
    assert set(mix(cell=bulk("Cu").cell)) == {"u"}
    assert set(mix(space_groups=(225,))) == {"s"}


class Dry(Labelled):
    """Gives up after one structure."""

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        yield from islice(super().propose(request, rng=rng), 1)


def test_one_makes_up_for_the_other() -> None:
    request = Request(composition=Composition.parse("Cu"), n=8)
    mixed = MixedProposer(Dry("s"), Labelled("g"), Labelled("u"))
    made = [a.info["by"] for a in mixed.propose(request, rng=np.random.default_rng(0))]
    assert sorted(made) == ["s"] + ["u"] * 7


@pytest.mark.parametrize(
    "change",
    [
        {"batch_size": 0},
        {"attempts": 0},
        {"separation": 1.0},
        {"novelty": -0.1},
        {"volume_spread": 1},
    ],
)
def test_bad_options(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        ProposerOptions(**change)
