"""The functions that write results into ``Atoms.info``, and take out what no longer holds."""

from __future__ import annotations

from dataclasses import dataclass

from ase import Atoms

from gencsp.composition import Composition
from gencsp.deck import AngleTolerance, Symprec, check_fields
from gencsp.provenance import Stage
from gencsp.records.contracts import Ended, Reference
from gencsp.records.keys import (
    BROKEN_UNITS,
    DECOMPOSITION,
    DECOMPOSITION_ENERGY,
    DECOMPOSITION_ENTHALPY,
    ENERGY_DIGEST,
    ENERGY_MODEL,
    ENERGY_PER_ATOM,
    ENTHALPY_PER_ATOM,
    EVALUATION_KEYS,
    FILTER_PREFIX,
    GEOMETRY_KEYS,
    HAS_REFERENCE,
    OUTCOME,
    PARENTS,
    PRESSURE,
    REASON,
    REFERENCE_PHASE,
    SPACE_GROUP,
    SPACE_GROUP_NUMBER,
    STAGE,
    STEPS,
    STRUCTURE_ID,
    UNIT_BOND_CHANGE,
    VOLUME_PER_ATOM,
)
from gencsp.records.reading import number
from gencsp.symmetry.refinement import space_group
from gencsp.symmetry.tolerances import ANGLE_TOLERANCE, SYMPREC


@dataclass(frozen=True, slots=True)
class SymmetryTolerance:
    """How near a symmetry must be to count, in Å and degrees: by default as in the paper."""

    symprec: Symprec = SYMPREC
    angle: AngleTolerance = ANGLE_TOLERANCE

    def __post_init__(self) -> None:
        check_fields(self)


def record(result: Ended, tolerance: SymmetryTolerance | None = None) -> Atoms:
    """The structure of a relaxation, with its results in ``info`` (changed in place).

    Results of an earlier run or another model are removed first. Always written are
    ``outcome`` and ``steps``; where it converged also ``energy_per_atom`` and
    ``enthalpy_per_atom`` (eV/atom) with ``energy_model`` and ``energy_digest``, ``pressure`` (GPa),
    ``volume_per_atom`` (Å³/atom), ``space_group`` and ``space_group_number``; where there is one,
    ``reason``, and of rigid units ``broken_units`` and ``unit_bond_change``.
    """
    atoms = result.atoms
    clear_results(atoms, moved=True)
    atoms.info[OUTCOME] = str(result.outcome)
    atoms.info[STEPS] = int(result.steps)
    if result.reason:
        atoms.info[REASON] = result.reason
    if result.broken_units:
        atoms.info[BROKEN_UNITS] = result.broken_units
    if result.unit_bond_change is not None:
        atoms.info[UNIT_BOND_CHANGE] = result.unit_bond_change
    if result.converged:
        write_energy(atoms, result.energy, model=result.energy_model, digest=result.energy_digest)
        write_enthalpy(atoms, result.enthalpy, pressure=result.pressure)
        name_space_group(atoms, tolerance)
    return atoms


def write_change(atoms: Atoms, stage: Stage) -> Atoms:
    """Say in ``info`` that a structure was changed in its place (returns ``atoms``).

    It keeps its id, by which a pool and its results are compared, and names it as its parent: the
    structure of that id before the change. One without an id has no parents afterwards.
    """
    before = atoms.info.get(STRUCTURE_ID)
    atoms.info[STAGE] = str(stage)
    if before is None:
        atoms.info.pop(PARENTS, None)
    else:
        atoms.info[PARENTS] = str(before)
    return atoms


def clear_results(atoms: Atoms, *, moved: bool = False) -> None:
    """Remove the results of an earlier evaluation from ``info``.

    Args:
        atoms: changed in place; provenance and keys that are not gencsp's stay.
        moved: the atoms are no longer where they were, so that verdicts of filters, duplicates and
            distances to a database's hull no longer hold either.
    """
    for key in list(atoms.info):
        stale = key in EVALUATION_KEYS
        if moved:
            stale |= key in GEOMETRY_KEYS or str(key).startswith(FILTER_PREFIX)
        if stale:
            del atoms.info[key]


def write_energy(atoms: Atoms, energy: float, *, model: str, digest: str = "") -> None:
    """Set ``energy_per_atom`` (eV/atom) and what made it.

    Args:
        atoms: changed in place.
        energy: of the whole cell, eV.
        model: potential and weights, or level of theory; empty where nobody knows.
        digest: short hash of the weights.
    """
    atoms.info[ENERGY_PER_ATOM] = float(energy) / len(atoms)
    for key, value in ((ENERGY_MODEL, model), (ENERGY_DIGEST, digest)):
        atoms.info.pop(key, None)
        if value:
            atoms.info[key] = value


def write_enthalpy(atoms: Atoms, enthalpy: float, *, pressure: float) -> None:
    """Set ``enthalpy_per_atom`` (eV/atom), ``pressure`` (GPa) and ``volume_per_atom`` (Å³/atom).

    Args:
        atoms: changed in place.
        enthalpy: of the whole cell, eV.
        pressure: GPa.
    """
    atoms.info[ENTHALPY_PER_ATOM] = float(enthalpy) / len(atoms)
    atoms.info[PRESSURE] = float(pressure)
    atoms.info[VOLUME_PER_ATOM] = float(atoms.cell.volume) / len(atoms)


def write_decomposition_energy(atoms: Atoms, reference: Reference) -> None:
    """Set ``decomposition_energy``, or under pressure ``decomposition_enthalpy`` (eV/atom).

    What it stands on is set with it: ``decomposition``, ``has_reference`` and ``reference_phase``.
    Nothing is set where there is no ``energy_per_atom``, or no ``enthalpy_per_atom``. The caller
    has made sure that one model made both energies.

    Raises:
        HullReferenceError: no reference for one of the elements, or references at another pressure
            than that of the structure.
    """
    for key in (
        DECOMPOSITION_ENERGY,
        DECOMPOSITION_ENTHALPY,
        DECOMPOSITION,
        HAS_REFERENCE,
        REFERENCE_PHASE,
    ):
        atoms.info.pop(key, None)
    pressure = number(atoms.info, PRESSURE) or 0.0
    given, written = (
        (ENTHALPY_PER_ATOM, DECOMPOSITION_ENTHALPY)
        if pressure
        else (ENERGY_PER_ATOM, DECOMPOSITION_ENERGY)
    )
    energy = number(atoms.info, given)
    if energy is None:
        return
    reference.require_pressure(pressure)
    above = float(reference.decomposition_energy(Composition.of(atoms), energy))
    basis = reference.basis(atoms, energy)
    atoms.info[written] = above
    atoms.info[HAS_REFERENCE] = basis.has_reference
    for key, text in ((DECOMPOSITION, basis.decomposition), (REFERENCE_PHASE, basis.phase)):
        if text:
            atoms.info[key] = text


def name_space_group(atoms: Atoms, tolerance: SymmetryTolerance | None = None) -> None:
    """Set ``space_group`` and ``space_group_number`` in ``info``."""
    at = SymmetryTolerance() if tolerance is None else tolerance
    group = space_group(atoms, symprec=at.symprec, angle_tolerance=at.angle)
    atoms.info[SPACE_GROUP] = group.symbol
    atoms.info[SPACE_GROUP_NUMBER] = group.number
