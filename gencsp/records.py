"""The keys that gencsp writes into ``Atoms.info``, and the functions that write results there.

``info`` travels with a structure through extxyz, trajectories and ``run.db`` alike, so its keys are
gencsp's file format. :data:`KEYS` says of each what it holds, in which unit, and who writes it;
``docs/file_format.md`` is made from it. Programs use the constants in place of the texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from types import MappingProxyType
from typing import Any, Final, Protocol

from ase import Atoms

from gencsp.composition import Composition
from gencsp.deck import AngleTolerance, Symprec, check_fields
from gencsp.provenance import Stage
from gencsp.symmetry.refinement import space_group
from gencsp.symmetry.tolerances import ANGLE_TOLERANCE, SYMPREC

# Where a structure comes from.
STRUCTURE_ID: Final = "structure_id"
PROPOSER: Final = "proposer"
MODEL: Final = "model"
SEED: Final = "seed"
PARENTS: Final = "parents"
STAGE: Final = "stage"
MOVE: Final = "move"
ORIGIN: Final = "origin"
PROPOSED_SPACE_GROUP: Final = "proposed_space_group"
HOST_ATOMS: Final = "host_atoms"
GUEST_CONTENT: Final = "guest_content"
EWALD_ENERGY: Final = "ewald_energy"
READING_NOTE: Final = "reading_note"
UNIT_NAMES: Final = "unit_names"
UNIT_CRYSTAL: Final = "unit_crystal"
# What came of it.
OUTCOME: Final = "outcome"
REASON: Final = "reason"
STEPS: Final = "steps"
BROKEN_UNITS: Final = "broken_units"
ENERGY_PER_ATOM: Final = "energy_per_atom"
ENTHALPY_PER_ATOM: Final = "enthalpy_per_atom"
PRESSURE: Final = "pressure"
VOLUME_PER_ATOM: Final = "volume_per_atom"
ENERGY_MODEL: Final = "energy_model"
ENERGY_DIGEST: Final = "energy_digest"
DECOMPOSITION_ENERGY: Final = "decomposition_energy"
DECOMPOSITION_ENTHALPY: Final = "decomposition_enthalpy"
DECOMPOSITION: Final = "decomposition"
HAS_REFERENCE: Final = "has_reference"
REFERENCE_PHASE: Final = "reference_phase"
SPACE_GROUP: Final = "space_group"
SPACE_GROUP_NUMBER: Final = "space_group_number"
DUPLICATE_OF: Final = "duplicate_of"
COPIES: Final = "copies"
ORDER_FLIPS: Final = "order_flips"
NOVELTY: Final = "novelty"
PROTOTYPE: Final = "prototype"
TRIALS: Final = "trials"
UNCHANGED: Final = "unchanged"
MAGNETIC_ORDER: Final = "magnetic_order"
# What a framework was symmetrised with.
FRAMEWORK_SYMPREC: Final = "symprec"
FRAMEWORK_ANGLE_TOLERANCE: Final = "angle_tolerance"
# What databases say.
ENERGY_ABOVE_HULL: Final = "energy_above_hull"
# What filters say; NAME stands for that of a filter.
FILTER_PREFIX: Final = "filter_"
FILTER_SOURCE: Final = "filter_source"
FILTER_SURVIVED: Final = "filter_survived"
FILTER_FELL_AT: Final = "filter_fell_at"


@dataclass(frozen=True, slots=True)
class Key:
    """One key of ``Atoms.info``.

    Attributes:
        name: as it stands in ``info`` and in the columns of ``run.db``.
        type: of the value: "text", "integer", "number" or "boolean".
        unit: of a number; empty where it has none.
        meaning: one sentence.
        writers: the calls and commands that write it.
    """

    name: str
    type: str
    unit: str
    meaning: str
    writers: str


_ANY = "every call that makes or changes structures"
_EVALUATED = "relax, hull, search, cycle, refine, import, dft read, fetch"
_RELAXED = "relax, search, cycle, refine"
_SEEDED = "discover, synergy"
_COMPARED = "relax, hull, search, cycle, refine, import, dft read"

#: Every key, in the order in which the documentation shows them.
KEYS: Final[tuple[Key, ...]] = (
    Key(STRUCTURE_ID, "text", "", "Name of the structure, unique within a run and the same "
        "whenever the run is repeated.", _ANY),
    Key(PROPOSER, "text", "", "Proposer that made the structure or its earliest ancestor; "
        "another code's name for what was imported from it.", _ANY),
    Key(MODEL, "text", "", "Digest of the weights of the generative model that proposed the "
        "structure; absent where there is none. It says nothing of energies: see "
        f"`{ENERGY_MODEL}`.", _ANY),
    Key(SEED, "integer", "", "Seed of the run, from which every random choice follows; -1 where "
        "there is none.", _ANY),
    Key(PARENTS, "text", "", "Ids of the structures it was made from, joined by `;`. `relax` "
        "keeps the id of a structure: there the parent is the one of that id in the pool it was "
        "given.", _ANY),
    Key(STAGE, "text", "", "generated, relaxed, framework, inpainted or refined.", _ANY),
    Key(MOVE, "text", "", "Move that made the start of the relaxation.", "search"),
    Key(ORIGIN, "text", "", "What another code says of where its structure comes from.", "import"),
    Key(PROPOSED_SPACE_GROUP, "integer", "", "Space group in which a proposer placed the atoms, "
        "1 to 230; relaxation may leave it.", "propose, search"),
    Key(HOST_ATOMS, "integer", "", "How many atoms, the first ones, are those of the host that "
        "was completed.", "propose, cycle, refine, intercalate"),
    Key(GUEST_CONTENT, "number", "", "Guest atoms for each formula unit of the host.",
        "intercalate"),
    Key(EWALD_ENERGY, "number", "eV/atom", "Electrostatic energy of point charges in an "
        "ordered cell that was made of a disordered crystal.", "order, relax, refine, cycle"),
    Key(READING_NOTE, "text", "", "What a reader took for something else, such as deuterium for "
        "hydrogen; absent where it took all as it stands.", "every command that reads files"),
    Key(UNIT_NAMES, "text", "", "Names of its rigid units, joined by `;`, in the order of the "
        "numbers in the array `unit`, which says of every atom which unit it belongs to; the array "
        "`unit_atom` says which of that unit's atoms it is.", "propose and search with units"),
    Key(UNIT_CRYSTAL, "text", "", "Crystal of rigid units that it began as, from which models of "
        "units learn; JSON in base64, see `gencsp.proposers.units.record`.",
        "propose and search with units"),
    Key(OUTCOME, "text", "", "How the evaluation ended: converged, or why there is no result "
        "(see `gencsp.minimise.Outcome`).", "relax, hull, search, cycle, refine"),
    Key(REASON, "text", "", "What the outcome does not say, such as the constraint that cannot be "
        "held.", "relax, hull, search, cycle, refine"),
    Key(STEPS, "integer", "", "Steps that the minimiser took.", _RELAXED),
    Key(BROKEN_UNITS, "text", "", "Bonds of its rigid units that broke and bonds that formed "
        "between them during relaxation, joined by `;`; absent where there are none.",
        "relax, search"),
    Key(ENERGY_PER_ATOM, "number", "eV/atom", "Potential energy.", _EVALUATED),
    Key(ENTHALPY_PER_ATOM, "number", "eV/atom", "Potential energy and pressure times volume, at "
        f"the pressure `{PRESSURE}`.", _COMPARED),
    Key(PRESSURE, "number", "GPa", "External pressure that the structure was relaxed, evaluated or "
        "proposed at.", f"propose, {_COMPARED}"),
    Key(VOLUME_PER_ATOM, "number", "Å³/atom", "Volume of the cell per atom, at that pressure.",
        _COMPARED),
    Key(ENERGY_MODEL, "text", "", "Potential and weights, or level of theory, that made the "
        "energies, such as `chgnet-0.3.0`. Energies of different models are never compared.",
        _EVALUATED),
    Key(ENERGY_DIGEST, "text", "", "Short hash of the weights of that potential, 12 hexadecimal "
        "digits.", "relax, hull, search, cycle, refine"),
    Key(DECOMPOSITION_ENERGY, "number", "eV/atom", "Energy less that of the phases that the hull "
        "references decompose into at this composition; negative below the hull. At zero pressure "
        "alone.", _EVALUATED),
    Key(DECOMPOSITION_ENTHALPY, "number", "eV/atom", "The same under pressure: enthalpy less that "
        f"of phases that were relaxed at the same `{PRESSURE}`; in place of "
        f"`{DECOMPOSITION_ENERGY}`.", _COMPARED),
    Key(DECOMPOSITION, "text", "", "These phases, the largest share first: of each its share of "
        "the atoms, formula and, where it is known, space group, such as `0.667 Li2O Fm-3m + 0.333 "
        "SiO2 P3_121`.", _EVALUATED),
    Key(HAS_REFERENCE, "boolean", "", "Whether a hull reference has this very composition. Without "
        f"one a `{DECOMPOSITION_ENERGY}` or `{DECOMPOSITION_ENTHALPY}` below -0.005 eV/atom mostly "
        "says that a phase is missing from the hull; tables show it as `no reference`.",
        _EVALUATED),
    Key(REFERENCE_PHASE, "text", "", "Hull reference that is this crystal: formula, space group, "
        "source and id; absent where it is none whose crystal is known.", _EVALUATED),
    Key(SPACE_GROUP, "text", "", "Hermann-Mauguin symbol of the space group.",
        f"{_EVALUATED}, propose, refine"),
    Key(SPACE_GROUP_NUMBER, "integer", "", "1 to 230.", f"{_EVALUATED}, propose, refine"),
    Key(DUPLICATE_OF, "text", "", "Id of a better-ranked structure that is the same crystal; "
        "absent where there is none.", "search, cycle, refine, and `gencsp relax`"),
    Key(COPIES, "integer", "", "How many structures of the run or the pools are this crystal, "
        "itself included; absent from duplicates.", "dedup, search, cycle, refine, and "
        "`gencsp relax`"),
    Key(NOVELTY, "text", "", "new framework, new crystal (of a known framework) or known "
        "crystal, by the reference crystals and prototypes that ship with gencsp.", _SEEDED),
    Key(PROTOTYPE, "text", "", "Known framework that it has, species aside; absent where none is "
        "known.", _SEEDED),
    Key(TRIALS, "integer", "", "Trials of the search of its composition; 0 where there was none.",
        _SEEDED),
    Key(UNCHANGED, "boolean", "", "Whether a generated structure relaxes to this crystal without a "
        "search.", "discover"),
    Key(ORDER_FLIPS, "text", "", "Ids, joined by `;`, of structures of the same composition whose "
        "order with this one is another by a second potential; absent where there is none.",
        "search, cycle and second-opinion, in second_opinion.extxyz"),
    Key(MAGNETIC_ORDER, "text", "", "Order of the magnetic moments that the calculation starts "
        "from: ferromagnetic, antiferromagnetic or ferrimagnetic; absent where none was asked for.",
        "dft write, dft read"),
    Key(FRAMEWORK_SYMPREC, "number", "Å", "Tolerance at which a framework was symmetrised.",
        "cycle, refine"),
    Key(FRAMEWORK_ANGLE_TOLERANCE, "number", "degree", "The same, of angles.", "cycle, refine"),
    Key(ENERGY_ABOVE_HULL, "number", "eV/atom", "What a database says of the structure; of its "
        "own energies, not of gencsp's.", "fetch"),
    Key(FILTER_SOURCE, "text", "", "File and place, or id, of the structure that was judged.",
        "filter"),
    Key(FILTER_SURVIVED, "boolean", "", "Whether it passed every filter.", "filter"),
    Key(FILTER_FELL_AT, "text", "", "First filter that it did not pass; absent where there is "
        "none.", "filter"),
    Key(f"{FILTER_PREFIX}NAME", "boolean", "", "Whether it passed the filter NAME.", "filter"),
    Key(f"{FILTER_PREFIX}NAME_value", "number", "the filter's", "What the filter NAME measured.",
        "filter"),
    Key(f"{FILTER_PREFIX}NAME_low", "number", "the filter's", "Least value that passes; absent "
        "where there is no bound.", "filter"),
    Key(f"{FILTER_PREFIX}NAME_high", "number", "the filter's", "Largest value that passes; absent "
        "where there is no bound.", "filter"),
    Key(f"{FILTER_PREFIX}NAME_note", "text", "", "What the number does not say.", "filter"),
)  # fmt: skip

#: What an evaluation writes about the structure as it is; stale as soon as another one begins.
EVALUATION_KEYS: Final = frozenset(
    {
        OUTCOME,
        REASON,
        STEPS,
        ENERGY_PER_ATOM,
        ENTHALPY_PER_ATOM,
        PRESSURE,
        VOLUME_PER_ATOM,
        ENERGY_MODEL,
        ENERGY_DIGEST,
        DECOMPOSITION_ENERGY,
        DECOMPOSITION_ENTHALPY,
        DECOMPOSITION,
        HAS_REFERENCE,
        REFERENCE_PHASE,
        SPACE_GROUP,
        SPACE_GROUP_NUMBER,
    }
)
#: What else holds of a structure only until its atoms move; so do all keys of filters.
_OF_THIS_GEOMETRY: Final = frozenset(
    {
        DUPLICATE_OF,
        COPIES,
        ENERGY_ABOVE_HULL,
        ORDER_FLIPS,
        NOVELTY,
        PROTOTYPE,
        TRIALS,
        UNCHANGED,
        BROKEN_UNITS,
    }
)


@dataclass(frozen=True, slots=True)
class SymmetryTolerance:
    """How near a symmetry must be to count, in Å and degrees: by default as in the paper."""

    symprec: Symprec = SYMPREC
    angle: AngleTolerance = ANGLE_TOLERANCE

    def __post_init__(self) -> None:
        check_fields(self)


#: A decomposition energy below this, eV/atom, is not shown as a number where no hull reference has
#: the composition: by so little may a new phase stand out of the hull, by more a missing one does.
NO_REFERENCE_BELOW: Final = -0.005
#: What is shown in its place.
NO_REFERENCE: Final = "no reference"


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What a decomposition energy stands on.

    Attributes:
        decomposition: the phases that it is taken against, see :data:`DECOMPOSITION`.
        has_reference: whether a reference has this very composition.
        phase: the reference phase that the structure is; empty where it is none that is known.
    """

    decomposition: str
    has_reference: bool
    phase: str = ""


