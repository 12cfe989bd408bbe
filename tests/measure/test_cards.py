"""Cards have one form, and say of weights and tables what these hold."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import filter_card
import fit_symmetry_prior
import numpy as np
import pytest
import references_card
from ase.data import chemical_symbols
from cards import described, held_out_list
from jsonschema import Draft202012Validator
from record_values import at
from reference_sources import SHIPPED
from safetensors import safe_open
from shared_data import held_out_formulas

from gencsp.composition import Composition
from gencsp.diffusion.dp_cdvae.model import SHIPPED as SHIPPED_DP_CDVAE
from gencsp.diffusion.dp_cdvae.model import load_dp_cdvae
from gencsp.diffusion.joint.model import load_joint_model
from gencsp.diffusion.positions.model import load_score_model
from gencsp.diffusion.stored_weights import digest_of, shipped_weights
from gencsp.filters.pair_potential import shipped_potential

ROOT = Path(__file__).parents[2]
DATA, WEIGHTS = ROOT / "gencsp" / "data", ROOT / "gencsp" / "weights"
SCHEMA = json.loads((ROOT / "benchmarks" / "card.schema.json").read_text("utf-8"))
CARDS = sorted([*DATA.glob("*.card.json"), *WEIGHTS.glob("*.card.json")])
#: Cards of what was fitted or trained, which no held-out formula may enter: all but these.
NOT_FITTED = {"measures.card.json", "references_chgnet-0.3.0.card.json", "wyckoff.card.json"}
FITTED_CARDS = [path for path in CARDS if path.name not in NOT_FITTED]


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


#: What reads the weights of each card.
LOADED: dict[str, Callable[[Path], Any]] = {
    "score": load_score_model,
    "pigen": load_joint_model,
    **dict.fromkeys(SHIPPED_DP_CDVAE, load_dp_cdvae),
}


def test_all_weights_are_looked_at() -> None:
    assert set(LOADED) == set(shipped_weights())


@pytest.mark.parametrize("name", LOADED)
def test_cards_of_weights_describe_the_weights(name: str) -> None:
    card = read(WEIGHTS / f"{name}.card.json")
    model = LOADED[name](Path(name))
    assert type(model.network).__name__ == card["model"]["network"]
    assert sum(p.numel() for p in model.network.parameters()) == card["model"]["parameters"]
    with safe_open(WEIGHTS / f"{name}.safetensors", "pt") as file:
        metadata = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    assert digest_of(tensors) == metadata["digest"] == card["model"]["digest"]
    assert json.loads(metadata["config"]) == card["model"]["settings"]
    assert card["held_out"].get("let_through", []) == (["C"] if "carbon" in name else [])


@pytest.mark.parametrize("name", ["score", "pigen"])
def test_cards_of_weights_tell_the_training(name: str) -> None:
    card = read(WEIGHTS / f"{name}.card.json")
    with safe_open(WEIGHTS / f"{name}.safetensors", "pt") as file:
        metadata = file.metadata()
    training = card["training"]
    start = training.get("start", {"steps": 0, "hours": 0.0})
    steps, hours = (training[key] - start[key] for key in ("steps", "hours"))
    own = f"{steps} steps, {hours:.2f} hours"
    begun = f", from weights {start['weights']}" if "weights" in start else ""
    assert metadata["notes"] == own + begun
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
    table, crystals = sorted(card["files"], key=lambda name: name.endswith(".npz"))
    lines = gzip.decompress((DATA / table).read_bytes()).decode().splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    sizes = [int(row["n_atoms"]) for row in rows]
    said = card["facts"]
    assert (said["rows"], said["formulas"]) == (len(rows), len({row["formula"] for row in rows}))
    assert (said["largest"], said["large"]) == (max(sizes), sum(size > 20 for size in sizes))
    assert f"# weights: {said['weights']}" in lines
    sources = Counter(row["source"] for row in rows)
    assert sources == {name: n["rows"] for name, n in said["sources"].items() if n["rows"]}
    with np.load(DATA / crystals) as file:
        ids, numbers = file["source_id"].tolist(), len(file["sizes"])
    assert len(ids) == len(set(ids)) == numbers == said["crystals"]
    by_id = {row["source_id"]: row["source"] for row in rows}
    assert {by_id[source_id] for source_id in ids} <= SHIPPED


def formulas_of_the_symmetry_prior() -> set[Composition]:
    """Read with the decoder of the tool, not with the package's own."""
    return {
        fit_symmetry_prior.decode(template, entry.partition(":")[0])[0].reduced
        for template, members in read(DATA / "symmetry_prior.json")["templates"].items()
        for entry in members.split()
    }


