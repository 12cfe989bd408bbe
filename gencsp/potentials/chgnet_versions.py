"""CHGNet's published weights, by gencsp's own engines."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from gencsp.engine.base import ModelName
from gencsp.engine.select import get_engine
from gencsp.errors import PotentialError

if TYPE_CHECKING:
    from gencsp.engine.base import Engine
    from gencsp.potentials.registry import PotentialRequest


def make(request: PotentialRequest) -> Engine:
    """``chgnet``, ``chgnet:0.2.0`` or ``chgnet:r2scan``.

    Raises:
        PotentialError: no weights have this name.
        EngineError, WeightsError: as :func:`gencsp.engine.select.get_engine`.
    """
    known: tuple[ModelName, ...] = get_args(ModelName)
    chosen: ModelName = "0.3.0"
    for model in known:
        if request.variant == model:
            chosen = model
    if request.variant and request.variant != chosen:
        raise PotentialError(
            f"there is no CHGNet '{request.variant}': choose from {', '.join(known)}."
        )
    return get_engine(request.engine, model=chosen, device=request.device)
