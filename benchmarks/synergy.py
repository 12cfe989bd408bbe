"""PIGEN's Extended Data Table 3 for gencsp's own joint model and searches.

    python benchmarks/synergy.py --models plain compactness=0.7 m_led=9 -n 20 --budget 100

The comparison is that of ``gencsp synergy`` and is kept under ``runs/synergy``, so that the same
command goes on where it was; the command's report of it says more than the record.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import gencsp
from gencsp.measure.record import record
from gencsp.measure.statistics import BOOTSTRAP, WILSON, bootstrap_interval, share
from gencsp.measure.synergy import Columns, Comparison, paper_row
from gencsp.proposers.targets import read_targets
from gencsp.runs.candidates import StageProgress
from gencsp.runs.discover_decks import MODELS, SynergyDeck
from gencsp.runs.novelty import NEW_FRAMEWORK
from gencsp.runs.synergy_model import ModelResult

#: Trials after which the mean of the lowest energies is recorded.
AFTER = (10, 20, 50, 100, 200, 500, 1000)


def row(some: Sequence[Comparison], result: ModelResult, *, filtered: bool) -> dict[str, Any]:
    """The columns with intervals, the paper's beside them, and the means of Fig. 5's traces."""
    columns = Columns.of(some)
    n = columns.compositions
    gains = [1000 * one.gain for one in some if one.gain is not None]
    paper = paper_row(read_targets(result.model.targets), filtered=filtered)
    return {
        **{name: share(getattr(columns, name), n) for name in ("a", "b", "e", "f")},
        "c": None if columns.c is None else [columns.c, *_interval(gains)],
        "d": columns.d,
        "unchanged": share(sum(one.unchanged for one in some), n),
        "new_frameworks": share(sum(one.novelty == NEW_FRAMEWORK for one in some), n),
        "traces": traces(some),
        "compositions": [one.formula for one in some],
        "paper": None if paper is None else {"model": paper[0], **paper[1]._asdict()},
    }


def traces(some: Sequence[Comparison]) -> list[dict[str, float]]:
    """Mean of the lowest energy so far above the lowest of both searches, meV/atom.

    Of the compositions where both searches have a structure by then.
    """
    longest = max((max(one.seeded.trials, one.unseeded.trials) for one in some), default=0)
    found = []
    for trials in [n for n in AFTER if n < longest] + [longest]:
        pairs = np.array(
            [
                [one.seeded.lowest_after(trials), one.unseeded.lowest_after(trials)]
                - np.array(one.found)
                for one in some
                if np.isfinite(one.found)
            ]
        ).reshape(-1, 2)
        pairs = pairs[np.isfinite(pairs).all(axis=1)]
        if len(pairs):
            seeded, unseeded = 1000 * pairs.mean(axis=0)
            found.append(
                {
                    "trials": trials,
                    "compositions": len(pairs),
                    "seeded": float(seeded),
                    "unseeded": float(unseeded),
                }
            )
    return found


def _interval(values: Sequence[float]) -> tuple[float, float]:
    return bootstrap_interval(values, np.mean, rng=np.random.default_rng(0))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("-n", type=int, default=40, help="compositions of each model")
    parser.add_argument("--generate", type=int, default=2000)
    parser.add_argument("--method", default="hop")
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--patience", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("runs/synergy"))
    parser.add_argument("--name", default="synergy", help="of the result")
    options = parser.parse_args()
    deck = SynergyDeck.make(
        model=tuple(options.models),
        n=options.n,
        generate=options.generate,
        method=options.method,
        budget=options.budget,
        patience=options.patience,
        seed=options.seed,
        workers=options.workers,
        out=options.folder,
    )
    shown = [time.monotonic()]

    def show(step: StageProgress) -> None:
        if time.monotonic() - shown[0] > 30:
            shown[0] = time.monotonic()
            print(step.stage, f"{step.done}/{step.total}", step.note, flush=True)

    results = gencsp.synergy(deck, report=show)
    record(
        Path(__file__).parent / "results" / f"{options.name}.json",
        measured="searches seeded with generated structures against searches of composition "
        "alone: counts a, b, e, f, and mean energies c, d (meV/atom)",
        sample_size={"compositions of each model": options.n},
        seed=options.seed,
        intervals=(WILSON, BOOTSTRAP),
        protocol={
            "deck": deck.model_dump(mode="json", exclude={"out"}),
            "columns": "as gencsp.measure.synergy.Columns defines them",
            "paper": "20 and 20 compositions of each model; FUSE 2.05 with CHGNet to 0.05 eV/Å, "
            "stopped 1,500 structures after the last new minimum; filtered by DFT",
        },
        results={
            one.model.text: {
                "generated": one.generated,
                "missing": one.missing,
                "filters": one.summary.as_dict()["filters"],
                "filtered": row(one.comparisons(filtered=True), one, filtered=True),
                "unfiltered": row(one.comparisons(filtered=False), one, filtered=False),
            }
            for one in results
        },
    )


if __name__ == "__main__":
    main()
