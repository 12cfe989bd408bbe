"""What the benchmarks of DP-CDVAE share: options, and crystals kept as they are decoded."""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from ase import Atoms
from dp_cdvae_paper import DATA

from gencsp.diffusion.dp_cdvae.choices import Rule
from gencsp.diffusion.dp_cdvae.model import Array, DpCdvaeModel
from gencsp.diffusion.dp_cdvae.sampler import DpCdvaeSampling, decode
from gencsp.measure.statistics import bootstrap_interval

RULES = get_args(Rule)
#: Latent vectors of some crystals, from their places and their generators.
Latents = Callable[[range, Sequence[np.random.Generator]], Array]


def add_options(parser: argparse.ArgumentParser) -> None:
    """``--weights``, what is decoded, and where it is kept."""
    parser.add_argument("--weights", type=Path, required=True, help="of a trained DP-CDVAE")
    parser.add_argument("--steps", type=int, help="reverse steps; all of the model by default")
    parser.add_argument("--batch", type=int, default=64, help="crystals decoded together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="of the network: cpu, cuda")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("runs/dp_cdvae"))
    parser.add_argument("--trial", action="store_true", help="print, and record nothing")


def add_set_options(parser: argparse.ArgumentParser) -> None:
    """The known crystals, and the name of their set."""
    parser.add_argument("data", type=Path, help="crystals of the test part")
    parser.add_argument("--name", choices=list(DATA), required=True, help="of their set")
    parser.add_argument("--structures", type=int, help="take only the first of them")


def variant_of(model: DpCdvaeModel) -> str:
    """Which encoders it has: base, na, gine or na_gine."""
    config = model.network.config
    parts = [name for name, has in (("na", config.atom_count), ("gine", config.gine)) if has]
    return "_".join(parts) or "base"


def protocol_of(options: argparse.Namespace, model: DpCdvaeModel) -> dict[str, object]:
    """What a record says of every benchmark of DP-CDVAE."""
    parameters = sum(p.numel() for p in model.network.parameters())
    return {
        "weights": model.digest,
        "variant": variant_of(model),
        "parameters": parameters,
        "steps": min(options.steps or model.process.schedule.steps, model.process.schedule.steps),
        "device": options.device,
    }


class Kept:
    """Rows of JSON in a file, one a line, so that the same command goes on where it was.

    Args:
        path: of the file; a last line that an interruption cut off is dropped from it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []
        if path.exists():
            content = path.read_bytes()
            whole = content[: content.rfind(b"\n") + 1]
            if len(whole) < len(content):
                path.write_bytes(whole)
            self.rows = [json.loads(line) for line in whole.splitlines()]

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """Keep more of them."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
        self.rows += rows


def row_of(atoms: Atoms) -> dict[str, Any]:
    """Species, positions and cell."""
    return {
        "numbers": atoms.numbers.tolist(),
        "positions": atoms.positions.tolist(),
        "cell": atoms.cell.array.tolist(),
    }


def atoms_of_row(row: dict[str, Any]) -> Atoms:
    """The crystal of a row."""
    return Atoms(row["numbers"], positions=row["positions"], cell=row["cell"], pbc=True)


def folder_of(options: argparse.Namespace, model: DpCdvaeModel) -> Path:
    """Where crystals of these weights and this sampler are kept."""
    folder: Path = options.folder
    return folder / f"{model.digest}-{protocol_of(options, model)['steps']}-{options.seed}"


def set_of(options: argparse.Namespace) -> str:
    """The name of the known crystals, and a digest of their file: what is kept is of these."""
    digest = hashlib.sha256(options.data.read_bytes()).hexdigest()
    return f"{options.name}-{digest[:8]}"


def decoded(
    path: Path,
    model: DpCdvaeModel,
    n: int,
    latents: Latents,
    *,
    rule: Rule,
    options: argparse.Namespace,
) -> tuple[list[Atoms], float]:
    """n crystals, those in the file among them, and the mean processor seconds of one.

    Each has its own random numbers, by seed and place, so that neither n nor a pause changes it.
    """
    kept = Kept(path)
    sampling = DpCdvaeSampling(rule=rule, steps=options.steps)
    while len(kept.rows) < n:
        begun = time.process_time()
        places = range(len(kept.rows), min(n, len(kept.rows) + options.batch))
        rngs = [np.random.default_rng([options.seed, k]) for k in places]
        made = decode(model, latents(places, rngs), sampling=sampling, rngs=rngs)
        spent = (time.process_time() - begun) / len(made)
        kept.add([{**row_of(atoms), "seconds": spent} for atoms in made])
        print(path.name, len(kept.rows), f"{spent:.2f} s", flush=True)
    rows = kept.rows[:n]
    return [atoms_of_row(row) for row in rows], float(np.mean([row["seconds"] for row in rows]))


def generated(
    model: DpCdvaeModel, n: int, *, rule: Rule, options: argparse.Namespace
) -> tuple[list[Atoms], float]:
    """n crystals of z ~ N(0, I), nothing dropped; as :func:`decoded`."""

    def latents(_: range, rngs: Sequence[np.random.Generator]) -> Array:
        return np.stack([rng.standard_normal(model.latent) for rng in rngs])

    path = folder_of(options, model) / f"generated-{rule}.jsonl"
    return decoded(path, model, n, latents, rule=rule, options=options)


def reconstructed(
    model: DpCdvaeModel, crystals: Sequence[Atoms], *, rule: Rule, options: argparse.Namespace
) -> tuple[list[Atoms], float]:
    """Known crystals through z and back (eq. 8); as :func:`decoded`, and ``gencsp reconstruct``."""

    def latents(places: range, rngs: Sequence[np.random.Generator]) -> Array:
        mean, spread = model.encode([crystals[k] for k in places])
        return mean + spread * np.stack([rng.standard_normal(model.latent) for rng in rngs])

    path = folder_of(options, model) / f"reconstructed-{set_of(options)}-{rule}.jsonl"
    return decoded(path, model, len(crystals), latents, rule=rule, options=options)


def with_interval(
    values: Sequence[float], statistic: Callable[[np.ndarray], float], digits: int = 4
) -> list[float] | None:
    """A statistic with its interval, or ``None`` of nothing."""
    if not len(values):
        return None
    low, high = bootstrap_interval(values, statistic, rng=np.random.default_rng(0))
    value = float(statistic(np.asarray(values, dtype=float)))
    return [round(one, digits) for one in (value, low, high)]
