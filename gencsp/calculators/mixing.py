"""A score's forces together with those of a potential such as CHGNet."""

from __future__ import annotations

from typing import Any

from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.calculators.mixing import LinearCombinationCalculator

from gencsp.calculators.score import ScoreCalculator
from gencsp.calculators.settings import settings_to_change
from gencsp.errors import RequestError


class MixedScoreCalculator(LinearCombinationCalculator):  # type: ignore[misc]
    """weight · (score) + other_weight · (other calculator), for energy and forces.

    ASE's own ``LinearCombinationCalculator`` does the sum. What this adds is that ``sigma`` can be
    changed between steps of an optimiser: ASE's class caches by positions alone and would hand out
    forces of the old noise level.

    The energy is the same sum. Its first part is the distance measure of
    :class:`~gencsp.calculators.score.ScoreCalculator` and no potential; the parts stand in
    ``results["energy_contributions"]`` (score first), and only the other's is physical.
    Stress is left out, since a score has none: relax cells with the other calculator alone.

    Args:
        score: forces from the model.
        other: any ASE calculator with energy and forces.
        weight: of the score, no unit; scales its stiffness.
        other_weight: of the other calculator, no unit.

    Attributes:
        parameters: the weights, and name and parameters of both calculators; trajectories and
            databases keep them.
    """

    name = "mixed-score"

    def __init__(
        self,
        score: ScoreCalculator,
        other: Calculator,
        *,
        weight: float = 1.0,
        other_weight: float = 1.0,
    ) -> None:
        _check_weights(weight, other_weight)
        super().__init__([score, other], [weight, other_weight])
        self.score = score
        self.other = other

    @property
    def parameters(self) -> dict[str, Any]:
        """See the class."""
        weight, other_weight = self.mixer.weights
        return {
            "weight": weight,
            "other_weight": other_weight,
            "score": {"name": self.score.name, **self.score.todict()},
            "other": {"name": self.other.name, **self.other.todict()},
        }

    @parameters.setter
    def parameters(self, value: object) -> None:
        """ASE's constructor sets none; what they are follows from the calculators."""

    def todict(self) -> dict[str, Any]:
        """The parameters, for trajectories and databases."""
        return self.parameters

    def set(self, **changes: Any) -> dict[str, Any]:
        """Change ``weight``, ``other_weight``, or the settings of the score.

        Returns:
            What has changed; old results are discarded.

        Raises:
            RequestError: there is no such setting, or the value is out of range.
        """
        weight, other_weight = self.mixer.weights
        settings = {"weight": weight, "other_weight": other_weight}
        settings |= {k: getattr(self.score, k) for k in ("sigma", "stiffness", "cell_stiffness")}
        changed = settings_to_change(self.name, changes, settings)
        weights = [changed.get("weight", weight), changed.get("other_weight", other_weight)]
        _check_weights(*weights)
        self.score.set(**{k: v for k, v in changed.items() if k not in ("weight", "other_weight")})
        if weights != self.mixer.weights:
            self.mixer.weights = weights
            # As other changes do: ASE keeps results for atoms that it has seen.
            self.atoms = None
            self.results.clear()
        return changed

    @property
    def sigma(self) -> float:
        """Noise level of the score in Å; setting it here or there discards the old results."""
        return self.score.sigma

    @sigma.setter
    def sigma(self, value: float) -> None:
        self.score.sigma = value

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """What has changed since the last results: the atoms, or the settings of the score."""
        changes = super().check_state(atoms, tol=tol) or self.score.check_state(atoms, tol=tol)
        return list(changes)


def _check_weights(weight: float, other_weight: float) -> None:
    if weight < 0 or other_weight < 0:
        raise RequestError(
            f"weight = {weight:g}, other_weight = {other_weight:g}: weights cannot be negative."
        )
