"""CHGNet by gencsp's engines, with published weights or those of a user's file."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from pydantic import Field

from gencsp.errors import PotentialError
from gencsp.potentials.base import Engine, ModelName
from gencsp.potentials.chgnet.select import engine_of_weights, get_engine
from gencsp.potentials.registry import ConfiguredPotential, PotentialContext

SHIPPED: ModelName = "0.3.0"
#: Endings of files of weights, so that one that is missing is called missing.
ENDINGS = (".safetensors", ".tar", ".pth", ".pt", ".ckpt")


class Chgnet(ConfiguredPotential):
    """``chgnet``, ``chgnet:0.2.0``, ``chgnet:r2scan`` or ``chgnet:FILE``.

    A file is read as data alone, see :mod:`gencsp.potentials.chgnet.weights_file`, so that it is
    none of what a run executes.
    """

    name = "chgnet"

    model: str = Field(
        default=SHIPPED, description="Weights of the package chgnet by name, or a file of weights."
    )

    def build(self, context: PotentialContext) -> Engine:
        """See :class:`~gencsp.potentials.registry.ConfiguredPotential`.

        Raises:
            PotentialError: no weights have this name, and there is no such file.
            EngineError, WeightsError: as :func:`gencsp.potentials.chgnet.select.get_engine`, and
                :func:`gencsp.potentials.chgnet.weights_file.load_weights_file`.
        """
        known: tuple[ModelName, ...] = get_args(ModelName)
        for model in known:
            if self.model == model:
                return get_engine(context.engine, model=model, device=context.device)
        path = Path(self.model).expanduser()
        if path.exists() or path.suffix in ENDINGS:
            from gencsp.potentials.chgnet.weights_file import load_weights_file

            return engine_of_weights(load_weights_file(path), context.engine, device=context.device)
        raise PotentialError(
            f"there is no CHGNet '{self.model}': choose from {', '.join(known)}, or name a file of "
            f"weights."
        )
