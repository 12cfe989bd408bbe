"""CHGNet as an ASE calculator, by gencsp's engines."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ase import Atoms
from ase.calculators.calculator import (
    CalculationFailed,
    Calculator,
    PropertyNotImplementedError,
    all_changes,
)

from gencsp.calculators.settings import settings_to_change
from gencsp.deck import EngineName, Workers, check
from gencsp.minimise.result import Outcome
from gencsp.potentials.base import Engine, ModelName
from gencsp.potentials.chgnet.select import get_engine

_ADVICE = MappingProxyType(
    {
        Outcome.ISOLATED: "an atom has no neighbour within CHGNet's cutoff; bring the atoms closer",
        Outcome.NOT_FINITE: "the energy is not finite; look for atoms on top of each other",
        Outcome.BAD_INPUT: "check positions, cell and elements (H to Pu)",
        Outcome.NOT_PERIODIC: (
            "slabs and molecules are not computed; put them in a cell with enough vacuum and set "
            "atoms.pbc = True"
        ),
        Outcome.TOO_CLOSE: "two nuclei are within 0.5 Å, where CHGNet's energy means nothing",
        Outcome.EXPLODED: "the cell is far too small or too large for its atoms",
    }
)


class CHGNetCalculator(Calculator):  # type: ignore[misc]  # ASE is untyped
    """Energy, forces, stress and, on request, magnetic moments and site energies.

    A drop-in for ``chgnet.model.dynamics.CHGNetCalculator``: the same numbers, faster. The stress
    is ASE's Voigt vector in eV/Å³.

    Copies (``copy.deepcopy``) share the loaded weights; a pickle holds the settings and loads them
    anew where it is opened.

    Args:
        model: which CHGNet weights.
        engine: "native", "torch", or "auto" for the native one where it is installed.
        device: where it runs, see :func:`gencsp.executors.devices.find_device`; a GPU needs
            the torch engine, which ``auto`` then takes.
        threads: that work on a structure together; of the native engine on those of about fifty
            atoms or more. The numbers do not depend on it there.

    Attributes:
        parameters: ``model``, ``engine`` (the one in use), ``device``, and ``digest``, a short hash
            of the weights; trajectories and databases keep them.

    Raises:
        EngineError: the engine is not there.
        RequestError: ``threads`` is below 1.
        WeightsError: the installed ``chgnet`` lacks the weights.
    """

    name = "chgnet"

    implemented_properties = ("energy", "free_energy", "forces", "stress", "magmoms", "energies")

    def __init__(
        self,
        model: ModelName = "0.3.0",
        *,
        engine: EngineName = "auto",
        device: str = "auto",
        threads: int = 1,
    ) -> None:
        super().__init__()
        self._settings: dict[str, Any] = {
            "engine": engine,
            "model": model,
            "device": device,
            "threads": threads,
        }
        self._open()

    def _open(self) -> None:
        check("threads", self._settings["threads"], Workers)
        self.engine: Engine = get_engine(
            self._settings["engine"],
            model=self._settings["model"],
            device=self._settings["device"],
        )
        self.parameters = {
            "model": self._settings["model"],
            "engine": self.engine.name,
            "device": self._settings["device"],
            "digest": self.engine.digest,
        }

    def set(self, **changes: Any) -> dict[str, Any]:
        """Change ``model``, ``engine``, ``device`` or ``threads``; earlier results are discarded.

        Returns:
            What has changed.

        Raises:
            RequestError: there is no such setting.
            EngineError, WeightsError: as for a new calculator, which then stays as it was.
        """
        changed = settings_to_change(self.name, changes, getattr(self, "_settings", {}))
        if changed:
            before = dict(self._settings)
            self._settings |= changed
            try:
                self._open()
            except BaseException:
                self._settings = before
                raise
            self.reset()
        return changed

    def todict(self, skip_default: bool = True) -> dict[str, Any]:  # noqa: ARG002  # ASE's
        """The parameters, for trajectories and databases."""
        return dict(self.parameters)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "engine"}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    @property
    def energy_model(self) -> str:
        """Potential and weights as hulls and results name them, such as "chgnet-0.3.0"."""
        return self.engine.model

    @property
    def energy_digest(self) -> str:
        """Short hash of the weights, 12 hexadecimal digits."""
        return self.engine.digest

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
        if "energies" in wanted and self.atoms.pbc.all():
            self._add_site_energies()
        found = self.engine.evaluate(
            [self.atoms], magmoms="magmoms" in wanted, workers=self._settings["threads"]
        )[0]
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
        from gencsp.potentials.chgnet.native import NativeEngine

        assert isinstance(self.engine, NativeEngine)
        self.results["energies"] = self.engine.evaluate_sites([self.atoms])[0].energies
