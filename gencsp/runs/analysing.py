"""What a pool looks like beside known crystals, and what relaxation did to it: ``analyse``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp import records
from gencsp.composition import ELEMENTS
from gencsp.errors import RequestError
from gencsp.io.pools import InMemory
from gencsp.io.structures import atoms_of, name_of
from gencsp.measure.coordination import (
    Bond,
    Coordination,
    bond_length,
    coordination_by_crystal_nn,
    coordination_of,
)
from gencsp.measure.radial import (
    TOTAL,
    Difference,
    RadialSettings,
    differences,
    mean_distributions,
    pair_name,
)
from gencsp.measure.relaxation import (
    Change,
    Relaxation,
    Relaxations,
    Success,
    change,
    relaxations,
    stage_of,
    success_rates,
    without_repeats,
)
from gencsp.potentials.base import Engine
from gencsp.provenance import Stage
from gencsp.runs.pool_decks import AnalyseDeck, deck_of_call
from gencsp.runs.relaxing import engine_of

#: Groups of structures: stages of a run, what has none, and what is known.
UNSTAGED, KNOWN = "structures", "known"
#: Pools of up to so many elements have all their pairs analysed.
MOST_ELEMENTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What :func:`analyse` finds. Groups are stages of a run, ``structures`` and ``known``.

    Attributes:
        structures: how many each group has; frameworks and what did not converge are in none.
        distances: Å, of the radial distribution functions, shape (bins,).
        distributions: mean g(r) by group and pair, such as ``Li-S`` and ``total``, shape (bins,).
        differences: from the known structures, by group and pair; empty without any.
        coordination: coordination numbers by group.
        changes: what each relaxation changed.
        success: success rates by stage and number of atoms.
        notes: what is left out, and why, a sentence each.
    """

    structures: Mapping[str, int]
    distances: NDArray[np.float64]
    distributions: Mapping[str, Mapping[str, NDArray[np.float64]]]
    differences: Mapping[str, Mapping[str, Difference]]
    coordination: Mapping[str, Sequence[Coordination]]
    changes: Sequence[Change]
    success: Sequence[Success]
    notes: Sequence[str]


def analyse(
    structures: Iterable[Atoms] | Atoms,
    *,
    known: Iterable[Atoms] | Atoms = (),
    workers: int = 2,
    **settings: Any,
) -> Analysis:
    """Local order of structures beside known ones, and what relaxation changed.

    Radial distribution functions and coordination numbers of the structures of each stage (CHGGen,
    Fig. 2); ΔE and largest displacement on relaxation (Fig. 4a, b); the share that ends in a
    symmetric crystal against the number of atoms (Fig. 6).

    Args:
        structures: crystals, such as those of a run; those before and after relaxation are matched
            by ``structure_id`` and ``parents`` in ``info``.
        known: crystals to compare with.
        workers: CPU threads of the potential.
        settings: ``pairs``, ``reach``, ``bin_width``, ``broadening``, ``neighbours``,
            ``bond_factor``, ``low_symmetry``, ``potential`` and ``engine``, fields of
            :class:`~gencsp.runs.pool_decks.AnalyseDeck`, where each is described.

    Raises:
        DeckError: an unknown setting, or one out of range.
        StructureFileError: one of the structures is no crystal.
        RequestError: there are no structures; a pair of elements that they do not have; or known
            structures without any pair of theirs.
        PotentialError, EngineError: the potential is not available.
    """
    deck = deck_of_call(AnalyseDeck, {"workers": workers, **settings}, "out")
    engine = None if deck.potential is None else engine_of(deck, settings)
    return analysis_of(_crystals(structures), _crystals(known, "known"), deck, engine)


