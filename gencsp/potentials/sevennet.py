"""SevenNet (Park et al., J. Chem. Theory Comput. 20, 4857 (2024))."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from ase.stress import voigt_6_to_full_3x3_stress
from pydantic import Field

from gencsp.errors import PotentialError
from gencsp.executors.devices import find_device
from gencsp.minimise.calculator import Numbers
from gencsp.potentials.batch_engine import BatchEngine
from gencsp.potentials.registry import ConfiguredPotential, PotentialContext
from gencsp.potentials.weights import digest_of

if TYPE_CHECKING:
    from sevenn.calculator import SevenNetCalculator

#: The default weights.
SHIPPED = "7net-0"
#: All that come with the package. It downloads others by name.
IN_THE_PACKAGE = (SHIPPED, "7net-0_22may2024", "7net-l3i5", "7net-mf-0")
#: Where each model has its weights and, of several, its level of theory, as sevenn calls them.
_MODALITIES = {"7net-mf-0": "PBE"}
#: Atoms in one call. On a processor larger batches gain nothing; a GPU needs them.
CPU_ATOMS, GPU_ATOMS = 64, 4_096


class SevenNet(ConfiguredPotential):
    """``sevennet``, ``sevennet:l3i5``, ``sevennet:mf-0``, ``sevennet:FILE``.

    ``7net-`` may be left out of a name. A model of several levels of theory needs its ``modal``:
    ``sevennet:model=mf-0,modal=R2SCAN``; without it ``mf-0`` is at PBE, as the others are.
    """

    name = "sevennet"
    executes = ("model",)

    model: str = Field(default=SHIPPED, description="Name of a model, or its file.")
    modal: str | None = Field(
        default=None, description="Level of theory, of a model that has several."
    )

    def build(self, context: PotentialContext) -> BatchEngine:
        """See :class:`~gencsp.potentials.registry.ConfiguredPotential`.

        Raises:
            PotentialError: the package is missing, or has no such model or modality.
        """
        return _load(self.model, self.modal, context.device)


def _load(given: str, modal: str | None, device: str) -> BatchEngine:
    try:
        from sevenn.calculator import SevenNetCalculator
    except ImportError as error:
        raise PotentialError(
            f"SevenNet needs the package sevenn ({error}): pip install 'gencsp[sevennet]'."
        ) from error
    model = _full_name(given)
    modal = modal or _MODALITIES.get(model)
    try:
        with warnings.catch_warnings():  # it is as fast as it is on a processor
            warnings.filterwarnings("ignore", "No tensor product accelerator")
            found = str(find_device(device))
            calculator = SevenNetCalculator(model, device=found, modal=modal)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise PotentialError(
            f"the SevenNet model '{given}' cannot be loaded ({error}): give a file, or one of "
            f"{', '.join(IN_THE_PACKAGE)}."
        ) from error
    if modal and not calculator.modal:
        raise PotentialError(f"the SevenNet model '{given}' has no modality '{modal}'.")
    digest = digest_of(calculator.model)
    name = model if model in IN_THE_PACKAGE else f"{Path(model).name}-{digest}"
    on_cpu = calculator.device.type == "cpu"
    return BatchEngine(
        _Batches(calculator),
        model=f"sevennet-{name}" + (f"-{modal}" if modal else ""),
        digest=digest,
        elements=frozenset(chemical_symbols[z] for z in calculator.type_map),
        max_atoms=CPU_ATOMS if on_cpu else GPU_ATOMS,
    )


def _full_name(given: str) -> str:
    """As sevenn calls its models: ``l3i5`` is ``7net-l3i5``."""
    for name in (given.lower(), f"7net-{given.lower()}"):
        if name in IN_THE_PACKAGE:
            return name
    return given


class _Batches:
    """Evaluates batches with the model of a calculator, as sevenn's own ``torchsim`` does."""

    def __init__(self, calculator: SevenNetCalculator) -> None:
        from torch_geometric.loader.dataloader import Collater

        self.model = calculator.model
        self.model.set_is_batch_data(True)
        self.cutoff = calculator.cutoff
        self.modal = calculator.modal
        self.device = calculator.device
        self._collate = Collater([], follow_batch=None, exclude_keys=None)

    def __call__(self, batch: list[Atoms]) -> list[Numbers]:
        import sevenn._keys as key
        from sevenn.atom_graph_data import AtomGraphData
        from sevenn.train.dataload import unlabeled_atoms_to_graph

        graphs = []
        for atoms in batch:
            graph = AtomGraphData.from_numpy_dict(unlabeled_atoms_to_graph(atoms, self.cutoff))
            if self.modal:
                graph[key.DATA_MODALITY] = self.modal
            graphs.append(graph)
        found = self.model(self._collate(graphs).to(self.device))
        energies, forces, stresses = (
            found[name].detach().cpu().numpy().astype(np.float64)
            for name in (key.PRED_TOTAL_ENERGY, key.PRED_FORCE, key.PRED_STRESS)
        )
        ends = np.cumsum([len(atoms) for atoms in batch])[:-1]
        # Its order is xx, yy, zz, xy, yz, zx, and its sign that of the virial.
        voigt = -stresses.reshape(-1, 6)[:, [0, 1, 2, 4, 5, 3]]
        return [
            (float(energy), own, voigt_6_to_full_3x3_stress(stress))
            for energy, own, stress in zip(
                energies.reshape(-1), np.split(forces, ends), voigt, strict=True
            )
        ]
