"""The dp-cdvae proposer, with a small network of random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from tiny_dp_cdvae import write_tiny_dp_cdvae
from typer.testing import CliRunner

from gencsp.cli import app
from gencsp.composition import Composition
from gencsp.errors import DeckError, RequestError, WeightsError
from gencsp.proposers import Request, get_proposer, propose
from gencsp.proposers.dp_cdvae import DpCdvaeOptions, DpCdvaeProposer, decode_de_novo
from gencsp.testing import check_proposer

#: An untrained network makes atoms that are close.
QUICK: dict[str, Any] = {"separation": 0.05, "attempts": 50, "sampler": {"steps": 3}}
SALT = Request(composition=Composition.parse("NaCl"), n=3, units=(1, 2))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_dp_cdvae(tmp_path_factory.mktemp("w") / "w.safetensors")


def options(weights: Path, **more: Any) -> DpCdvaeOptions:
    return DpCdvaeOptions.from_options({**QUICK, "weights": weights, **more})


def proposer(weights: Path, **more: Any) -> DpCdvaeProposer:
    made = get_proposer(options(weights, **more))
    assert isinstance(made, DpCdvaeProposer)
    return made


def test_it_fulfils_the_contract_with_its_own_cell_and_with_a_given_one(weights: Path) -> None:
    check_proposer(proposer(weights), SALT)
    cell = bulk("NaCl", "rocksalt", a=7.0).cell
    check_proposer(
        proposer(weights), Request(composition=Composition.parse("NaCl"), n=2, cell=cell)
    )


def test_a_requested_volume_is_met_and_the_model_is_named(weights: Path) -> None:
    found = list(propose("NaCl", n=2, max_atoms=4, proposer=options(weights), volume=21.0))
    for atoms in found:
        assert atoms.cell.volume / len(atoms) == pytest.approx(21.0)
        assert atoms.info["model"] == proposer(weights).model.digest
        assert atoms.info["proposer"] == "dp-cdvae"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space_groups": (225,)}, "cannot fix a space group"),
        ({"host": bulk("Na")}, "cannot complete a host"),
        ({"units": (13,)}, "13 x NaCl has 26 atoms, and this model knows up to 24"),
    ],
)
def test_what_it_cannot_keep_is_refused(
    weights: Path, change: dict[str, Any], message: str
) -> None:
    request = Request(composition=Composition.parse("NaCl"), n=1, **change)
    with pytest.raises(RequestError, match=message):
        proposer(weights).propose(request, rng=np.random.default_rng(0))


def test_options_and_weights_are_checked(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(DeckError, match="no setting 'stepss'"):
        proposer(weights, sampler={"stepss": 3})
    with pytest.raises(WeightsError, match="gencsp train dp-cdvae"):
        proposer(tmp_path / "none.safetensors")


def test_de_novo_everything_follows_from_the_seed(weights: Path) -> None:
    first = list(decode_de_novo(n=3, seed=1, options=options(weights)))
    again = list(decode_de_novo(n=3, seed=1, options=options(weights)))
    other = list(decode_de_novo(n=3, seed=2, options=options(weights)))
    assert len(first) == 3
    for one, two in zip(first, again, strict=True):
        np.testing.assert_allclose(one.positions, two.positions, atol=1e-4)
        assert one.info["structure_id"] == two.info["structure_id"]
    assert [a.get_chemical_formula() for a in first] != [a.get_chemical_formula() for a in other]


def test_the_command_generates_de_novo(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["propose", "--de-novo", "-n", "2", "--weights", str(weights)]
    given = ["--proposer", "dp-cdvae:separation=0.05,attempts=50"]
    CliRunner().invoke(app, [*words, *given], catch_exceptions=False)
    assert (tmp_path / "proposals" / "proposals.extxyz").exists()
    refused = CliRunner().invoke(app, [*words, *given, "--elements", "Li,N"])
    assert refused.exit_code == 2
    assert "leave out --elements" in refused.stderr