def analysis_of(
    structures: Sequence[Atoms], known: Sequence[Atoms], deck: AnalyseDeck, engine: Engine | None
) -> Analysis:
    """As :func:`analyse`, of crystals that were read and checked.

    Args:
        structures: of the pool.
        known: to compare with.
        deck: the settings.
        engine: evaluates structures before relaxation; ``None`` for the energies that they have.

    Raises:
        RequestError: as :func:`analyse`.
    """
    pool = without_repeats(structures)
    if not pool:
        raise RequestError("there are no structures to analyse: give a pool that holds some.")
    settings = RadialSettings(
        reach=deck.reach, bin_width=deck.bin_width, broadening=deck.broadening
    )
    groups = _groups(pool)
    if not groups:
        raise RequestError(
            "the pool has frameworks and relaxations that failed alone: give a pool that holds "
            "crystals."
        )
    notes: list[str] = []
    names = _pairs(groups, deck.pairs, notes)
    if known:
        # A run may be what others are compared with: of it, too, whole crystals alone.
        groups[KNOWN] = [atoms for some in _groups(known).values() for atoms in some]
    distributions = {
        group: {name: g for name, g in mean_distributions(some, settings).items() if name in names}
        for group, some in groups.items()
    }
    return Analysis(
        structures={group: len(some) for group, some in groups.items()},
        distances=settings.distances,
        distributions=distributions,
        differences=_differences(distributions, notes),
        coordination=_coordination(groups, names, deck, notes),
        notes=notes,
        **_of_relaxations(pool, deck, engine, notes),
    )


def _crystals(given: Iterable[Atoms] | Atoms, what: str = "structures") -> list[Atoms]:
    """Copies of what a call was given, each checked to be a crystal."""
    return [
        one
        for number, atoms in enumerate(atoms_of(given, what=what))
        for one in InMemory(name_of(atoms, number), atoms).load()
    ]


def _groups(pool: Sequence[Atoms]) -> dict[str, list[Atoms]]:
    """Whole crystals by stage, in the order of the stages."""
    order = [stage for stage in Stage if stage is not Stage.FRAMEWORK]
    groups: dict[str, list[Atoms]] = {str(stage): [] for stage in order} | {UNSTAGED: []}
    for atoms in pool:
        stage = stage_of(atoms)
        if stage is not Stage.FRAMEWORK and not records.failed(atoms.info):
            groups[UNSTAGED if stage is None else str(stage)].append(atoms)
    return {name: some for name, some in groups.items() if some}


def _pairs(
    groups: Mapping[str, Sequence[Atoms]], given: Sequence[str] | None, notes: list[str]
) -> list[str]:
    """Names of the pairs to analyse, with the total."""
    there = sorted({symbol for some in groups.values() for a in some for symbol in set(a.symbols)})
    if given is not None:
        return [TOTAL, *dict.fromkeys(_read_pair(text, there) for text in given)]
    if len(there) > MOST_ELEMENTS:
        notes.append(
            f"the pool has {len(there)} elements: pairs of them are left out, choose some with "
            f"--pairs, such as --pairs {there[0]}-{there[1]}."
        )
        return [TOTAL]
    return [TOTAL, *(pair_name(a, b) for a, b in combinations_with_replacement(there, 2))]


def _read_pair(text: str, there: Sequence[str]) -> str:
    one, dash, other = text.partition("-")
    if not dash or one not in ELEMENTS or other not in ELEMENTS:
        raise RequestError(f"{text!r} is no pair of elements: write it as in Li-S.")
    for symbol in (one, other):
        if symbol not in there:
            raise RequestError(f"no structure has {symbol}: choose pairs of {', '.join(there)}.")
    return pair_name(one, other)


def _coordination(
    groups: Mapping[str, Sequence[Atoms]],
    names: Sequence[str],
    deck: AnalyseDeck,
    notes: list[str],
) -> dict[str, list[Coordination]]:
    """Coordination numbers of each group that has any."""
    cutoffs = _cutoffs(names, deck.bond_factor)
    if deck.neighbours == "distance":
        found = {group: coordination_of(some, cutoffs) for group, some in groups.items()}
        return {group: rows for group, rows in found.items() if rows}
    if "bond_factor" in deck.given:
        raise RequestError("CrystalNN has no bond factor: leave it out, or take distances.")
    found, missing = {}, 0
    for group, some in groups.items():
        found[group], left_out = coordination_by_crystal_nn(some, cutoffs)
        missing += left_out
    if missing:
        notes.append(
            f"{missing} structures have an atom without a Voronoi polyhedron for CrystalNN: they "
            f"are left out of the coordination numbers."
        )
    return {group: rows for group, rows in found.items() if rows}


