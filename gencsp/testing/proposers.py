"""Checks that a proposer fulfils its contract."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
from ase import Atoms
from ase.geometry import get_distances

from gencsp.proposers.base import Proposer, Request
from gencsp.proposers.checks import has_composition
from gencsp.testing.common import require, require_crystal, same_atoms, untouched

#: Structures requested to check laziness; at most half of them may exist when the first arrives.
MANY = 400
#: Å: how far an atom of a host may move by rounding.
MOVED = 1e-3


def check_proposer(proposer: Proposer, request: Request, *, seed: int = 0) -> None:
    """Check a proposer against :class:`~gencsp.proposers.base.Proposer`.

    It gives crystals of exactly the requested composition, in the requested cell and around the
    requested host; lazily; the same ones from the same generator state; it counts what failed; it
    changes neither the host nor any global random generator.

    Args:
        proposer: the proposer, cheap enough to make ``request.n`` structures twice and to begin
            with another ``MANY``.
        request: one that it can honour.
        seed: of the generators.

    Raises:
        AssertionError: what is wrong, in one sentence.
    """
    require(
        isinstance(proposer, Proposer),
        f"{type(proposer).__name__} is no proposer: it needs 'name', 'failures' and 'propose'.",
    )
    who = f"the proposer '{proposer.name}'"
    hosts = [] if request.host is None else [request.host]
    with untouched(hosts, who):
        before = proposer.failures
        made = list(_asked(proposer, request, seed, who))
        failed = proposer.failures - before
        again = list(_asked(proposer, request, seed, who))
    require(made, f"{who} made no structure of {request.n} asked for.")
    require(len(made) <= request.n, f"{who} made {len(made)} structures of {request.n} asked for.")
    require(failed >= 0, f"{who} counts its failures backwards.")
    require(
        len(made) == request.n or failed > 0,
        f"{who} made {len(made)} of {request.n} structures and counted no failure.",
    )
    for atoms in made:
        _check_structure(atoms, request, who)
    same = len(made) == len(again) and all(map(same_atoms, made, again))
    require(same, f"{who} makes other structures from a generator of the same state.")
    _check_lazy(proposer, request, seed, who)


def _asked(proposer: Proposer, request: Request, seed: int, who: str) -> Iterator[Atoms]:
    made = proposer.propose(request, rng=np.random.default_rng(seed))
    require(
        isinstance(made, Iterator),
        f"{who} returns a {type(made).__name__} and no iterator: yield one structure at a time.",
    )
    return made


def _check_structure(atoms: Atoms, request: Request, who: str) -> None:
    require_crystal(atoms, who)
    require(
        has_composition(atoms, request.composition, request.units),
        f"{who} made {atoms.get_chemical_formula()} where {request.composition} was asked for in "
        f"{', '.join(map(str, request.units))} formula units.",
    )
    cell = request.cell if request.host is None else request.host.cell
    if cell is not None and request.volume_per_atom is None:
        kept = np.allclose(atoms.cell.array, np.asarray(cell), atol=1e-6)
        require(kept, f"{who} made another cell than the one that was to stay.")
    if request.host is not None and request.volume_per_atom is None:
        _, distances = get_distances(
            request.host.positions, atoms.positions, cell=atoms.cell, pbc=True
        )
        distances[request.host.numbers[:, None] != atoms.numbers] = np.inf
        stayed = (distances.min(axis=1) < MOVED).all()
        require(stayed, f"{who} moved atoms of the host, which were to stay.")


def _check_lazy(proposer: Proposer, request: Request, seed: int, who: str) -> None:
    """What has been made is in memory: few structures may be, when the first is handed over."""
    gc.collect()
    before = _alive()
    made = _asked(proposer, replace(request, n=MANY), seed, who)
    first = list(islice(made, 1))
    more = _alive() - before
    del made, first
    require(
        more <= MANY // 2,
        f"{who} made {more} structures before it handed one over: yield each when it is made.",
    )


def _alive() -> int:
    # By its type: isinstance asks every object for its class, at which some of torch's warn.
    return sum(issubclass(type(one), Atoms) for one in gc.get_objects())
