"""The funnel: its counts, its order, its workers, and what goes wrong in it."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from known_crystals import known, uneven

import gencsp
from gencsp.errors import DeckError
from gencsp.executors import LocalProcesses, ThisProcess
from gencsp.filters import Funnel, Judged, Summary, Verdict, filter_names, get_filter, judge_pool
from gencsp.filters.deck import FilterDeck
from gencsp.filters.hull_energy import HullEnergy
from gencsp.filters.plots import Distributions, draw_survival
from gencsp.filters.rows import row_writer
from gencsp.io.pools import InMemory, PoolMember, Unreadable

Stages = tuple[tuple[str, dict[str, object]], ...]
STAGES: Stages = (
    ("distances", {"minimum": 1.8}),
    ("compactness", {}),
    ("complexity", {"minimum": 1.2}),
    ("uniqueness", {}),
)


def pool() -> list[Atoms]:
    return [*known().values(), uneven(1), uneven(1), Atoms("Li", cell=[1, 5, 5], pbc=True)]


def judged(workers: int = 1, stages: Stages = STAGES) -> list[Judged]:
    pieces: list[PoolMember] = [InMemory(f"s{n}", atoms) for n, atoms in enumerate(pool())]
    pieces.insert(2, Unreadable("broken", "broken is broken."))
    with ThisProcess() if workers == 1 else LocalProcesses(workers) as executor:
        return list(judge_pool(pieces, Funnel(stages), executor=executor, workers=workers))


def test_counts_alone_and_in_sequence() -> None:
    results = judged()
    summary = Summary(tuple(name for name, _ in STAGES))
    for one in results:
        summary.add(one)
    # By hand: MgO, CsCl, C, SrTiO3, MgAl2O4, two equal shaken perovskites, Li in a flat cell.
    by_name = {one.name: one for one in results}
    expected: dict[str, list[bool]] = {name: [] for name, _ in STAGES}
    for n in range(8):
        for verdict in by_name[f"s{n}"].verdicts:
            expected[verdict.name].append(verdict.passed)
    assert expected["compactness"][:5] == [True, False, False, True, False]
    assert expected["uniqueness"] == [True] * 6 + [False, True]
    assert not expected["distances"][7]
    through = np.ones(8, dtype=bool)
    for stage in summary.stages:
        assert (stage.judged, stage.passed) == (8, sum(expected[stage.name]))
        through &= expected[stage.name]
        assert stage.in_sequence == through.sum()
    assert summary.survivors == sum(one.survived for one in results)
    assert summary.as_dict()["unreadable"] == [{"name": "broken", "reason": "broken is broken."}]
    assert [one.name for one in results] == ["s0", "s1", "broken", *(f"s{n}" for n in range(2, 8))]


def test_workers_change_nothing() -> None:
    one, two = judged(1), judged(2)
    assert [(a.name, a.verdicts, a.unreadable) for a in one] == [
        (a.name, a.verdicts, a.unreadable) for a in two
    ]


def test_verdicts_are_stored_with_the_structure() -> None:
    info = next(one for one in judged() if one.name == "s1").atoms.info  # type: ignore[union-attr]
    assert info["filter_compactness"] is False
    assert info["filter_compactness_value"] == pytest.approx(1.1102, abs=1e-3)
    assert (info["filter_compactness_low"], info["filter_compactness_high"]) == (0.55, 0.85)
    assert info["filter_survived"] is False
    assert info["filter_fell_at"] == "compactness"
    assert all(isinstance(value, str | bool | float) for value in info.values())


class Sleepless(HullEnergy):
    """Would be slow, were it not for its answer."""

    def model_name(self) -> str:
        return "chgnet-0.3.0"

    def relaxed_energy(self, atoms: Atoms) -> tuple[float, str]:
        return (-4.0, "") if len(atoms) < 3 else (0.0, "step limit reached")


def test_costly_filters_judge_survivors_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gencsp.filters.hull_energy.ChgnetHullEnergy", Sleepless)
    funnel = Funnel((("compactness", {}), ("hull_energy", {"threshold": 50.0})))
    salt, caesium = known()["MgO"], known()["CsCl"]
    assert [v.name for v in funnel.judge(salt)] == ["compactness", "hull_energy"]
    assert [v.name for v in funnel.judge(caesium)] == ["compactness"]
    perovskite = funnel.judge(known()["SrTiO3"])[1]
    assert not perovskite.passed
    assert perovskite.note == "step limit reached"
    assert np.isnan(perovskite.value)


def test_hull_energy_is_counted_at_the_thresholds_of_the_paper() -> None:
    values = (0.2, 0.08, 0.05, 0.03, -0.01, float("nan"))
    atoms, window = Atoms("Li"), (-np.inf, 0.1)
    summary = Summary(("compactness", "hull_energy"))
    for n, value in enumerate(values):
        plausible = Verdict(n != 3, 0.7, (0.55, 0.85), "compactness")
        stable = Verdict(value <= 0.1, value, window, "hull_energy")
        summary.add(Judged(str(n), atoms, (plausible, stable)))
    # The fourth one, at 0.03, fell before.
    assert summary.stages[1].at == ((0.1, 3), (0.05, 2), (0.035, 1), (0.025, 1))
    assert summary.stages[1].in_sequence == 3
    written = summary.as_dict()["filters"]
    assert written[1]["in_sequence_at"] == {"0.1": 3, "0.05": 2, "0.035": 1, "0.025": 1}
    assert "in_sequence_at" not in written[0]


def test_hull_energy_says_why_not() -> None:
    verdict = Sleepless().judge(Atoms("Po", cell=[3.3] * 3, pbc=True))
    assert not verdict.passed
    assert "Po" in verdict.note


def test_hull_energy_says_where_the_hull_knows_no_such_phase(tmp_path: Path) -> None:
    salt = known()["MgO"]
    notes = []
    for compound in ("MgO", "MgO2"):
        entries = tmp_path / f"{compound}.csv"
        entries.write_text(
            f"# model: chgnet-0.3.0\nformula,energy_per_atom\nMg,-1\nO,-1\n{compound},-1.5\n"
        )
        verdict = Sleepless(entries=entries).judge(salt)
        assert verdict.passed
        assert verdict.value < -2
        notes.append(verdict.note)
    assert notes == ["", "no reference"]


def test_hull_energy_with_chgnet() -> None:
    """Rock salt MgO lies on the hull of CHGNet's own references; squeezed, it relaxes back."""
    judge = get_filter("hull_energy", {"threshold": 0.05}).judge
    squeezed = bulk("MgO", "rocksalt", a=4.1)
    verdict = judge(squeezed)
    assert verdict.passed
    assert verdict.value == pytest.approx(0, abs=0.01)
    assert squeezed.cell.cellpar()[0] == pytest.approx(4.1 / 2**0.5)


