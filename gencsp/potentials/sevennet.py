"""SevenNet (Park et al., J. Chem. Theory Comput. 20, 4857 (2024)): a second opinion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gencsp.errors import PotentialError
from gencsp.potentials.ase_engine import AseEngine
from gencsp.potentials.weights import digest_of

if TYPE_CHECKING:
    from gencsp.potentials.registry import PotentialRequest

#: The weights that come with the package; others it downloads by name, or reads from a path.
SHIPPED = "7net-0"


def make(request: PotentialRequest) -> AseEngine:
    """``sevennet``, ``sevennet:7net-l3i5``, ``sevennet:FILE``.

    Raises:
        PotentialError: the package is missing, or has no such model.
    """
    try:
        from sevenn.calculator import SevenNetCalculator
    except ImportError as error:
        raise PotentialError(
            f"SevenNet needs the package sevenn ({error}): pip install 'gencsp[sevennet]'."
        ) from error
    model = request.variant or SHIPPED
    try:
        calculator = SevenNetCalculator(model, device=request.device or "cpu")
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise PotentialError(f"the SevenNet model '{model}' cannot be loaded ({error}).") from error
    digest = digest_of(calculator.model)
    name = model if model == SHIPPED else f"{model.rpartition('/')[2]}-{digest}"
    return AseEngine(calculator, model=f"sevennet-{name}", digest=digest)