def formulas_of_the_known_crystals() -> set[Composition]:
    with np.load(DATA / "known_crystals.npz") as file:
        sizes, numbers = file["sizes"], file["numbers"]
    ends = np.cumsum(sizes, dtype=np.int64)
    return {
        Composition.from_counts(Counter(chemical_symbols[z] for z in own)).reduced
        for own in np.split(numbers, ends[:-1])
    }


#: Every table that ships: what was fitted and lists formulas, with how to read them;
FITTED = {
    "symmetry_prior.json": formulas_of_the_symmetry_prior,
    "known_crystals.npz": formulas_of_the_known_crystals,
}
#: what was fitted or computed and lists none; and what says which crystals are known.
WITHOUT_FORMULAS = {
    "volume.json",
    "element_metric.json",
    "compression.json",
    "confidence.json",
    "measures.json",
    "pair_potential.npz",
    "ranking.json",
    "wyckoff.npz",
}
KNOWN = {
    "hull_phases_chgnet-0.3.0.npz",
    "prototypes.npz",
    "reference_formulas.txt.gz",
    "reference_structures.npz",
    "references_chgnet-0.3.0.csv.gz",
}


def test_of_every_table_it_is_known_whether_it_lists_formulas() -> None:
    """A table that is added must be put in one of the three groups, and so be looked at."""
    tables = {name for path in CARDS if path.parent == DATA for name in read(path)["files"]}
    assert tables == {*FITTED, *WITHOUT_FORMULAS, *KNOWN}


@pytest.mark.parametrize("name", FITTED)
def test_fitted_tables_list_no_held_out_formula(name: str) -> None:
    formulas = FITTED[name]()
    assert len(formulas) > 1000
    assert not formulas & held_out_formulas()


@pytest.mark.parametrize("path", FITTED_CARDS, ids=lambda path: path.name)
def test_what_was_fitted_left_out_all_that_is_held_out_today(path: Path) -> None:
    """Coefficients and weights do not show what they were fitted to; the card says which list of
    formulas was left out. Where the list has grown, fit again, or for weights run
    ``tools/check_held_out.py``.
    """
    said = read(path)["held_out"]
    checked = said.get("checked", said)
    today = held_out_list(held_out_formulas())
    assert {key: checked[key] for key in today} == today
    if "checked" in said:
        assert checked["crystals"] == read(path)["data"]["crystals"]
        assert checked["found"] == 0


def test_fits_to_the_same_crystals_left_out_the_same() -> None:
    names = ("filters", "symmetry_prior", "volume")
    cards = [read(DATA / f"{name}.card.json") for name in names]
    assert len({card["data"]["source"] for card in cards}) == 1
    assert len({(card["held_out"]["sha256"], card["held_out"]["crystals"]) for card in cards}) == 1


def test_the_hash_of_a_list_depends_on_its_formulas_alone() -> None:
    one = held_out_list(Composition.parse(f) for f in ("NaCl", "Li15Si4", "ZnS"))
    other = held_out_list(Composition.parse(f) for f in ("SZn", "ClNa", "Si4Li15", "Na2Cl2"))
    assert one == other
    assert one["formulas"] == 3
    assert one != held_out_list(Composition.parse(f) for f in ("NaCl", "Li15Si4", "ZnS2"))


def test_the_card_says_with_which_list_the_settings_were_chosen() -> None:
    card = read(DATA / "filters.card.json")
    choice = read(ROOT / "benchmarks" / "results" / "pair_potential_choice.json")
    known = choice["protocol"]
    same = {**choice, "protocol": {**known, "held_out_formulas": card["held_out"]["formulas"]}}
    assert "nor in the choice of their settings" in filter_card.card_text(card, same)
    other = {**choice, "protocol": {**known, "held_out_formulas": 1234}}
    assert "chosen when the list held 1,234 formulas" in filter_card.card_text(card, other)


def test_readable_cards_are_written_from_the_others() -> None:
    card = read(DATA / "filters.card.json")
    choice = read(ROOT / "benchmarks" / "results" / "pair_potential_choice.json")
    assert (DATA / "filters.md").read_text("utf-8") == filter_card.card_text(card, choice)
    card = read(DATA / "references_chgnet-0.3.0.card.json")
    written = (DATA / "references_chgnet-0.3.0.md").read_text("utf-8")
    assert written == references_card.card_text(card)
