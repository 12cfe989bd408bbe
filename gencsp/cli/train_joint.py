"""``gencsp train joint``: train the joint diffusion of species, coordinates and lattice."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gencsp.cli.train_score import (
    BatchOption,
    ChannelsOption,
    CooldownOption,
    LayersOption,
    RadialOption,
    RateOption,
    SeedOption,
    StepsOption,
    ValidateOption,
    named,
    train_with_progress,
)
from gencsp.cli.train_score import app as app
from gencsp.deck import Share, check

if TYPE_CHECKING:
    from gencsp.diffusion.training.data import CrystalSet
    from gencsp.diffusion.training.score_objective import Objective


@app.command()
def joint(
    data: Annotated[Path, typer.Option(help="Training crystals (extxyz, gzipped or not).")],
    out: Annotated[Path, typer.Option(help="Folder for checkpoint, metrics and weights.")],
    held_out: Annotated[
        Path, typer.Option(help="Formulas that must not occur in the data, one a line.")
    ],
    validation: Annotated[Path | None, typer.Option(help="Validation crystals.")] = None,
    validation_size: Annotated[int, typer.Option(min=1, help="How many of them to use.")] = 256,
    labels: Annotated[
        bool, typer.Option(help="Compute the properties, so that targets can be given.")
    ] = True,
    compactness_loss: Annotated[
        float | None,
        typer.Option(help="Weight of the compactness loss; 0 for none [default: 2]."),
    ] = None,
    given_share: Annotated[
        float | None,
        typer.Option(help="Share of crystals trained with their species given [default: 0.5]."),
    ] = None,
    channels: ChannelsOption = None,
    layers: LayersOption = None,
    radial: RadialOption = None,
    steps: StepsOption = None,
    batch_size: BatchOption = None,
    rate: RateOption = None,
    cooldown: CooldownOption = None,
    validate_every: ValidateOption = None,
    seed: SeedOption = None,
    threads: Annotated[int, typer.Option(min=1, help="Torch threads, and workers for labels.")] = 1,
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
    from gencsp.diffusion.joint.sizes import CellSizes
    from gencsp.diffusion.training.data import CrystalSet, read_held_out, stream_extxyz
    from gencsp.diffusion.training.joint_objective import JointObjective, LossWeights
    from gencsp.diffusion.training.trainer import (
        TrainSettings,
        length_of,
        make_folder,
        new_state,
        open_run,
        train,
    )
    from gencsp.potentials.chgnet.batched import find_device

    torch.set_num_threads(threads)
    chosen = find_device(device)
    config = named(channels=channels, layers=layers, n_radial=radial)
    wanted = named(
        steps=steps,
        batch_size=batch_size,
        learning_rate=rate,
        cooldown=cooldown,
        seed=seed,
        validate_every=validate_every,
    )
    more = {"bfloat16": bfloat16, "compiled": compiled}
    loss = {"weights.compactness": compactness_loss, "given_share": given_share}
    found = open_run(
        out, kind=JointObjective.kind, resume=resume, given={**loss, **config, **wanted, **more}
    )
    if found is None:
        settings = TrainSettings(**{"steps": 30000, **wanted, **more})
        state = new_state("joint", {"channels": 80, "layers": 4, "n_radial": 8, **config}, settings)
    else:
        state, settings, _ = found
    if given_share is not None:
        check("given_share", given_share, Share)
    weights = LossWeights(**named(compactness=compactness_loss))
    excluded = read_held_out(held_out)
    crystals = CrystalSet.gather(stream_extxyz(data), held_out=excluded).reduced()
    judged = None
    if validation is not None:
        first = islice(stream_extxyz(validation), validation_size)
        judged = CrystalSet.gather(first, held_out=excluded).reduced()
    make_folder(out)
    if labels:
        crystals = _labelled(crystals, data, out / "labels.npz", threads)
    objective: Objective
    if found is None:
        objective = JointObjective.fit(crystals, weights=weights, **named(given_share=given_share))
    else:
        objective = found[2]
    assert isinstance(objective, JointObjective), "open_run lets no other kind through"
    train_with_progress(
        lambda report: train(
            state,
            settings,
            objective,
            crystals,
            judged,
            out,
            device=chosen,
            report=report,
        ),
        total=settings.steps,
        done=state.step,
    )
    file = out / "pigen.safetensors"
    sizes = CellSizes.fit(np.diff(crystals.offsets).tolist(), crystals.labels)
    digest = save_joint_model(state.average, objective, sizes, file, notes=length_of(state))
    typer.echo(f"wrote {file} (digest {digest}) after {state.step} steps")


def _labelled(crystals: CrystalSet, data: Path, cache: Path, workers: int) -> CrystalSet:
    """With the properties of every crystal, from the cache where it is there."""
    import numpy as np
    from rich.progress import track

    from gencsp.diffusion.training.data import stream_extxyz
    from gencsp.diffusion.training.labels import as_array, label_crystals

    if not cache.exists():
        rows = label_crystals(stream_extxyz(data), workers=workers)
        found = as_array(track(rows, "properties", total=len(crystals)))
        np.savez_compressed(cache, labels=found)
    with np.load(cache) as stored:
        return replace(crystals, labels=stored["labels"])