class Reference(Protocol):
    """A hull of known phases that gives decomposition energies, or enthalpies at its pressure."""

    def require_pressure(self, pressure: float) -> None:
        """Raise ``HullReferenceError`` unless the references are at this pressure, GPa."""
        ...

    def decomposition_energy(self, composition: Composition, energy_per_atom: float) -> float:
        """Energy above the hull in eV/atom, negative below it; of enthalpies under pressure."""
        ...

    def basis(self, atoms: Atoms, energy_per_atom: float) -> Basis:
        """What that decomposition energy stands on."""
        ...


class Ended(Protocol):
    """The members of :class:`~gencsp.minimise.result.Relaxed` that :func:`record` uses."""

    @property
    def atoms(self) -> Atoms:
        """The last structure."""
        ...

    @property
    def outcome(self) -> str:
        """How it ended, see :class:`~gencsp.minimise.result.Outcome`."""
        ...

    @property
    def reason(self) -> str:
        """Why it failed; empty where it did not."""
        ...

    @property
    def steps(self) -> int:
        """Steps taken."""
        ...

    @property
    def broken_units(self) -> str:
        """What became of its rigid units; empty where they are whole, or there are none."""
        ...

    @property
    def converged(self) -> bool:
        """Whether forces and stresses fell below their limits."""
        ...

    @property
    def energy(self) -> float:
        """eV."""
        ...

    @property
    def enthalpy(self) -> float:
        """eV, with the pressure's share."""
        ...

    @property
    def pressure(self) -> float:
        """External pressure of the relaxation, GPa."""
        ...

    @property
    def energy_model(self) -> str:
        """Potential that made the energy."""
        ...

    @property
    def energy_digest(self) -> str:
        """Hash of the potential's weights."""
        ...


