"""Proposals in blocks: the same structures on any number of workers, and one at a time."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.io import write

import gencsp
from gencsp.errors import RequestError
from gencsp.proposers import call, get_proposer
from gencsp.proposers.base import Request


def same(one: list[Atoms], other: list[Atoms]) -> bool:
    return len(one) == len(other) and all(
        a.symbols.get_chemical_formula() == b.symbols.get_chemical_formula()
        and np.array_equal(a.positions, b.positions)
        and np.array_equal(a.cell.array, b.cell.array)
        and a.info == b.info
        for a, b in zip(one, other, strict=True)
    )


def proposals(n: int, workers: int = 1, **more: Any) -> list[Atoms]:
    settings: dict[str, Any] = {"proposer": "random", "seed": 3, "max_atoms": 4} | more
    return list(gencsp.propose("NaCl", n=n, workers=workers, **settings))


def test_any_number_of_workers_gives_the_same_structures() -> None:
    alone = proposals(70)
    assert len(alone) == 70
    assert same(alone, proposals(70, workers=2))
    assert same(alone, proposals(70, workers=5))
    assert [a.info["structure_id"] for a in alone] == [f"NaCl-random-3-{k:05d}" for k in range(70)]


def test_no_block_repeats_another() -> None:
    alone = proposals(70)
    pairs = zip(alone[:32], alone[32:64], strict=True)
    # Cubic cells at the predicted volume are alike in any two draws.
    assert sum(np.array_equal(a.cell.array, b.cell.array) for a, b in pairs) < 4


def test_fewer_are_the_first_of_more() -> None:
    assert same(proposals(32), proposals(70)[:32])


def test_one_process_proposes_only_what_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    real = call._generator

    def watched(seed: int, block: int) -> np.random.Generator:
        asked.append(block)
        return real(seed, block)

    monkeypatch.setattr(call, "_generator", watched)
    many = gencsp.propose("NaCl", n=10_000, proposer="random", max_atoms=4)
    assert len(list(islice(many, 3))) == 3
    assert asked == [0]


def test_a_pool_is_handed_out_once_and_in_order(tmp_path: Path) -> None:
    made = proposals(40)
    write(tmp_path / "pool.extxyz", made)
    files = {"files": (tmp_path / "pool.extxyz",)}
    found = proposals(40, workers=2, proposer="pool", options=files)
    assert len(found) == 40
    assert all(
        np.allclose(a.cell.array, b.cell.array, atol=1e-6) for a, b in zip(found, made, strict=True)
    )


def test_a_function_gets_one_request() -> None:
    asked: list[int] = []

    def kept(request: Request, *, rng: np.random.Generator) -> list[Atoms]:  # noqa: ARG001
        asked.append(request.n)
        return []

    assert list(gencsp.propose("NaCl", n=100, proposer=kept)) == []
    assert asked == [100]


def test_hosts_share_what_is_asked_for() -> None:
    asked: list[tuple[float, int]] = []

    def filled(request: Request, *, rng: np.random.Generator) -> list[Atoms]:
        assert request.host is not None
        asked.append((request.host.cell.volume, request.n))
        return [request.host + Atoms("Cl", positions=[rng.random(3)]) for _ in range(request.n)]

    hosts = [Atoms("Na", cell=[a, 4, 5], pbc=True) for a in (3, 4, 5)]
    made = list(gencsp.propose("NaCl", n=5, proposer=filled, host=hosts))
    assert [round(volume) for volume, _ in asked] == [60, 80, 100]
    assert [n for _, n in asked] == [2, 2, 1]
    assert [a.info["structure_id"] for a in made] == [f"NaCl-filled-0-{k:05d}" for k in range(5)]
    assert len({tuple(atoms.positions[1]) for atoms in made}) == 5
    asked.clear()
    list(gencsp.propose("NaCl", n=2, proposer=filled, host=hosts))
    assert [n for _, n in asked] == [1, 1]
    with pytest.raises(RequestError, match="there is no host"):
        gencsp.propose("NaCl", n=2, proposer=filled, host=[])


def test_objects_stay_in_their_process() -> None:
    one = get_proposer("random")
    assert len(list(gencsp.propose("NaCl", n=2, proposer=one, workers=2, max_atoms=4))) == 2


@pytest.mark.parametrize("workers", [0, -1, 1.5])
def test_workers_that_are_none(workers: Any) -> None:
    with pytest.raises(RequestError, match="workers is"):
        gencsp.propose("NaCl", n=1, proposer="random", workers=workers)
