"""Relaxation with any ASE calculator, one structure at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from ase import Atoms
from ase.calculators.calculator import (
    Calculator,
    PropertyNotImplementedError,
)

from gencsp.descriptors.flaws import too_dense, too_sparse
from gencsp.descriptors.neighbours import pairs_within
from gencsp.errors import EngineError
from gencsp.minimise.crystals import Crystals, FloatArray, Values
from gencsp.minimise.inflight import relax_in_flight
from gencsp.minimise.result import Outcome, PathCallback, Relaxed, StepCallback
from gencsp.minimise.settings import RelaxSettings

#: Å. An atom without a neighbour within this distance is isolated, as for CHGNet.
NEIGHBOUR_CUTOFF = 6.0

#: What calculators raise at a structure that they cannot evaluate, such as an element that they do
#: not know (ASE's own errors are RuntimeErrors, and so is NotImplementedError).
CALCULATOR_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
#: Energy in eV, forces (n, 3) in eV/Å and stress (3, 3) in eV/Å³ of one crystal.
Numbers = tuple[float, FloatArray, FloatArray]


def relax_with(
    calculator: Calculator,
    atoms: Atoms,
    settings: RelaxSettings,
    index: int = 0,
    *,
    on_step: StepCallback | None = None,
    on_path: PathCallback | None = None,
) -> Relaxed:
    """Relax one structure with the forces of an ASE calculator.

    Same minimisers, restraints, verdicts and callbacks as the batched engines; the result and the
    callbacks name the structure by ``index``. A structure at which the calculator fails has the
    outcome "input cannot be evaluated" and what the calculator said as its ``reason``.

    Raises:
        EngineError: the calculator has no stress and the cell is to relax.
    """
    said: list[str] = []

    def evaluate(bare: Atoms) -> Numbers | Outcome:
        try:
            return _numbers(calculator, bare, need_stress=not settings.fixed_cell)
        except EngineError:
            raise
        except CALCULATOR_ERRORS as error:
            said.append(f"{type(calculator).__name__}: {error or type(error).__name__}")
            return Outcome.BAD_INPUT

    model, digest = energy_model(calculator)
    result = relax_one(evaluate, atoms, settings, index, on_step=on_step, on_path=on_path)
    if said and result.outcome is Outcome.BAD_INPUT:
        result = replace(result, reason=said[-1])
    return result.made_by(model, digest)


def relax_one(
    evaluate: Callable[[Atoms], Numbers | Outcome],
    atoms: Atoms,
    settings: RelaxSettings,
    index: int = 0,
    *,
    on_step: StepCallback | None = None,
    on_path: PathCallback | None = None,
) -> Relaxed:
    """Relax one structure with the energies, forces and stresses of ``evaluate``.

    Results and callbacks name it by ``index``.
    """

    def batch(crystals: Crystals) -> Values:
        return _evaluate(evaluate, crystals)

    results = relax_in_flight(
        [atoms], settings, batch, max_atoms=1, first=index, on_step=on_step, on_path=on_path
    )
    return next(results)


def energy_model(calculator: Calculator) -> tuple[str, str]:
    """Name of the potential and weights behind a calculator, and a short hash of the weights.

    gencsp's own calculators have both; for others the name is ASE's and the hash empty.
    """
    name = getattr(calculator, "energy_model", None) or calculator.name
    return str(name), str(getattr(calculator, "energy_digest", ""))


def _numbers(calculator: Calculator, atoms: Atoms, *, need_stress: bool) -> Numbers | Outcome:
    atoms.calc = calculator
    try:
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        stress = atoms.get_stress(voigt=False) if need_stress else np.zeros((3, 3))
    except PropertyNotImplementedError as error:
        raise EngineError(
            f"{type(calculator).__name__} has no stress, so it cannot relax the cell: keep the "
            f"cell fixed, or use another calculator."
        ) from error
    return float(energy), np.asarray(forces, dtype=np.float64), np.asarray(stress, dtype=np.float64)


def _evaluate(evaluate: Callable[[Atoms], Numbers | Outcome], crystals: Crystals) -> Values:
    return checked_values(lambda batch: [evaluate(atoms) for atoms in batch], crystals)


def checked_values(
    evaluate: Callable[[list[Atoms]], list[Numbers | Outcome]], crystals: Crystals
) -> Values:
    """Values of a batch, of which ``evaluate`` is given the crystals that it can make sense of.

    Crystals that have fallen apart or together, and results that are not finite, become failures.
    """
    batch = crystals.as_atoms()
    found: list[Numbers | Outcome] = []
    closest: list[float] = []
    for one, atoms in enumerate(batch):
        verdict, distance = _verdict(atoms, crystals, one)
        found.append(verdict)
        closest.append(distance)
    sound = [k for k, verdict in enumerate(found) if verdict is _SOUND]
    if sound:
        for k, numbers in zip(sound, evaluate([batch[k] for k in sound]), strict=True):
            found[k] = _finite(numbers)
    nan = np.nan
    failed = [one if isinstance(one, Outcome) else None for one in found]
    numbers_of = [
        (nan, np.full((len(atoms), 3), nan), np.full((3, 3), nan))
        if isinstance(one, Outcome)
        else one
        for one, atoms in zip(found, batch, strict=True)
    ]
    return Values(
        np.array([energy for energy, _, _ in numbers_of]),
        np.concatenate([forces for _, forces, _ in numbers_of]),
        np.stack([stress for _, _, stress in numbers_of]),
        np.array([nan if why else d for why, d in zip(failed, closest, strict=True)]),
        failed,
    )


#: Stands for a crystal that is to be evaluated.
_SOUND = Outcome.CONVERGED


def _verdict(atoms: Atoms, crystals: Crystals, one: int) -> tuple[Outcome, float]:
    """Whether crystal ``one`` of a batch can be evaluated, and its shortest distance in Å."""
    cell, size = crystals.cells[one : one + 1], crystals.sizes[one : one + 1]
    if not (np.isfinite(cell).all() and np.isfinite(atoms.positions).all()):
        return Outcome.NOT_FINITE, np.nan
    if too_dense(cell, size)[0]:
        return Outcome.EXPLODED, np.nan
    pairs = pairs_within(atoms, NEIGHBOUR_CUTOFF)
    if len(np.unique(pairs.first)) < len(atoms):
        return Outcome.ISOLATED, np.nan
    if too_sparse(cell, size)[0]:
        return Outcome.EXPLODED, np.nan
    return _SOUND, float(pairs.distances.min())


def _finite(found: Numbers | Outcome) -> Numbers | Outcome:
    if isinstance(found, Outcome):
        return found
    energy, forces, stress = found
    if not (np.isfinite(energy) and np.isfinite(forces).all() and np.isfinite(stress).all()):
        return Outcome.NOT_FINITE
    return energy, np.array(forces), np.array(stress)
