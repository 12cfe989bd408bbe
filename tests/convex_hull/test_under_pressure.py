"""References at a pressure, with a potential whose crystals one can minimise by hand: EMT."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.units import GPa
from scipy.optimize import minimize_scalar

from gencsp.composition import Composition
from gencsp.convex_hull import under_pressure
from gencsp.convex_hull.crystals import shipped_crystals
from gencsp.convex_hull.entries import HullEntries, read_references, write_entries
from gencsp.convex_hull.hull import Hull
from gencsp.convex_hull.under_pressure import references_at
from gencsp.errors import HullReferenceError, ReferenceWarning
from gencsp.minimise.result import Relaxed
from gencsp.potentials.ase_engine import AseEngine
from gencsp.runs.references import hull_at

PRESSURE = 20.0
SYSTEM = [("Cu", "Au")]


class Counting(AseEngine):
    """EMT, which counts what it relaxes."""

    relaxed = 0

    def __init__(self, digest: str = "0" * 12) -> None:
        super().__init__(EMT(), model="emt", digest=digest)

    def relax(self, *given: Any, **more: Any) -> Iterator[Relaxed]:
        for result in super().relax(*given, **more):
            self.relaxed += 1
            yield result


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.csv"))}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, HullEntries, int]:
    """A cache that is filled, what it gave, and how many relaxations it took."""
    folder, potential = tmp_path_factory.mktemp("cache"), Counting()
    return folder, references_at(PRESSURE, SYSTEM, potential, cache=folder), potential.relaxed


def test_enthalpies_and_volumes_are_those_of_the_minimum(
    kept: tuple[Path, HullEntries, int],
) -> None:
    def enthalpy(edge: float) -> float:
        atoms = bulk("Cu", "fcc", a=edge)
        atoms.calc = EMT()
        return float(atoms.get_potential_energy() + PRESSURE * GPa * atoms.cell.volume)

    best = minimize_scalar(enthalpy, bounds=(3.0, 4.0), method="bounded", options={"xatol": 1e-7})
    # With EMT another stacking is lower than fcc at this pressure, by a meV.
    copper = [e for e in kept[1].entries if e.composition.elements == ("Cu",)]
    cubic = min((e for e in copper if e.space_group == 225), key=lambda e: e.energy_per_atom)
    assert cubic.energy_per_atom == pytest.approx(best.fun, abs=2e-4)
    assert cubic.volume_per_atom == pytest.approx(best.x**3 / 4, rel=5e-3)
    assert cubic.pressure == PRESSURE


def test_they_are_relaxed_once(kept: tuple[Path, HullEntries, int]) -> None:
    folder, first, relaxations = kept
    assert relaxations >= len(first.entries) > 3
    assert {p.name.partition("-2")[0] for p in folder.rglob("*.csv")} == {"Au", "Cu", "Au-Cu"}
    again = Counting()
    assert references_at(PRESSURE, SYSTEM, again, cache=folder) == first
    assert again.relaxed == 0
    # Sub-systems are there, other pressures and other weights are not.
    one = references_at(PRESSURE, [("Cu",)], again, cache=folder)
    assert {e.composition.elements for e in one.entries} == {("Cu",)}
    assert again.relaxed == 0
    references_at(10.0, [("Cu",)], again, cache=folder)
    assert again.relaxed > 0
    other = Counting("1" * 12)
    references_at(PRESSURE, [("Cu",)], other, cache=folder)
    assert other.relaxed == again.relaxed


@pytest.mark.parametrize("damage", ["cut", "emptied", "row lost", "other weights"])
def test_a_damaged_file_is_made_again(
    kept: tuple[Path, HullEntries, int], tmp_path: Path, damage: str
) -> None:
    folder = Path(shutil.copytree(kept[0], tmp_path / "cache"))
    (path,) = (folder / f"emt-{'0' * 12}").glob("Cu-20*.csv")
    text = path.read_text()
    lines = text.splitlines(keepends=True)
    changed = {
        "cut": text[: len(text) // 2],
        "emptied": "",
        "row lost": "".join(lines[:-1]),
        "other weights": text.replace("0" * 12, "2" * 12),
    }
    path.write_text(changed[damage])
    potential = Counting()
    assert references_at(PRESSURE, SYSTEM, potential, cache=folder) == kept[1]
    assert 0 < potential.relaxed < kept[2]
    assert path.read_text() == text


def test_what_was_finished_before_an_interruption_is_kept(
    kept: tuple[Path, HullEntries, int], tmp_path: Path
) -> None:
    class Stopped(Exception):
        pass

    def stop(done: int, total: int) -> None:
        assert total == kept[2]
        if done == total - 1:
            raise Stopped

    with pytest.raises(Stopped):
        references_at(PRESSURE, SYSTEM, Counting(), cache=tmp_path, report=stop)
    before = files(tmp_path)
    assert before
    potential = Counting()
    assert references_at(PRESSURE, SYSTEM, potential, cache=tmp_path) == kept[1]
    assert potential.relaxed < kept[2]
    assert before.items() <= files(tmp_path).items()


def test_several_at_once_do_not_damage_it(
    kept: tuple[Path, HullEntries, int], tmp_path: Path
) -> None:
    def make(_: int) -> HullEntries:
        return references_at(PRESSURE, SYSTEM, Counting(), cache=tmp_path)

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(make, range(3))) == [kept[1]] * 3
    whole = {name: content for name, content in files(kept[0]).items() if name in files(tmp_path)}
    assert files(tmp_path) == whole
    assert all(path.suffix == ".csv" for path in tmp_path.rglob("*") if path.is_file())


def test_a_cache_that_cannot_be_written_is_said_and_done_without(
    kept: tuple[Path, HullEntries, int], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(ReferenceWarning, match="not kept.*XDG_CACHE_HOME"):
        found = references_at(PRESSURE, SYSTEM, Counting(), cache=tmp_path / "file" / "cache")
    assert found == kept[1]


def test_crystals_that_do_not_converge_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crystals(_: object) -> Iterator[Any]:
        for number, atoms in enumerate([bulk("Cu"), bulk("Si")]):
            atoms.info["structure_id"] = f"mine-{number}"
            yield atoms

    monkeypatch.setattr(under_pressure, "shipped_crystals", crystals)
    for _ in range(2):  # the second time they come from the cache
        with pytest.warns(ReferenceWarning, match="1 of 2 reference crystals did not converge"):
            found = references_at(5.0, [("Cu", "Si")], Counting(), cache=tmp_path)
        assert [e.composition.formula for e in found.entries] == ["Cu"]
    with pytest.raises(HullReferenceError, match=r"none of the 1 reference crystals .* 5 GPa"):
        references_at(5.0, [("Si",)], Counting(), cache=None)


def test_where_an_element_has_none_nothing_else_is_relaxed() -> None:
    """EMT knows oxygen and not silicon: no silica is relaxed, and the progress counts all."""
    potential, told = Counting(), list[tuple[int, int]]()
    with pytest.warns(ReferenceWarning):
        found = references_at(
            PRESSURE, [("Si", "O")], potential, cache=None, report=lambda *step: told.append(step)
        )
    assert {entry.composition.elements for entry in found.entries} <= {("O",)}
    crystals = list(shipped_crystals(["O", "Si"]))
    alone = [atoms for atoms in crystals if len(set(atoms.symbols)) == 1]
    assert potential.relaxed == len(alone) < len(crystals)
    assert told == [(k, len(crystals)) for k in range(1, len(alone) + 1)]


def test_nothing_is_kept_of_a_potential_that_only_its_caller_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    name = "ase.calculators.emt:EMT"
    hull = hull_at(PRESSURE, None, [("Cu",)], name, Counting)
    assert hull.pressure == PRESSURE
    assert files(tmp_path) == {}
    hull_at(PRESSURE, None, [("Cu",)], "chgnet", Counting)
    assert len(files(tmp_path)) == 1


def test_entries_of_another_pressure_are_refused(
    kept: tuple[Path, HullEntries, int], tmp_path: Path
) -> None:
    path = write_entries(tmp_path / "entries.csv", kept[1].entries)
    assert "# pressure: 20.0" in path.read_text()
    read = read_references(path)
    assert read.pressure == PRESSURE
    assert {
        (e.composition.formula, e.energy_per_atom, e.volume_per_atom) for e in read.entries
    } == {(e.composition.formula, e.energy_per_atom, e.volume_per_atom) for e in kept[1].entries}
    assert hull_at(PRESSURE, path, SYSTEM, "chgnet", Counting).pressure == PRESSURE
    for pressure in (0.0, 25.0):
        with pytest.raises(HullReferenceError, match="at 20 GPa and the structures at"):
            hull_at(pressure, path, SYSTEM, "chgnet", Counting)
    hull = Hull(read.entries, model="emt", pressure=PRESSURE)
    at_none = Hull.load().digest
    assert hull.without([Composition.parse("AuCu3")]).pressure == PRESSURE
    with pytest.raises(HullReferenceError, match="different pressures must not be mixed"):
        Hull(read.entries, model="emt")
    assert hull.digest != at_none


def test_no_warning_without_a_reason(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ReferenceWarning)
        references_at(1.0, [("Cu",)], Counting(), cache=tmp_path)
