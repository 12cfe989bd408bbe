"""matgl's potentials: M3GNet, TensorNet and the others, from a folder or by name."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from gencsp.errors import PotentialError
from gencsp.potentials.ase_engine import AseEngine
from gencsp.potentials.registry import ConfiguredPotential, PotentialContext
from gencsp.potentials.weights import digest_of


class Matgl(ConfiguredPotential):
    """``matgl:FOLDER``, or ``matgl:NAME`` of a model that matgl downloads."""

    name = "matgl"
    executes = ("model",)

    model: str = Field(
        default="", description="Folder of a model, or name of one that matgl downloads."
    )

    def build(self, context: PotentialContext) -> AseEngine:  # noqa: ARG002
        """See :class:`~gencsp.potentials.registry.ConfiguredPotential`.

        Raises:
            PotentialError: the package is missing, no model is named, or it cannot be loaded.
        """
        return _load(self.model)


def _load(model: str) -> AseEngine:
    if not model:
        raise PotentialError("name a model of matgl, by folder or name, such as matgl:FOLDER.")
    try:
        import matgl
        from matgl.ext.ase import PESCalculator
    except ImportError as error:
        raise PotentialError(
            f"this needs the package matgl ({error}): pip install 'gencsp[matgl]'."
        ) from error
    try:
        potential = matgl.load_model(model)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise PotentialError(f"the matgl model '{model}' cannot be loaded ({error}).") from error
    digest = digest_of(potential)
    calculator = PESCalculator(potential, stress_unit="eV/A3")
    name = Path(model).name
    elements = frozenset(map(str, potential.model.element_types))
    return AseEngine(calculator, model=f"matgl-{name}-{digest}", digest=digest, elements=elements)
