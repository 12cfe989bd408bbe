"""Structures made elsewhere: which known crystal each counts for, and in which order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np
from ase import Atoms

from gencsp import records
from gencsp.composition import Composition
from gencsp.io.structures import name_of
from gencsp.provenance import Provenance, Stage
from gencsp.store.base import portable
from gencsp.suites.truths import KnownCrystal

#: Orders by the energy, which is that of the whole cell where no energy per atom is known.
ENERGY = "energy"
#: Proposer of structures that name none.
UNKNOWN = "given"


@dataclass(slots=True)
class Given:
    """Structures by the known crystals that they count for.

    Attributes:
        of: by the keys of the crystals, in the order in which they were given.
        total: how many there are.
        others: how many are of no known crystal's composition.
    """

    of: dict[str, list[Atoms]] = field(default_factory=lambda: defaultdict(list))
    total: int = 0
    others: int = 0


def sort_out(structures: Iterable[Atoms], crystals: Sequence[KnownCrystal]) -> Given:
    """Find the known crystals that structures count for.

    A structure counts for the crystal that its ``known_crystal`` in ``info`` names. One that names
    none counts for all of its reduced formula that have as many atoms in the cell, or for all of
    its reduced formula where none has as many. Copies that a run of a suite compared with another
    crystal are passed over.

    Args:
        structures: in the order in which their maker trusts them.
        crystals: all that are known, also those that are not looked at.
    """
    by_key = {one.key: one for one in crystals}
    by_formula: dict[Composition, list[KnownCrystal]] = defaultdict(list)
    for one in crystals:
        by_formula[one.composition].append(one)
    given = Given()
    for atoms in structures:
        if records.COMPARED_WITH in atoms.info:
            continue
        given.total += 1
        alike = by_formula.get(Composition.of(atoms).reduced, [])
        named = by_key.get(str(atoms.info.get(records.KNOWN_CRYSTAL)))
        if not alike:
            given.others += 1
        if named in alike:
            alike = [named]
        for one in [one for one in alike if len(one.atoms) == len(atoms)] or alike:
            given.of[one.key].append(atoms)
    return given


def prepared(
    structures: Sequence[Atoms],
    crystal: KnownCrystal,
    *,
    n: int,
    relaxed: bool,
    by: str | None,
) -> list[Atoms]:
    """The structures that count for a crystal, ready to be judged.

    Args:
        structures: of the crystal, in their order.
        crystal: which one.
        n: how many count, of those that are relaxed and of those that are not.
        relaxed: all are relaxed; else those are whose ``outcome`` is known.
        by: number of ``info`` that must be kept, or :data:`ENERGY`.

    Returns:
        Copies with provenance and ``rank``; of relaxed ones ``outcome`` says so.
    """
    seen = Counter[bool]()
    found = []
    for place, atoms in enumerate(structures):
        ended = relaxed or records.OUTCOME in atoms.info
        if seen[ended] == n:
            continue
        copy = portable(atoms)
        copy.info.pop(records.RMS_TO_KNOWN, None)
        copy.info.pop(records.PROCESSOR_SECONDS, None)
        energy = energy_per_atom(atoms)
        if energy is not None:
            copy.info[records.ENERGY_PER_ATOM] = energy
        value = None if by is None or by == ENERGY else _number(atoms, by)
        if by is not None and value is not None:
            copy.info[by] = value
        if ended:
            copy.info.setdefault(records.OUTCOME, "converged")
        copy.info[records.RANK] = seen[ended]
        seen[ended] += 1
        Provenance(
            structure_id=f"{'r' if ended else 'g'}{crystal.key}-{place:04d}",
            proposer=str(atoms.info.get(records.PROPOSER, UNKNOWN)),
            stage=Stage.RELAXED if ended else Stage.GENERATED,
            parents=name_of(atoms, place),
        ).write(copy)
        found.append(copy)
    return found


def energy_per_atom(atoms: Atoms) -> float | None:
    """Energy that a structure or its file states, eV/atom; ``None`` where it states none."""
    stated = records.number(atoms.info, records.ENERGY_PER_ATOM)
    if stated is not None:
        return stated
    whole = _number(atoms, ENERGY)
    return None if whole is None else whole / len(atoms)


def lacking(structures: Iterable[Atoms], by: str) -> int:
    """How many structures have no number to be ordered by."""
    if by == ENERGY:
        return sum(energy_per_atom(atoms) is None for atoms in structures)
    return sum(_number(atoms, by) is None for atoms in structures)


def digest_of_given(given: Mapping[str, Sequence[Atoms]], by: str | None) -> str:
    """Short hash of structures with what they are ordered by, 12 hexadecimal digits."""
    hashed = sha256()
    for key in sorted(given):
        hashed.update(key.encode())
        for atoms in given[key]:
            value = None if by is None else _number(atoms, by)
            hashed.update(f"{value} {energy_per_atom(atoms)} {_outcome(atoms)}".encode())
            for values in (atoms.numbers, atoms.positions, atoms.cell.array):
                hashed.update(np.round(np.asarray(values, dtype=float), 6).tobytes())
    return hashed.hexdigest()[:12]


def _outcome(atoms: Atoms) -> str:
    return str(atoms.info.get(records.OUTCOME, ""))


def _number(atoms: Atoms, key: str) -> float | None:
    """A number of ``info``, or of the results that a file keeps beside it, as of energies."""
    value = records.number(atoms.info, key)
    if value is None and atoms.calc is not None:
        value = records.number(getattr(atoms.calc, "results", {}), key)
    return value
