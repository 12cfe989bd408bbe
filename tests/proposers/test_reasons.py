"""Why proposals were rejected: told by proposers, kept by runs, said by commands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from gencsp.cli.tables import print_failures
from gencsp.composition import Composition
from gencsp.proposers.base import Request, reasons_of
from gencsp.proposers.checks import NO_ROOM, WRONG_COMPOSITION, first_flaw, rejection
from gencsp.proposers.own import FunctionProposer
from gencsp.proposers.random import RandomProposer
from gencsp.searches.tasks import propose

SALT = Composition.parse("NaCl")


def salt(a: float = 5.6) -> Atoms:
    return bulk("NaCl", "rocksalt", a=a)


def test_the_reason_names_what_is_wrong() -> None:
    assert rejection(salt(), SALT, (1,), separation=0.6) == ""
    assert rejection(salt(), SALT, (2,), separation=0.6) == WRONG_COMPOSITION
    assert rejection(salt(2.0), SALT, (1,), separation=0.6) == "atoms too close"
    flat = salt()
    flat.cell[2] = flat.cell[1]
    assert first_flaw(flat, separation=0.6) == "lattice vectors that span no volume"


def test_a_random_crystal_without_room_is_told_as_such() -> None:
    proposer = RandomProposer(attempts=2, separation=1.0)
    request = Request(composition=SALT, n=3, units=(2,), volume_per_atom=4.0)
    made = list(proposer.propose(request, rng=np.random.default_rng(0)))
    assert proposer.rejected == Counter({NO_ROOM: proposer.failures})
    assert proposer.failures == 6 - len(made)


class Alternating:
    """Makes salt and fails in turn; it may tell why."""

    name = "alternating"

    def __init__(self, *, tells: bool) -> None:
        self.failures = 0
        if tells:
            self.rejected: Counter[str] = Counter()

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:  # noqa: ARG002
        for number in range(request.n):
            if number % 2:
                self.failures += 1
                if hasattr(self, "rejected"):
                    self.rejected["too dull"] += 1
                continue
            yield salt()


@pytest.mark.parametrize(("tells", "key"), [(True, ": too dull"), (False, "")])
def test_a_task_counts_its_own_rejections_alone(tells: bool, key: str) -> None:
    proposer = Alternating(tells=tells)
    request = Request(composition=SALT, n=4, units=(1,))
    for task in ("a", "b"):
        done = propose(
            lambda: proposer, request, seed=0, task=task, ids=[f"{task}{k}" for k in range(4)]
        )
        assert done.failures == {f"proposal rejected{key}": 2, "proposer gave up": 2}


def test_reasons_that_do_not_add_up_are_not_told() -> None:
    proposer = Alternating(tells=True)
    proposer.failures = 3
    proposer.rejected["too dull"] = 2
    assert reasons_of(proposer) == Counter({"": 3})


def test_a_function_of_another_composition() -> None:
    proposer = FunctionProposer(lambda request, rng: bulk("MgO", "rocksalt", a=4.2))  # noqa: ARG005
    request = Request(composition=SALT, n=2, units=(1,))
    assert list(proposer.propose(request, rng=np.random.default_rng(0))) == []
    assert proposer.rejected == Counter({WRONG_COMPOSITION: 2})


def test_failures_read_as_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    print_failures(
        {
            "proposal rejected: wrong composition": 9,
            "proposal rejected: atoms too close": 19,
            "not converged": 3,
            "exploded": 4,
        }
    )
    assert capsys.readouterr().out.splitlines() == [
        "28 proposals rejected: 19 atoms too close, 9 wrong composition",
        "failed: 4 exploded, 3 not converged",
    ]
    print_failures({"proposal rejected": 1})
    assert capsys.readouterr().out == "1 proposal rejected\n"
    print_failures({})
    assert capsys.readouterr().out == ""
