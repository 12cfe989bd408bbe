"""The weights of DP-CDVAE that ship with gencsp: they give known crystals back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

import gencsp
from gencsp.diffusion.dp_cdvae.model import SHIPPED, DpCdvaeModel, load_dp_cdvae
from gencsp.diffusion.stored_weights import shipped_weights
from gencsp.measure.match_rate import distance
from gencsp.proposers.dp_cdvae import DpCdvaeOptions, decode_de_novo


def perovskite(a: str, b: str, x: str, length: float) -> Atoms:
    places = [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)]
    return Atoms([a, b, x, x, x], scaled_positions=places, cell=[length] * 3, pbc=True)


@pytest.fixture(scope="module")
def perovskites() -> DpCdvaeModel:
    return load_dp_cdvae(Path("dp-cdvae-perov-5"), device="cpu")


def test_all_that_are_named_ship() -> None:
    assert set(SHIPPED) == {name for name in shipped_weights() if name.startswith("dp-cdvae")}


def test_perovskites_come_back_with_their_species_and_cells(perovskites: DpCdvaeModel) -> None:
    known = [
        perovskite("Sr", "Ti", "O", 3.95),
        perovskite("Ba", "Ti", "O", 4.05),
        perovskite("K", "Nb", "O", 4.05),
        perovskite("La", "Al", "O", 3.85),
    ]
    made = list(gencsp.reconstruct(known, model=perovskites, levels=50, seed=0))
    for before, after in zip(known, made, strict=True):
        assert after.get_chemical_formula() == before.get_chemical_formula()
        assert after.cell.volume == pytest.approx(before.cell.volume, rel=0.1)
        assert distance(after, before) < 0.05


def test_carbon_comes_back_as_carbon_and_dense_or_layered() -> None:
    model = load_dp_cdvae(Path("dp-cdvae-carbon-24"), device="cpu")
    layers = Atoms(
        "C4",
        scaled_positions=[(0, 0, 0.25), (0, 0, 0.75), (1 / 3, 2 / 3, 0.25), (2 / 3, 1 / 3, 0.75)],
        cell=[2.46, 2.46, 5.8, 90, 90, 120],
        pbc=True,
    )
    known = [bulk("C", "diamond", a=3.5).repeat((1, 1, 3)), layers.repeat((1, 1, 2))]
    made = list(gencsp.reconstruct(known, model=model, levels=50, seed=0))
    for before, after in zip(known, made, strict=True):
        assert set(after.numbers) == {6}
        volume = before.cell.volume / len(before)
        assert after.cell.volume / len(after) == pytest.approx(volume, rel=0.25)
    dense, layered = (atoms.cell.volume / len(atoms) for atoms in made)
    assert layered > dense + 1


def test_de_novo_crystals_are_like_those_of_the_training() -> None:
    options = DpCdvaeOptions(weights=Path("dp-cdvae-perov-5"), sampler={"steps": 20})
    made = list(decode_de_novo(n=12, seed=0, options=options))
    assert {len(atoms) for atoms in made} == {5}
    assert {len(set(atoms.numbers)) for atoms in made} <= {3, 4, 5}  # ABX3, ABX2Y and ABXYZ
    for atoms in made:
        lengths = atoms.cell.cellpar()
        np.testing.assert_allclose(lengths[3:], 90, atol=3)
        assert lengths[:3].min() > 3
        assert lengths[:3].max() < 7
