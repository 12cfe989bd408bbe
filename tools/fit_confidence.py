"""Fit how likely a substitution is right: ``gencsp/data/confidence.json`` and its card.

    python tools/fit_confidence.py collect VAL.extxyz.gz --checkpoint tries.jsonl --exclude HELD_OUT
    python tools/fit_confidence.py collect TRAIN_LARGE.extxyz.gz VAL_LARGE.extxyz.gz --known \\
        --checkpoint tries.jsonl --exclude HELD_OUT
    python tools/fit_confidence.py fit --checkpoint tries.jsonl --exclude HELD_OUT

``collect`` makes the first ``TRIES`` substitutions for each composition and writes, of the first
one of each skeleton, the votes and whether it matches the known crystal; it goes on where it was
stopped. Without ``--known`` it takes compositions that no table of known crystals has; with it,
any, and leaves the crystals of their own formula out of the table.
``fit`` fits the logistic regression of
:mod:`gencsp.proposers.crystals.confidence` and says on the card, cross-validated by formula, what
it changes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from ase import Atoms
from cards import held_out_list, write_card
from fit_ranking import logistic, rows, tabulated
from numpy.typing import NDArray
from oqmd_icsd import excluded_formulas

from gencsp.composition import ELEMENTS, Composition
from gencsp.diffusion.training.data import stream_extxyz
from gencsp.measure.match_rate import distance
from gencsp.measure.reliability import calibration_error
from gencsp.measure.statistics import share
from gencsp.proposers.base import ProposerContext, Request
from gencsp.proposers.crystals.confidence import Votes, confidence
from gencsp.proposers.crystals.symmetry_prior import Family, symmetry_prior
from gencsp.proposers.substitution import SubstitutionOptions, SubstitutionProposer, Try
from gencsp.similarity import LOOSE

Array = NDArray[np.float64]
#: Tries of each composition, and most compositions of larger cells.
TRIES, MOST_LARGE = 6, 400
LARGE = 20
SEED, FOLDS, RIDGE = 0, 10, 1e-4
VARIABLES: Final = ("share", "likeness", "free", "generated")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=("collect", "fit"))
    parser.add_argument("data", type=Path, nargs="*", help="crystals, to collect")
    parser.add_argument("--known", action="store_true", help="leave own formulas out of the table")
    parser.add_argument("--checkpoint", type=Path, required=True, help="JSON lines, one a formula")
    parser.add_argument("--exclude", type=Path, help="held-out formulas, one a line")
    parser.add_argument("--out", type=Path, default=Path("gencsp/data/confidence.json"))
    options = parser.parse_args()
    excluded = excluded_formulas(options.exclude)
    torch.set_num_threads(1)
    if options.stage == "collect":
        crystals = drawn(options.data, excluded, known=options.known)
        collect(crystals, options.checkpoint)
    else:
        fit_and_write(options.checkpoint, excluded, options.out)


class Noting(SubstitutionProposer):
    """Substitution that writes down the votes for each structure."""

    def _label(self, one: Try, atoms: Atoms) -> Atoms:
        labelled = super()._label(one, atoms)
        labelled.info["votes"] = asdict(one.votes)
        labelled.info["nth"] = one.nth
        return labelled


def drawn(
    data: Sequence[Path], excluded: frozenset[Composition], *, known: bool
) -> Iterator[Atoms]:
    """Crystals of compositions that may be used, one of each, in random order."""
    crystals = [atoms for path in data for atoms in stream_extxyz(path)]
    left_out = {one.formula_key for one in excluded}
    if not known:
        left_out |= {one.reduced.formula_key for one in tabulated()}
    order = np.random.default_rng(SEED).permutation(len(crystals)).tolist()
    found = (crystals[k] for k in order)
    return islice(_one_of_each(found, left_out), MOST_LARGE if known else None)


def _one_of_each(crystals: Iterator[Atoms], left_out: set[str]) -> Iterator[Atoms]:
    for atoms in crystals:
        key = Composition.of(atoms).formula_key
        if key not in left_out:
            left_out.add(key)
            yield atoms


def collect(crystals: Iterator[Atoms], checkpoint: Path) -> None:
    """Substitutions for one composition after another, with their votes."""
    done = {row["formula"] for row in rows(checkpoint)}
    options = SubstitutionOptions()
    context = ProposerContext(device="cpu")
    proposer = Noting(options.score_model(context), **options.sampling(context))
    with checkpoint.open("a", encoding="utf-8") as file:
        for known in crystals:
            reduced = Composition.of(known)
            if reduced.formula in done:
                continue
            units = len(known) // reduced.size
            request = Request(composition=reduced, n=TRIES, units=(units,))
            with without(reduced, units):
                made = list(proposer.propose(request, rng=np.random.default_rng(SEED)))
            # Other coordinates of a skeleton are right where the first are: they would count twice.
            tries = [
                one.info["votes"]
                | {"right": bool(np.isfinite(distance(one, known, tolerances=LOOSE)))}
                for one in made
                if one.info["nth"] == 0
            ]
            row = {"formula": reduced.formula, "atoms": len(known), "tries": tries}
            file.write(json.dumps(row) + "\n")
            file.flush()


@contextmanager
def without(composition: Composition, units: int) -> Iterator[None]:
    """The table of known crystals without those of a composition, for a while."""
    families = symmetry_prior().families
    place = tuple(sorted(number * units for _, number in composition.counts))
    family = families.get(place)
    if family is None:
        yield
        return
    names = family.elements.tolist()
    others = [
        k
        for k, template in enumerate(family.templates)
        if _composition(template.roles, names[k]) != composition
    ]
    del families[place]
    if others:
        families[place] = Family(
            family.elements[others],
            tuple(family.templates[k] for k in others),
            tuple(family.shapes[k] for k in others),
            tuple(family.volumes[k] for k in others),
        )
    try:
        yield
    finally:
        families[place] = family


def _composition(roles: Sequence[tuple[int, str]], elements: Sequence[int]) -> Composition:
    counts: dict[str, int] = {}
    for (number, _), element in zip(roles, elements, strict=True):
        counts[ELEMENTS[element]] = counts.get(ELEMENTS[element], 0) + number
    return Composition.from_counts(counts).reduced


def votes_of(row: dict[str, Any]) -> list[Votes]:
    return [Votes(**{k: v for k, v in one.items() if k != "right"}) for one in row["tries"]]


def right_of(row: dict[str, Any]) -> NDArray[np.bool_]:
    return np.array([one["right"] for one in row["tries"]], dtype=bool)


def fitted(sample: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Coefficients of most likelihood, with a small ridge on those of the variables."""
    terms = [one.terms() for row in sample for one in votes_of(row)]
    x = np.array([[1.0, *(one[name] for name in VARIABLES)] for one in terms])
    right = np.concatenate([right_of(row) for row in sample])
    best = logistic(x, right, ridge=np.array([0.0] + [RIDGE] * len(VARIABLES)))
    return dict(zip(("bias", *VARIABLES), (round(float(one), 4) for one in best), strict=True))


