"""Checks that a strategy fulfils its contract."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import numpy as np
from ase import Atoms

from gencsp.composition import Composition
from gencsp.plugins import Configured
from gencsp.records import Basis
from gencsp.searches.ledger import Ledger
from gencsp.searches.moves.base import Move
from gencsp.searches.settings import SearchSettings
from gencsp.searches.space import Space
from gencsp.searches.starts import SeedSchedule
from gencsp.searches.strategy import StrategyContext
from gencsp.searches.trial import RANDOM, SEED_STRUCTURE, MoveStats, Strategy, Trial, TrialResult
from gencsp.testing.common import require, same_atoms, untouched

#: Trials that may run at once in the simulated search.
AHEAD = 4


class _ZeroHull:
    """A hull at zero: fitness is the energy itself."""

    def require_pressure(self, pressure: float) -> None:
        """References of every pressure."""

    def decomposition_energy(self, composition: Composition, energy_per_atom: float) -> float:  # noqa: ARG002
        return energy_per_atom

    def basis(self, atoms: Atoms, energy_per_atom: float) -> Basis:  # noqa: ARG002
        return Basis(decomposition="", has_reference=True)


def strategy_context(
    *, ahead: int = AHEAD, seeded: bool = True, moves: tuple[Move, ...] | None = None
) -> StrategyContext:
    """The context of a strategy in a small search of MgO at one formula unit."""
    space = Space.fixed(Composition.parse("MgO"), units=(2,))
    return StrategyContext(
        settings=SearchSettings(space=space, ahead=ahead),
        ledger=Ledger(hull=_ZeroHull()),
        schedule=SeedSchedule(share=0.5, seeded=seeded),
        moves=moves,
    )


def check_strategy(
    strategy: Configured | Callable[[], Strategy], *, trials: int = 60, seed: int = 0
) -> None:
    """Check a strategy against :class:`~gencsp.searches.trial.Strategy`.

    A search is simulated with random crystals, failures and duplicates. The strategy must choose
    its own moves with parents that they apply to, or structures without parents. A second strategy
    with the same settings and results must choose the same trials. Its settings must be flat, fit
    into JSON and never change, and it must change no result and no global random generator.

    Args:
        strategy: its options, such as ``GeneticOptions(population=6)``, or what makes it.
        trials: number of trials to simulate.
        seed: of the outcomes.

    Raises:
        AssertionError: what is wrong, in one sentence.
    """

    def make() -> Strategy:
        if isinstance(strategy, Configured):
            made: Strategy = strategy.build(strategy_context())
            return made
        return strategy()

    first, second = make(), make()
    require(
        isinstance(first, Strategy),
        f"{type(first).__name__} is no strategy: it needs 'name', 'moves', 'settings', 'ask', "
        f"'tell' and 'move_stats'.",
    )
    who = f"the strategy '{first.name}'"
    require(first is not second, f"{who} is one object for two searches: make it in 'build'.")
    before = _settings(first, who)
    with untouched([], who):
        one, other = _played(first, trials, seed, who), _played(second, trials, seed, who)
    for number, (a, b) in enumerate(zip(one, other, strict=True)):
        same = a.move == b.move and len(a.parents) == len(b.parents)
        same = same and all(map(same_atoms, a.parents, b.parents))
        require(same, f"{who} asks for another trial {number} after the same results.")
    require(_settings(first, who) == before, f"{who} changes its settings during a search.")
    _check_learned(first.move_stats(), who)


def _settings(strategy: Strategy, who: str) -> str:
    """The settings as JSON, checked to be flat."""
    settings = strategy.settings()
    for key, value in settings.items():
        parts = value if isinstance(value, list | tuple) else [value]
        flat = all(part is None or isinstance(part, str | int | float | bool) for part in parts)
        require(flat, f"{who} has the setting {key} = {value!r}, which is not flat.")
    return json.dumps(settings, sort_keys=True)


def _played(strategy: Strategy, trials: int, seed: int, who: str) -> list[Trial]:
    """The trials chosen in a search whose results follow from the seed and the numbers."""
    asked: list[Trial] = []
    for number in range(trials + AHEAD):
        if number >= AHEAD:
            done = number - AHEAD
            result = _outcome(done, asked[done].move, seed)
            given = [] if result.atoms is None else [result.atoms]
            with untouched(given, who):
                strategy.tell(result, rng=np.random.default_rng([seed, 1, done]))
        if number < trials:
            trial = strategy.ask(number, rng=np.random.default_rng([seed, 2, number]))
            _check_trial(trial, strategy.moves, who)
            asked.append(trial)
    return asked


def _check_trial(trial: Trial, moves: Mapping[str, Move], who: str) -> None:
    if trial.move in (SEED_STRUCTURE, RANDOM):
        require(not trial.parents, f"{who} gives parents to a trial without a move.")
        return
    require(
        trial.move in moves, f"{who} chose the move '{trial.move}', which is not one of its moves."
    )
    move = moves[trial.move]
    number = len(trial.parents)
    require(number == move.n_parents, f"{who} gives {number} parents to '{trial.move}'.")
    require(move.applies(trial.parents), f"{who} gives '{trial.move}' parents it cannot use.")


def _outcome(number: int, move: str, seed: int) -> TrialResult:
    """The result of a trial: a new crystal, one that was seen before, or a failure."""
    rng = np.random.default_rng([seed, 0, number])
    chance = rng.random()
    if chance < 0.15:
        return TrialResult(number=number, move=move, failure="not converged")
    energy = float(rng.normal(scale=0.2))
    atoms = Atoms("Mg2O2", cell=rng.uniform(3.5, 4.5, size=3), pbc=True)
    atoms.set_scaled_positions(rng.random((4, 3)))
    atoms.info.update(
        structure_id=f"s{number:05d}",
        energy_per_atom=energy,
        enthalpy_per_atom=energy,
        decomposition_energy=energy,
    )
    twin = f"s{number // 2:05d}" if chance < 0.4 and number else ""
    return TrialResult(number=number, move=move, atoms=atoms, fitness=energy, seen_as=twin)


def _check_learned(move_stats: list[MoveStats], who: str) -> None:
    require(
        all(isinstance(line, MoveStats) for line in move_stats),
        f"{who} gives move statistics that are no MoveStats.",
    )
    total = sum(line.share for line in move_stats)
    require(
        not move_stats or abs(total - 1) < 1e-6,
        f"{who} gives moves shares that sum to {total}, not to 1.",
    )
