"""A trained joint denoiser, and its weights file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from gencsp.diffusion.joint.conditions import Property, as_labels
from gencsp.diffusion.joint.sizes import CellSizes
from gencsp.diffusion.networks.engines import DenoiserEngine, place
from gencsp.diffusion.training.joint_objective import JointObjective
from gencsp.diffusion.weights_file import save_network, stored_network
from gencsp.errors import RequestError

#: Name of the weights that ship with the package.
DEFAULT_WEIGHTS = "pigen"


@dataclass(frozen=True, slots=True)
class JointModel:
    """A network with its forward process and statistics of its training crystals.

    Attributes:
        network: a :class:`~gencsp.diffusion.networks.joint.JointNetwork`.
        objective: with the forward process and the scales of conditions.
        sizes: of the training cells.
        digest: short hash of the weights.
    """

    network: nn.Module
    objective: JointObjective
    sizes: CellSizes
    digest: str

    def check_targets(self, targets: Mapping[Property, float]) -> None:
        """Compare targets with what the model can aim at.

        Raises:
            RequestError: no such property, a value that no crystal can have, a property that the
                model does not know, or a complexity that no cell of its sizes can have.

        Warns:
            TargetWarning: a value beyond the training crystals.
        """
        as_labels([targets])
        self.objective.properties.check_targets(targets)
        most = max(self.sizes.counts)
        if targets.get("complexity", 0.0) > math.log2(most):
            raise RequestError(
                f"the target of complexity is {targets['complexity']:g} bits/atom: a cell of "
                f"{most} atoms, the most that these weights know, has at most "
                f"{math.log2(most):.3g}."
            )


def save_joint_model(
    network: nn.Module,
    objective: JointObjective,
    sizes: CellSizes,
    path: Path,
    *,
    notes: str = "",
) -> str:
    """Write the weights and all settings needed to use them; returns their digest."""
    return save_network(
        network,
        path,
        objective=json.dumps(objective.describe()),
        sizes=json.dumps(sizes.describe()),
        notes=notes,
    )


def load_joint_model(
    path: Path | None = None,
    *,
    device: str = "auto",
    engine: DenoiserEngine = "auto",
) -> JointModel:
    """Load a joint model from a safetensors file, or the one that ships with gencsp.

    Args:
        path: the file, or the name of one that ships with gencsp; ``None`` for the default.
        device: where the network runs, see :func:`gencsp.executors.devices.find_device`.
        engine: what predicts; a network that is to be trained needs ``torch``.

    Raises:
        EngineError: the engine asked for cannot run this network here, or the device is not there.
        WeightsError: the file is missing, damaged, or holds something else.
    """
    with stored_network(
        path or Path(DEFAULT_WEIGHTS),
        what="weights of a joint model",
        needed="objective",
        command="gencsp train joint",
    ) as stored:
        model = JointModel(
            stored.network,
            JointObjective.from_description(json.loads(stored.metadata["objective"])),
            CellSizes.from_description(json.loads(stored.metadata["sizes"])),
            stored.digest,
        )
    place(model.network, engine=engine, device=device)
    return model
