"""Relaxation of crystals of rigid units: at first the units alone, then every atom."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from ase import Atoms

from gencsp.errors import UnitError
from gencsp.minimise.result import Outcome, PathCallback, Relaxed, StepCallback
from gencsp.minimise.settings import BrokenUnits, RelaxSettings
from gencsp.units.broken import bond_change, broken_units
from gencsp.units.members import has_units

#: eV/Å. The first stage ends at this force, or at that of the second where that is larger.
RIGID_FMAX = 0.1
#: How a first stage ends that a second one follows.
_GOES_ON = (Outcome.CONVERGED, Outcome.STEP_LIMIT)

#: One stage: relaxes a stream, whose structures it numbers from 0.
Stage = Callable[
    [Iterable[Atoms], StepCallback | None, PathCallback | None],
    Iterator[Relaxed],
]


def stage_settings(settings: RelaxSettings) -> tuple[RelaxSettings, RelaxSettings]:
    """The settings of both stages.

    No structure is given up in the first for its energy, which is higher for the units' sake.
    """
    rigid = replace(settings, fmax=max(settings.fmax, RIGID_FMAX), ceiling=None)
    return rigid, replace(settings, rigid_units=False)


def two_stages(
    structures: Iterable[Atoms],
    rigid: Stage,
    free: Stage,
    *,
    first: int = 0,
    on_step: StepCallback | None = None,
    on_path: PathCallback | None = None,
) -> Iterator[Relaxed]:
    """Relax a stream in two stages, each structure going on to the second as soon as it can.

    Results, steps and paths are those of both stages together. What the first stage could not
    evaluate, or what was stopped there, is the result.

    Args:
        structures: read lazily.
        rigid: the first stage.
        free: the second.
        first: number of the first structure.
        on_step: see :data:`.StepCallback`; steps are counted through both stages.
        on_path: see :data:`.PathCallback`.
    """
    before: list[Relaxed] = []
    ended: deque[Relaxed] = deque()
    paths: dict[int, list[Atoms]] = {}

    def begin_path(index: int, frames: list[Atoms]) -> None:
        paths[index] = frames

    def begun(index: int, step: int, energy: float, fmax: float) -> bool | None:
        return None if on_step is None else on_step(first + index, step, energy, fmax)

    def starts() -> Iterator[Atoms]:
        watch = None if on_step is None else begun
        for result in rigid(structures, watch, None if on_path is None else begin_path):
            if result.outcome in _GOES_ON:
                before.append(result)
                yield result.atoms.copy()
                continue
            if on_path is not None:
                on_path(first + result.index, paths.pop(result.index, []))
            ended.append(replace(result, index=first + result.index))

    def went_on(place: int, step: int, energy: float, fmax: float) -> bool | None:
        one = before[place]
        return (
            None if on_step is None else on_step(first + one.index, one.steps + step, energy, fmax)
        )

    def end_path(place: int, frames: list[Atoms]) -> None:
        one = before[place]
        if on_path is not None:
            # The second stage begins where the first ended.
            on_path(first + one.index, paths.pop(one.index, []) + frames[1:])

    watch = None if on_step is None else went_on
    for result in free(starts(), watch, None if on_path is None else end_path):
        while ended:
            yield ended.popleft()
        one = before[result.index]
        yield replace(result, index=first + one.index, steps=one.steps + result.steps)
    yield from ended


def judge_units(result: Relaxed, start: Atoms, broken: BrokenUnits) -> Relaxed:
    """The result of a relaxation, which says how the bonds of the rigid units changed.

    Args:
        result: where the atoms are now.
        start: where they were; it may name units or not.
        broken: "keep" says it beside the outcome; "drop" makes an outcome of it, which is no
            result.
    """
    if not result.converged or not has_units(start):
        return result
    try:
        found = "; ".join(broken_units(start, result.atoms))
        changed = bond_change(start, result.atoms)
    except UnitError:  # named before atoms were added or repeated: nobody knows the units
        return result
    result = replace(result, broken_units=found, unit_bond_change=changed)
    if found and broken == "drop":
        return replace(result, outcome=Outcome.BROKEN_UNITS, reason=found)
    return result
