"""``gencsp.neighbours`` and ``gencsp.interpolate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

import gencsp
from gencsp.errors import DeckError, RequestError, WeightsError


def salts() -> list[Atoms]:
    found = [bulk("NaCl", "rocksalt", a=5.64), bulk("NaCl", "cesiumchloride", a=3.5)]
    found[0].info["structure_id"] = "salt"
    return found


@pytest.fixture
def settings(dp_cdvae_weights: Path) -> dict[str, Any]:
    return {"weights": dp_cdvae_weights, "levels": 3}


def test_each_crystal_has_neighbours_that_name_it(settings: dict[str, Any]) -> None:
    found = list(gencsp.neighbours(salts(), n=3, **settings))
    assert [atoms.info["parents"] for atoms in found] == ["salt"] * 3 + ["1"] * 3
    assert [atoms.info["structure_id"] for atoms in found[2:4]] == [
        "salt-neighbour-2",
        "1-neighbour-0",
    ]
    for atoms, parent in zip(found, np.repeat([0, 1], 3), strict=True):
        assert atoms.numbers.tolist() == [11, 17]
        assert atoms.cell.volume == pytest.approx(salts()[parent].cell.volume)
        assert len(atoms.info["model"]) == 12
    assert not np.allclose(found[0].positions, found[1].positions, atol=1e-2)


def test_a_neighbour_does_not_depend_on_its_batch(settings: dict[str, Any]) -> None:
    together = list(gencsp.neighbours(salts(), n=2, **settings))
    in_parts = list(gencsp.neighbours(salts(), n=2, batch_size=3, **settings))
    for one, other in zip(together, in_parts, strict=True):
        np.testing.assert_allclose(one.cell.array, other.cell.array, atol=1e-4)
        np.testing.assert_allclose(one.positions, other.positions, atol=1e-3)
    others = list(gencsp.neighbours(salts(), n=2, seed=1, **settings))
    assert not np.allclose(together[0].positions, others[0].positions, atol=1e-2)


def test_an_interpolation_goes_from_one_to_the_other(settings: dict[str, Any]) -> None:
    one, other = salts()
    way = gencsp.interpolate(one, other, points=4, batch_size=3, **settings)
    back = gencsp.interpolate(other, one, points=4, **settings)
    assert [atoms.info["parents"] for atoms in way] == ["salt;1"] * 4
    assert len({atoms.info["structure_id"] for atoms in way}) == 4
    volumes = [atoms.cell.volume for atoms in way]
    expected = np.linspace(one.cell.volume, other.cell.volume, 4)
    np.testing.assert_allclose(volumes, expected, rtol=1e-9)
    for there, again in zip(way, reversed(back), strict=True):
        np.testing.assert_allclose(there.cell.array, again.cell.array, atol=1e-3)


def test_without_strength_and_at_the_ends_it_is_reconstruction(settings: dict[str, Any]) -> None:
    """Cells follow from z alone, whatever noise the atoms begin from."""
    one, other = salts()
    again = list(gencsp.reconstruct([one, other], spread=0.0, keep_species=True, **settings))
    near = list(gencsp.neighbours([one, other], n=1, strength=0.0, cell="decoded", **settings))
    way = gencsp.interpolate(one, other, points=2, cell="decoded", **settings)
    for expected, *found in zip(again, near, way, strict=True):
        for atoms in found:
            np.testing.assert_allclose(atoms.cell.array, expected.cell.array, atol=1e-4)
            assert atoms.numbers.tolist() == expected.numbers.tolist()
    assert not np.allclose(again[0].cell.array, again[1].cell.array, atol=1e-2)


def test_the_stronger_the_further(settings: dict[str, Any]) -> None:
    def spread(strength: float) -> float:
        found = gencsp.neighbours(salts()[0], n=12, strength=strength, cell="decoded", **settings)
        return float(np.std([atoms.cell.cellpar() for atoms in found], axis=0).sum())

    assert spread(0.0) < 1e-3 < spread(0.1) < spread(0.8)


def test_what_cannot_be_done_is_said(settings: dict[str, Any]) -> None:
    one, other = salts()
    with pytest.raises(DeckError, match="unknown key 'spread'"):
        gencsp.neighbours(salts(), spread=1)
    with pytest.raises(DeckError, match="'points' is 1"):
        gencsp.interpolate(one, other, points=1)
    with pytest.raises(RequestError, match="NaCl and Cu: give two of one formula"):
        gencsp.interpolate(one, bulk("Cu"), **settings)
    with pytest.raises(RequestError, match="knows up to 24"):
        list(gencsp.neighbours(bulk("Cu").repeat((3, 3, 3)), **settings))


def test_without_weights_it_is_said_which_there_are() -> None:
    expected = "no weights .* are given: .* dp-cdvae-perov-5 and .*'gencsp train dp-cdvae'"
    for call in (gencsp.neighbours, lambda atoms: gencsp.interpolate(atoms, atoms)):
        with pytest.raises(WeightsError, match=expected):
            call(salts()[0])
