"""Relaxation with any ASE calculator, one structure at a time."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.calculators.calculator import (
    CalculationFailed,
    Calculator,
    PropertyNotImplementedError,
)
from ase.neighborlist import primitive_neighbor_list

from gencsp.descriptors.flaws import too_dense, too_sparse
from gencsp.errors import EngineError
from gencsp.relax.crystals import Crystals, Values
from gencsp.relax.inflight import relax_in_flight
from gencsp.relax.result import Outcome, Relaxed, StepCallback
from gencsp.relax.settings import RelaxSettings

#: Å. An atom without a neighbour within this distance is isolated, as for CHGNet.
NEIGHBOUR_CUTOFF = 6.0


def relax_with(
    calculator: Calculator,
    atoms: Atoms,
    settings: RelaxSettings,
    *,
    on_step: StepCallback | None = None,
) -> Relaxed:
    """Relax one structure with the forces of an ASE calculator.

    Same minimisers, restraints, verdicts and callback as the batched engines.

    Raises:
        EngineError: the calculator has no stress and the cell is to relax.
    """

    def evaluate(crystals: Crystals) -> Values:
        return _evaluate(calculator, crystals, need_stress=not settings.fixed_cell)

    return next(relax_in_flight([atoms], settings, evaluate, max_atoms=1, on_step=on_step))


def _evaluate(calculator: Calculator, crystals: Crystals, *, need_stress: bool) -> Values:
    """Values of a batch that holds a single crystal."""
    n, cell = len(crystals.numbers), crystals.cells[0]
    if not (np.isfinite(cell).all() and np.isfinite(crystals.positions).all()):
        return _failed(n, Outcome.NOT_FINITE)
    if too_dense(crystals.cells, crystals.sizes)[0]:
        return _failed(n, Outcome.EXPLODED)
    i, distances = primitive_neighbor_list(
        "id", (True, True, True), cell, crystals.positions, NEIGHBOUR_CUTOFF
    )
    if len(np.unique(i)) < n:
        return _failed(n, Outcome.ISOLATED)
    if too_sparse(crystals.cells, crystals.sizes)[0]:
        return _failed(n, Outcome.EXPLODED)
    atoms = Atoms(crystals.numbers, crystals.positions, cell=cell, pbc=True)
    atoms.calc = calculator
    try:
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        stress = atoms.get_stress(voigt=False) if need_stress else np.zeros((3, 3))
    except PropertyNotImplementedError as error:
        raise EngineError(
            f"{type(calculator).__name__} has no stress, so it cannot relax the cell: keep the "
            f"cell fixed, or use another calculator."
        ) from error
    except CalculationFailed:
        return _failed(n, Outcome.BAD_INPUT)
    if not (np.isfinite(energy) and np.isfinite(forces).all() and np.isfinite(stress).all()):
        return _failed(n, Outcome.NOT_FINITE)
    return Values(
        np.array([energy]),
        np.array(forces, dtype=np.float64),
        np.array(stress, dtype=np.float64)[None],
        np.array([distances.min()]),
        [None],
    )


def _failed(n: int, outcome: Outcome) -> Values:
    nan = np.nan
    return Values(
        np.array([nan]),
        np.full((n, 3), nan),
        np.full((1, 3, 3), nan),
        np.array([nan]),
        [outcome],
    )
