"""Checks that a move fulfils its contract."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from gencsp.searches.moves.base import Move, Tools
from gencsp.testing.common import require, require_crystal, same_atoms, untouched
from gencsp.units.members import Members, has_units

#: Attempts that a move may make for one child.
ATTEMPTS = 40
#: Bytes: a move is sent along with every trial.
LARGEST = 10_000
#: Å: within this, distances in a rigid unit are the same.
SAME_SHAPE = 1e-6


def check_move(
    move: Move, parents: Sequence[Atoms], *, tools: Tools | None = None, seeds: int = 4
) -> None:
    """Check a move against :class:`~gencsp.searches.moves.base.Move`.

    It is small and picklable, and its copy in another process makes the same children; it changes
    no parent and no global random generator; the same generator state gives the same child, others
    give others; the cell, the atoms and the rigid units of the first parent stay where it says so.

    Args:
        move: the move.
        parents: relaxed crystals that it applies to, as many as it needs or more.
        tools: what it may use; ``None`` for neither a score model nor other elements.
        seeds: generators to try.

    Raises:
        AssertionError: what is wrong, in one sentence.
    """
    require(
        isinstance(move, Move),
        f"{type(move).__name__} is no move: it needs 'name', 'n_parents', 'keeps_cell', "
        f"'keeps_counts', "
        f"'keeps_units', 'needs_model', 'applies' and '__call__'.",
    )
    who = f"the move '{move.name}'"
    tools = Tools() if tools is None else tools
    require(1 <= move.n_parents <= len(parents), f"{who} needs {move.n_parents} parents.")
    given = tuple(parents[: move.n_parents])
    packed = pickle.dumps(move)
    require(len(packed) <= LARGEST, f"{who} takes {len(packed)} bytes to send, with every trial.")
    copy: Move = pickle.loads(packed)
    with untouched(given, who):
        require(move.applies(given), f"{who} does not apply to these parents: give others.")
        children = [_child(move, given, tools, seed) for seed in range(seeds)]
        again = [_child(copy, given, tools, seed) for seed in range(seeds)]
    found = [child for child in children if child is not None]
    require(found, f"{who} made nothing in {ATTEMPTS} attempts with each of {seeds} generators.")
    for one, other in zip(children, again, strict=True):
        same = (one is None and other is None) or (
            one is not None and other is not None and same_atoms(one, other)
        )
        require(same, f"{who} makes another child from a generator of the same state.")
    different = any(not same_atoms(found[0], child) for child in found[1:])
    require(different or len(found) == 1, f"{who} makes the same child whatever the generator.")
    for child in found:
        _check_child(move, child, given, tools, who)


def _child(move: Move, parents: tuple[Atoms, ...], tools: Tools, seed: int) -> Atoms | None:
    rng = np.random.default_rng(seed)
    for _ in range(ATTEMPTS):
        child = move(parents, rng=rng, tools=tools)
        if child is not None:
            return child
    return None


def _check_child(
    move: Move, child: Atoms, parents: tuple[Atoms, ...], tools: Tools, who: str
) -> None:
    require_crystal(child, who)
    require(all(child is not parent for parent in parents), f"{who} hands back its parent.")
    require(not child.constraints and child.calc is None, f"{who} leaves a constraint on a child.")
    if move.keeps_counts and not tools.elements:
        kept = Counter(child.symbols) == Counter(parents[0].symbols)
        require(kept, f"{who} says that it keeps the atoms of its first parent, and does not.")
    if move.keeps_units and has_units(parents[0]):
        _check_units(child, parents[0], who)
    if move.keeps_cell and tools.fixed_cell:
        kept = np.allclose(child.cell.array, parents[0].cell.array, atol=1e-8)
        require(kept, f"{who} says that it keeps a fixed cell, and does not.")


def _check_units(child: Atoms, parent: Atoms, who: str) -> None:
    require(has_units(child), f"{who} says that it keeps rigid units, and its child names none.")
    before, after = Members.of(parent), Members.of(child)
    require(
        Counter(before.names) == Counter(after.names),
        f"{who} says that it keeps rigid units, and its child has others.",
    )
    for name in set(before.names):
        one, other = (_distances(units, name) for units in (before, after))
        require(
            np.allclose(one, other, rtol=0, atol=SAME_SHAPE),
            f"{who} says that it keeps rigid units, and changes distances within {name}.",
        )


def _distances(members: Members, name: str) -> NDArray[np.float64]:
    """All distances between atoms within units of a name, Å, sorted."""
    found = [
        pdist(members.arms[rows])
        for one, rows in zip(members.names, members.atoms, strict=True)
        if one == name
    ]
    return np.sort(np.concatenate(found))
