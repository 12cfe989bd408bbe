"""Structures beside a measured powder pattern, in searches, cycles and pools."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from cheap_search import cheap_search

import gencsp
from gencsp import records
from gencsp.errors import DeckError, PatternError, RequestError
from gencsp.powder.kept import kept_pattern
from gencsp.powder.measured import MeasuredPattern
from gencsp.powder.reflections import Reflections
from gencsp.powder.similarity import PatternComparison
from gencsp.runs.cycle import open_cycle
from gencsp.runs.decks import CycleDeck, SearchDeck
from gencsp.runs.patterns import pattern_of
from gencsp.runs.search import open_search
from gencsp.runs.settings import saved_deck
from gencsp.searches.ledger import Ledger
from gencsp.store.base import Finished
from gencsp.store.memory import MemoryStore

CU = 1.54184


def salt(a: float = 5.6) -> Atoms:
    return bulk("NaCl", "rocksalt", a=a)


def profile(atoms: Atoms) -> tuple[np.ndarray, np.ndarray]:
    grid = np.arange(10.0, 70.0, 0.02)
    angles, strengths = Reflections.of(atoms, longest=1.0).lines(CU)
    counts = (strengths * np.exp(-0.5 * ((grid[:, None] - angles) / 0.06) ** 2)).sum(axis=1)
    return grid, 1e4 * counts / counts.max() + 20


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pattern") / "salt.xy"
    np.savetxt(path, np.column_stack(profile(salt())))
    return path


def comparison() -> PatternComparison:
    return PatternComparison(MeasuredPattern.of(*profile(salt()), wavelength=CU))


def found(atoms: Atoms, enthalpy: float) -> Atoms:
    atoms.info = {"structure_id": f"{enthalpy}", "outcome": "converged"}
    atoms.info |= {"energy_per_atom": enthalpy, "enthalpy_per_atom": enthalpy}
    return atoms


def test_hull_writes_the_similarity_in_place_of_one_of_before(pattern: Path) -> None:
    stale = salt(5.62)
    stale.info["xrd_similarity"] = 0.123
    judged = gencsp.hull([stale, bulk("NaCl", "cesiumchloride", a=3.5)], xrd=pattern)
    alike, unlike = (atoms.info[records.XRD_SIMILARITY] for atoms in judged)
    assert alike > 0.98
    assert unlike < 0.5
    # 5.62 Å to 5.6 Å: the strain at which the likeness is reached.
    strain = [float(part) for part in judged[0].info[records.XRD_STRAIN].split(";")]
    assert strain == pytest.approx([5.6 / 5.62 - 1] * 3 + [0] * 3, abs=5e-4)
    records.clear_results(judged[0], moved=True)
    assert records.XRD_STRAIN not in judged[0].info
    assert records.XRD_SIMILARITY not in judged[0].info


def test_the_similarity_lowers_the_fitness_by_its_weight() -> None:
    right, lower = found(salt(5.62), -3.0), found(bulk("NaCl", "cesiumchloride", a=3.5), -3.1)
    for weight, best in ((0.0, lower), (0.5, right)):
        ledger = Ledger(hull=None, pattern=comparison(), pattern_weight=weight)
        for number, atoms in enumerate((lower, right)):
            ledger.price(Finished(structures=(atoms,)))
            similarity = atoms.info[records.XRD_SIMILARITY]
            result = ledger.judge(number, "random", Finished(structures=(atoms,)))
            assert result.fitness == pytest.approx(
                atoms.info["enthalpy_per_atom"] - weight * similarity
            )
        assert ledger.best is best


def test_structures_that_did_not_converge_get_none() -> None:
    atoms = found(salt(), -3.0)
    atoms.info["outcome"] = "step limit"
    Ledger(hull=None, pattern=comparison()).price(Finished(structures=(atoms,)))
    assert records.XRD_SIMILARITY not in atoms.info


def test_a_search_with_a_pattern_stores_it() -> None:
    with ThreadPoolExecutor(1) as executor:
        search = cheap_search("random", MemoryStore(), executor, budget=4)
        search.ledger.pattern = comparison()
        ranked = search.run()
    assert ranked
    assert all(0 <= atoms.info[records.XRD_SIMILARITY] <= 1 for atoms in ranked)


def test_what_a_deck_says_of_a_pattern(pattern: Path) -> None:
    deck = SearchDeck.make(formula="NaCl", xrd=pattern, wavelength="0.8", xrd_weight=0.1)
    compared = pattern_of(deck, ["Na", "Cl"])
    assert compared is not None
    assert compared.pattern.wavelength == 0.8
    assert pattern_of(SearchDeck.make(formula="NaCl")) is None
    with pytest.raises(RequestError, match="name one with --xrd"):
        pattern_of(SearchDeck.make(formula="NaCl", xrd_weight=0.1))
    with pytest.raises(RequestError, match="--wavelength"):
        pattern_of(CycleDeck.make(formula="NaCl", wavelength="MoKa"))
    with pytest.raises(PatternError, match="wavelength"):
        pattern_of(CycleDeck.make(formula="NaCl", xrd=pattern, wavelength="none"))
    with pytest.raises(PatternError, match="Og"):
        pattern_of(deck, ["Na", "Og"])
    with pytest.raises(DeckError, match="xrd_weight"):
        SearchDeck.make(formula="NaCl", xrd=pattern, xrd_weight=-1)


def test_a_pattern_is_known_by_what_is_in_it() -> None:
    grid, counts = profile(salt())
    one = MeasuredPattern.of(grid, counts, wavelength=CU)
    assert one.digest == MeasuredPattern.of(grid, counts, wavelength=CU).digest
    assert one.digest != MeasuredPattern.of(grid, counts, wavelength=0.7).digest
    lifted = counts.copy()
    lifted[1000] += 500
    assert one.digest != MeasuredPattern.of(grid, lifted, wavelength=CU).digest


@pytest.mark.usefixtures("in_this_process")
def test_runs_keep_their_pattern_and_the_way_to_its_file(
    pattern: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pattern.parent)
    parts = {"formula": "NaCl", "xrd": Path(pattern.name), "workers": 1, "hull": "none"}
    search = SearchDeck.make(**parts, method="random", out=tmp_path / "search")
    with open_search(search) as run:
        assert run.ledger.pattern is not None
        digest = run.ledger.pattern.pattern.digest
    with open_cycle(CycleDeck.make(**parts, out=tmp_path / "cycle")):
        pass
    for kind in ("search", "cycle"):
        assert kept_pattern(tmp_path / kind).digest == digest
    # A search is resumed from wherever one is.
    assert saved_deck(tmp_path / "search").xrd == pattern