def record(result: Ended, tolerance: SymmetryTolerance | None = None) -> Atoms:
    """The structure of a relaxation, with its results in ``info`` (changed in place).

    Results of an earlier run or another model are removed first. Always written are
    ``outcome`` and ``steps``; where it converged also ``energy_per_atom`` and
    ``enthalpy_per_atom`` (eV/atom) with ``energy_model`` and ``energy_digest``, ``pressure`` (GPa),
    ``volume_per_atom`` (Å³/atom), ``space_group`` and ``space_group_number``; where there is one,
    ``reason``.
    """
    atoms = result.atoms
    clear_results(atoms, moved=True)
    atoms.info[OUTCOME] = str(result.outcome)
    atoms.info[STEPS] = int(result.steps)
    if result.reason:
        atoms.info[REASON] = result.reason
    if result.broken_units:
        atoms.info[BROKEN_UNITS] = result.broken_units
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
            stale |= key in _OF_THIS_GEOMETRY or str(key).startswith(FILTER_PREFIX)
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


def lacks_reference(info: Mapping[str, Any]) -> bool:
    """Whether a decomposition energy or enthalpy is so low because of a missing reference.

    It is below ``NO_REFERENCE_BELOW``, and it is known that no reference has the composition. Where
    one has, a negative energy is a lower polymorph, by the potential.
    """
    energy = above_hull(info)
    if energy is None or energy >= NO_REFERENCE_BELOW or HAS_REFERENCE not in info:
        return False
    return _is_false(info[HAS_REFERENCE])


