"""Cards have one form, and say of weights and tables what these hold."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import filter_card
import numpy as np
import pytest
import references_card
from cards import described
from jsonschema import Draft202012Validator
from record_values import at
from safetensors import safe_open

from gencsp.diffusion.joint.model import load_joint_model
from gencsp.diffusion.positions.model import load_score_model
from gencsp.diffusion.weights_file import digest_of
from gencsp.filters.pair_potential import shipped_potential

ROOT = Path(__file__).parents[2]
DATA, WEIGHTS = ROOT / "gencsp" / "data", ROOT / "gencsp" / "weights"
SCHEMA = json.loads((ROOT / "benchmarks" / "card.schema.json").read_text("utf-8"))
CARDS = sorted([*DATA.glob("*.card.json"), *WEIGHTS.glob("*.card.json")])


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.name)
def test_every_card_has_the_form(path: Path) -> None:
    Draft202012Validator(SCHEMA).validate(read(path))


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.name)
def test_files_are_those_that_the_card_describes(path: Path) -> None:
    for name, said in read(path)["files"].items():
        assert said == described(path.parent / name), f"{path.name} describes another {name}"


def test_every_file_that_ships_has_a_card() -> None:
    shipped = {path for place in (DATA, WEIGHTS) for path in place.iterdir()}
    tables = {path for path in shipped if path.suffix in {".npz", ".gz", ".safetensors", ".json"}}
    described_files = {path.parent / name for path in CARDS for name in read(path)["files"]}
    assert tables - set(CARDS) == described_files


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.name)
def test_numbers_are_those_of_the_records(path: Path) -> None:
    for title, said in read(path)["numbers"].items():
        assert at(read(ROOT / said["record"]), said["at"]) == said["value"], title


@pytest.mark.parametrize("name", ["score", "pigen"])
def test_cards_of_weights_describe_the_weights(name: str) -> None:
    card = read(WEIGHTS / f"{name}.card.json")
    model = load_score_model() if name == "score" else load_joint_model()
    assert type(model.network).__name__ == card["model"]["network"]
    assert sum(p.numel() for p in model.network.parameters()) == card["model"]["parameters"]
    with safe_open(WEIGHTS / f"{name}.safetensors", "pt") as file:
        metadata = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    assert digest_of(tensors) == metadata["digest"] == card["model"]["digest"]
    assert json.loads(metadata["config"]) == card["model"]["settings"]
    training = card["training"]
    assert metadata["notes"] == f"{training['steps']} steps, {training['hours']:.2f} hours"
    assert card["validation"]["curve"][-1]["step"] == training["steps"]
    data = card["data"]
    assert data["crystals"] == data["from_materials_project"] + data["from_oqmd"]


def test_card_of_the_filters_describes_the_tables() -> None:
    facts = read(DATA / "filters.card.json")["facts"]
    assert round(shipped_potential().threshold, 4) == facts["pairs"]["threshold"]
    formulas = gzip.decompress((DATA / "reference_formulas.txt.gz").read_bytes()).decode().split()
    assert len(formulas) == facts["formulas"]["formulas"]
    with np.load(DATA / "reference_structures.npz") as file:
        assert len(file["sizes"]) == facts["structures"]["crystals"]
        assert file["sizes"].max() <= facts["structures"]["most_atoms"]


def test_card_of_the_references_describes_the_table() -> None:
    card = read(DATA / "references_chgnet-0.3.0.card.json")
    (name,) = card["files"]
    lines = gzip.decompress((DATA / name).read_bytes()).decode().splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    sizes = [int(row["n_atoms"]) for row in rows]
    said = card["facts"]
    assert (said["rows"], said["formulas"]) == (len(rows), len({row["formula"] for row in rows}))
    assert (said["largest"], said["large"]) == (max(sizes), sum(size > 20 for size in sizes))
    assert f"# weights: {said['weights']}" in lines


def test_readable_cards_are_written_from_the_others() -> None:
    card = read(DATA / "filters.card.json")
    choice = read(ROOT / "benchmarks" / "results" / "pair_potential_choice.json")
    assert (DATA / "filters.md").read_text("utf-8") == filter_card.card_text(card, choice)
    card = read(DATA / "references_chgnet-0.3.0.card.json")
    written = (DATA / "references_chgnet-0.3.0.md").read_text("utf-8")
    assert written == references_card.card_text(card)