def cross_validated(sample: Sequence[dict[str, Any]]) -> list[Array]:
    """Confidences of the tries of each row, by a fit that has not seen its formula."""
    said: list[Array] = [np.zeros(0)] * len(sample)
    for fold in range(FOLDS):
        table = fitted([row for k, row in enumerate(sample) if k % FOLDS != fold])
        for k, row in enumerate(sample):
            if k % FOLDS == fold:
                said[k] = np.array([confidence(one, table) for one in votes_of(row)])
    return said


def rates(sample: Sequence[dict[str, Any]], said: Sequence[Array]) -> dict[str, Any]:
    """How often the first try is right, and how far what is said of it is from that."""
    right = [bool(right_of(row)[0]) for row in sample]
    confident = [float(p[0]) for p in said]
    error = calibration_error(confident, right)
    return {
        **share(sum(right), len(right)),
        "said": round(float(np.mean(confident)), 3),
        "calibration_error": None if error is None else round(error, 3),
    }


def fit_and_write(checkpoint: Path, excluded: frozenset[Composition], out: Path) -> None:
    """Fit, write the table and its card."""
    sample = [row for row in rows(checkpoint) if row["tries"]]
    out.write_text(json.dumps(fitted(sample), indent=1) + "\n")
    by_votes = [np.array([one.share for one in votes_of(row)]) for row in sample]
    by_fit = cross_validated(sample)
    facts: dict[str, Any] = {}
    others: list[str] = []
    for name, large in (("at most 20 atoms", False), ("21 to 52 atoms", True)):
        mine = [k for k, row in enumerate(sample) if (row["atoms"] > LARGE) is large]
        few = [sample[k] for k in mine]
        best = [int(by_fit[k].argmax()) for k in mine]
        right = sum(bool(right_of(row)[k]) for row, k in zip(few, best, strict=True))
        others.append(f"{right} of {len(few)} ({name})")
        facts[name] = {
            "compositions": len(few),
            "share of the votes": rates(few, [by_votes[k] for k in mine]),
            "calibrated": rates(few, [by_fit[k] for k in mine]),
        }
    write_card(
        out.with_suffix(".card.json"),
        what="probability that a substituted crystal is the one sought, from the votes of known "
        "crystals; model in gencsp/proposers/crystals/confidence.py",
        files=[out.name],
        data={
            "source": "crystals of the Materials Project and OQMD",
            "selection": "validation crystals whose formulas are in no table of known crystals, "
            "and crystals of 21 to 52 atoms, those of their own formula left out of the table",
            "crystals": len(sample),
        },
        held_out={
            **held_out_list(excluded),
            "why": "benchmarks use their formulas, so the fit must not know them",
        },
        licence={"this": "MIT", "data": "CC-BY-4.0"},
        command="python tools/fit_confidence.py fit --checkpoint CHECKPOINT --exclude HELD_OUT",
        facts={
            "first_is_right": facts,
            "right": "matches the known crystal as proposed (stol 0.5, ltol 0.3, angle 10)",
            "cross_validation": f"{FOLDS} folds, each formula in one fold only; the metric of the "
            "elements had seen the larger crystals",
            "tries": TRIES,
            "order": "by share; in that of the confidences the first is right for "
            + "; ".join(others),
            "ridge": RIDGE,
            "seed": SEED,
        },
    )


if __name__ == "__main__":
    main()
