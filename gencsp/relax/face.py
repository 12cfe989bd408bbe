"""Relaxation in one call, for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal

from ase import Atoms

from gencsp.descriptors.tolerances import KEPT_SYMPREC
from gencsp.relax.result import Relaxed, StepCallback
from gencsp.relax.settings import Minimiser, RelaxSettings

if TYPE_CHECKING:
    from gencsp.engine.base import ModelName


def relax(
    structures: Iterable[Atoms],
    *,
    fmax: float = 0.1,
    steps: int = 200,
    pressure: float = 0.0,
    fixed_cell: bool = False,
    keep_symmetry: bool = False,
    symprec: float = KEPT_SYMPREC,
    minimiser: Minimiser = "quasi-newton",
    time_limit: float | None = None,
    ceiling: float | None = None,
    workers: int = 1,
    on_step: StepCallback | None = None,
    engine: Literal["auto", "native", "torch"] = "auto",
    model: ModelName = "0.3.0",
) -> Iterator[Relaxed]:
    """Relax atoms and cells with CHGNet; structures are yielded as they finish.

    The iterable is read lazily, and ``Relaxed.index`` is the position of a structure in it. A
    structure that cannot be relaxed comes back with its verdict in ``Relaxed.outcome`` and never
    ends the run. ``FixAtoms`` and ``FixSymmetry`` on a structure are obeyed (atoms fixed while the
    cell relaxes keep their fractional coordinates, as in ASE).

    What holds of results: with ``minimiser="fire"`` they are those of ASE's ``FIRE`` on a
    ``FrechetCellFilter`` up to the rounding of forces. The default takes about a third of FIRE's
    force calls; from a start far from any minimum it may end in another one, neither systematically
    higher nor lower (``benchmarks/results/minimisers.json``). The torch engine's forces depend on
    the rest of a batch and on ``workers`` through float32 rounding only, which a long relaxation of
    a soft structure can amplify; the native engine's do not depend on them at all.

    Args:
        structures: fully periodic crystals.
        fmax: converged when no generalised force exceeds this, eV/Å.
        steps: most minimiser steps.
        pressure: GPa.
        fixed_cell: relax atoms only.
        keep_symmetry: keep the space group that spglib finds in the start at ``symprec``.
        symprec: Å.
        minimiser: "quasi-newton", or "fire".
        time_limit: wall seconds for one structure from when it enters the batch.
        ceiling: give up structures that stay above this enthalpy, eV/atom.
        workers: CPU threads.
        on_step: told of every step as it happens: index of the structure, step, energy in eV, fmax
            in eV/Å. Returning ``False`` stops that structure; an exception ends the run. It is
            called from the threads that relax, one call at a time.
        engine: "native", "torch", or whichever is there.
        model: which of CHGNet's published weights.

    Raises:
        ConstraintError: a structure has constraints other than those two.
        EngineError: the engine is not available.
        WeightsError: the weights are not there.
    """
    from gencsp.engine.select import get_engine

    settings = RelaxSettings(
        fmax=fmax,
        steps=steps,
        pressure=pressure,
        fixed_cell=fixed_cell,
        keep_symmetry=keep_symmetry,
        symprec=symprec,
        minimiser=minimiser,
        time_limit=time_limit,
        ceiling=ceiling,
    )
    return get_engine(engine, model=model).relax(
        structures, settings, workers=workers, on_step=on_step
    )
