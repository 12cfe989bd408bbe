"""The proposer units-random: what was asked for, in a free cell and in a given one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.cell import Cell
from numpy.testing import assert_allclose

import gencsp
from gencsp import records
from gencsp.composition import Composition
from gencsp.errors import DeckError, InpainterError, NoRoomError, RequestError, UnitError
from gencsp.proposers import ProposerContext, get_proposer, units_random
from gencsp.proposers.base import Request
from gencsp.proposers.crystals.volume import predict_volume
from gencsp.proposers.units.crystal import UNIT_NAMES
from gencsp.proposers.units_random import RandomUnitsProposer
from gencsp.searches import tasks
from gencsp.testing.proposers import check_proposer
from gencsp.units.lookup import get_unit
from gencsp.units.members import Members

AMIDE = Composition.parse("NaNH2")
#: Of sodium amide, by its powder pattern.
FDDD = Cell.fromcellpar([8.95, 10.46, 8.07, 90, 90, 90])


def amides(**changes: Any) -> RandomUnitsProposer:
    return RandomUnitsProposer((get_unit("NH2"),), **changes)


def request(**changes: Any) -> Request:
    values: dict[str, Any] = {"composition": AMIDE, "n": 3, "units": (2, 4)}
    return Request(**(values | changes))


def assert_whole(atoms: Atoms, unit: str) -> None:
    """Every unit has its bond lengths, and the rest are single atoms."""
    names = atoms.info[UNIT_NAMES].split(";")
    for number, of_unit in enumerate(Members.of(atoms).atoms):
        if names[number] != unit:
            assert len(of_unit) == 1
            continue
        known = get_unit(unit)
        at = atoms.positions[of_unit]
        lengths = [np.linalg.norm(at[i] - at[j]) for i, j in known.bonds]
        assert_allclose(lengths, known.bond_lengths, atol=1e-6)


def test_it_fulfils_the_contract() -> None:
    check_proposer(amides(), request(space_groups=(1, 4, 14, 43, 62)))
    check_proposer(amides(), request(units=(16,), cell=FDDD, space_groups=(70, 43, 19)))


def test_units_volume_and_space_group() -> None:
    wanted = (4, 14, 36)
    made = list(amides().propose(request(space_groups=wanted), rng=np.random.default_rng(0)))
    assert len(made) == 3
    for atoms in made:
        assert_whole(atoms, "NH2")
        assert atoms.info[UNIT_NAMES].count("NH2") == len(atoms) // 4
        volume = atoms.cell.volume / len(atoms)
        assert volume == pytest.approx(predict_volume(AMIDE).value, rel=1e-6)
        assert atoms.info[records.PROPOSED_SPACE_GROUP] in wanted
        assert atoms.info[records.PROPOSER] == "units-random"


def test_a_given_cell_decides_groups_and_numbers() -> None:
    """16 formula units fill the cell; cubic groups do not fit it."""
    asked = request(n=8, units=tuple(range(1, 31)), cell=FDDD, volume_per_atom=FDDD.volume / 64)
    made = list(amides().propose(asked, rng=np.random.default_rng(1)))
    assert len(made) == 8
    for atoms in made:
        assert_allclose(atoms.cell.array, FDDD.array)
        assert 12 <= len(atoms) / 4 <= 20
        assert atoms.info[records.PROPOSED_SPACE_GROUP] < 75
        assert_whole(atoms, "NH2")
    with pytest.raises(UnitError, match="none of the requested space groups"):
        list(amides().propose(request(cell=FDDD, units=(16,), space_groups=(225,)), rng=_rng()))


def test_what_cannot_be_is_said_before_anything_is_drawn() -> None:
    with pytest.raises(UnitError, match="cannot hold"):
        amides().propose(request(cell=FDDD, units=(200,)), rng=_rng())
    with pytest.raises(UnitError, match=r"does not split|which NaCl does not"):
        amides().propose(request(composition=Composition.parse("NaCl")), rng=_rng())
    with pytest.raises(UnitError, match="no unit"):
        RandomUnitsProposer(()).propose(request(), rng=_rng())
    with pytest.raises(RequestError, match="makes all atoms"):
        amides().propose(request(host=bulk("NaCl", "rocksalt", 5.6)), rng=_rng())
    oxalate = RandomUnitsProposer((get_unit("C2O4"),))
    with pytest.raises(UnitError, match="multiples of 2"):
        oxalate.propose(request(composition=Composition.parse("NaCO2"), units=(3,)), rng=_rng())


def test_a_cell_that_is_barely_too_small_is_given_up_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(units_random, "FRUITLESS", 5)
    tight = Cell(FDDD.array * 0.42 ** (1 / 3))
    proposer = amides()
    asked = request(n=40, units=(16,), cell=tight, space_groups=(1, 2, 4))
    with pytest.raises(NoRoomError, match=r"in none of 5 draws: give more volume"):
        next(proposer.propose(asked, rng=_rng()))
    assert proposer.failures == 5
    few = amides(attempts=2).propose(replace(asked, n=1), rng=_rng())
    with pytest.raises(NoRoomError, match="in none of 2 draws"):
        list(few)
    with pytest.raises(NoRoomError, match=r"in cells of 10\.0 Å³ for each NaNH2"):
        list(amides().propose(request(space_groups=(1,), volume_per_atom=2.5), rng=_rng()))


def test_a_run_ends_where_its_first_task_finds_no_room_and_counts_later_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(units_random, "FRUITLESS", 1)
    asked = request(space_groups=(1,), volume_per_atom=2.5)
    with pytest.raises(NoRoomError):
        tasks.propose(amides, asked, seed=0, task="generated-0", ids=["a"])
    later = tasks.propose(amides, asked, seed=0, task="generated-1", ids=["b"], first=False)
    assert later.failures["no room for rigid units"] == 1
    assert later.structures == ()


def test_lowest_terms_of_a_formula_may_break_its_units() -> None:
    made = gencsp.propose("Na2C2O4", n=2, proposer="units-random:oxalate", space_groups=(2, 14))
    for atoms in made:
        assert len(atoms) % 8 == 0
        assert_whole(atoms, "C2O4")


def test_options_and_calls(tmp_path: Path) -> None:
    with pytest.raises(UnitError, match="there is no unit 'NH7'"):
        get_proposer("units-random:units=NH7", None, context=ProposerContext())
    with pytest.raises(DeckError, match="units-random"):
        get_proposer("units-random", {"tolerance": 2}, context=ProposerContext())
    ase.io.write(tmp_path / "ND.xyz", get_unit("NH2").atoms())
    both = [
        list(gencsp.propose("NaNH2", n=2, space_groups=4, **given))
        for given in (
            {"proposer": f"units-random:{tmp_path / 'ND.xyz'}"},
            {"proposer": "units-random", "options": {"units": [str(tmp_path / "ND.xyz")]}},
        )
    ]
    for one, other in zip(*both, strict=True):
        assert_allclose(one.positions, other.positions)
        assert "ND" in one.info[UNIT_NAMES]
    host = bulk("NaCl", "rocksalt", 5.6)
    with pytest.raises(InpainterError):
        list(gencsp.propose("NaNH2", proposer="units-random:NH2", host=host))


def test_wider_distances_are_kept() -> None:
    options = {"units": "NH2", "min_separations": {"Na-Na": 3.4}, "volume_spread": 0.1}
    made = list(
        gencsp.propose(
            "Na4N4H8", n=3, proposer="units-random", options=options, space_groups=(1, 4, 19)
        )
    )
    assert len(made) == 3
    volumes = [atoms.cell.volume / len(atoms) for atoms in made]
    assert len({round(volume, 6) for volume in volumes}) == 3
    for atoms in made:
        sodium = atoms[atoms.numbers == 11] * (2, 2, 2)
        apart = sodium.get_all_distances(mic=True)[np.triu_indices(len(sodium), 1)]
        assert apart.min() >= 3.4 - 1e-9


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)
