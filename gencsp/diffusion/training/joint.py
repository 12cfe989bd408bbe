"""Training of the joint diffusion model as one call: data, labels, run, weights."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ase import Atoms

from gencsp.deck import Share, Workers, check
from gencsp.diffusion.training.inputs import (
    Crystals,
    HeldOut,
    Trained,
    first,
    formulas,
    given_options,
    length_of,
    make_folder,
    stream,
    torch_threads,
)

if TYPE_CHECKING:
    from gencsp.diffusion.training.data import CrystalSet
    from gencsp.diffusion.training.objective import Objective
    from gencsp.diffusion.training.trainer import TrainingProgress

#: Of a new run, unless something else is asked for.
STEPS = 30_000
CONFIG = {"channels": 80, "layers": 4, "n_radial": 8}


def train_joint(
    data: Crystals,
    out: Path | str,
    *,
    held_out: HeldOut,
    validation: Crystals | None = None,
    validation_size: int = 256,
    labels: bool = True,
    compactness_loss: float | None = None,
    given_share: float | None = None,
    channels: int | None = None,
    layers: int | None = None,
    radial: int | None = None,
    steps: int | None = None,
    batch_size: int | None = None,
    rate: float | None = None,
    cooldown: float | None = None,
    validate_every: int | None = None,
    seed: int | None = None,
    threads: int = 1,
    device: str = "cpu",
    bfloat16: bool = False,
    compiled: bool = False,
    resume: bool = False,
    report: Callable[[TrainingProgress], None] | None = None,
    on_label: Callable[[int, int], None] | None = None,
) -> Trained:
    """Train the joint diffusion of species, coordinates and lattice (PIGEN).

    One network is trained for given compositions and de novo at once. ``None`` leaves a setting as
    it is in the run that is gone on with, or at its default.

    Args:
        data: training crystals: an extxyz file, gzipped or not, or structures.
        out: folder for checkpoint, metrics and weights.
        held_out: formulas that must not occur in the data: a file with one a line, or formulas.
        validation: crystals to validate on.
        validation_size: how many of them to use, the first ones.
        labels: compute the properties of the crystals, so that targets can be given; they are kept
            in ``out/labels.npz``.
        compactness_loss: weight of the compactness loss (eq. 2 and 3); 0 for none.
        given_share: share of crystals trained with their species given.
        channels: features of an atom.
        layers: rounds of message passing.
        radial: radial functions.
        steps: optimiser steps at which to end.
        batch_size: crystals in a batch.
        rate: peak learning rate.
        cooldown: share of the steps at falling rate.
        validate_every: steps between validations.
        seed: of every random choice.
        threads: of torch, and worker processes for the labels.
        device: a torch device.
        bfloat16: linear layers in bfloat16 (GPU).
        compiled: compile the layers, which needs a C++ compiler.
        resume: go on from the checkpoint in ``out``.
        report: called now and then with step, loss and validation losses.
        on_label: called for each crystal whose properties are there, with their number and that of
            all crystals.

    Returns:
        The weights file ``out/pigen.safetensors``, its digest and the steps made.

    Raises:
        StructureFileError, CompositionError: data or formulas that cannot be read.
        TrainingDataError: the data hold a held-out formula, an unknown element, or nothing.
        RequestError: a setting out of its range.
        StoreError: the folder holds another run, or cannot be written.
        WeightsError: the run is of another kind, or was begun with other settings.
    """
    import numpy as np

    from gencsp.diffusion.joint.model import save_joint_model
    from gencsp.diffusion.joint.sizes import CellSizes
    from gencsp.diffusion.training.checkpoints import check_data, open_run
    from gencsp.diffusion.training.data import CrystalSet
    from gencsp.diffusion.training.joint_objective import JointObjective
    from gencsp.diffusion.training.settings import LossWeights, TrainSettings
    from gencsp.diffusion.training.state import new_state
    from gencsp.diffusion.training.trainer import train
    from gencsp.potentials.chgnet.batched import find_device

    folder = Path(out)
    check("threads", threads, Workers)
    chosen = find_device(device)
    config = given_options(channels=channels, layers=layers, n_radial=radial)
    wanted = given_options(
        steps=steps,
        batch_size=batch_size,
        learning_rate=rate,
        cooldown=cooldown,
        seed=seed,
        validate_every=validate_every,
    )
    more = {"bfloat16": bfloat16, "compiled": compiled}
    loss = {
        "weights.compactness": compactness_loss,
        "given_share": given_share,
        "labels": labels,
    }
    found = open_run(
        folder, kind=JointObjective.kind, resume=resume, given={**loss, **config, **wanted, **more}
    )
    if found is None:
        settings = TrainSettings(**{"steps": STEPS, **wanted, **more})
        state = new_state("joint", {**CONFIG, **config}, settings)
    else:
        state, settings, _ = found
    if given_share is not None:
        check("given_share", given_share, Share)
    weights = LossWeights(**given_options(compactness=compactness_loss))
    excluded = formulas(held_out)
    # Structures are read twice, for the crystals and for their labels.
    read = data if isinstance(data, str | Path) else list(stream(data))
    crystals = CrystalSet.gather(stream(read), held_out=excluded).reduced()
    judged = None
    if validation is not None:
        judged = CrystalSet.gather(first(validation, validation_size), held_out=excluded).reduced()
    check_data(state, crystals, folder)
    make_folder(folder)
    if labels:
        crystals = _labelled(crystals, stream(read), folder / "labels.npz", threads, on_label)
    objective: Objective
    if found is None:
        shares = given_options(given_share=given_share)
        objective = JointObjective.fit(crystals, weights=weights, **shares)
    else:
        objective = found[2]
    assert isinstance(objective, JointObjective), "open_run lets no other kind through"
    with torch_threads(threads):
        train(state, settings, objective, crystals, judged, folder, device=chosen, report=report)
    file = folder / "pigen.safetensors"
    sizes = CellSizes.fit(np.diff(crystals.offsets).tolist(), crystals.labels)
    digest = save_joint_model(state.average, objective, sizes, file, notes=length_of(state))
    return Trained(file=file, digest=digest, step=state.step)


def _labelled(
    crystals: CrystalSet,
    structures: Iterator[Atoms],
    cache: Path,
    workers: int,
    on_label: Callable[[int, int], None] | None,
) -> CrystalSet:
    """With the properties of every crystal, from the cache where it holds those of these."""
    import numpy as np

    from gencsp.diffusion.training.labels import as_array, label_crystals

    if cache.exists():
        with np.load(cache) as stored:
            if "data" in stored and str(stored["data"]) == crystals.digest:
                return replace(crystals, labels=stored["labels"])
    rows = []
    for row in label_crystals(structures, workers=workers):
        rows.append(row)
        if on_label is not None:
            on_label(len(rows), len(crystals))
    labels = as_array(rows)
    partial = cache.with_suffix(".partial.npz")
    np.savez_compressed(partial, labels=labels, data=crystals.digest)
    os.replace(partial, cache)
    return replace(crystals, labels=labels)
