"""Every check finds what it looks for: plug-ins with one fault each."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from gencsp.composition import Composition
from gencsp.exporters import get_exporter
from gencsp.filters import ConfiguredFilter, Verdict
from gencsp.potentials import AseEngine
from gencsp.potentials.base import Evaluation
from gencsp.proposers import ConfiguredProposer, Request
from gencsp.proposers.drawing import tag_proposal
from gencsp.searches.moves import ConfiguredMove
from gencsp.searches.random_search import RandomSearch
from gencsp.searches.trial import RANDOM, Trial, TrialResult
from gencsp.testing import (
    check_exporter,
    check_filter,
    check_move,
    check_potential,
    check_proposer,
    check_strategy,
)
from gencsp.testing.strategies import strategy_context

SALT = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
ASKED = Request(composition=Composition.parse("NaCl"), n=4, units=(4,))


class Faulty(ConfiguredProposer):
    """A sound proposer, but for one fault."""

    name = "faulty"
    fault: str = ""

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        made = self._made(request, rng)
        return list(made) if self.fault == "list" else made  # type: ignore[return-value]

    def _made(self, request: Request, rng: np.random.Generator) -> Iterator[Atoms]:
        ready = [SALT.copy() for _ in range(request.n)] if self.fault == "eager" else []
        for _ in range(request.n - (self.fault == "uncounted")):
            atoms = SALT.copy()
            if self.fault == "global":
                random.random()
            if self.fault == "species":
                atoms.symbols[0] = "Cl"
            if self.fault == "cluster":
                atoms.pbc = False
            source = np.random.default_rng() if self.fault == "unseeded" else rng
            atoms.positions += source.normal(scale=0.05, size=(8, 3))
            if self.fault == "cluster":
                yield atoms
                continue
            yield tag_proposal(atoms, proposer=self.name)
        del ready


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("list", "returns a list and no iterator"),
        ("eager", "structures before it handed one over"),
        ("uncounted", "made 3 of 4 structures and counted no failure"),
        ("global", "draws from a global random generator"),
        ("species", "where NaCl was asked for"),
        ("cluster", "not periodic"),
        ("unseeded", "other structures from a generator of the same state"),
    ],
)
def test_proposers(fault: str, says: str) -> None:
    check_proposer(Faulty(), ASKED)
    with pytest.raises(AssertionError, match=says):
        check_proposer(Faulty(fault=fault), ASKED)


class Shift(ConfiguredMove):
    """A sound move, but for one fault."""

    name = "shift"
    fault: str = ""
    ballast: str = ""

    def __call__(self, parents: Any, *, rng: np.random.Generator, tools: Any) -> Atoms | None:  # noqa: ARG002
        if self.fault == "nothing":
            return None
        parent = parents[0]
        child = parent if self.fault == "parent" else Atoms(parent)
        child.positions += 0.1 if self.fault == "same" else rng.normal(size=(len(parent), 3))
        if self.fault == "counts":
            child.symbols[0] = "Cl"
        if self.fault == "unseeded":
            child.positions += np.random.default_rng().normal()
        return child


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("nothing", "made nothing in 40 attempts"),
        ("parent", "changes a structure that it was given"),
        ("same", "the same child whatever the generator"),
        ("counts", "keeps the atoms of its first parent, and does not"),
        ("unseeded", "another child from a generator of the same state"),
    ],
)
def test_moves(fault: str, says: str) -> None:
    check_move(Shift(), [SALT])
    with pytest.raises(AssertionError, match=says):
        check_move(Shift(fault=fault), [SALT.copy()])
    with pytest.raises(AssertionError, match="bytes to send, with every trial"):
        check_move(Shift(ballast="x" * 20_000), [SALT])


class Wild(RandomSearch):
    """A strategy with one fault."""

    def __init__(self, fault: str) -> None:
        super().__init__(schedule=strategy_context().schedule, shakes=1)
        self.fault = fault

    def settings(self) -> Any:
        told = {"told": self.bandit.names if self.fault == "nested" else 0}
        return {**told, "deep": {"a": 1}} if self.fault == "nested" else told

    def ask(self, number: int, *, rng: np.random.Generator) -> Trial:
        if self.fault == "foreign":
            return Trial(move="warp", parents=(SALT,))
        if self.fault == "orphan":
            return Trial(move="rattle")
        if self.fault == "unseeded" and np.random.default_rng().random() < 0.5:
            return Trial(move=RANDOM)
        return super().ask(number, rng=rng)

    def tell(self, result: TrialResult, *, rng: np.random.Generator) -> None:
        if self.fault == "meddles" and result.atoms is not None:
            result.atoms.positions += 1
        super().tell(result, rng=rng)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("nested", "which is not flat"),
        ("foreign", "chose the move 'warp', which is not one of its moves"),
        ("orphan", "gives 0 parents to 'rattle'"),
        ("unseeded", "asks for another trial"),
        ("meddles", "changes a structure that it was given"),
    ],
)
def test_strategies(fault: str, says: str) -> None:
    check_strategy(lambda: Wild(""))
    with pytest.raises(AssertionError, match=says):
        check_strategy(lambda: Wild(fault))


class Height(ConfiguredFilter):
    """A filter with one fault."""

    name = "height"
    quantity: ClassVar[str] = "Å"
    fault: str = ""

    def judge(self, atoms: Atoms) -> Verdict:
        value = {
            "order": atoms.positions[0] @ atoms.cell.reciprocal().array[0] % 1,
            "turned": atoms.cell.array[0, 0],
            "infinite": float("nan"),
        }.get(self.fault, atoms.cell.volume)
        if self.fault == "writes":
            atoms.info["seen"] = True
        if self.fault in ("infinite", "untrue"):
            return Verdict(self.fault == "infinite", value, (0.0, 1e6), self.name)
        return self.verdict(value, (-1e6, 1e6))


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("order", "judges otherwise with"),
        ("turned", "judges otherwise with another orientation"),
        ("infinite", "passes a crystal whose value is not a number"),
        ("untrue", "says passed = False"),
        ("writes", "changes a structure that it was given"),
    ],
)
def test_filters(fault: str, says: str) -> None:
    rough = SALT.copy()
    rough.rattle(0.1, seed=1)
    check_filter(Height(), [rough])
    with pytest.raises(AssertionError, match=says):
        check_filter(Height(fault=fault), [rough])


class Tilted(AseEngine):
    """EMT with one fault."""

    def __init__(self, fault: str) -> None:
        super().__init__(EMT(), model="emt", digest="0" * 12)
        self.fault = fault

    def evaluate(self, structures: Any, **options: Any) -> list[Evaluation]:
        found = super().evaluate(structures, **options)
        if self.fault == "force":
            return [replace(one, forces=1.3 * one.forces) for one in found]
        if self.fault == "stress":
            return [replace(one, stress=-one.stress) for one in found]
        if self.fault == "batch" and len(found) > 1:
            return [replace(one, energy=one.energy + 1) for one in found]
        if self.fault == "order":
            first = [atoms.numbers[0] for atoms in structures]
            return [replace(e, energy=e.energy + z) for e, z in zip(found, first, strict=True)]
        return found


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("force", "a force of .* where its energy falls by"),
        ("stress", "component 0 of the stress"),
        ("batch", "another energy alone than among others"),
        ("order", "the same atoms in another order"),
    ],
)
def test_potentials(fault: str, says: str) -> None:
    alloy = bulk("Cu", a=3.7) * (2, 2, 1)
    alloy.symbols[[0, 1]] = "Au"
    alloy.rattle(0.1, seed=1)
    check_potential(Tilted(""), [alloy, bulk("Cu", a=3.6) * (2, 1, 1)])
    with pytest.raises(AssertionError, match=says):
        check_potential(Tilted(fault), [alloy, bulk("Cu", a=3.6) * (2, 1, 1)], seed=2)


def test_exporters(tmp_path: Path) -> None:
    pool = [SALT.copy()]
    pool[0].info["structure_id"] = "one"
    airss = get_exporter("airss")

    def untraced(folder: Path) -> None:
        text = next((folder / "hopper").glob("*.res")).read_text()
        (folder / "good_castep").mkdir()
        (folder / "good_castep" / "NaCl-1-1.res").write_text(text.replace("-seed", "-other"))

    with pytest.raises(AssertionError, match="traces none of 1 results to its seed"):
        check_exporter(airss, pool, tmp_path / "a", untraced)
    with pytest.raises(AssertionError, match="is no exporter: it needs 'name', 'write'"):
        check_exporter(object(), pool, tmp_path / "b", untraced)  # type: ignore[arg-type]
