"""CrySPY as a method of suites of searches: its stand-in, and CrySPY itself where it is installed.

The stand-in speaks as ``gencsp/suites/cryspy_client.py`` does, and makes the same structures every
time: the first ones far from rock salt, then rock salt.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import client_environments
import pytest
from ase import Atoms
from ase.build import bulk

from gencsp import records
from gencsp.composition import Composition
from gencsp.errors import ProgramError
from gencsp.io.structures import write_extxyz
from gencsp.suites.cryspy import Client, cryspy_deck
from gencsp.suites.deck import BenchDeck
from gencsp.suites.outcome import Outcome
from gencsp.suites.run import bench, open_bench
from gencsp.suites.tasks.searches import RELAXATIONS, SECONDS, within

ROCK_SALT = bulk("NaCl", "rocksalt", a=5.64)
SUITE = """
title = "Little searches"
task = "searches"
source = "here"
about = "nothing"

[truths]
file = "little.extxyz"
crystals = 1
where = "in this test"

[settings]
budget = {budget}
marks = [2, 5]
"""
#: Speaks for CrySPY; spends some processor time on each structure.
STAND_IN = """#!{python}
import sys, time
from pathlib import Path

def say(*words):
    print(*words, flush=True)

say("over", time.process_time(), "9.9.9")
for folder in sys.stdin:
    here = Path(folder.strip())
    deck = (here / "cryspy.in").read_text()
    assert "atype = Na Cl" in deck and "nat = 1 1" in deck and (here / "calc_in").is_dir()
    for number in range({n}):
        begun = time.process_time()
        while time.process_time() < begun + 0.05:
            pass
        job = here / "work" / f"{{number:06d}}"
        job.mkdir(parents=True)
        place = 0.5 if number >= {found} - 1 else 0.3
        a = 2.82
        (job / "POSCAR").write_text(
            f"x\\n1.0\\n0 {{a}} {{a}}\\n{{a}} 0 {{a}}\\n{{a}} {{a}} 0\\nNa Cl\\n1 1\\nDirect\\n"
            f"0 0 0\\n{{place}} {{place}} {{0.5 if place == 0.5 else 0.45}}\\n"
        )
        say("job", time.process_time(), f"work/{{number:06d}}")
        if sys.stdin.readline().strip() in ("", "stop"):
            break
        assert (job / "log.tote").exists() and (job / "out_check_opt").exists()
    say("over", time.process_time())
"""


def environment(place: Path, program: str) -> Path:
    (place / "bin").mkdir(parents=True)
    python = place / "bin" / "python"
    python.write_text(program)
    python.chmod(0o755)
    return place


def stand_in(place: Path, *, n: int = 50, found: int = 3) -> Path:
    return environment(place, STAND_IN.format(python=sys.executable, n=n, found=found))


def settings(tmp_path: Path, *known: Atoms, budget: int = 5) -> dict[str, Any]:
    (tmp_path / "little.toml").write_text(SUITE.format(budget=budget))
    truth = write_extxyz(tmp_path / "little.extxyz", list(known))
    return {"suite": str(tmp_path / "little.toml"), "truth": truth, "workers": 1}


@pytest.mark.usefixtures("in_this_process")
def test_a_search_of_the_stand_in(tmp_path: Path) -> None:
    method = f"cryspy-rs:{stand_in(tmp_path / 'env')}"
    given = {**settings(tmp_path, ROCK_SALT), "method": method, "seeds": 2}
    outcome = bench(**given, out=tmp_path / "run")
    for row in outcome.rows:  # the second search by the same process
        after = row.values[RELAXATIONS]
        assert after is not None
        assert after <= 3
        assert row.values[within(5)] == 1.0
        # The processor time of the other process counts: at least that of so many structures.
        assert (row.values[SECONDS] or 0) > 0.05 * after
    with open_bench(BenchDeck.make(**given, out=tmp_path / "run")) as run:
        assert run.manifest["method"] == "cryspy-rs 9.9.9"
        assert run.manifest["proposer"] == "none"
        first = run.store.load()["ClNa-1-seed0"].structures[0]
    assert first.info[records.PROPOSER] == "cryspy"
    assert first.info[records.STRUCTURE_ID].startswith("ClNa-1-seed0-c0")


@pytest.mark.usefixtures("in_this_process")
def test_the_budget_ends_a_search_and_so_does_cryspy(tmp_path: Path) -> None:
    def found(place: str, **how: int) -> Outcome:
        method = f"cryspy-ea:environment={stand_in(tmp_path / place, **how)}"
        high = bulk("NaCl", "zincblende", a=6.2)
        return bench(**settings(tmp_path, high, budget=2), method=method)

    for outcome in (found("a"), found("b", n=1)):
        (row,) = outcome.rows
        assert row.values[RELAXATIONS] is None
        assert row.values[within(2)] == 0.0


@pytest.mark.usefixtures("in_this_process")
def test_a_cryspy_that_fails(tmp_path: Path) -> None:
    gone = environment(tmp_path / "gone", "#!/bin/sh\necho no module named cryspy >&2\nexit 1\n")
    with pytest.raises(ProgramError, match=r"no module named cryspy.*install csp-cryspy"):
        bench(**settings(tmp_path, ROCK_SALT), method=f"cryspy-rs:{gone}")
    dies = environment(tmp_path / "dies", "#!/bin/sh\necho over 0.1 9.9.9\nread folder\nexit 1\n")
    with pytest.raises(ProgramError, match="CrySPY's process ended: install"):
        bench(**settings(tmp_path, ROCK_SALT), method=f"cryspy-rs:{dies}")


def test_the_process_ends_with_its_client(tmp_path: Path) -> None:
    client = Client(stand_in(tmp_path / "env"))
    process = client._process
    assert process.poll() is None
    client.close()
    assert process.poll() == 0


def test_decks() -> None:
    deck = cryspy_deck("cryspy-rs", Composition.parse("Na2Cl"), 2, seed=7)
    assert "algo = RS" in deck
    assert "atype = Na Cl\nnat = 4 2\n" in deck
    assert "seed = 7" in deck
    assert "n_perm = 2" in cryspy_deck("cryspy-ea", Composition.parse("NaCl"), 1, seed=0)
    # One species cannot be permuted.
    assert "n_perm = 0\n" in cryspy_deck("cryspy-ea", Composition.parse("C"), 4, seed=0)


@pytest.mark.clients
@pytest.mark.parametrize("method", ["cryspy-rs", "cryspy-ea"])
def test_cryspy_itself_finds_rock_salt(method: str, tmp_path: Path) -> None:
    place = client_environments.environment("cryspy", "csp-cryspy==1.5.0", layered=True).parent
    given = {**settings(tmp_path, ROCK_SALT, budget=25), "method": f"{method}:{place}"}
    outcome = bench(**given, out=tmp_path / "run")
    (row,) = outcome.rows
    assert row.values[RELAXATIONS] is not None
    with open_bench(BenchDeck.make(**given, out=tmp_path / "run")) as run:
        assert run.manifest["method"] == f"{method} 1.5.0"
