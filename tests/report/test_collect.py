"""What a report takes from a run, a pool or a record, against the stores and files themselves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from cheap_parts import SETTINGS
from damage import flip_bits_of_values
from page_material import cycle_folder, hull_of, pool_of, profile, rock_salt, search_folder

from gencsp import records
from gencsp.convex_hull.entries import write_entries
from gencsp.errors import DamageError, RequestError, StoreError, StructureFileError
from gencsp.io.structures import write_extxyz
from gencsp.powder.kept import keep_pattern
from gencsp.powder.measured import MeasuredPattern
from gencsp.powder.similarity import PatternComparison, SimilaritySettings
from gencsp.report.collect import NO_RESULT, STILL_WRITTEN, collect, report_of_run
from gencsp.report.counts import origins_of
from gencsp.report.model import Report
from gencsp.report.patterns import MOST_POINTS, NOT_KEPT, compared, drawn_pattern
from gencsp.report.structures import structures_of_pool, structures_of_run
from gencsp.runs.status import run_status
from gencsp.searches.settings import cycle_manifest
from gencsp.store import DiskStore, Finished
from gencsp.store.digests import read_summary
from gencsp.store.disk import DATABASE

MANIFEST = cycle_manifest(SETTINGS)


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return search_folder(tmp_path_factory.mktemp("search") / "run")


@pytest.fixture(scope="module")
def cycle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cycle_folder(tmp_path_factory.mktemp("cycle") / "run")


@pytest.fixture(scope="module")
def searched(search: Path) -> Report:
    return report_of_run(search, hull=hull_of("Li", "Si", Li2Si=-1.5))


def test_a_search_in_its_own_numbers(search: Path, searched: Report) -> None:
    tasks, rows = read_summary(search / DATABASE)
    assert {one.structure_id for one in searched.structures} == {r["structure_id"] for r in rows}
    assert dict(searched.failures) == run_status(search).failures
    trials = sum(entry.task.startswith("trial-") for entry in tasks)
    assert dict(searched.funnel)["trials"] == trials == 24
    converged = [r for r in rows if r.get("outcome") == "converged"]
    assert dict(searched.funnel)["converged"] == len(converged)
    crystals = [r for r in converged if not r.get("duplicate_of")]
    assert dict(searched.funnel).get("different crystals", len(converged)) == len(crystals)
    best = searched.structures[0]
    assert best.above == min(r["decomposition_energy"] for r in converged)
    assert best.structure_id == run_status(search).best_id


def test_the_trial_of_a_structure_is_that_of_its_task(search: Path, searched: Report) -> None:
    _, rows = read_summary(search / DATABASE)
    task = {row["structure_id"]: row["task"] for row in rows}
    for one in searched.structures:
        expected = task[one.structure_id].rpartition("-")[2] if one.trial is not None else None
        assert task[one.structure_id].startswith("trial-") is (expected is not None)
        assert expected is None or one.trial == int(expected)


def test_origins_count_trials_and_their_last_quarter(searched: Report) -> None:
    tried = [one for one in searched.structures if one.trial is not None]
    assert sum(one.made for one in searched.origins) == len(tried)
    assert sum(one.late or 0.0 for one in searched.origins) == pytest.approx(1.0)
    last = sorted(one.trial or 0 for one in tried)[int(0.75 * len(tried)) :]
    for origin in searched.origins:
        own = [one for one in tried if one.atoms.info["move"] == origin.origin]
        assert origin.late == sum((one.trial or 0) in last for one in own) / len(last)
        energies = [one.above for one in own if one.above is not None and not one.failure]
        assert origin.lowest == (min(energies) if energies else None)


def test_places_on_the_hull(searched: Report) -> None:
    assert searched.hull is not None
    assert searched.hull["members"] == ["Li", "Si"]
    assert {tuple(p["shares"]) for p in searched.hull["phases"] if p["stable"]} == {
        (1.0, 0.0),
        (0.666667, 0.333333),
        (0.0, 1.0),
    }
    assert [1 / 3, -0.5] in [pytest.approx(point) for point in searched.hull["line"]]
    for one in searched.structures:
        if one.energy is None:
            assert one.formation_energy is None
        else:
            assert one.shares == pytest.approx((1 / 3, 2 / 3))
            assert one.formation_energy == pytest.approx(one.energy + 1.0)
    grown = min(point[1] for point in searched.hull["grown"])
    assert grown == pytest.approx(
        min(-0.5, *(o.formation_energy for o in searched.structures if o.formation_energy))
    )


def test_a_cycle_by_its_stages_and_ancestors(cycle: Path) -> None:
    report = collect([cycle])
    _, rows = read_summary(cycle / DATABASE)
    for stage in ("generated", "relaxed", "framework", "inpainted", "refined"):
        assert dict(report.funnel)[stage] == sum(r["stage"] == stage for r in rows)
    by_id = {one.structure_id: one for one in report.structures}
    for one in report.structures:
        for parent in one.parents:
            assert by_id[parent].trial == one.trial
    generated = [one for one in report.structures if one.stage == "generated"]
    assert sorted(one.trial or 0 for one in generated) == list(range(len(generated)))
    assert all(one.late is None for one in report.origins)


def test_a_run_that_goes_on_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with DiskStore(folder, MANIFEST) as store:
        store.finish("generated-0000", Finished(structures=(rock_salt(),)))
        assert STILL_WRITTEN in collect([folder]).messages
        assert STILL_WRITTEN not in report_of_run(folder, finished=True).messages
    assert STILL_WRITTEN not in collect([folder]).messages


def test_a_run_without_a_result_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with DiskStore(folder, MANIFEST) as store:
        store.finish("generated-0000", Finished(structures=(), failures={"proposal rejected": 3}))
    report = collect([folder])
    assert report.messages == (NO_RESULT,)
    assert report.failures == (("proposal rejected", 3),)
    assert report.structures == ()


def test_a_damaged_store_is_refused(search: Path, tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_bytes((search / DATABASE).read_bytes())
    flip_bits_of_values(tmp_path / DATABASE, np.random.default_rng(0))
    with pytest.raises(DamageError, match="gencsp check"):
        collect([tmp_path])


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"holds no run.*run\.db"):
        report_of_run(tmp_path)


def test_a_filtered_pool_by_its_filters(tmp_path: Path) -> None:
    verdicts = [(True, True), (True, False), (False, True), (True, True)]
    pool = []
    for number, (distances, novelty) in enumerate(verdicts):
        fell = "" if distances and novelty else "distances" if not distances else "novelty"
        own = {"filter_distances": distances, "filter_distances_value": 1.5}
        own |= {"filter_novelty": novelty, "filter_survived": not fell}
        pool.append(rock_salt(f"p{number}", **own, **({"filter_fell_at": fell} if fell else {})))
    write_extxyz(tmp_path / "judged.extxyz", pool)
    report = collect([tmp_path / "judged.extxyz"])
    assert report.funnel[:3] == (("structures", 4), ("pass distances", 3), ("pass novelty", 2))
    assert dict(report.failures) == {"filter distances": 1, "filter novelty": 1}


@pytest.mark.parametrize(("system", "corners"), [("Li-P-S", 3), ("Li-P-S-O", 4)])
def test_a_pool_on_a_hull_that_is_named(tmp_path: Path, system: str, corners: int) -> None:
    write_extxyz(tmp_path / "pool.extxyz", pool_of(system, 6))
    references = hull_of(*system.split("-"), Li2S=-1.4)
    entries = write_entries(tmp_path / "hull.csv", references.inside(system.split("-")))
    report = collect([tmp_path / "pool.extxyz"], hull=entries)
    assert report.hull is not None
    assert len(report.hull["members"]) == corners
    for one in report.structures:
        shares = [one.atoms.symbols.search(s).size / 8 for s in report.hull["members"]]
        if corners == 3:
            shares = [one.atoms.symbols.search(s).size / 7 for s in report.hull["members"]]
        assert one.shares == pytest.approx(shares)
    # The facets of a hull of n elements and one compound between two: each edge once.
    edges = {tuple(map(tuple, edge)) for edge in report.hull["edges"]}
    assert len(edges) == len(report.hull["edges"]) == {3: 5, 4: 9}[corners]


def test_different_crystals_are_counted_where_duplicates_are_marked(tmp_path: Path) -> None:
    pool = [rock_salt("a"), rock_salt("b")]
    write_extxyz(tmp_path / "pool.extxyz", pool)
    assert "different crystals" not in dict(collect([tmp_path / "pool.extxyz"]).funnel)
    pool[1].info[records.DUPLICATE_OF] = "a"
    write_extxyz(tmp_path / "pool.extxyz", pool)
    assert dict(collect([tmp_path / "pool.extxyz"]).funnel)["different crystals"] == 1


def test_references_of_another_model_are_not_drawn(tmp_path: Path) -> None:
    write_extxyz(tmp_path / "pool.extxyz", pool_of("Li-Si", 3))
    assert collect([tmp_path / "pool.extxyz"]).hull is None


def test_a_record_of_a_benchmark(tmp_path: Path) -> None:
    record = {"measured": "seconds", "protocol": {"a": [1, 2]}, "environment": {}}
    record |= {"results": {"fast": {"x": 1.5, "rows": [{"k": None}]}}}
    path = tmp_path / "speed.json"
    path.write_text(json.dumps(record))
    report = collect([path])
    assert report.numbers == (("fast.x", "1.5"), ("fast.rows.0.k", ""))
    assert ("protocol.a", "1, 2") in report.settings
    path.write_text("{")
    with pytest.raises(StructureFileError, match="JSON"):
        collect([path])


def test_ids_of_one_pool_do_not_make_a_structure_its_own_parent() -> None:
    (one,) = structures_of_pool([rock_salt("same", parents="same;other")])
    assert one.parents == ("other",)


def test_ancestors_that_go_round_end() -> None:
    a, b = rock_salt("a", parents="b"), rock_salt("b", parents="a")
    found = structures_of_run({"relaxed-0": Finished(structures=(a, b))})
    assert {one.trial for one in found} == {None}


def test_no_energy_no_convergence() -> None:
    bare = Atoms("Li", cell=[3] * 3, pbc=True, info={records.STRUCTURE_ID: "bare"})
    failed = rock_salt("failed", outcome="exploded", reason="too fast")
    counts = origins_of(structures_of_pool([bare, failed]))
    assert [(one.origin, one.made, one.converged) for one in counts] == [
        ("random", 1, 0),
        ("unknown", 1, 0),
    ]


@pytest.fixture(scope="module")
def measured() -> PatternComparison:
    pattern = MeasuredPattern.of(*profile(rock_salt(), 1.1), wavelength=1.1)
    return PatternComparison(pattern, SimilaritySettings(breathing=0))


def compared_run(folder: Path, pattern: PatternComparison | None, *, keep: bool) -> Path:
    """A run that was compared with a pattern, one of whose structures has no similarity yet."""
    manifest = {**MANIFEST, **({"xrd": pattern.pattern.digest} if pattern else {})}
    done, missing = rock_salt("done", xrd_similarity=0.25), rock_salt("missing")
    done.info["xrd_strain"] = "0.01;0.01;0.01;0;0;0"
    failed = rock_salt("failed", outcome="exploded")
    with DiskStore(folder, manifest) as store:
        store.finish("relaxed-0000", Finished(structures=(done, missing, failed)))
    if pattern and keep:
        keep_pattern(pattern.pattern, folder)
    return folder


def similarities(report: Report) -> dict[str, float | None]:
    return {one.structure_id: one.similarity for one in report.structures}


def test_a_run_beside_its_own_pattern(tmp_path: Path, measured: PatternComparison) -> None:
    folder = compared_run(tmp_path / "run", measured, keep=True)
    report = collect([folder])
    found = similarities(report)
    assert found["done"] == 0.25
    assert found["missing"] == pytest.approx(1, abs=0.02)
    assert found["failed"] is None
    strains = {one.structure_id: one.strain for one in report.structures}
    assert strains["done"] == pytest.approx([0.01, 0.01, 0.01, 0, 0, 0])
    assert report.pattern is not None
    y = np.array(report.pattern["y"])
    assert y.max() == 100
    first, last = report.pattern["angles"]
    grid = np.linspace(first, last, len(y))
    highest = grid[y.argmax()]
    assert highest == pytest.approx(2 * np.degrees(np.arcsin(1.1 / 5.64)), abs=0.02)  # 200
    assert report.pattern["width"] == pytest.approx(2.3548 * 0.06, rel=0.1)


def test_another_pattern_than_that_of_the_run(tmp_path: Path, measured: PatternComparison) -> None:
    folder = compared_run(tmp_path / "run", measured, keep=False)
    assert NOT_KEPT in collect([folder]).messages
    assert similarities(collect([folder]))["done"] == 0.25
    other = MeasuredPattern.of(*profile(rock_salt(), 1.2), wavelength=1.2)
    told: list[tuple[int, int]] = []
    report = collect(
        [folder],
        pattern=PatternComparison(other, measured.settings),
        on_compared=lambda done, total: told.append((done, total)),
    )
    assert similarities(report)["done"] == pytest.approx(1, abs=0.02)
    assert similarities(report)["failed"] is None
    assert NOT_KEPT not in report.messages
    assert told == [(1, 2), (2, 2)]


def test_a_pool_and_a_record_beside_a_pattern(tmp_path: Path, measured: PatternComparison) -> None:
    write_extxyz(tmp_path / "pool.extxyz", [rock_salt("salt", xrd_similarity=0.1)])
    report = collect([tmp_path / "pool.extxyz"], pattern=measured)
    assert similarities(report)["salt"] == pytest.approx(1, abs=0.02)
    assert report.pattern is not None
    molecule = Atoms("OH2", positions=[[0, 0, 0], [0.97, 0, 0], [-0.2, 0.9, 0]])
    structures, said = compared(structures_of_pool([rock_salt(), molecule]), measured, known=False)
    assert {one.energy for one in structures if one.similarity is None} == {None}
    assert {one.energy for one in structures if one.similarity is not None} == {-3.0}
    assert [message.split(":")[0] for message in said] == [
        "1 of 2 structures have no powder pattern to compare"
    ]
    record = tmp_path / "speed.json"
    record.write_text('{"measured": "s", "protocol": {}, "environment": {}, "results": {}}')
    with pytest.raises(RequestError, match="leave --xrd out"):
        collect([record], pattern=measured)


def test_long_patterns_are_thinned_and_keep_their_lines() -> None:
    angles = np.linspace(10, 70, 40_000)
    counts = np.full(40_000, 5.0)
    counts[20_000:20_040] = 1000 * np.hanning(40)
    pattern = MeasuredPattern.of(angles, counts, wavelength=1.1)
    y = drawn_pattern(PatternComparison(pattern))["y"]
    assert len(y) <= MOST_POINTS
    assert max(y) == 100