def shown_decomposition_energy(info: Mapping[str, Any]) -> str:
    """As tables show it: eV/atom to a tenth of a meV, "no reference", or nothing."""
    energy = above_hull(info)
    if lacks_reference(info):
        return NO_REFERENCE
    return "" if energy is None else f"{energy:.4f}"


def shown_reference(info: Mapping[str, Any]) -> str:
    """As tables show it: ``= NAME`` of the reference phase that it is, or whether there is one."""
    if info.get(REFERENCE_PHASE):
        return f"= {info[REFERENCE_PHASE]}"
    if HAS_REFERENCE not in info:
        return ""
    return "none" if _is_false(info[HAS_REFERENCE]) else "yes"


def _is_false(value: object) -> bool:
    """Whether a boolean is false, also as files and databases write it."""
    return str(value).lower() in ("false", "f", "0")


def name_space_group(atoms: Atoms, tolerance: SymmetryTolerance | None = None) -> None:
    """Set ``space_group`` and ``space_group_number`` in ``info``."""
    at = SymmetryTolerance() if tolerance is None else tolerance
    group = space_group(atoms, symprec=at.symprec, angle_tolerance=at.angle)
    atoms.info[SPACE_GROUP] = group.symbol
    atoms.info[SPACE_GROUP_NUMBER] = group.number


