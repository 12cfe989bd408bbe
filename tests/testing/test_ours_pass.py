"""Our own plug-ins pass the checks that third parties are given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal
from unit_salts import sodium_amide

from gencsp.composition import Composition
from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.positions.sampler import SamplerSettings
from gencsp.filters import FILTERS
from gencsp.potentials import get_potential
from gencsp.proposers import ProposerContext, Request, get_proposer
from gencsp.searches.moves import MOVES, Tools
from gencsp.searches.moves.units import UnitMove
from gencsp.searches.strategy import STRATEGIES
from gencsp.testing import check_filter, check_move, check_potential, check_proposer, check_strategy

RUTILE = crystal(
    ["Ti", "O"],
    [(0, 0, 0), (0.305, 0.305, 0)],
    spacegroup=136,
    cellpar=[4.6, 4.6, 2.96, 90, 90, 90],
)
COLUMBITE = crystal(
    ["Ti", "O"],
    [(0, 0.178, 0.25), (0.272, 0.381, 0.414)],
    spacegroup=60,
    cellpar=[4.54, 5.5, 4.9, 90, 90, 90],
)
SALT = Request(composition=Composition.parse("NaCl"), n=3, units=(1, 2))


class Flat:
    """A score model of a density that is the same everywhere."""

    sigma_min, sigma_max, digest = 0.01, 10.0, "flat"

    def score(self, batch: CrystalBatch, sigma: object) -> object:  # noqa: ARG002
        return batch.positions * 0.0


QUICK = ProposerContext(model=Flat(), sampler=SamplerSettings(steps=2))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["random", "score:separation=0.2", "symmetric:separation=0.2"])
def test_proposers(name: str) -> None:
    check_proposer(get_proposer(name, context=QUICK), SALT)


def test_proposers_that_call_others_or_read_files(tmp_path: Path) -> None:
    check_proposer(get_proposer("mixed:separation=0.2", context=QUICK), SALT)
    host = bulk("Na", "fcc", a=6.0)
    asked = Request(composition=Composition.parse("NaCl"), n=2, host=host)
    check_proposer(get_proposer("guest-orbits:separation=0.2", context=QUICK), asked)
    files = []
    for number in range(3):
        files.append(tmp_path / f"{number}.extxyz")
        bulk("NaCl", "rocksalt", a=5.6 + number / 10).write(files[-1])
    check_proposer(get_proposer("pool", {"files": files}), SALT)


@pytest.mark.parametrize("name", MOVES.names())
def test_moves(name: str, dp_cdvae_weights: Path) -> None:
    parents = [RUTILE.copy(), COLUMBITE.copy()]
    for fixed in (False, True):
        tools = Tools(
            score_model=Flat,  # type: ignore[arg-type]
            fixed_cell=fixed,
            elements=("O", "Ti") if name == "transmute" else (),
        )
        short: dict[str, dict[str, Any]] = {
            name: {"steps": 2} for name in ("renoise", "repaint", "crossover")
        }
        for latent in ("latent-neighbour", "latent-interpolation"):
            short[latent] = {"steps": 2, "weights": dp_cdvae_weights}
        move = MOVES.make(name, short.get(name))
        given = [sodium_amide()] if isinstance(move, UnitMove) else parents
        if move.keeps_cell or not fixed:
            check_move(move, given, tools=tools)


@pytest.mark.parametrize("given", ["random:shakes=2", "hop:patience=3", "genetic:population=4"])
def test_strategies(given: str) -> None:
    check_strategy(STRATEGIES.configure(given))


#: Takes a relaxation, and is not settled to six digits by it.
SLOW = {"hull_energy"}


@pytest.mark.parametrize("name", sorted(set(FILTERS.names()) - SLOW))
def test_filters(name: str) -> None:
    low = bulk("NaCl", "rocksalt", a=5.6)
    low.rattle(0.2, seed=1)
    check_filter(FILTERS.make(name), [RUTILE, low])


@pytest.mark.parametrize("engine", ["auto", "torch"])
def test_potentials(engine: str) -> None:
    shaken = RUTILE.copy()
    shaken.rattle(0.05, seed=3)
    strained: Atoms = bulk("Cu") * (2, 1, 1)
    strained.set_cell(strained.cell * [1.0, 1.02, 0.99], scale_atoms=True)
    strained.rattle(0.05, seed=4)
    check_potential(get_potential(engine=engine), [shaken, strained])  # type: ignore[arg-type]
