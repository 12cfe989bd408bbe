"""``gencsp train joint``: train the joint diffusion of species, coordinates and lattice."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gencsp.diffusion.training.command import app as app
from gencsp.diffusion.training.command import train_with_progress
from gencsp.errors import StoreError, WeightsError

if TYPE_CHECKING:
    from gencsp.diffusion.training.data import CrystalSet
    from gencsp.diffusion.training.objective import Objective


@app.command()
def joint(
    data: Annotated[Path, typer.Option(help="Training crystals (extxyz, gzipped or not).")],
    out: Annotated[Path, typer.Option(help="Folder for checkpoint, metrics and weights.")],
    held_out: Annotated[
        Path, typer.Option(help="Formulas that must not occur in the data, one a line.")
    ],
    validation: Annotated[Path | None, typer.Option(help="Validation crystals.")] = None,
    validation_size: Annotated[int, typer.Option(help="How many of them to use.")] = 256,
    labels: Annotated[
        bool, typer.Option(help="Compute the properties, so that targets can be given.")
    ] = True,
    compactness_loss: Annotated[
        float, typer.Option(help="Weight of the compactness loss; 0 for none.")
    ] = 2.0,
    given_share: Annotated[
        float, typer.Option(help="Share of crystals trained with their species given.")
    ] = 0.5,
    channels: Annotated[int, typer.Option(help="Features of an atom.")] = 80,
    layers: Annotated[int, typer.Option(help="Rounds of message passing.")] = 4,
    radial: Annotated[int, typer.Option(help="Radial functions.")] = 8,
    steps: Annotated[int, typer.Option(help="Optimiser steps at which to end.")] = 30000,
    batch_size: Annotated[int, typer.Option(help="Crystals in a batch.")] = 32,
    rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 1e-3,
    cooldown: Annotated[
        float, typer.Option(min=0, max=1, help="Share of steps at falling rate.")
    ] = 0.25,
    validate_every: Annotated[int, typer.Option(help="Steps between validations.")] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    threads: Annotated[int, typer.Option(help="Torch threads, and workers for labels.")] = 1,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    bfloat16: Annotated[bool, typer.Option(help="Linear layers in bfloat16 (GPU).")] = False,
    compiled: Annotated[
        bool, typer.Option(help="Compile the layers: faster, needs a C++ compiler.")
    ] = False,
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoint in OUT.")] = False,
) -> None:
    """Train the joint diffusion model, for given compositions and de novo at once."""
    import numpy as np
    import torch

    from gencsp.diffusion.joint.model import save_joint_model
    from gencsp.diffusion.joint.objective import JointObjective, LossWeights
    from gencsp.diffusion.joint.sizes import CellSizes
    from gencsp.diffusion.training.data import CrystalSet, read_held_out, stream_extxyz
    from gencsp.diffusion.training.trainer import (
        TrainSettings,
        length_of,
        load_checkpoint,
        new_state,
        train,
    )

    torch.set_num_threads(threads)
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists() and not resume:
        raise StoreError(f"{out} holds another training run: add --resume, or name a new folder.")
    out.mkdir(parents=True, exist_ok=True)
    excluded = read_held_out(held_out)
    crystals = CrystalSet.gather(stream_extxyz(data), held_out=excluded).reduced()
    if labels:
        crystals = _labelled(crystals, data, out / "labels.npz", threads)
    judged = None
    if validation is not None:
        chosen = islice(stream_extxyz(validation), validation_size)
        judged = CrystalSet.gather(chosen, held_out=excluded).reduced()
    settings = TrainSettings(
        steps=steps,
        batch_size=batch_size,
        learning_rate=rate,
        cooldown=cooldown,
        seed=seed,
        validate_every=validate_every,
        bfloat16=bfloat16,
        compiled=compiled,
    )
    objective: Objective
    if resume:
        state, _, objective = load_checkpoint(checkpoint)
    else:
        objective = JointObjective.fit(
            crystals, weights=LossWeights(compactness=compactness_loss), given_share=given_share
        )
        config = {"channels": channels, "layers": layers, "n_radial": radial}
        state = new_state("joint", config, settings)
    if not isinstance(objective, JointObjective):
        raise WeightsError(f"{checkpoint} is not of a joint model: use 'gencsp train score'.")
    train_with_progress(
        lambda report: train(
            state,
            settings,
            objective,
            crystals,
            judged,
            out,
            device=torch.device(device),
            report=report,
        ),
        total=steps,
        done=state.step,
    )
    weights = out / "pigen.safetensors"
    sizes = CellSizes.fit(np.diff(crystals.offsets).tolist(), crystals.labels)
    digest = save_joint_model(state.average, objective, sizes, weights, notes=length_of(state))
    typer.echo(f"wrote {weights} (digest {digest}) after {state.step} steps")


def _labelled(crystals: CrystalSet, data: Path, cache: Path, workers: int) -> CrystalSet:
    """With the properties of every crystal, from the cache where it is there."""
    import numpy as np
    from rich.progress import track

    from gencsp.diffusion.joint.labels import as_array, label_crystals
    from gencsp.diffusion.training.data import stream_extxyz

    if not cache.exists():
        rows = label_crystals(stream_extxyz(data), workers=workers)
        found = as_array(track(rows, "properties", total=len(crystals)))
        np.savez_compressed(cache, labels=found)
    with np.load(cache) as stored:
        return replace(crystals, labels=stored["labels"])
