"""SevenNet (Park et al., J. Chem. Theory Comput. 20, 4857 (2024))."""

from __future__ import annotations

from pydantic import Field

from gencsp.errors import PotentialError
from gencsp.potentials.ase_engine import AseEngine
from gencsp.potentials.registry import ConfiguredPotential, PotentialContext
from gencsp.potentials.weights import digest_of

#: The weights that come with the package; others it downloads by name, or reads from a path.
SHIPPED = "7net-0"


class SevenNet(ConfiguredPotential):
    """``sevennet``, ``sevennet:7net-l3i5``, ``sevennet:FILE``."""

    name = "sevennet"
    executes = ("model",)

    model: str = Field(default=SHIPPED, description="Name of a model, or its file.")

    def build(self, context: PotentialContext) -> AseEngine:
        """See :class:`~gencsp.potentials.registry.ConfiguredPotential`.

        Raises:
            PotentialError: the package is missing, or has no such model.
        """
        return _load(self.model, context.device)


def _load(model: str, device: str | None) -> AseEngine:
    try:
        from sevenn.calculator import SevenNetCalculator
    except ImportError as error:
        raise PotentialError(
            f"SevenNet needs the package sevenn ({error}): pip install 'gencsp[sevennet]'."
        ) from error
    try:
        calculator = SevenNetCalculator(model, device=device or "cpu")
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise PotentialError(f"the SevenNet model '{model}' cannot be loaded ({error}).") from error
    digest = digest_of(calculator.model)
    name = model if model == SHIPPED else f"{model.rpartition('/')[2]}-{digest}"
    return AseEngine(calculator, model=f"sevennet-{name}", digest=digest)
