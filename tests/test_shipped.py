"""Weights and tables that are not what their digests say are refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import gencsp.shipped
from gencsp.convex_hull.crystals import _as_in_oqmd, _phases, shipped_crystals
from gencsp.convex_hull.entries import shipped_references
from gencsp.diffusion.dp_cdvae.model import load_dp_cdvae
from gencsp.diffusion.joint.model import load_joint_model
from gencsp.diffusion.positions.model import load_score_model
from gencsp.errors import WeightsError
from gencsp.filters.compositional_novelty import reference_formulas
from gencsp.filters.novelty import reference_structures
from gencsp.filters.pair_potential import shipped_potential
from gencsp.filters.prototypes import shipped_prototypes
from gencsp.measure.element_tables import element_tables
from gencsp.proposers.crystals import compression
from gencsp.proposers.crystals.confidence import confidence_table
from gencsp.proposers.crystals.known_crystals import known_crystals
from gencsp.proposers.crystals.likeness import element_metric
from gencsp.proposers.crystals.symmetry_prior import symmetry_prior
from gencsp.proposers.crystals.volume import _table
from gencsp.proposers.crystals.wyckoff_table import wyckoff_table
from gencsp.proposers.evidence import ranking_table

PACKAGE = Path(gencsp.shipped.__file__).parent
WEIGHTS: dict[str, Callable[[Path], Any]] = {
    "score": load_score_model,
    "pigen": load_joint_model,
    "dp-cdvae-perov-5": load_dp_cdvae,
    "dp-cdvae-carbon-24": load_dp_cdvae,
}

#: What reads each table, without the cache in front of it.
TABLES: dict[str, Callable[[], Any]] = {
    "references_chgnet-0.3.0.csv.gz": shipped_references.__wrapped__,
    "hull_phases_chgnet-0.3.0.npz": _phases.__wrapped__,
    "reference_formulas.txt.gz": reference_formulas.__wrapped__,
    "reference_structures.npz": reference_structures.__wrapped__,
    "pair_potential.npz": shipped_potential.__wrapped__,
    "prototypes.npz": shipped_prototypes.__wrapped__,
    "wyckoff.npz": wyckoff_table.__wrapped__,
    "volume.json": _table.__wrapped__,
    "compression.json": compression._table.__wrapped__,
    "symmetry_prior.json": symmetry_prior.__wrapped__,
    "known_crystals.npz": known_crystals.__wrapped__,
    "element_metric.json": element_metric.__wrapped__,
    "ranking.json": ranking_table.__wrapped__,
    "confidence.json": confidence_table.__wrapped__,
    "measures.json": element_tables.__wrapped__,
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of what ships, which every reader takes for the installed one."""
    for folder in ("data", "weights"):
        shutil.copytree(PACKAGE / folder, tmp_path / folder)
    monkeypatch.setattr("importlib.resources.files", lambda _: tmp_path)
    gencsp.shipped._digests.cache_clear()
    yield tmp_path
    gencsp.shipped._digests.cache_clear()


def changed(path: Path) -> None:
    """One bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_every_table_that_ships_is_read_here() -> None:
    cards = [json.loads(path.read_text()) for path in (PACKAGE / "data").glob("*.card.json")]
    assert {name for card in cards for name in card["files"]} == set(TABLES)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_that_was_changed(package: Path, name: str) -> None:
    TABLES[name]()
    changed(package / "data" / name)
    with pytest.raises(WeightsError, match=rf"{name} was changed: .*reinstall gencsp"):
        TABLES[name]()


def test_crystals_for_references_of_ones_own(package: Path) -> None:
    assert list(shipped_crystals(["Li"]))
    for name in ("reference_structures.npz", "hull_phases_chgnet-0.3.0.npz"):
        _as_in_oqmd.cache_clear()  # they are read once
        _phases.cache_clear()
        changed(package / "data" / name)
        with pytest.raises(WeightsError, match=f"{name} was changed"):
            list(shipped_crystals(["Li"]))


def tampered(source: Path, path: Path, **metadata: str) -> Path:
    """The same weights but for one number in a million, and the digest of before."""
    with safe_open(source, framework="pt") as file:
        about = {**file.metadata(), **metadata}
    tensors = load_file(source)
    name = next(key for key, value in sorted(tensors.items()) if value.is_floating_point())
    tensors[name].view(-1)[0] += 1e-6
    save_file(tensors, path, metadata=about)
    return path


@pytest.mark.parametrize("model", sorted(WEIGHTS))
def test_weights_whose_digest_is_another(tmp_path: Path, model: str) -> None:
    """A user's own file has no card: its digest stands in the file."""
    source = PACKAGE / "weights" / f"{model}.safetensors"
    own = tmp_path / "own.safetensors"
    shutil.copy(source, own)
    WEIGHTS[model](own)
    with pytest.raises(WeightsError, match=r"were changed: their digest is .*fetch it again"):
        WEIGHTS[model](tampered(source, own))
    with pytest.raises(WeightsError, match="were changed"):
        WEIGHTS[model](tampered(source, own, digest="0" * 12))


@pytest.mark.parametrize("model", sorted(WEIGHTS))
def test_settings_beside_the_weights_are_in_the_card(tmp_path: Path, model: str) -> None:
    """The metadata stand outside of the digest of the weights; the card covers the whole file."""
    source = PACKAGE / "weights" / f"{model}.safetensors"
    for name in (source.name, f"{model}.card.json"):
        shutil.copy(source.with_name(name), tmp_path / name)
    own = tmp_path / source.name
    WEIGHTS[model](own)
    with safe_open(own, framework="pt") as file:
        about = dict(file.metadata())
    save_file(load_file(own), own, metadata={**about, "notes": "changed"})
    with pytest.raises(WeightsError, match=r"was changed: its SHA-256 .*or remove its card"):
        WEIGHTS[model](own)
    card = tmp_path / f"{model}.card.json"
    said = json.loads(card.read_text())
    said["files"][own.name]["sha256"] = sha256(own.read_bytes()).hexdigest()
    card.write_text(json.dumps(said))
    WEIGHTS[model](own)
    for nonsense in ("{", "[]", '{"files": 3}', '{"files": {"x": 1}}'):
        card.write_text(nonsense)
        with pytest.raises(WeightsError, match="does not say the digests"):
            WEIGHTS[model](own)
