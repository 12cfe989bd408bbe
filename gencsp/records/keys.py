"""The keys that gencsp writes into ``Atoms.info``: its file format.

:data:`KEYS` says of each what it holds, in which unit, and who writes it; ``docs/file_format.md``
is made from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

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
CONFIDENCE: Final = "confidence"
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
UNIT_BOND_CHANGE: Final = "unit_bond_change"
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
XRD_SIMILARITY: Final = "xrd_similarity"
XRD_STRAIN: Final = "xrd_strain"
MAGNETIC_ORDER: Final = "magnetic_order"
# What a benchmark suite says.
KNOWN_CRYSTAL: Final = "known_crystal"
COMPARED_WITH: Final = "compared_with"
RANK: Final = "rank"
RMS_TO_KNOWN: Final = "rms_to_known"
PROCESSOR_SECONDS: Final = "processor_seconds"
RELAXATIONS: Final = "relaxations"
FOUND_AFTER: Final = "found_after"
LOWER_AFTER: Final = "lower_after"
ENERGY_ABOVE_KNOWN: Final = "energy_above_known"
VALID_STRUCTURE: Final = "valid_structure"
VALID_COMPOSITION: Final = "valid_composition"
STRUCTURE_FINGERPRINT: Final = "structure_fingerprint"
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
    Key(CONFIDENCE, "number", "", "Probability that a proposal is the crystal sought, where the "
        "proposer has one to tell.", "propose, search"),
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
        "`unit_atom` says which of that unit's atoms it is.",
        "propose, search and cycle with units"),
    Key(UNIT_CRYSTAL, "text", "", "Crystal of rigid units that it began as, from which models of "
        "units learn; JSON in base64, see `gencsp.proposers.units.record`.",
        "propose, search and cycle with units"),
    Key(OUTCOME, "text", "", "How the evaluation ended: converged, or why there is no result "
        "(see `gencsp.minimise.Outcome`).", "relax, hull, search, cycle, refine"),
    Key(REASON, "text", "", "What the outcome does not say, such as the constraint that cannot be "
        "held.", "relax, hull, search, cycle, refine"),
    Key(STEPS, "integer", "", "Steps that the minimiser took.", _RELAXED),
    Key(BROKEN_UNITS, "text", "", "Bonds of its rigid units that broke and bonds that formed "
        "between them during relaxation, joined by `;`; absent where there are none.",
        "relax, search, cycle"),
    Key(UNIT_BOND_CHANGE, "number", "", "By how much the bond of a rigid unit that changed most "
        "during relaxation is longer, as a share of its length before; negative where it is "
        "shorter.", "relax, search, cycle"),
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
    Key(XRD_SIMILARITY, "number", "", "Similarity of its powder pattern and the measured one, 0 to "
        "1, the cell allowed to breathe (see `gencsp.powder.similarity`).",
        "relax, hull, search, cycle"),
    Key(XRD_STRAIN, "text", "", "Strain of the cell at which that similarity is reached: xx, yy, "
        "zz, yz, xz and xy of the symmetric tensor, joined by `;`.", "relax, hull, search, cycle"),
    Key(ORDER_FLIPS, "text", "", "Ids, joined by `;`, of structures of the same composition whose "
        "order with this one is another by a second potential; absent where there is none.",
        "search, cycle and second-opinion, in second_opinion.extxyz"),
    Key(MAGNETIC_ORDER, "text", "", "Order of the magnetic moments that the calculation starts "
        "from: ferromagnetic, antiferromagnetic or ferrimagnetic; absent where none was asked for.",
        "dft write, dft read"),
    Key(KNOWN_CRYSTAL, "text", "", "Known crystal of a benchmark suite that it was made for: the "
        "formula of its cell, and its number among those of that formula.", "bench"),
    Key(COMPARED_WITH, "text", "", "The same, of a copy of a structure that was made for another "
        "crystal of the composition and is the one that matches this best.", "bench"),
    Key(RANK, "integer", "", "Its place, from 0, in the order in which the proposer gave it.",
        "bench"),
    Key(RMS_TO_KNOWN, "number", "", "Root mean square distance of its atoms from those of that "
        "crystal, in units of (V/N)^(1/3); absent where they do not match.", "bench"),
    Key(PROCESSOR_SECONDS, "number", "s", "Processor time that it took; differs from run to run.",
        "bench"),
    Key(RELAXATIONS, "integer", "", "Relaxations of the search of which it is the lowest "
        "structure.", "bench"),
    Key(FOUND_AFTER, "integer", "", "So many of them until that search had found the known "
        "crystal; absent where it did not.", "bench"),
    Key(LOWER_AFTER, "integer", "", "So many until it had a structure lower than the known "
        "crystal; absent where it had none.", "bench"),
    Key(ENERGY_ABOVE_KNOWN, "number", "eV/atom", "Energy less that of the known crystal, relaxed "
        "by the same potential; absent where that does not relax.", "bench"),
    Key(VALID_STRUCTURE, "boolean", "", "Whether no two of its atoms are within 0.5 Å and its cell "
        "has 0.1 Å³ or more, as CDVAE has it.", "bench"),
    Key(VALID_COMPOSITION, "boolean", "", "Whether it passes SMACT's rules, as CDVAE has them.",
        "bench"),
    Key(STRUCTURE_FINGERPRINT, "text", "", "CDVAE's structure fingerprint, JSON; absent where it "
        "has none.", "bench"),
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
GEOMETRY_KEYS: Final = frozenset(
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
        UNIT_BOND_CHANGE,
        XRD_SIMILARITY,
        XRD_STRAIN,
    }
)

#: The keys by their names.
BY_NAME: Final[Mapping[str, Key]] = MappingProxyType({key.name: key for key in KEYS})