def _cutoffs(names: Sequence[str], factor: float) -> dict[Bond, float]:
    """Largest distance of neighbours, in both directions of each pair."""
    found: dict[Bond, float] = {}
    for name in names:
        if name != TOTAL:
            one, other = name.split("-")
            found[one, other] = found[other, one] = bond_length(one, other, factor)
    return found


def _differences(
    distributions: Mapping[str, Mapping[str, NDArray[np.float64]]], notes: list[str]
) -> dict[str, dict[str, Difference]]:
    if KNOWN not in distributions:
        return {}
    known = distributions[KNOWN]
    others = {group: some for group, some in distributions.items() if group != KNOWN}
    asked = {name for some in others.values() for name in some}
    lacking = sorted(asked - known.keys())
    if asked - {TOTAL} and asked - {TOTAL} <= set(lacking):
        raise RequestError(
            f"no known structure has a pair of elements of the pool ({', '.join(lacking)}): give "
            f"structures of its elements with --known."
        )
    if lacking:
        notes.append(f"no known structure has {', '.join(lacking)}: these are not compared.")
    return {group: differences(some, known) for group, some in others.items()}


def _of_relaxations(
    pool: Sequence[Atoms], deck: AnalyseDeck, engine: Engine | None, notes: list[str]
) -> dict[str, Any]:
    """Changes and success rates, for :class:`Analysis`."""
    found = relaxations(pool)
    _say_what_is_lost(found, notes)
    if not found.pairs:
        notes.append(
            "ΔE, displacements and success rates are left out: they take structures before and "
            "after relaxation, such as run.db of a cycle, or the files that relax read and wrote."
        )
        return {"changes": [], "success": []}
    pairs = found.pairs if engine is None else _evaluated(found.pairs, engine, deck.workers, notes)
    changes = [change(one) for one in pairs]
    without = sum(np.isnan(one.energy) for one in changes)
    if without:
        how = (
            "give the potential that relaxed the structures with --potential"
            if engine is None
            else "their energies are of another potential, or could not be had"
        )
        notes.append(f"ΔE is not known of {without} of {len(changes)} relaxations: {how}.")
    success = success_rates(pool, pairs, deck.low_symmetry)
    if not success:
        notes.append(
            "success rates are left out: the structures before relaxation do not say whether they "
            "were generated or inpainted, as those of cycle and propose do."
        )
    return {"changes": changes, "success": success}


def _say_what_is_lost(found: Relaxations, notes: list[str]) -> None:
    if found.lost and found.pairs:
        notes.append(
            f"{found.lost} relaxed structures are left out of ΔE and displacements: what they "
            f"began from is not in the pool."
        )
    if found.ambiguous:
        notes.append(
            f"{found.ambiguous} relaxed structures are left out of ΔE and displacements: several "
            f"structures have the id of what they began from; analyse one run at a time."
        )


def _evaluated(
    pairs: Sequence[Relaxation], engine: Engine, workers: int, notes: list[str]
) -> list[Relaxation]:
    """The same with energies before relaxation by a potential."""
    evaluations = engine.evaluate([one.before for one in pairs], workers=workers)
    evaluated, failures = [], Counter[str]()
    for (start, after), evaluation in zip(pairs, evaluations, strict=True):
        before = start.copy()
        records.clear_results(before)
        if evaluation.failure is None:
            records.write_energy(
                before, evaluation.energy, model=engine.model, digest=engine.digest
            )
        else:
            failures[str(evaluation.failure)] += 1
        evaluated.append(Relaxation(before, after))
    if failures:
        reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(failures.items()))
        notes.append(f"structures before relaxation that could not be evaluated: {reasons}.")
    return evaluated
