"""What a preset sets reaches the parts of a run and its manifest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ase import Atoms

import gencsp
from gencsp.diffusion.positions.sampler import SamplerSettings
from gencsp.errors import InpainterError, RequestError
from gencsp.executors import ThisProcess
from gencsp.minimise.settings import RelaxSettings
from gencsp.proposers.base import ProposerContext
from gencsp.proposers.random import RandomOptions
from gencsp.proposers.sampling import preset_sampler
from gencsp.runs.cycle import cycle_parts, open_cycle
from gencsp.runs.decks import CycleDeck, SearchDeck
from gencsp.runs.objects import chosen
from gencsp.runs.parts import NamedProposer
from gencsp.runs.search import Plan
from gencsp.searches.starts import ProposerStarts
from gencsp.store import DiskStore
from gencsp.symmetry.ladder import LADDERS

PRINTED = {
    "preset": "chggen",
    "proposer": "score",
    "inpainter": "score",
    "inpaintings": 3,
    "sampler_steps": 200,
    "sampler_resampling": 3,
    "sampler_jump_length": 10,
    "sampler_sigma_min": 0.01,
    "relax_minimiser": "fire",
    "relax_steps": 500,
    "volume_per_atom": 16.0,
    "ladder": "chggen",
    "ladder_symprecs": [0.1, 0.2, 0.5, 0.8, 1.0, 1.5, 2.0],
    "ladder_angle_tolerances": [10, 15, 15, 15, 20, 30, 30],
    "ladder_low": [1, 2],
    "ladder_dropped": [1, 2, 6],
}


@pytest.mark.usefixtures("in_this_process")
def test_a_cycle_as_chggen(tmp_path: Path) -> None:
    deck = CycleDeck.make(formula="Li5Si2", preset="chggen", workers=1, out=tmp_path / "run")
    with open_cycle(deck) as cycle:
        for maker in (cycle.proposer, cycle.inpainter):
            assert isinstance(maker, NamedProposer)
            assert str(maker.name) == "score"
            assert maker.sampler == preset_sampler("chggen")
        assert cycle.settings.relax == RelaxSettings(fmax=0.1, steps=500, minimiser="fire")
        assert cycle.settings.ladder == LADDERS["chggen"]
        assert cycle.settings.volume_per_atom == 16.0
        assert isinstance(cycle.store, DiskStore)
        manifest = cycle.store.manifest
    assert {key: manifest[key] for key in PRINTED} == PRINTED


def test_a_search_as_chggen() -> None:
    deck = SearchDeck.make(formula="Li5Si2", preset="chggen", levels=30, correctors=2, workers=1)
    plan = Plan.of(deck)
    assert (plan.settings.seed_share, plan.settings.space.volume_per_atom) == (1.0, 16.0)
    (source,) = plan.seeds
    assert isinstance(source, ProposerStarts)
    assert isinstance(source.make, NamedProposer)
    assert source.make.sampler == SamplerSettings(
        sampler={"name": "predictor-corrector", "snr": 0.4, "corrector_steps": 2},
        steps=30,
        sigma_min=0.01,
        resampling=3,
        jump_length=10,
    )
    with ThisProcess() as executor:
        manifest = plan.check_models(executor)
    assert manifest["preset"] == "chggen"
    assert manifest["relax_minimiser"] == "fire"
    assert (manifest["sampler_steps"], manifest["seeds"]) == (30, ["score*1"])


@pytest.mark.parametrize("call", [gencsp.cycle, gencsp.search])
def test_a_wrong_sampler_is_told_before_anything_runs(
    call: Callable[..., object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RequestError, match="'ddim' has no correctors"):
        call("Li5Si2", correctors=2, workers=1, out=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_inpainter_is_told_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no proposer 'scores'"):
        gencsp.cycle("Li5Si2", inpainter="scores", workers=1, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


#: What makes whole crystals alone, by name, as its options and as itself.
WHOLE_CRYSTALS = ["random", "pyxtal", "symmetric", "pool:files=x.cif", RandomOptions(),
                  RandomOptions().build(ProposerContext())]  # fmt: skip


@pytest.mark.parametrize("inpainter", WHOLE_CRYSTALS)
@pytest.mark.parametrize("place", ["Li5Si2", "Li-Si"])
def test_an_inpainter_without_hosts_is_told_before_anything_runs(
    place: str, inpainter: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("gencsp.runs.cycle.optional_hull_at", None)  # would be the first work
    with pytest.raises(InpainterError, match=r"guest-orbits or .*mixed or .*score") as raised:
        gencsp.cycle(place, inpainter=inpainter, workers=1, out=tmp_path / "run")
    assert "symmetric" not in str(raised.value).split("take")[1]
    assert not (tmp_path / "run").exists()
    deck = tmp_path / "cycle.toml"
    if isinstance(inpainter, str):
        deck.write_text(f'formula = "{place}"\ninpainter = "{inpainter}"\n')
        with pytest.raises(InpainterError):
            gencsp.cycle(CycleDeck.read(deck), out=tmp_path / "run")


def test_every_inpainter_is_one_that_a_cycle_takes() -> None:
    def own(*_: object, **__: object) -> Atoms:
        raise AssertionError("not called")

    for inpainter in ("guest-orbits", "mixed", "pigen", "score", own):
        deck = CycleDeck.make(formula="Li5Si2", inpainter=inpainter)
        assert cycle_parts(deck)[1].name == chosen(deck.inpainter)
