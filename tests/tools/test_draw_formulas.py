"""The formulas that results are reported on, and the benchmarks' way to them."""

from __future__ import annotations

import argparse
import json
import sys
from itertools import combinations
from pathlib import Path

import pytest
from ase import Atoms
from draw_formulas import OUT, SEEN, SHOTGUN, cells, draw
from shared_data import held_out_formulas, shared

from gencsp.composition import Composition

PARTS: dict[str, list[str]] = json.loads(OUT.read_text("utf-8"))["parts"]


def composition(formula: str) -> Composition:
    return Composition.parse(formula).reduced.alphabetical


def test_a_draw_does_not_depend_on_the_order_of_the_file() -> None:
    shotgun = [Composition.parse(f"Li{n}Si{n + 1}") for n in range(1, 9)]
    mp20 = [Composition.parse(f"Na{n}S{n + 1}") for n in range(1, 6)] + shotgun[:2]
    known = frozenset(one.reduced.alphabetical for one in (*shotgun, *mp20))
    seen = frozenset([shotgun[3].reduced.alphabetical])
    parts = draw(shotgun, mp20, seen=seen, held_out=known, seed=5)
    again = draw(shotgun[::-1], mp20[::-1], seen=seen, held_out=known, seed=5)
    assert parts == again
    assert parts != draw(shotgun, mp20, seen=seen, held_out=known, seed=6)
    sizes = {name: len(found) for name, found in parts.items()}
    assert sizes == {"shotguncsp_reported": 3, "shotguncsp_spare": 4, "mp20_reported": 5}
    everything = [formula for part in parts.values() for formula in part]
    assert composition("Li4Si5") not in map(composition, everything)
    assert draw(shotgun, mp20, seen=seen, held_out=seen) == {name: [] for name in parts}


def test_single_elements_leave_no_host_and_are_left_out() -> None:
    silicon = Composition.parse("Si8")
    known = frozenset([silicon.reduced.alphabetical])
    assert not any(draw([silicon], [silicon], seen=frozenset(), held_out=known).values())


def test_no_composition_stands_in_two_parts() -> None:
    of_parts = {name: set(map(composition, part)) for name, part in PARTS.items()}
    assert all(len(of_parts[name]) == len(part) > 0 for name, part in PARTS.items())
    for one, other in combinations(of_parts.values(), 2):
        assert not one & other


def test_no_training_and_no_choice_of_settings_has_seen_them() -> None:
    drawn = {composition(formula) for part in PARTS.values() for formula in part}
    held_out = {one.reduced.alphabetical for one in held_out_formulas()}
    assert drawn <= held_out
    seen = {one.reduced.alphabetical for file in SEEN for one in cells(shared(file))}
    assert not drawn & seen
    halves = PARTS["shotguncsp_reported"] + PARTS["shotguncsp_spare"]
    assert set(halves) <= {cell.formula for cell in cells(shared(SHOTGUN))}


def test_benchmarks_take_the_crystals_of_a_part_in_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(OUT.parents[1] / "benchmarks"), *sys.path])
    import reported

    file = tmp_path / "drawn.json"
    file.write_text(json.dumps({"parts": {"one": ["Si2Li4", "NaCl", "Ti2O4"]}}), "utf-8")
    parser = argparse.ArgumentParser()
    reported.add_options(parser)
    crystals = [Atoms(symbols) for symbols in ("O4Ti2", "O2Ti", "KCl", "Li4Si2")]
    every = reported.chosen(crystals, parser.parse_args([]))
    assert every == crystals
    args = parser.parse_args(["--formulas-of", str(file), "--part", "one"])
    assert reported.chosen(crystals, args) == [crystals[3], crystals[0]]
