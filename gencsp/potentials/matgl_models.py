"""matgl's potentials: M3GNet, TensorNet and the others, from a folder or by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gencsp.errors import PotentialError
from gencsp.potentials.ase_engine import AseEngine
from gencsp.potentials.weights import digest_of

if TYPE_CHECKING:
    from gencsp.potentials.registry import PotentialRequest


def make(request: PotentialRequest) -> AseEngine:
    """``matgl:FOLDER``, or ``matgl:NAME`` of a model that matgl downloads.

    Raises:
        PotentialError: the package is missing, no model is named, or it cannot be loaded.
    """
    if not request.variant:
        raise PotentialError("name a model of matgl, by folder or name, such as matgl:FOLDER.")
    try:
        import matgl
        from matgl.ext.ase import PESCalculator
    except ImportError as error:
        raise PotentialError(
            f"this needs the package matgl ({error}): pip install 'gencsp[matgl]'."
        ) from error
    try:
        potential = matgl.load_model(request.variant)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise PotentialError(
            f"the matgl model '{request.variant}' cannot be loaded ({error})."
        ) from error
    digest = digest_of(potential)
    calculator = PESCalculator(potential, stress_unit="eV/A3")
    name = Path(request.variant).name
    return AseEngine(calculator, model=f"matgl-{name}-{digest}", digest=digest)
