"""An ASE calculator whose forces follow the score of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from gencsp.calculators.settings import settings_to_change
from gencsp.diffusion.batch import CrystalBatch, LatticeScoreModel, ScoreModel
from gencsp.diffusion.projection import require_crystal
from gencsp.errors import RequestError


class ScoreCalculator(Calculator):  # type: ignore[misc]
    """Forces from a score model at one noise level.

    Tweedie's formula makes σ²·score the displacement u from the present positions to the expected
    clean ones. In the quasi-harmonic picture every atom hangs on a spring of stiffness k at that
    place:

        forces = k·u = k σ² ∇ log p_σ(x)                                            (eV/Å)
        energy = ½ k Σ_atoms |u|²                                                    (eV)

    **The energy is a measure of distance from what the model takes for crystals, not a potential.**
    It is the energy of these springs: zero where the forces are zero, never negative, and the
    integral of the forces exactly where the model's distribution is one sharp configuration and
    approximately close to any. Elsewhere the forces are not its gradient, and a learned score is
    not the gradient of anything: a network's output has curl, and no path-independent energy
    exists. So do not compare energies of different crystals, σ or models, nor add them to a hull.

    FIRE, BFGS, MDMin, LBFGS and Langevin steer by forces and work unchanged. Optimisers that search
    along a line (BFGSLineSearch, GPMin, the SciPy ones) or accept by energy trust the energy to be
    the integral of the forces and may stop early. ``fmax`` is in eV/Å as ever: fmax/k is how far in
    Å an atom still is from its denoised position.

    A model with a lattice score (:class:`~gencsp.diffusion.joint.score.JointScore`) gives a stress
    as well. It sees the strain ε that takes the cell to the expected clean one, and the springs of
    the cell have an energy density ½ c |ε|², so

        stress = −c·ε                                                               (eV/Å³)
        energy += ½ c V |ε|²                                                         (eV)

    and cell filters such as ``FrechetCellFilter`` relax towards the model's lattice. Other models
    have no stress, and cell filters refuse the calculator.

    Args:
        model: the score model.
        sigma: noise level in Å. At small values the forces lead to the nearest crystal, at large
            ones to the mean of many crystals. Lower it as the atoms settle.
        stiffness: k in eV/Å²; the default is that of a moderately stiff bond.
        cell_stiffness: c in eV/Å³ (1 is 160 GPa), for models with a lattice score.

    Attributes:
        parameters: ``sigma``, ``stiffness``, ``model`` (the digest of the weights) and, for models
            with a lattice score, ``cell_stiffness``; trajectories and databases keep them.
    """

    name = "score"

    def __init__(
        self,
        model: ScoreModel | LatticeScoreModel,
        *,
        sigma: float,
        stiffness: float = 5.0,
        cell_stiffness: float = 0.5,
    ) -> None:
        super().__init__()
        self._model = model
        self.parameters: dict[str, Any] = {"model": model.digest}
        self.sigma = sigma
        self.stiffness = stiffness
        self.cell_stiffness = cell_stiffness
        self.implemented_properties = ["energy", "free_energy", "forces"]
        if isinstance(model, LatticeScoreModel):
            self.implemented_properties.append("stress")

    @property
    def model(self) -> ScoreModel | LatticeScoreModel:
        """The score model; another one needs another calculator."""
        return self._model

    @property
    def sigma(self) -> float:
        """Noise level in Å; setting it discards results of the old one."""
        return self._sigma

    @sigma.setter
    def sigma(self, value: float) -> None:
        if not self.model.sigma_min <= value <= self.model.sigma_max:
            raise RequestError(
                f"sigma is {value:g} Å and this model knows {self.model.sigma_min:g} to "
                f"{self.model.sigma_max:g} Å: stay within."
            )
        self._sigma = self.parameters["sigma"] = float(value)
        self.reset()

    @property
    def stiffness(self) -> float:
        """Spring constant in eV/Å²; setting it discards results of the old one."""
        return self._stiffness

    @stiffness.setter
    def stiffness(self, value: float) -> None:
        if not value > 0:
            raise RequestError(f"stiffness is {value:g} eV/Å²: it must be above zero.")
        self._stiffness = self.parameters["stiffness"] = float(value)
        self.reset()

    @property
    def cell_stiffness(self) -> float:
        """Stiffness of the cell in eV/Å³; setting it discards results of the old one."""
        return self._cell_stiffness

    @cell_stiffness.setter
    def cell_stiffness(self, value: float) -> None:
        if not value > 0:
            raise RequestError(f"cell_stiffness is {value:g} eV/Å³: it must be above zero.")
        self._cell_stiffness = float(value)
        if isinstance(self.model, LatticeScoreModel):
            self.parameters["cell_stiffness"] = float(value)
        self.reset()

    def set(self, **changes: Any) -> dict[str, Any]:
        """Change ``sigma``, ``stiffness`` or ``cell_stiffness``; old results are discarded.

        Returns:
            What has changed.

        Raises:
            RequestError: there is no such setting, or the value is out of range.
        """
        names = ("sigma", "stiffness", "cell_stiffness")
        settings = {name: getattr(self, name, None) for name in names} if changes else {}
        changed = settings_to_change(self.name, changes, settings)
        try:
            for key, value in changed.items():
                setattr(self, key, value)
        except RequestError:
            for key in changed:
                setattr(self, key, settings[key])
            raise
        return changed

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Fill ``results``; see the class.

        Raises:
            RequestError: for Atoms that are not a crystal.
        """
        super().calculate(atoms, properties, system_changes)
        require_crystal(self.atoms)
        batch = CrystalBatch.from_atoms([self.atoms])
        sigma = torch.tensor([self.sigma], dtype=torch.float64)
        strain = None
        if isinstance(self.model, LatticeScoreModel):
            score, strain = self.model.predict(batch, sigma)
        else:
            score = self.model.score(batch, sigma)
        displacement = (self.sigma**2 * score).detach().cpu().numpy()
        energy = 0.5 * self.stiffness * float((displacement**2).sum())
        results: dict[str, Any] = {"forces": self.stiffness * displacement}
        if strain is not None:
            epsilon = strain[0].detach().cpu().numpy()
            stress = -self.cell_stiffness * epsilon
            results["stress"] = full_3x3_to_voigt_6_stress(stress)
            volume = float(self.atoms.cell.volume)
            energy += 0.5 * self.cell_stiffness * volume * float((epsilon**2).sum())
        self.results = results | {"energy": energy, "free_energy": energy}

    def todict(self, skip_default: bool = True) -> dict[str, Any]:  # noqa: ARG002  # ASE's
        """The parameters, for trajectories and databases."""
        return dict(self.parameters)