def test_names_and_options_are_checked() -> None:
    assert {"pair_potential", "compactness", "local_diversity"} <= set(filter_names())
    with pytest.raises(DeckError, match="no filter 'spp': choose from"):
        get_filter("spp")
    with pytest.raises(DeckError, match="no option 'treshold'"):
        get_filter("pair_potential", {"treshold": 1})
    with pytest.raises(DeckError, match="'low' of the filter 'compactness' is -1"):
        get_filter("compactness", {"low": -1})
    with pytest.raises(DeckError, match="more than once"):
        Funnel((("distances", {}), ("distances", {"minimum": 1.0})))


def test_deck(tmp_path: Path) -> None:
    path = tmp_path / "deck.toml"
    path.write_text('workers = 1\n[[filters]]\nname = "compactness"\nlow = 0.3\n')
    assert FilterDeck.read(path).stages == (("compactness", {"low": 0.3}),)
    assert [name for name, _ in FilterDeck().stages][:2] == ["distances", "pair_potential"]
    path.write_text("[[filters]]\nlow = 0.3\n")
    with pytest.raises(DeckError, match="needs a name"):
        FilterDeck.read(path)


def test_call_for_scripts() -> None:
    salt, caesium = known()["MgO"], known()["CsCl"]
    salt.info["structure_id"] = "salt"
    given: list[str | Mapping[str, Any]] = [
        {"name": "distances"},
        {"name": "compactness", "high": 0.9},
    ]
    made = list(gencsp.filter([salt, caesium], filters=given))
    assert [a.info["filter_survived"] for a in made] == [True, False]
    assert made[0].info["filter_source"] == "salt"
    assert "filter_survived" not in salt.info
    molecule, after = gencsp.filter([Atoms("H"), salt], filters=["distances"])
    assert not molecule.info["filter_survived"]
    assert "not a crystal" in molecule.info["reason"]
    assert after.info["filter_survived"]


