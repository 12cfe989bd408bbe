"""Match rates of proposals, against pymatgen's matcher on the structures that a run keeps."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor
from typer.testing import CliRunner

from gencsp import records
from gencsp.cli import app
from gencsp.composition import Composition
from gencsp.errors import DeckError, RequestError, SuiteError
from gencsp.io.reading import read_pool
from gencsp.measure.match_rate import match_everyone
from gencsp.proposers.base import Request
from gencsp.suites.matching_rates import MATCHERS
from gencsp.suites.outcome import Outcome
from gencsp.suites.polymorphs import nearest
from gencsp.suites.run import RESULT, bench
from gencsp.suites.scoring import score
from gencsp.suites.truths import read_truths

pytestmark = pytest.mark.usefixtures("module_in_this_process")

CuAu = bulk("CuAu", "cesiumchloride", a=3.1)
TRUTHS = [bulk("Cu", "fcc", a=3.6), CuAu, bulk("Al", "fcc", a=4.05)]
SUITE = """
title = "three metals"
task = "proposals"
source = "these tests"
about = "nothing."
[truths]
file = "metals.extxyz"
crystals = 3
where = "nowhere"
[settings]
n = 4
k = [1, 2, 4]
steps = 100
rms = true
[quick]
n = 2
[[published]]
name = "somebody"
source = "a paper"
[published.values]
"matched, k = 1, as proposed" = 0.5
"""


def third_is_right(request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
    """Wrong crystals, but for the third, which is the known one, slightly shaken."""
    known = {Composition.of(a).formula: a for a in TRUTHS}[request.composition.formula]
    for number in range(request.n):
        if number == 2:
            atoms = known.copy()
            atoms.positions += rng.normal(scale=0.01, size=atoms.positions.shape)
        else:
            atoms = Atoms(known.numbers, cell=[2.2, 2.6, 12.0], pbc=True)
            atoms.set_scaled_positions(np.linspace(0, 0.5, len(known))[:, None] * [0, 0, 1])
        yield atoms


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    ase.io.write(tmp_path / "metals.extxyz", TRUTHS)
    (tmp_path / "metals.toml").write_text(SUITE)
    return tmp_path / "metals.toml"


def run(suite: Path, **settings: Any) -> Outcome:
    return bench(
        suite=str(suite),
        truth=suite.parent / "metals.extxyz",
        **{"proposer": third_is_right, "potential": EMT(), "workers": 1, **settings},
    )


def test_measures_are_those_of_pymatgen_on_what_was_kept(suite: Path, tmp_path: Path) -> None:
    outcome = run(suite, out=tmp_path / "out")
    assert (tmp_path / "out" / RESULT).is_file()
    kept, _ = read_pool([tmp_path / "out"])
    matcher = StructureMatcher()
    of = AseAtomsAdaptor.get_structure
    for known, key in zip(TRUTHS, ("Cu-1", "AuCu-1", "Al-1"), strict=True):
        mine = [a for a in kept if a.info[records.KNOWN_CRYSTAL] == key]
        assert len(mine) == 8
        proposed = [a for a in mine if records.OUTCOME not in a.info]
        first = [matcher.get_rms_dist(of(a), of(known)) for a in proposed]
        assert [one is not None for one in first] == [False, False, True, False]
        row = next(row for row in outcome.rows if row.key == key)
        assert row.values["matched, k = 2, as proposed"] == 0
        assert row.values["matched, k = 4, as proposed"] == 1
        assert row.values["RMSE, k = 4, as proposed"] == pytest.approx(first[2][0], abs=1e-9)
        converged = [a for a in mine if a.info.get(records.OUTCOME) == "converged"]
        lowest = min(converged, key=lambda a: float(a.info[records.ENERGY_PER_ATOM]))
        found = matcher.fit(of(lowest), of(known))
        assert row.values["matched, k = 1, relaxed, by energy"] == found
    numbers = outcome.numbers()
    assert numbers["matched, k = 4, as proposed"]["value"] == 1
    assert numbers["matched, k = 1, as proposed"]["value"] == 0
    assert numbers["RMSE, k = 1, as proposed"]["value"] is None


def sure_of_itself(request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
    """Of copper right, of gold with copper wrong, and of each rather sure; of aluminium silent."""
    right, said = {"Cu": (2, 0.9), "CuAu": (0, 0.7), "Al": (2, None)}[request.composition.formula]
    for number, atoms in enumerate(third_is_right(request, rng=rng)):
        if number == right:
            if said is not None:
                atoms.info[records.CONFIDENCE] = said
            yield atoms


def test_what_proposals_say_of_themselves_is_compared_with_what_is_so(
    suite: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    outcome = run(suite, proposer=sure_of_itself, out=out)
    table = json.loads((out / RESULT).read_text("utf-8"))["results"]["confidence"]
    assert [(one["said"], one["right"]["successes"], one["right"]["trials"]) for one in table] == [
        (0.7, 0, 1),
        (0.9, 1, 1),
    ]
    name = "calibration error of the first confidence"
    number = outcome.numbers()[name]
    assert number["value"] == pytest.approx((0.7 + 0.1) / 2)
    assert number["n"] == 2
    assert (out / "reliability.svg").is_file()


def too_sure(request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
    for atoms in third_is_right(request, rng=rng):
        atoms.info[records.CONFIDENCE] = 90
        yield atoms


def test_a_confidence_that_is_no_probability_is_refused(suite: Path) -> None:
    with pytest.raises(RequestError, match=r"too_sure.* 90: give a probability"):
        run(suite, proposer=too_sure)


def test_silent_proposers_are_not_judged(suite: Path, tmp_path: Path) -> None:
    outcome = run(suite, out=tmp_path / "out")
    assert outcome.numbers()["calibration error of the first confidence"]["value"] is None
    assert not (tmp_path / "out" / "reliability.svg").exists()


def test_ranks_survive_relaxation(suite: Path, tmp_path: Path) -> None:
    run(suite, out=tmp_path / "out")
    for atoms in read_pool([tmp_path / "out"])[0]:
        if records.OUTCOME in atoms.info:
            assert str(atoms.info[records.PARENTS]).endswith(f"{atoms.info[records.RANK]:03d}")


def test_seeds_and_compositions_can_be_added_to_a_run(suite: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = run(suite, out=out, compositions=2)
    more = run(suite, out=out, seeds=2)
    assert {row.key for row in first.rows} < {row.key for row in more.rows}
    assert len(more.rows) == 6
    alone = run(suite, seeds=2)
    assert [_timeless(row.values) for row in more.rows] == [
        _timeless(row.values) for row in alone.rows
    ]


def test_polymorphs_count_for_each_other(tmp_path: Path) -> None:
    """Of two crystals of one composition the proposals for the one may be the other."""
    fcc, bcc = bulk("Cu", "fcc", a=3.6), bulk("Cu", "bcc", a=2.87)
    ase.io.write(tmp_path / "polymorphs.extxyz", [fcc, bcc])
    text = SUITE.replace("steps = 100", "relaxed = false\npolymorphs = true")
    (tmp_path / "polymorphs.toml").write_text(text)
    turn = iter([bcc, fcc])

    def the_other(request: Request, *, rng: np.random.Generator) -> list[Atoms]:  # noqa: ARG001
        return [next(turn)]

    outcome = bench(
        suite=str(tmp_path / "polymorphs.toml"),
        truth=tmp_path / "polymorphs.extxyz",
        proposer=the_other,
        workers=1,
    )
    numbers = outcome.numbers()
    assert numbers["matched, k = 4, as proposed"]["value"] == 0
    assert numbers["METRe"]["value"] == 1
    assert numbers["cRMSE"]["value"] == pytest.approx(0, abs=1e-6)


def test_comparisons_of_polymorphs_end_in_worker_processes(tmp_path: Path) -> None:
    """Whatever they come to: a match, no match, and nothing to compare with."""
    cells = [bulk("Cu", "fcc", a=3.6), bulk("Cu", "sc", a=2.4)]
    ase.io.write(tmp_path / "coppers.extxyz", cells)
    crystals = read_truths(tmp_path / "coppers.extxyz")
    tolerances = MATCHERS["cdvae"]
    for some in ([cells[0]], [cells[1]], []):
        call = partial(nearest, crystals[0], some, tolerances=tolerances)
        again = pickle.loads(pickle.dumps(call))
        assert len(pickle.loads(pickle.dumps(again())).results[0].structures) == (some == cells[:1])


def test_polymorphs_against_the_measure_of_whole_pools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many crystals as :func:`match_everyone` finds; also where a run is gone on with."""
    cells = [
        bulk("Cu", "fcc", a=3.6),
        bulk("Cu", "bcc", a=2.87),
        bulk("Cu", "hcp", a=2.55, c=4.1),
        bulk("Cu", "sc", a=2.4),
    ]
    ase.io.write(tmp_path / "coppers.extxyz", cells)
    text = SUITE.replace("steps = 100", "relaxed = false\npolymorphs = true\nmatcher = 'cdvae'")
    (tmp_path / "coppers.toml").write_text(text)

    def shaken(request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        for _ in range(request.n):
            atoms = cells[rng.integers(3)].copy()  # the last one is never made
            if len(atoms) < request.units[0]:
                atoms = atoms.repeat((1, 1, request.units[0]))
            atoms = atoms[: request.units[0]]
            atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
            yield atoms

    def measured(**more: Any) -> Outcome:
        return bench(
            suite=str(tmp_path / "coppers.toml"),
            truth=tmp_path / "coppers.extxyz",
            proposer=shaken,
            workers=1,
            **more,
        )

    out = tmp_path / "out"
    measured(out=out, compositions=2)
    outcome = measured(out=out)
    kept, _ = read_pool([out])
    made = [atoms for atoms in kept if records.KNOWN_CRYSTAL in atoms.info]
    assert len(made) == 16
    everyone = match_everyone(cells, made)
    numbers = outcome.numbers()
    assert 0 < everyone.share < 1
    assert numbers["METRe"]["value"] == pytest.approx(everyone.share)
    assert numbers["cRMSE"]["value"] == pytest.approx(everyone.corrected_rms, abs=1e-9)
    assert measured().numbers()["cRMSE"] == numbers["cRMSE"]
    before = sorted(path.name for path in tmp_path.iterdir())
    monkeypatch.chdir(tmp_path)
    scored = score([out], truth=tmp_path / "coppers.extxyz", matcher="cdvae", workers=1)
    assert scored.numbers()["cRMSE"] == numbers["cRMSE"]
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_copies_of_known_crystals_are_left_out_where_the_suite_says_so(tmp_path: Path) -> None:
    twice = [*TRUTHS, TRUTHS[0].repeat((2, 1, 1)), bulk("Cu", "bcc", a=2.87)]
    ase.io.write(tmp_path / "twice.extxyz", twice)
    text = SUITE.replace("steps = 100", "relaxed = false\nunique = true")
    (tmp_path / "twice.toml").write_text(text)
    known = {Composition.of(atoms).formula: atoms for atoms in TRUTHS}

    def right(request: Request, *, rng: np.random.Generator) -> list[Atoms]:  # noqa: ARG001
        return [known[request.composition.formula]] * request.n

    outcome = bench(
        suite=str(tmp_path / "twice.toml"),
        truth=tmp_path / "twice.extxyz",
        proposer=right,
        workers=1,
    )
    assert sorted(row.key for row in outcome.rows) == ["Al-1", "AuCu-1", "Cu-1", "Cu-2"]


def test_a_suite_without_known_crystals_or_with_a_wrong_setting_is_refused(suite: Path) -> None:
    text = suite.read_text()
    suite.write_text(text[: text.index("[truths]")])
    with pytest.raises(SuiteError, match="truths"):
        run(suite)
    suite.write_text(text.replace("n = 4", "number = 4"))
    with pytest.raises(DeckError, match="number"):
        run(suite)


def _timeless(values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if "seconds" not in name}


def test_status_says_how_many_parts_are_done(suite: Path, tmp_path: Path) -> None:
    run(suite, out=tmp_path / "out", seeds=2, compositions=2)
    done = CliRunner().invoke(app, ["status", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[0] == "bench, proposals: 4 parts done"
    assert "lowest" not in done.stdout
