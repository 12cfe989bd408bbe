"""Fit what tells the right structure among several: ``gencsp/data/ranking.json`` and its card.

    python tools/fit_ranking.py collect VAL.extxyz.gz --checkpoint compared.jsonl --exclude HELD_OUT
    python tools/fit_ranking.py fit --checkpoint compared.jsonl --exclude HELD_OUT

``collect`` lets each of ``PROPOSERS`` make ``AMONG`` structures of validation compositions whose
formulas are in no table of known crystals, and writes for each structure its evidence and whether
it matches the known crystal; it goes on where it was stopped. ``fit`` fits a logistic regression
for each kind of order (:mod:`gencsp.proposers.evidence`) to all proposers together, and says on the
card, cross-validated by composition, how often the first structure is then right and how far its
confidence is from that.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from ase import Atoms
from cards import held_out_list, write_card
from numpy.typing import NDArray
from oqmd_icsd import excluded_formulas
from scipy.optimize import minimize

from gencsp.composition import ELEMENTS, Composition
from gencsp.diffusion.joint.denoising_loss import denoising_losses
from gencsp.diffusion.joint.model import load_joint_model
from gencsp.diffusion.training.data import stream_extxyz
from gencsp.measure.match_rate import distance
from gencsp.measure.reliability import calibration_error
from gencsp.measure.statistics import share
from gencsp.potentials.chgnet.select import get_engine
from gencsp.proposers import ProposerContext, get_proposer
from gencsp.proposers.base import Request
from gencsp.proposers.crystals.symmetry_prior import symmetry_prior
from gencsp.proposers.evidence import KINDS, Evidence, Kind, probabilities, relaxed_evidence
from gencsp.proposers.ranked import AMONG
from gencsp.similarity import LOOSE

Array = NDArray[np.float64]
PROPOSERS: Final = ("pigen", "score", "symmetric", "random")
#: Variables of each regression beside its bias.
TERMS: Final[dict[Kind, tuple[str, ...]]] = {
    "energy": ("energy",),
    "model": ("model",),
    "agreement": ("agreement",),
    "joint": ("energy", "model", "agreement"),
}
MOST_ATOMS, SEED, FOLDS, RIDGE = 20, 0, 10, 1e-3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=("collect", "fit"))
    parser.add_argument("data", type=Path, nargs="?", help="validation crystals, to collect")
    parser.add_argument("--checkpoint", type=Path, required=True, help="JSON lines, one a formula")
    parser.add_argument("--exclude", type=Path, help="held-out formulas, one a line")
    parser.add_argument("--out", type=Path, default=Path("gencsp/data/ranking.json"))
    options = parser.parse_args()
    excluded = excluded_formulas(options.exclude)
    torch.set_num_threads(1)
    if options.stage == "collect":
        collect(options.data, options.checkpoint, excluded)
    else:
        fit_and_write(options.checkpoint, excluded, options.out)


def collect(data: Path, checkpoint: Path, excluded: frozenset[Composition]) -> None:
    """Make, relax and compare structures of one composition after another, in random order."""
    done = {row["place"] for row in rows(checkpoint)}
    context = ProposerContext(device="cpu")
    makers = {name: get_proposer(name, context=context) for name in PROPOSERS}
    engine = get_engine(device="cpu")
    losses = partial(denoising_losses, load_joint_model(device="cpu"))
    with checkpoint.open("a", encoding="utf-8") as file:
        for place, known in drawn(data, excluded):
            if place in done:
                continue
            composition = Composition.of(known)
            units = len(known) // composition.size
            request = Request(composition=composition, n=AMONG, units=(units,))
            row: dict[str, Any] = {"place": place, "formula": composition.formula}
            row["atoms"], row["proposers"] = len(known), {}
            for name, maker in makers.items():
                rng = np.random.default_rng([SEED, place])
                made = list(maker.propose(request, rng=rng))
                if made:
                    enthalpies, agreement = relaxed_evidence(engine, made, 0.0)
                    right = [np.isfinite(distance(one, known, tolerances=LOOSE)) for one in made]
                    row["proposers"][name] = {
                        "enthalpies": [round(x, 5) for x in enthalpies.tolist()],
                        "agreement": agreement.tolist(),
                        "losses": [round(x, 5) for x in losses(made).tolist()],
                        "right": [bool(one) for one in right],
                    }
            file.write(json.dumps(row) + "\n")
            file.flush()


def drawn(data: Path, excluded: frozenset[Composition]) -> Iterator[tuple[int, Atoms]]:
    """Crystals of compositions that no table has, one of each, in random order with their place."""
    known = {composition.reduced.formula_key for composition in tabulated()}
    known |= {one.formula_key for one in excluded}
    crystals = list(stream_extxyz(data))
    for place, number in enumerate(np.random.default_rng(SEED).permutation(len(crystals)).tolist()):
        key = Composition.of(crystals[number]).formula_key
        if key in known or len(crystals[number]) > MOST_ATOMS:
            continue
        known.add(key)
        yield place, crystals[number]


def tabulated() -> Iterator[Composition]:
    """Compositions of the crystals whose skeletons gencsp knows."""
    for family in symmetry_prior().families.values():
        for template, elements in zip(family.templates, family.elements.tolist(), strict=True):
            counts: dict[str, int] = {}
            for (number, _), element in zip(template.roles, elements, strict=True):
                counts[ELEMENTS[element]] = counts.get(ELEMENTS[element], 0) + number
            yield Composition.from_counts(counts)


def rows(checkpoint: Path) -> list[dict[str, Any]]:
    """What was collected so far."""
    if not checkpoint.exists():
        return []
    return [json.loads(line) for line in checkpoint.read_text("utf-8").splitlines()]


@dataclass(frozen=True, slots=True)
class Compared:
    """The structures of one proposer for one composition, and which of them are right."""

    place: int
    proposer: str
    evidence: Evidence
    right: NDArray[np.bool_]


def compared(found: Sequence[dict[str, Any]]) -> list[Compared]:
    return [
        Compared(
            row["place"],
            name,
            Evidence(
                enthalpies=np.array(one["enthalpies"], dtype=np.float64),
                agreement=np.array(one["agreement"]),
                losses=np.array(one["losses"]),
            ),
            np.array(one["right"], dtype=bool),
        )
        for row in found
        for name, one in row["proposers"].items()
    ]


def fitted(sample: Sequence[Compared], kind: Kind) -> dict[str, float]:
    """Coefficients of most likelihood, with a small ridge on those of the variables.

    Each proposer has a bias of its own; their mean stands for that of others.
    """
    names = TERMS[kind]
    variables = [one.evidence.terms() for one in sample]
    made_by = np.repeat([one.proposer for one in sample], [len(one.right) for one in sample])
    x = np.column_stack(
        [(made_by == name).astype(np.float64) for name in PROPOSERS]
        + [np.concatenate([terms[name] for terms in variables]) for name in names]
    )
    right = np.concatenate([one.right for one in sample])
    ridge = np.array([0.0] * len(PROPOSERS) + [RIDGE] * len(names))
    best = logistic(x, right, ridge=ridge)
    biases, slopes = best[: len(PROPOSERS)], best[len(PROPOSERS) :]
    return (
        {"bias": round(float(biases.mean()), 4)}
        | {f"bias of {name}": round(float(b), 4) for name, b in zip(PROPOSERS, biases, strict=True)}
        | {name: round(float(one), 4) for name, one in zip(names, slopes, strict=True)}
    )


def logistic(x: Array, right: NDArray[np.bool_], *, ridge: Array) -> Array:
    """Coefficients of a logistic regression.

    Args:
        x: variables, shape (n, m).
        right: what was so, shape (n,).
        ridge: of each coefficient, shape (m,).
    """
    sign = np.where(right, 1.0, -1.0)

    def loss(b: Array) -> tuple[float, Array]:
        margin = sign * (x @ b)
        pull = -sign / (1 + np.exp(margin)) / len(sign)
        return float(np.logaddexp(0, -margin).mean() + ridge @ b**2), pull @ x + 2 * ridge * b

    return np.asarray(minimize(loss, np.zeros(x.shape[1]), jac=True).x)


def cross_validated(sample: Sequence[Compared], kind: Kind) -> list[Array]:
    """Probabilities of each set of structures, by a fit that has not seen their composition."""
    said: list[Array] = [np.zeros(0)] * len(sample)
    for fold in range(FOLDS):
        table: dict[str, dict[str, float]] = {
            kind: fitted([one for one in sample if one.place % FOLDS != fold], kind)
        }
        for k, one in enumerate(sample):
            if one.place % FOLDS == fold:
                said[k] = probabilities(one.evidence, kind, proposer=one.proposer, table=table)
    return said


def firsts(sample: Sequence[Compared], said: Sequence[Array], proposer: str) -> dict[str, Any]:
    """How often the first structure of a proposer is right, and what it said."""
    pairs = [
        (float(p.max()), bool(one.right[np.argsort(-p, kind="stable")[0]]))
        for one, p in zip(sample, said, strict=True)
        if one.proposer == proposer
    ]
    confidence, right = zip(*pairs, strict=True)
    error = calibration_error(confidence, right)
    return {
        **share(sum(right), len(right)),
        "said": round(float(np.mean(confidence)), 3),
        "calibration_error": None if error is None else round(error, 3),
    }


def facts_of(sample: Sequence[Compared]) -> dict[str, Any]:
    """Cross-validated rates of the first structure, by kind of order and proposer."""
    first: dict[str, Any] = {
        "as made": {
            name: share(
                sum(bool(one.right[0]) for one in sample if one.proposer == name),
                sum(one.proposer == name for one in sample),
            )
            for name in PROPOSERS
        },
        "any": {
            name: share(
                sum(bool(one.right.any()) for one in sample if one.proposer == name),
                sum(one.proposer == name for one in sample),
            )
            for name in PROPOSERS
        },
    }
    for kind in KINDS:
        said = cross_validated(sample, kind)
        first[kind] = {name: firsts(sample, said, name) for name in PROPOSERS}
    return {
        "among": AMONG,
        "right": "matches the known crystal as proposed (stol 0.5, ltol 0.3, angle 10)",
        "cross_validation": f"{FOLDS} folds, each formula in one fold only",
        "first_is_right": first,
    }


def fit_and_write(checkpoint: Path, excluded: frozenset[Composition], out: Path) -> None:
    """Fit all kinds, write the table and its card."""
    found = rows(checkpoint)
    sample = compared(found)
    out.write_text(json.dumps({kind: fitted(sample, kind) for kind in KINDS}, indent=1) + "\n")
    write_card(
        out.with_suffix(".card.json"),
        what="probability that a structure is the crystal sought, from its energy, the joint "
        "model's denoising loss and the agreement of several; model in "
        "gencsp/proposers/evidence.py",
        files=[out.name],
        data={
            "source": "validation crystals of the Materials Project and OQMD",
            "selection": f"at most {MOST_ATOMS} atoms, formulas in no table of known crystals, the "
            "first ones in random order",
            "crystals": len(found),
            "model": load_joint_model(device="cpu").digest,
        },
        held_out={
            **held_out_list(excluded),
            "why": "benchmarks use their formulas, so the fit must not know them",
        },
        licence={"this": "MIT", "data": "CC-BY-4.0"},
        command="python tools/fit_ranking.py fit --checkpoint CHECKPOINT --exclude HELD_OUT",
        facts={**facts_of(sample), "ridge": RIDGE, "seed": SEED},
    )


if __name__ == "__main__":
    main()
