"""The results of a search: energies, the hull, duplicates and the lowest structure."""

from __future__ import annotations

from collections import Counter

from ase import Atoms

from gencsp import records
from gencsp.composition import Composition
from gencsp.convex_hull.entries import HullEntry
from gencsp.deck import NonNegative, check
from gencsp.powder.similarity import PatternComparison
from gencsp.searches import tasks
from gencsp.searches.contracts import HullReference, LiveHull
from gencsp.searches.duplicates import Duplicates, IndexedDuplicates
from gencsp.searches.trial import TrialResult
from gencsp.similarity import same_crystal
from gencsp.similarity.tolerances import NEW_MINIMUM
from gencsp.store.base import Finished


class Ledger:
    """Judges relaxed structures in the order of the trials, and counts them.

    Args:
        hull: gives decomposition energies; ``None`` where there are to be none, and structures of
            one composition are compared by their enthalpy alone.
        live: the same hull where it grows with the search, in a chemical system; else ``None``.
        duplicates: finds families of crystals that were seen before.
        targets: known crystals to recognise, by pymatgen's matcher at its defaults.
        pattern: compares structures with a measured powder pattern; ``None`` for none.
        pattern_weight: what the similarity of the patterns counts in the fitness, eV/atom.

    Attributes:
        best: the structure of lowest fitness so far; ``None`` before there is one.
        target: id of the first structure that is one of the targets; empty before there is one.
        relaxed: trials that were relaxed.
        relaxed_since_record: those of them since the last new minimum.
        failures: trials and proposals without a result, by reason.
        moves: number of trials by move.
        converged: number of converged trials by move.
        new: number of trials by move whose crystal, or another of its family, had not been seen
            before.
        records: number of trials by move that were a new minimum.
    """

    def __init__(
        self,
        *,
        hull: HullReference | None,
        live: LiveHull | None = None,
        duplicates: Duplicates | None = None,
        targets: tuple[Atoms, ...] = (),
        pattern: PatternComparison | None = None,
        pattern_weight: float = 0.0,
    ) -> None:
        check("pattern_weight", pattern_weight, NonNegative)
        self.hull = hull
        self.live = live
        self.duplicates = IndexedDuplicates() if duplicates is None else duplicates
        self.targets = targets
        self.pattern = pattern
        self.pattern_weight = pattern_weight
        self.best: Atoms | None = None
        self.target = ""
        self.relaxed = 0
        self.relaxed_since_record = 0
        self.failures: Counter[str] = Counter()
        self.moves: Counter[str] = Counter()
        self.converged: Counter[str] = Counter()
        self.new: Counter[str] = Counter()
        self.records: Counter[str] = Counter()
        self._best = float("inf")

    def price(self, finished: Finished) -> Finished:
        """Write E_d (eV/atom) into structures, before they are stored; an enthalpy under pressure.

        It is taken against the reference phases, not against a hull that grows. Without a hull
        none is written. With a measured powder pattern its similarity is written as well.

        Raises:
            HullReferenceError: no reference for one of the elements, or at another pressure.
        """
        if self.hull is not None:
            for atoms in finished.structures:
                records.write_decomposition_energy(atoms, self.hull)
        if self.pattern is not None:
            for atoms in tasks.usable(finished.structures):
                self.pattern.mark(atoms)
        return finished

    def fitness(self, atoms: Atoms) -> float:
        """Fitness in eV/atom, the lower the better: the enthalpy, or the energy above a live hull.

        On a live hull the fitness of a structure rises when the hull falls. A measured powder
        pattern lowers it by ``pattern_weight`` times the similarity.
        """
        energy = float(atoms.info[records.ENTHALPY_PER_ATOM])
        alike = self.pattern_weight * (records.number(atoms.info, records.XRD_SIMILARITY) or 0.0)
        if self.live is None:
            return energy - alike
        return self.live.energy_above(Composition.of(atoms), energy) - alike

    def judge(self, number: int, move: str, finished: Finished) -> TrialResult:
        """The result of a trial, given all trials before it.

        Slow steps come before anything is counted, so that a trial can be judged again where
        judging it was interrupted.
        """
        found = tasks.usable(finished.structures)
        seen_as = ""
        for atoms in found:
            self._look_for_target(atoms)
            seen_as = self.duplicates.add(atoms, float(atoms.info[records.ENTHALPY_PER_ATOM]))
        self.failures.update(finished.failures)
        self.moves[move] += 1
        if finished.structures or finished.failures.keys() - {tasks.NO_CHILD}:
            self.relaxed += 1
            self.relaxed_since_record += 1
        if not found:
            failure = next(iter(finished.failures), "no structure")
            return TrialResult(number=number, move=move, failure=failure)
        (atoms,) = found
        self.converged[move] += 1
        if not seen_as:
            self.new[move] += 1
        record = self._enter(atoms)
        if record:
            self.records[move] += 1
            self.relaxed_since_record = 0
        return TrialResult(
            number=number,
            move=move,
            atoms=atoms,
            fitness=self.fitness(atoms),
            seen_as=seen_as,
            record=record,
        )

    def _enter(self, atoms: Atoms) -> bool:
        """Whether a structure is lower than all before it; if so it is added to a live hull."""
        fitness = self.fitness(atoms)
        if self.live is not None:
            if fitness < 0:
                self.live.add(
                    HullEntry(
                        composition=Composition.of(atoms),
                        energy_per_atom=float(atoms.info[records.ENTHALPY_PER_ATOM]),
                        model=self.live.model,
                        pressure=self.live.pressure,
                        entry_id=str(atoms.info[records.STRUCTURE_ID]),
                    )
                )
            above = records.above_hull(atoms.info)
            assert above is not None, "a live hull has references"
            lowest = above
        else:
            lowest = fitness
        record = (fitness if self.live is not None else fitness - self._best) < -NEW_MINIMUM
        if lowest < self._best:
            self._best, self.best = lowest, atoms
        return record

    def _look_for_target(self, atoms: Atoms) -> None:
        if not self.target and any(same_crystal(atoms, target) for target in self.targets):
            self.target = str(atoms.info[records.STRUCTURE_ID])
