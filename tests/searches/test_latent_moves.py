"""Moves in the latent space of DP-CDVAE: their contract, and searches that use them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cheap_search
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from cheap_parts import Backwards
from cheap_search import story
from tiny_dp_cdvae import rotation, tiny_network

import gencsp
from gencsp.diffusion.dp_cdvae.model import load_dp_cdvae, save_dp_cdvae
from gencsp.errors import DeckError, RequestError, WeightsError
from gencsp.executors import LocalProcesses, ThisProcess
from gencsp.plugins import Choice
from gencsp.runs.decks import SearchDeck
from gencsp.runs.search import Plan
from gencsp.runs.settings import save_deck, saved_deck
from gencsp.searches.basin_hopping import HOP_MOVES
from gencsp.searches.genetic import GENETIC_MOVES
from gencsp.searches.moves import MOVES, Tools, get_move
from gencsp.store import Manifest, MemoryStore
from gencsp.testing import check_move

NAMES = ("latent-neighbour", "latent-interpolation")
QUICK = {"steps": 2}


def salt() -> Atoms:
    return bulk("NaCl", "rocksalt", a=5.64)


@pytest.mark.parametrize("name", NAMES)
def test_the_contract_holds_in_a_system_too(name: str, dp_cdvae_weights: Path) -> None:
    """Also where moves may change the composition: the atoms of the first parent stay."""
    move = get_move(name, {**QUICK, "weights": dp_cdvae_weights})
    parents = [salt(), bulk("NaCl", "cesiumchloride", a=3.5).repeat((2, 1, 1))]
    check_move(move, parents, tools=Tools(elements=("Na", "Cl")))
    child = move(parents, rng=np.random.default_rng(0), tools=Tools(elements=("Na", "Cl")))
    assert child is not None
    assert child.numbers.tolist() == [11, 17]


def test_a_child_of_a_turned_parent_is_the_same(dp_cdvae_weights: Path) -> None:
    move = get_move("latent-neighbour", {**QUICK, "weights": dp_cdvae_weights})
    turned = salt()
    turned.set_cell(turned.cell.array @ rotation(3).T, scale_atoms=True)
    one, other = (
        move([parent], rng=np.random.default_rng(0), tools=Tools()) for parent in (salt(), turned)
    )
    assert one is not None
    assert other is not None
    np.testing.assert_allclose(one.cell.array, other.cell.array, atol=1e-3)
    np.testing.assert_allclose(one.positions, other.positions, atol=2e-3)


@pytest.mark.parametrize("name", NAMES)
def test_parents_that_the_model_does_not_know_give_nothing(
    name: str, dp_cdvae_weights: Path
) -> None:
    move = get_move(name, {**QUICK, "weights": dp_cdvae_weights})
    large = salt().repeat((3, 3, 2))
    assert move([large, salt()], rng=np.random.default_rng(0), tools=Tools()) is None


@pytest.mark.parametrize("name", NAMES)
def test_they_are_used_where_they_are_named_alone_and_need_weights(name: str) -> None:
    assert name not in {*HOP_MOVES, *GENETIC_MOVES}
    with pytest.raises(WeightsError, match="gencsp train dp-cdvae"):
        get_move(name)([salt(), salt()], rng=np.random.default_rng(0), tools=Tools())
    with pytest.raises(DeckError, match=r"least is 0\.9 and most 0\.8"):
        get_move(name, {"least": 0.9, "most": 0.8})
    assert MOVES.configure(f"{name}:weights=W.safetensors,steps=7").text == f"{name}:steps=7"


def test_an_interpolation_needs_a_search_with_two_parents(dp_cdvae_weights: Path) -> None:
    move = f"latent-interpolation:weights={dp_cdvae_weights}"
    with pytest.raises(RequestError, match="needs 2 parents: use 'genetic'"):
        gencsp.search("Cu", method="hop", moves=[move], hull="none", potential=EMT())


def use_latent_moves(patch: pytest.MonkeyPatch, weights: Path) -> None:
    options: dict[str, Any] = {"weights": str(weights), "steps": 2}
    named = [Choice.of(name, options) for name in NAMES]
    patch.setattr(cheap_search, "OPERATORS", (*named, "rattle"))
    patch.setattr(cheap_search, "MOVES", (named[0], "rattle"))


class Crash(BaseException):
    """The end of a process."""


class CrashingStore(MemoryStore):
    """Ends the process before its transaction ``left``."""

    left = 2

    def finish_all(self, results: Any) -> None:
        self.left -= 1
        if self.left < 0:
            raise Crash
        super().finish_all(results)


@pytest.mark.parametrize("method", ["hop", "genetic"])
def test_the_bandit_credits_them(
    method: str, dp_cdvae_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_latent_moves(monkeypatch, dp_cdvae_weights)
    search = cheap_search.cheap_search(method, MemoryStore(), ThisProcess())
    search.run()
    stats = {line.move: line for line in search.strategy.move_stats()}
    for name in NAMES if method == "genetic" else NAMES[:1]:
        # The seed of the search decides which moves are tried; these are.
        results = [r for r in search.results if r.move == name]
        relaxed = [r.atoms for r in results if r.atoms is not None]
        assert relaxed
        for atoms in relaxed:
            assert atoms.info["move"] == name
            assert len(atoms.info["parents"].split(";")) == get_move(name).n_parents
        # Those of the first trials, before there are parents, are of no move.
        assert stats[name].tried == len(results)
        assert stats[name].new == sum(r.new for r in results)
    assert sum(stats[name].new for name in NAMES if name in stats) > 0


def test_a_search_is_the_same_in_other_processes_and_after_crashes(
    dp_cdvae_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_latent_moves(monkeypatch, dp_cdvae_weights)
    search = cheap_search.cheap_search("genetic", MemoryStore(), ThisProcess())
    search.run()
    with LocalProcesses(1) as executor:
        elsewhere = cheap_search.cheap_search("genetic", MemoryStore(), executor)
        elsewhere.run()
    assert story(elsewhere) == story(search)
    monkeypatch.setattr("gencsp.searches.runner.KEEP", 0.0)
    broken, crashes = CrashingStore(), 0
    for broken.left in (8, 5, 10**9):
        try:
            resumed = cheap_search.cheap_search("genetic", broken, Backwards())
            resumed.run()
        except Crash:
            crashes += 1
    assert crashes == 2
    assert story(resumed) == story(search)


def test_a_run_knows_its_weights_by_their_digest(dp_cdvae_weights: Path, tmp_path: Path) -> None:
    """Where the file lies does not matter, what is in it does; a missing one is reported."""

    def manifest_with(weights: Path) -> Manifest:
        move = f"latent-neighbour:weights={weights},steps=2"
        deck = SearchDeck.make(
            formula="Cu", method="hop", moves=[move, "rattle"], hull="none", potential=EMT()
        )
        return Plan.of(deck).check_models(ThisProcess())

    here, there = manifest_with(dp_cdvae_weights), tmp_path / "there.safetensors"
    model = load_dp_cdvae(dp_cdvae_weights)
    assert here["move_models"] == f"latent-neighbour {model.digest}"
    there.write_bytes(dp_cdvae_weights.read_bytes())
    assert manifest_with(there) == here
    save_dp_cdvae(tiny_network(), model.process, there)
    assert manifest_with(there) != here
    with pytest.raises(WeightsError, match=r"no weights of a DP-CDVAE at .*none\.safetensors"):
        manifest_with(tmp_path / "none.safetensors")


def test_a_run_is_resumed_from_another_folder(
    dp_cdvae_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(dp_cdvae_weights.parent)
    given = f"latent-neighbour:weights={dp_cdvae_weights.name}"
    save_deck(SearchDeck.make(formula="Cu", moves=(given, "rattle")), tmp_path)
    monkeypatch.chdir(tmp_path)
    moves = saved_deck(tmp_path).moves
    assert moves is not None
    assert moves[1] == "rattle"
    assert Choice.read(moves[0]).options["weights"] == str(dp_cdvae_weights)
