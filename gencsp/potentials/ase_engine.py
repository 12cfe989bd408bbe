"""Any calculator of ASE as an engine: the same verdicts, minimisers and contract as CHGNet's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ase import Atoms
from ase.calculators.calculator import Calculator

from gencsp.engine.base import Evaluation
from gencsp.relax.calculator import relax_with
from gencsp.relax.result import Outcome, Relaxed, StepCallback
from gencsp.relax.settings import RelaxSettings

#: Verdicts that come with numbers.
_EVALUATED = (Outcome.CONVERGED, Outcome.STEP_LIMIT)


class AseEngine:
    """See :class:`~gencsp.engine.base.Engine`; one structure and one thread at a time.

    Args:
        calculator: with energy, forces and stress.
        model: what the hull calls it, such as "sevennet-7net-0".
        digest: short hash of what makes its numbers.
    """

    name = "ase"

    def __init__(self, calculator: Calculator, *, model: str, digest: str) -> None:
        self.calculator = calculator
        self.model = model
        self.digest = digest

    def evaluate(
        self,
        structures: Sequence[Atoms],
        *,
        magmoms: bool = False,  # noqa: ARG002  # calculators differ in what they call so
        workers: int = 1,  # noqa: ARG002  # calculators are no good in threads
    ) -> list[Evaluation]:
        """See :class:`~gencsp.engine.base.Engine`; moments are not given.

        Raises:
            EngineError: the calculator has no stress.
        """
        still = RelaxSettings(steps=0)
        return [self._evaluation(relax_with(self.calculator, _bare(a), still)) for a in structures]

    def relax(
        self,
        structures: Iterable[Atoms],
        settings: RelaxSettings,
        *,
        workers: int = 1,  # noqa: ARG002
        on_step: StepCallback | None = None,
    ) -> Iterator[Relaxed]:
        """See :class:`~gencsp.engine.base.Engine`.

        Raises:
            EngineError: the calculator has no stress, and cells are to relax.
            ConstraintError: a structure has constraints that relaxation does not obey.
        """
        for index, atoms in enumerate(structures):
            told = None if on_step is None else _renumbered(on_step, index)
            result = relax_with(self.calculator, atoms, settings, on_step=told)
            yield replace(result, index=index)

    def _evaluation(self, result: Relaxed) -> Evaluation:
        if result.outcome not in _EVALUATED:
            return Evaluation.failed(result.outcome, len(result.atoms))
        values = result.atoms.calc.results
        return Evaluation(energy=result.energy, forces=values["forces"], stress=values["stress"])


def _bare(atoms: Atoms) -> Atoms:
    return Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)


def _renumbered(on_step: StepCallback, index: int) -> StepCallback:
    """Every structure is the only one of its call: give it its place back."""

    def told(_: int, step: int, energy: float, fmax: float) -> bool | None:
        return on_step(index, step, energy, fmax)

    return told
