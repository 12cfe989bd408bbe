"""Potentials of other packages that evaluate several structures in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import numpy as np
from ase import Atoms
from ase.stress import full_3x3_to_voigt_6_stress

from gencsp.minimise.calculator import Numbers, checked_values
from gencsp.minimise.crystals import Crystals
from gencsp.minimise.inflight import relax_in_flight
from gencsp.minimise.result import Outcome, PathCallback, Relaxed, StepCallback
from gencsp.minimise.settings import RelaxSettings
from gencsp.minimise.verdicts import check_input, too_close
from gencsp.potentials.base import Evaluation

#: Energy (eV), forces (n, 3) in eV/Å and stress (3, 3) in eV/Å³ of each crystal of a batch.
EvaluateBatch = Callable[[list[Atoms]], list[Numbers]]


class BatchEngine:
    """See :class:`~gencsp.potentials.base.Engine`; batches in one process.

    Args:
        evaluate: computes a batch whose elements it knows.
        model: what the hull calls it, such as "sevennet-7net-0".
        digest: short hash of the weights.
        elements: that it was made for.
        max_atoms: of one batch, unless a single crystal is larger.
    """

    name = "batched"

    def __init__(
        self,
        evaluate: EvaluateBatch,
        *,
        model: str,
        digest: str,
        elements: frozenset[str],
        max_atoms: int,
    ) -> None:
        self.model = model
        self.digest = digest
        self.elements = elements
        self.max_atoms = max_atoms
        self._evaluate_batch = evaluate

    def evaluate(
        self,
        structures: Sequence[Atoms],
        *,
        magmoms: bool = False,  # noqa: ARG002  # such potentials have none
        workers: int = 1,  # noqa: ARG002  # one batch at a time
    ) -> list[Evaluation]:
        """See :class:`~gencsp.potentials.base.Engine`; moments are not given."""
        return [
            found
            for batch in _batches(structures, self.max_atoms)
            for found in self._evaluations(batch)
        ]

    def relax(
        self,
        structures: Iterable[Atoms],
        settings: RelaxSettings,
        *,
        workers: int = 1,  # noqa: ARG002
        on_step: StepCallback | None = None,
        on_path: PathCallback | None = None,
    ) -> Iterator[Relaxed]:
        """See :class:`~gencsp.potentials.base.Engine`."""
        results = relax_in_flight(
            structures,
            settings,
            partial(checked_values, self._known),
            max_atoms=self.max_atoms,
            on_step=on_step,
            on_path=on_path,
        )
        return (result.made_by(self.model, self.digest) for result in results)

    def _known(self, batch: list[Atoms]) -> list[Numbers | Outcome]:
        """Numbers of the crystals whose elements are known, and a verdict on the others."""
        known = [set(atoms.get_chemical_symbols()) <= self.elements for atoms in batch]
        good = [atoms for atoms, knows in zip(batch, known, strict=True) if knows]
        numbers = iter(self._evaluate_batch(good) if good else [])
        return [next(numbers) if knows else Outcome.BAD_INPUT for knows in known]

    def _evaluations(self, batch: list[Atoms]) -> Iterator[Evaluation]:
        verdicts = [check_input(atoms) for atoms in batch]
        good = [atoms for atoms, verdict in zip(batch, verdicts, strict=True) if verdict is None]
        found = iter(self._checked(good) if good else [])
        for atoms, verdict in zip(batch, verdicts, strict=True):
            yield next(found) if verdict is None else Evaluation.failed(verdict, len(atoms))

    def _checked(self, batch: list[Atoms]) -> Iterator[Evaluation]:
        values = checked_values(self._known, Crystals.from_atoms(batch))
        forces = np.split(values.forces, np.cumsum([len(atoms) for atoms in batch])[:-1])
        for k, atoms in enumerate(batch):
            failure = values.failures[k]
            if failure is None and too_close(float(values.closest[k])):
                failure = Outcome.TOO_CLOSE
            if failure is not None:
                yield Evaluation.failed(failure, len(atoms))
                continue
            yield Evaluation(
                energy=float(values.energies[k]),
                forces=forces[k],
                stress=np.asarray(full_3x3_to_voigt_6_stress(values.stresses[k])),
            )


def _batches(structures: Sequence[Atoms], max_atoms: int) -> Iterator[list[Atoms]]:
    batch: list[Atoms] = []
    for atoms in structures:
        if batch and sum(map(len, batch)) + len(atoms) > max_atoms:
            yield batch
            batch = []
        batch.append(atoms)
    if batch:
        yield batch