def test_a_filter_that_fails_at_a_structure_does_not_end_the_pool() -> None:
    dummy, salt = known()["MgO"], known()["MgO"]
    dummy.numbers[0] = 0
    filters = ["compactness", "pair_potential"]
    failed, judged = gencsp.filter([dummy, salt], filters=filters)
    assert not failed.info["filter_survived"]
    assert "filter_compactness" in judged.info


def test_the_purpose_is_told_by_the_first_structures() -> None:
    one, two = known()["MgO"], known()["CsCl"]
    (first, second) = gencsp.filter([one, one])
    assert first.info["filter_survived"]
    assert second.info["filter_fell_at"] == "uniqueness"
    assert "filter_compositional_novelty" in next(gencsp.filter([one, two])).info
    assert "filter_uniqueness" in next(gencsp.filter([one, two], purpose="csp")).info
    with pytest.raises(DeckError, match="choose one"):
        gencsp.filter([one], purpose="csp", filters=["distances"])
    with pytest.raises(DeckError, match="'purpose' is 'fun'"):
        gencsp.filter([one], purpose="fun")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_rows(tmp_path: Path, kind: str) -> None:
    if kind == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / f"rows.{kind}"
    names = [name for name, _ in STAGES]
    with row_writer(path, names, kind=kind) as rows:  # type: ignore[arg-type]
        for one in judged():
            rows.write(one)
    if kind == "csv":
        with path.open() as file:
            read = list(csv.DictReader(file))
    else:
        read = parquet.read_table(path).to_pylist()
    assert len(read) == 9
    assert read[2]["unreadable"] == "broken is broken."
    assert float(read[1]["compactness_value"]) == pytest.approx(1.1102, abs=1e-3)
    assert bool(int(read[1]["compactness"])) is False
    assert read[1]["fell_at"] == "compactness"


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gencsp.filters.rows.find_spec", lambda _: None)
    with (
        pytest.raises(DeckError, match="pip install"),
        row_writer(tmp_path / "rows.parquet", ["a"], kind="parquet"),
    ):
        pass


def test_plots(tmp_path: Path) -> None:
    funnel = Funnel(STAGES)
    summary = Summary(tuple(one.name for one in funnel.filters))
    distributions = Distributions(funnel.filters)
    for one in judged():
        summary.add(one)
        distributions.add(one)
    undefined = Judged("x", pool()[0], (Verdict(False, float("nan"), (0, 1), "compactness"),))
    distributions.add(undefined)
    drawn = [draw_survival(summary, tmp_path / "survival.png"), *distributions.draw(tmp_path)]
    assert len(drawn) == 1 + len(STAGES)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)


def test_prototypes_are_drawn_as_a_curve(tmp_path: Path) -> None:
    """Figure 3d, drawn even where no structure matches anything."""
    one = get_filter("prototypes", {"top": 7})
    distributions = Distributions([one])
    for rank in (np.inf, np.inf):
        verdict = Verdict(True, rank, (8.0, np.inf), "prototypes")
        distributions.add(Judged("x", pool()[0], (verdict,)))
    assert [path.name for path in distributions.draw(tmp_path)] == ["prototypes_unmatched.png"]
    verdict = one.judge(known()["MgO"])
    distributions.add(Judged("salt", known()["MgO"], (verdict,)))
    names = {path.name for path in distributions.draw(tmp_path)}
    assert names == {"prototypes_unmatched.png", "prototypes.png"}
