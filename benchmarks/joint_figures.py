"""PIGEN's Fig. 3 and Extended Data Fig. 1 and 3a for the joint model, as numbers and plots.

    python benchmarks/joint_figures.py --labels RUN/labels.npz --samples 500

``labels.npz`` is what ``gencsp train joint`` keeps of its training crystals. Rows of crystals are
those of the suite ``pigen-funnel``, whose record has Fig. 3d and Extended Data Fig. 3b, the share
outside the first N prototypes.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from joint_options import add_model_options, add_sampler_options, network_of, settings_of
from joint_rows import ROWS, folder_of, generated
from numpy.typing import NDArray

from gencsp.diffusion.joint.conditions import PROPERTIES
from gencsp.diffusion.training.labels import as_array, label_crystals
from gencsp.filters import get_filter
from gencsp.filters.plots import draw_curves
from gencsp.measure.distributions import binned_medians, histogram, overlaps, rank_correlation
from gencsp.measure.record import record
from gencsp.suites.tasks.funnel_block import COLUMNS

C, M_LED, E_HULL, K = (
    PROPERTIES.index(p) for p in ("compactness", "m_led", "e_hull", "complexity")
)
#: Edges of the histograms: bits, and bits/atom.
DIVERSITIES = tuple(np.arange(5.5, 11.6, 0.25).tolist())
COMPLEXITIES = tuple(np.arange(0.0, 4.6, 0.25).tolist())
COMPACTNESSES = tuple(np.arange(0.0, 1.5, 0.1).tolist())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--labels", type=Path, required=True, help="of the training crystals")
    parser.add_argument("--samples", type=int, default=500, help="of each row")
    parser.add_argument("--sizes", choices=("training", "targets"), default="targets")
    parser.add_argument("--folder", type=Path, default=Path("runs/joint_de_novo"))
    parser.add_argument("--plots", type=Path, help="folder for PNG files")
    parser.add_argument("--name", default="joint_figures", help="of the result")
    add_model_options(parser)
    add_sampler_options(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    model = network_of(options)
    folder = folder_of(options.folder, model, (options.steps, options.renewal, options.correctors))
    with np.load(options.labels) as stored:
        training: NDArray[np.float64] = stored["labels"]
    arm = "both" if options.sizes == "targets" else "guidance"
    made: dict[str, list[Atoms]] = {}
    for row in ("unconditional", "M_LED = 9", "K = 3", "C = 0.7", "E_hull = 0"):
        made[row] = generated(
            model,
            row,
            arm if ROWS[row].targets else "none",
            options.samples,
            settings=settings_of(options),
            seed=options.seed,
            folder=folder,
        )
    own = {row: as_array(label_crystals(some)) for row, some in made.items()}
    results: dict[str, Mapping[str, object]] = {
        "Fig. 3a": _distributions(training, own, M_LED, DIVERSITIES, "M_LED = 9"),
        "Fig. 3b": {row: _venn(made[row], own[row]) for row in ("C = 0.7", "E_hull = 0")},
        "Fig. 3c": _relation(training[:, C], training[:, E_HULL], COMPACTNESSES),
        "Extended Data Fig. 1a": _relation(training[:, M_LED], training[:, K], DIVERSITIES),
        "Extended Data Fig. 1b": _distributions(training, own, K, COMPLEXITIES, "K = 3"),
    }
    record(
        Path(__file__).parent / "results" / f"{options.name}.json",
        measured="distributions of M_LED (bits) and K (bits/atom) in training and generated, "
        "overlaps of filters A, B and D, and rank correlations in training of C with energy above "
        "the hull and of M_LED with K",
        command=f"python benchmarks/{Path(__file__).name} --labels LABELS "
        f"--samples {options.samples} --sizes {options.sizes} --steps {options.steps} "
        f"--renewal {options.renewal} --seed {options.seed}",
        sample_size={"training crystals": len(training), "crystals of each row": options.samples},
        seed=options.seed,
        intervals=("95 %, percentile bootstrap, of rank correlations",),
        protocol={"weights": model.digest, "sizes": options.sizes},
        results=results,
    )
    if options.plots:
        _draw(results, options.plots)


def _distributions(
    training: NDArray[np.float64],
    own: dict[str, NDArray[np.float64]],
    column: int,
    edges: tuple[float, ...],
    row: str,
) -> dict[str, dict[str, object]]:
    sets = {"training": training, "unconditional": own["unconditional"], row: own[row]}
    return {name: histogram(list(labels[:, column]), edges) for name, labels in sets.items()}


def _venn(made: list[Atoms], labels: NDArray[np.float64]) -> dict[str, int]:
    passed = {
        column: [get_filter(COLUMNS[column]).judge(atoms).passed for atoms in made]
        for column in ("A", "B")
    }
    return overlaps({**passed, "D": (labels[:, M_LED] > 9.0).tolist()})


def _relation(
    x: NDArray[np.float64], y: NDArray[np.float64], edges: tuple[float, ...]
) -> dict[str, object]:
    return {
        "rank_correlation": rank_correlation(list(x), list(y), rng=np.random.default_rng(0)),
        "medians": binned_medians(list(x), list(y), edges),
    }


def _draw(results: Mapping[str, Mapping[str, object]], folder: Path) -> None:
    for figure, label in (("Fig. 3a", "M_LED (bits)"), ("Extended Data Fig. 1b", "K (bits/atom)")):
        curves, edges = {}, [0.0]
        for name, found in results[figure].items():
            assert isinstance(found, dict)
            curves[name], edges = [100 * share for share in found["shares"]], found["edges"]
        draw_curves(
            curves,
            folder / f"{figure.replace(' ', '_').replace('.', '')}.png",
            xlabel=f"bins of {label} from {edges[0]:g} to {edges[-1]:g}",
            ylabel="crystals (%)",
        )


if __name__ == "__main__":
    main()
