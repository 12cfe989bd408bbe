"""Checkpoints of a training run: written whole, read, and compared with what is requested."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from gencsp.diffusion.networks import build_network, describe_network
from gencsp.diffusion.training.data import CrystalSet
from gencsp.diffusion.training.dp_cdvae_objective import DpCdvaeObjective
from gencsp.diffusion.training.joint_objective import JointObjective
from gencsp.diffusion.training.objective import Objective
from gencsp.diffusion.training.score_objective import ScoreObjective
from gencsp.diffusion.training.settings import TrainSettings
from gencsp.diffusion.training.state import TrainState, state_of
from gencsp.errors import StoreError, TrainingDataError, WeightsError

#: File of a run in its folder.
CHECKPOINT = "checkpoint.pt"
#: Format of that file; a newer one is refused by older versions.
FORMAT = 2


def save_checkpoint(
    state: TrainState, settings: TrainSettings, objective: Objective, folder: Path
) -> Path:
    """Write ``checkpoint.pt`` in one atomic step; returns its path."""
    name, config = describe_network(state.network)
    path = folder / CHECKPOINT
    partial = path.with_suffix(".partial")
    torch.save(
        {
            "format": FORMAT,
            "architecture": name,
            "config": config,
            "network": state.network.state_dict(),
            "average": state.average.state_dict(),
            "optimiser": state.optimiser.state_dict(),
            "step": state.step,
            "seconds": state.seconds,
            "loss": state.loss,
            "data": state.data,
            "labels": state.labels,
            "start": state.start,
            "settings": settings.model_dump(),
            "objective": objective.describe(),
        },
        partial,
    )
    os.replace(partial, path)
    return path


def load_checkpoint(path: Path) -> tuple[TrainState, TrainSettings, Objective]:
    """Read what :func:`save_checkpoint` wrote; nothing in it is executed.

    Raises:
        WeightsError: the file is missing, not a checkpoint of gencsp, or of a newer version.
    """
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        newer = stored["format"] > FORMAT
        if not newer:
            objective = _objective(stored["objective"], stored["architecture"])
            state = state_of(build_network(stored["architecture"], stored["config"]))
            state.network.load_state_dict(stored["network"])
            state.average.load_state_dict(stored["average"])
            state.optimiser.load_state_dict(stored["optimiser"])
            state.step, state.seconds = stored["step"], stored["seconds"]
            state.loss = stored["loss"]
            state.data, state.labels = stored["data"], stored["labels"]
            state.start = stored["start"]
            return state, TrainSettings(**stored["settings"]), objective
    except FileNotFoundError as error:
        raise WeightsError(f"there is no checkpoint at {path}: start without --resume.") from error
    except WeightsError as error:
        raise WeightsError(f"{path} cannot be resumed: {error}") from error
    except (
        *(OSError, EOFError, UnpicklingError, struct.error),
        *(LookupError, TypeError, ValueError, AttributeError, RuntimeError),
    ) as error:
        raise WeightsError(
            f"{path} is not a checkpoint of this version of gencsp, or is damaged ({error}): "
            f"train in a new folder."
        ) from error
    raise WeightsError(f"{path} was written by a newer version of gencsp: update gencsp.")


def _objective(stored: dict[str, Any], architecture: str) -> Objective:
    """The objective of a checkpoint, which must be one that its network can be trained for."""
    kind = stored["kind"]
    # A network of any other name gives a score.
    own = {"joint": JointObjective.kind, "dp-cdvae": DpCdvaeObjective.kind}
    if own.get(architecture, ScoreObjective.kind) != kind:
        raise KeyError(f"a network '{architecture}' is not trained as '{kind}'")
    match kind:
        case ScoreObjective.kind:
            return ScoreObjective.from_description(stored)
        case JointObjective.kind:
            return JointObjective.from_description(stored)
        case DpCdvaeObjective.kind:
            return DpCdvaeObjective.from_description(stored)
    raise KeyError(f"objective {kind}")


def open_run(
    folder: Path, *, kind: str, resume: bool, given: Mapping[str, object]
) -> tuple[TrainState, TrainSettings, Objective] | None:
    """Read the run in a folder and check that it is the requested one; writes nothing.

    Args:
        folder: of the run; it need not be there for a new one.
        kind: of the objective, "score", "joint" or "dp-cdvae".
        resume: whether to continue a run or to begin one.
        given: settings that the user gave, by the names in the checkpoint (``architecture``,
            ``channels``, ``noise.high``, ...); the others stay as they are in the checkpoint. Of
            the settings of :class:`TrainSettings` all but batch size and seed may change.

    Returns:
        What the checkpoint holds, its settings changed as far as ``given`` changes them; ``None``
        for a run that is to begin.

    Raises:
        StoreError: a run is to begin where there is another one, or where there is no folder but a
            file.
        WeightsError: as for :func:`load_checkpoint`; or the run is of another kind, or was begun
            with something else than what is given.
    """
    path = folder / CHECKPOINT
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"{folder} is a file: name a folder for the training run.")
    if not resume:
        if path.exists():
            raise StoreError(
                f"{folder} holds another training run: add --resume, or name a new folder."
            )
        return None
    state, settings, objective = load_checkpoint(path)
    if objective.kind != kind:
        raise WeightsError(
            f"{path} is of another kind: resume it with 'gencsp train {objective.kind}', or "
            f"train the new model in a new folder."
        )
    named = dict(given)
    changes: dict[str, Any] = {key: named.pop(key) for key in _MAY_CHANGE & named.keys()}
    begun = _begun_with(state, settings, objective)
    for key, value in named.items():
        if begun[key] != value:
            raise WeightsError(
                f"{path} was begun with {key} = {begun[key]}, not {value}: leave that option out, "
                f"or train in a new folder."
            )
    return state, TrainSettings.make(**{**settings.model_dump(), **changes}), objective


def check_data(state: TrainState, crystals: CrystalSet, folder: Path) -> None:
    """Compare crystals with those that a run was trained on; a new run takes any.

    Raises:
        TrainingDataError: they are other crystals, or in another order.
    """
    if state.data and state.data != crystals.digest:
        raise TrainingDataError(
            f"{folder / CHECKPOINT} was trained on other crystals, or in another order: give the "
            f"training data that the run was begun with, or train in a new folder."
        )


# Order of the crystals and noise follow from batch size and seed, so these identify the run.
_MAY_CHANGE = TrainSettings.model_fields.keys() - {"batch_size", "seed"}


def _begun_with(
    state: TrainState, settings: TrainSettings, objective: Objective
) -> dict[str, object]:
    """Settings that cannot change in a run, flat: ``noise.high`` is ``high`` of ``noise``."""
    architecture, config = describe_network(state.network)
    flat: dict[str, object] = {
        "architecture": architecture,
        "labels": state.labels,
        "start": state.start,
        **config,
        **settings.model_dump(),
    }
    for part, value in objective.describe().items():
        if isinstance(value, dict):
            flat |= {f"{part}.{key}": one for key, one in value.items()}
        else:
            flat[part] = value
    return flat
