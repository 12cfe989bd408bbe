"""Any ASE calculator as an engine, with the same minimisers and checks as CHGNet's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ase import Atoms
from ase.calculators.calculator import Calculator

from gencsp.minimise.calculator import relax_with
from gencsp.minimise.result import Outcome, PathCallback, Relaxed, StepCallback
from gencsp.minimise.settings import RelaxSettings
from gencsp.potentials.base import Evaluation

#: Outcomes of a structure that has an energy.
_EVALUATED = (Outcome.CONVERGED, Outcome.STEP_LIMIT)


class AseEngine:
    """See :class:`~gencsp.potentials.base.Engine`; one structure and one thread at a time.

    Args:
        calculator: with energy, forces and stress.
        model: what the hull calls it, such as "sevennet-7net-0".
        digest: short hash of what makes its numbers.
        elements: that it was made for; ``None`` where it does not say.
    """

    name = "ase"

    def __init__(
        self,
        calculator: Calculator,
        *,
        model: str,
        digest: str,
        elements: frozenset[str] | None = None,
    ) -> None:
        self.calculator = calculator
        self.model = model
        self.digest = digest
        self.elements = elements

    def evaluate(
        self,
        structures: Sequence[Atoms],
        *,
        magmoms: bool = False,  # noqa: ARG002  # calculators differ in what they call so
        workers: int = 1,  # noqa: ARG002  # calculators are no good in threads
    ) -> list[Evaluation]:
        """See :class:`~gencsp.potentials.base.Engine`; moments are not given.

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
        on_path: PathCallback | None = None,
    ) -> Iterator[Relaxed]:
        """See :class:`~gencsp.potentials.base.Engine`.

        Raises:
            EngineError: the calculator has no stress, and cells are to relax.
        """
        for index, atoms in enumerate(structures):
            result = relax_with(
                self.calculator, atoms, settings, index, on_step=on_step, on_path=on_path
            )
            yield result.made_by(self.model, self.digest)

    def _evaluation(self, result: Relaxed) -> Evaluation:
        if result.outcome not in _EVALUATED:
            return Evaluation.failed(result.outcome, len(result.atoms))
        values = result.atoms.calc.results
        return Evaluation(energy=result.energy, forces=values["forces"], stress=values["stress"])


def _bare(atoms: Atoms) -> Atoms:
    return Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