def number(info: Mapping[str, Any], key: str) -> float | None:
    """A finite number of ``info``; ``None`` where there is none, whatever a file says instead."""
    try:
        value = float(info.get(key, "nan"))
    except (TypeError, ValueError, OverflowError):
        return None
    return value if isfinite(value) else None


def above_hull(info: Mapping[str, Any]) -> float | None:
    """The decomposition energy, or under pressure enthalpy, eV/atom; ``None`` without either."""
    value = number(info, DECOMPOSITION_ENERGY)
    return number(info, DECOMPOSITION_ENTHALPY) if value is None else value


def ranking_energy(info: Mapping[str, Any]) -> float | None:
    """The value by which tables are sorted, eV/atom.

    It is the decomposition energy, or under pressure the decomposition enthalpy; where there is
    none, the enthalpy; or else the energy, which under pressure does not count. The last two
    compare structures of one composition alone. ``None`` where there is none of them.
    """
    value = above_hull(info)
    if value is None:
        value = number(info, ENTHALPY_PER_ATOM)
    if value is None and not number(info, PRESSURE):
        value = number(info, ENERGY_PER_ATOM)
    return value


def stated_pressure(info: Mapping[str, Any]) -> float | None:
    """The pressure that a structure was relaxed, evaluated or proposed at, GPa.

    ``None`` where nothing says so. What another program calls ``pressure``, such as a rest of
    stress in a unit of its own, does not count: structures of gencsp have a ``stage``.
    """
    return number(info, PRESSURE) if STAGE in info else None


def pressures(structures: Iterable[Atoms]) -> set[float]:
    """All pressures of structures, GPa, see :func:`stated_pressure`; 0 where none is stated."""
    return {stated_pressure(atoms.info) or 0.0 for atoms in structures}


def failed(info: Mapping[str, Any]) -> bool:
    """Whether an evaluation ended without a result."""
    return str(info.get(OUTCOME, "converged")) != "converged"


def results_first(atoms: Atoms) -> tuple[bool, bool, bool, str, float]:
    """A key to sort by: the lowest first, then what has no energy, and failures at the end.

    Structures with a decomposition energy come before those with an energy alone, which is no
    energy above a hull: these come composition by composition, and the lowest of each first.
    """
    energy, above = ranking_energy(atoms.info), above_hull(atoms.info)
    alone = above is None and energy is not None
    formula = Composition.of(atoms).formula_key if alone else ""
    return failed(atoms.info), above is None, energy is None, formula, energy or 0.0


#: The keys by their names.
BY_NAME: Final[Mapping[str, Key]] = MappingProxyType({key.name: key for key in KEYS})
