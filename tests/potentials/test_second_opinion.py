"""A second opinion: another potential relaxes the best again, and says where the two disagree."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from typer.testing import CliRunner

from gencsp.cli import app
from gencsp.io.structures import write_extxyz
from gencsp.minimise import Outcome
from gencsp.potentials import AseEngine
from gencsp.potentials.second_opinion import second_opinion

RUNNER = CliRunner()


class Shifted(EMT):  # type: ignore[misc]
    """EMT with an energy of its own for each number of atoms: it prefers larger cells."""

    def calculate(self, *arguments: object, **settings: object) -> None:
        super().calculate(*arguments, **settings)
        shift = 100.0 - 0.05 * len(self.atoms) * len(self.atoms)
        for key in ("energy", "free_energy"):
            self.results[key] += shift * len(self.atoms)


def judged() -> list[Atoms]:
    """fcc, hcp and bcc copper by EMT, and a copy of the first."""
    found = []
    for name, atoms in (
        ("fcc", bulk("Cu", "fcc", a=3.59)),
        ("hcp", bulk("Cu", "hcp", a=2.53, c=4.15)),
        ("bcc", bulk("Cu", "bcc", a=2.84, cubic=True).repeat((2, 1, 1))),
    ):
        atoms.calc = EMT()
        energy = atoms.get_potential_energy() / len(atoms)
        atoms.info |= {"structure_id": name, "energy_per_atom": energy}
        atoms.calc = None
        found.append(atoms)
    found.sort(key=lambda a: a.info["energy_per_atom"])
    copy = found[0].copy()
    copy.info |= {"structure_id": "copy", "duplicate_of": "fcc"}
    return [*found[:1], copy, *found[1:]]


def test_the_same_potential_agrees_with_itself() -> None:
    pool = judged()
    opinions = second_opinion(pool, AseEngine(EMT(), model="emt", digest=""))
    assert [o.structure_id for o in opinions] == [
        a.info["structure_id"] for a in pool if a is not pool[1]
    ]
    assert [o.disagreement for o in opinions] == ["", "", ""]
    np.testing.assert_allclose([o.first for o in opinions], [o.second for o in opinions], atol=0.01)


def test_another_one_ranks_again() -> None:
    """A shift of all energies says nothing; what changes the order does."""
    opinions = second_opinion(judged(), AseEngine(Shifted(), model="s", digest=""))
    assert [o.structure_id for o in opinions] == ["bcc", "hcp", "fcc"]
    assert (opinions[0].second_rank, opinions[0].first_rank) == (1, 3)
    assert opinions[0].second == 0.0
    assert opinions[-1].disagreement == f"{opinions[-1].second - opinions[-1].first:+.3f} eV/atom"
    # bcc comes before both; hcp and fcc stay as they are, or differ by less than is certain.
    flips = {o.structure_id: set(o.flips) for o in opinions}
    assert {"fcc", "hcp"} <= flips["bcc"]
    assert "bcc" in flips["fcc"]
    assert opinions[0].write().info["order_flips"].split(";") == list(opinions[0].flips)


def test_an_order_that_nobody_is_certain_of_does_not_flip() -> None:
    pool = judged()
    del pool[1]
    near = pool[0].info["energy_per_atom"]
    for atoms, shift in zip(pool, (0.0, 0.001, 0.0015), strict=True):
        atoms.info["energy_per_atom"] = near + shift
    for one in second_opinion(pool, AseEngine(Shifted(), model="s", digest="")):
        assert one.flips == ()
        assert "order_flips" not in one.write().info


def test_a_relaxation_that_fails_or_leaves_the_crystal() -> None:
    loose = bulk("Cu", "sc", a=2.4).repeat(2)
    loose.rattle(0.15, seed=1)
    loose.info |= {"structure_id": "loose", "energy_per_atom": 0.5}
    (one,) = second_opinion([loose], AseEngine(EMT(), model="emt", digest=""))
    assert (one.outcome, one.same) == (Outcome.CONVERGED, False)
    assert one.disagreement == "another crystal"
    wide = bulk("Cu", a=14.0)
    wide.info |= {"structure_id": "wide", "energy_per_atom": 0.0}
    (one,) = second_opinion([wide], AseEngine(EMT(), model="emt", digest=""))
    assert (one.outcome, one.second_rank) == (Outcome.ISOLATED, 0)
    assert one.disagreement == "isolated atoms"


def test_compositions_are_ranked_apart() -> None:
    pool = judged()
    gold = bulk("Au", a=4.06)
    gold.info |= {"structure_id": "gold", "energy_per_atom": 0.002}
    opinions = second_opinion([gold, *pool], AseEngine(EMT(), model="emt", digest=""))
    assert {(o.formula, o.first_rank, o.first) for o in opinions if o.formula == "Au"} == {
        ("Au", 1, 0.0)
    }


@pytest.mark.usefixtures("in_this_process")
def test_of_a_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    command = ["search", "Cu", "--no-seeds", "--budget", "4", "--atoms", "2", "--workers", "1"]
    command += ["--steps", "60", "--out", "run", "--no-report", "--second-opinion"]
    refused = RUNNER.invoke(app, [*command, "nobody"])
    assert refused.exit_code == 2
    assert not (tmp_path / "run").exists()  # told before the search
    result = RUNNER.invoke(app, [*command, "chgnet:r2scan", "--top", "3"])
    assert result.exit_code == 0, result.output
    assert "second opinion by chgnet-r2scan" in result.stdout
    assert "the two disagree about" in result.stdout
    rows = list(csv.DictReader((tmp_path / "run" / "second_opinion.csv").open()))
    assert 1 <= len(rows) <= 3
    assert {row["formula"] for row in rows} == {"Cu"}
    assert rows[0]["second_rank"] == "1"
    assert "flips" in rows[0]


def test_of_a_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    pool = judged()
    write_extxyz("pool.extxyz", list(reversed(pool)))
    (tmp_path / "own.py").write_text("from ase.calculators.emt import EMT as calculator\n")
    command = ["second-opinion", "pool.extxyz", "--potential", "own.py"]
    result = RUNNER.invoke(app, [*command, "--top", "2"])
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader((tmp_path / "second_opinion" / "second_opinion.csv").open()))
    assert [row["id"] for row in rows] == [
        pool[0].info["structure_id"],
        pool[2].info["structure_id"],
    ]
    pool[0].info["energy_model"] = "another"
    write_extxyz("pool.extxyz", pool)
    refused = RUNNER.invoke(app, command)
    assert refused.exit_code == 2
    assert "different models" in refused.output
    write_extxyz("pool.extxyz", [bulk("Cu")])
    refused = RUNNER.invoke(app, command)
    assert refused.exit_code == 2
    assert "relax them first" in refused.output
