"""CHGNet as an ASE calculator, by gencsp's engines."""

from __future__ import annotations

from types import MappingProxyType

from ase import Atoms
from ase.calculators.calculator import (
    CalculationFailed,
    Calculator,
    PropertyNotImplementedError,
    all_changes,
)

from gencsp.engine.base import Engine, ModelName
from gencsp.engine.select import EngineName, get_engine
from gencsp.relax.result import Outcome

_ADVICE = MappingProxyType(
    {
        Outcome.ISOLATED: "an atom has no neighbour within CHGNet's cutoff; bring the atoms closer",
        Outcome.NOT_FINITE: "the energy is not finite; look for atoms on top of each other",
        Outcome.BAD_INPUT: "check positions, cell, periodicity and elements (H to Pu)",
        Outcome.EXPLODED: "the cell is far too small or too large for its atoms",
    }
)


class CHGNetCalculator(Calculator):  # type: ignore[misc]  # ASE is untyped
    """Energy, forces, stress and, when asked for, magnetic moments and site energies.

    A drop-in for ``chgnet.model.dynamics.CHGNetCalculator``: the same numbers, faster. The stress
    is ASE's Voigt vector in eV/Å³.

    Args:
        model: which CHGNet weights.
        engine: "native", "torch", or "auto" for the native one where it is installed.
        device: a torch device, which selects the torch engine.

    Raises:
        EngineError: the engine is not there.
        WeightsError: the installed ``chgnet`` lacks the weights.
    """

    implemented_properties = ("energy", "free_energy", "forces", "stress", "magmoms", "energies")

    def __init__(
        self,
        model: ModelName = "0.3.0",
        *,
        engine: EngineName = "auto",
        device: str | None = None,
    ) -> None:
        super().__init__()
        self.engine: Engine = get_engine(engine, model=model, device=device)

    @property
    def version(self) -> str:
        """The version of CHGNet, such as "0.3.0"."""
        return self.engine.model.removeprefix("chgnet-")

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Fill ``results``; moments and site energies only where ``properties`` names them.

        Raises:
            CalculationFailed: the structure cannot be evaluated; the message says why.
            PropertyNotImplementedError: site energies are wanted of the torch engine.
        """
        super().calculate(atoms, properties, system_changes)
        wanted = properties or ["energy"]
        if "energies" in wanted:
            self._add_site_energies()
        found = self.engine.evaluate([self.atoms], magmoms="magmoms" in wanted)[0]
        if found.failure is not None:
            raise CalculationFailed(f"{found.failure}: {_ADVICE.get(found.failure, 'no result')}.")
        self.results.update(
            energy=found.energy, free_energy=found.energy, forces=found.forces, stress=found.stress
        )
        if found.magmoms is not None:
            self.results["magmoms"] = found.magmoms

    def _add_site_energies(self) -> None:
        if self.engine.name != "native":
            raise PropertyNotImplementedError("Site energies need the native engine.")
        from gencsp.engine.native import NativeEngine  # not everywhere there

        assert isinstance(self.engine, NativeEngine)
        self.results["energies"] = self.engine.evaluate_sites([self.atoms])[0].energies
