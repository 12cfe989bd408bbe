"""CHGNet's published weights, by gencsp's engines."""

from __future__ import annotations

from typing import get_args

from pydantic import Field

from gencsp.errors import PotentialError
from gencsp.potentials.base import Engine, ModelName
from gencsp.potentials.chgnet.select import get_engine
from gencsp.potentials.registry import ConfiguredPotential, PotentialContext

SHIPPED: ModelName = "0.3.0"


class Chgnet(ConfiguredPotential):
    """``chgnet``, ``chgnet:0.2.0`` or ``chgnet:r2scan``."""

    name = "chgnet"

    model: str = Field(default=SHIPPED, description="Which of the weights of the package chgnet.")

    def build(self, context: PotentialContext) -> Engine:
        """See :class:`~gencsp.potentials.registry.ConfiguredPotential`.

        Raises:
            PotentialError: no weights have this name.
            EngineError, WeightsError: as :func:`gencsp.potentials.chgnet.select.get_engine`.
        """
        known: tuple[ModelName, ...] = get_args(ModelName)
        for model in known:
            if self.model == model:
                return get_engine(context.engine, model=model, device=context.device)
        raise PotentialError(f"there is no CHGNet '{self.model}': choose from {', '.join(known)}.")
