"""Learn which elements replace each other in crystals: ``gencsp/data/element_metric.json``.

    python tools/fit_element_metric.py

Reads ``symmetry_prior.json`` alone (``tools/fit_symmetry_prior.py``), hence no held-out formula.
Every element gets a point in a space of ``DIMENSIONS``; two crystals of one stoichiometry are as
near as the elements on their roles, squared distances added. The points are moved until for a
crystal that is left out, with all polymorphs of its formula, the crystals of its own skeleton are
the near ones: the likelihood of neighbourhood components analysis (Goldberger et al., NIPS 2004)
with skeletons for classes, and a weight (``floor``) for crystals without anything in common. That
is metric learning for the choice of templates as in CSPML (Kusaba et al., Comput. Mater. Sci. 211,
111496 (2022)), linear and with the skeleton for what is to be found.

First it is fitted without ``LEFT_OUT`` formulas, for which the card says how high the true skeleton
ranks; then with all.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from ase.data import atomic_numbers, covalent_radii
from cards import write_card
from fit_symmetry_prior import decode
from torch import Tensor, nn

from gencsp.composition import ELEMENTS, Composition
from gencsp.proposers.crystals.symmetry_prior import (
    SymmetryPrior,
    parse_members,
    parse_template,
    role_orders,
)
from gencsp.proposers.crystals.volume import electronegativity, family

DIMENSIONS = 16
EPOCHS = 3
RATE, DECAY = 3e-3, 1e-2
#: Pairs of crystals of one step, and crystals.
PAIRS, QUERIES = 400_000, 128
LEFT_OUT, MOST_ATOMS = 1000, 20
#: What counts as one unit where the fit begins: in Pauling's electronegativity, covalent radius
#: (Å), groups and periods of the periodic table; and the width of the Gaussian about it.
UNITS, WIDTH = (0.35, 0.2, 3.0, 3.3), 0.7
_NOBLE = (2, 10, 18, 36, 54, 86)
_INDEX = {symbol: k for k, symbol in enumerate(ELEMENTS)}


@dataclass(frozen=True, slots=True)
class Group:
    """Known crystals of one reduced stoichiometry.

    Attributes:
        elements: indices into ``ELEMENTS`` of each crystal's roles, shape (m, roles).
        template: number of its template, shape (m,).
        formula: number of its reduced formula, shape (m,).
        orders: ways to give the roles of one crystal to the elements of another, each a permutation
            of the roles that keeps their numbers of atoms.
        same: whether an order gives every element a role with the same Wyckoff positions, shape
            (m, orders).
    """

    elements: Tensor
    template: Tensor
    formula: Tensor
    orders: tuple[tuple[int, ...], ...]
    same: Tensor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, default=Path("gencsp/data/symmetry_prior.json"))
    parser.add_argument("--out", type=Path, default=Path("gencsp/data/element_metric.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)

    templates = json.loads(options.table.read_text("utf-8"))["templates"]
    left_out = some_formulas(templates)
    validation = rank_left_out(templates, left_out)
    metric, loss = fit(groups(templates))
    options.out.write_text(json.dumps(metric.as_json(), indent=0) + "\n", "utf-8")
    prior_card = json.loads(options.table.with_suffix(".card.json").read_text("utf-8"))
    card = write_card(
        options.out.with_suffix(".card.json"),
        what="points of the elements: how readily they replace each other in known crystals",
        files=[options.out.name],
        data={"source": f"{options.table.name}", "crystals": prior_card["facts"]["crystals"]},
        held_out=prior_card["held_out"],
        licence={"this": "CC-BY-4.0", "data": "CC-BY-4.0"},
        command="python tools/fit_element_metric.py",
        facts={
            "dimensions": DIMENSIONS,
            "epochs": EPOCHS,
            "optimiser": f"AdamW, rate {RATE} falling to zero with a cosine, decay {DECAY}, seed 0",
            "loss": round(loss, 4),
            "left_out": validation,
        },
    )
    sys.stdout.write(json.dumps(card, indent=1) + "\n")


def groups(
    templates: Mapping[str, str], without: frozenset[Composition] = frozenset()
) -> list[Group]:
    """The crystals by reduced stoichiometry, those of some formulas left out."""
    found: dict[tuple[int, ...], list[tuple[str, list[str]]]] = defaultdict(list)
    for name, members in templates.items():
        numbers = [n for n, _ in parse_template(name).roles]
        stoichiometry = tuple(n // math.gcd(*numbers) for n in numbers)
        for symbols, *_ in parse_members(members):
            if formula_of(stoichiometry, symbols) not in without:
                found[stoichiometry].append((name, symbols))
    return [
        _group(stoichiometry, rows)
        for stoichiometry, rows in found.items()
        if len(stoichiometry) > 1
    ]


def formula_of(stoichiometry: Sequence[int], symbols: Sequence[str]) -> Composition:
    """The reduced formula of a crystal."""
    return Composition.from_counts(dict(zip(symbols, stoichiometry, strict=True))).reduced


def _group(stoichiometry: tuple[int, ...], rows: Sequence[tuple[str, list[str]]]) -> Group:
    places = tuple(str(k) for k in range(len(stoichiometry)))
    orders = tuple(
        tuple(int(k) for k in order)
        for order in role_orders(list(zip(stoichiometry, places, strict=True)))
    )
    names = {name: k for k, name in enumerate(dict.fromkeys(name for name, _ in rows))}
    formulas = [formula_of(stoichiometry, symbols) for _, symbols in rows]
    number = {formula: k for k, formula in enumerate(dict.fromkeys(formulas))}
    letters = {name: [own for _, own in parse_template(name).roles] for name in names}
    return Group(
        elements=torch.tensor([[_INDEX[s] for s in symbols] for _, symbols in rows]),
        template=torch.tensor([names[name] for name, _ in rows]),
        formula=torch.tensor([number[formula] for formula in formulas]),
        orders=orders,
        same=torch.tensor(
            [
                [[own[k] for k in order] == own for order in orders]
                for own in (letters[name] for name, _ in rows)
            ]
        ),
    )


class Metric(nn.Module):
    """Points of the elements, and the weight of what has nothing in common (its logarithm)."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        points = 0.05 * torch.randn(len(ELEMENTS), DIMENSIONS, generator=generator)
        known = properties()
        points[:, : known.shape[1]] = known
        self.points = nn.Parameter(points)
        self.floor = nn.Parameter(torch.tensor(math.log(1e-4)))

    def log_weights(self, group: Group, asked: Tensor) -> Tensor:
        """ln weight of every crystal of a group, for those asked: (b, m, orders)."""
        squares = torch.cdist(self.points, self.points).square()
        roles = range(group.elements.shape[1])
        likeness = torch.stack(
            [
                -sum(  # type: ignore[misc]
                    squares[asked[:, None, order[k]], group.elements[None, :, k]] for k in roles
                )
                for order in group.orders
            ],
            dim=-1,
        )
        return torch.logaddexp(likeness, self.floor.expand_as(likeness))

    def as_json(self) -> dict[str, object]:
        """What ships."""
        points = self.points.detach().numpy().round(4)
        return {
            "floor": round(float(self.floor.detach().exp()), 7),
            "points": {s: [float(x) for x in points[k]] for s, k in _INDEX.items()},
        }


def properties() -> Tensor:
    """Where the fit begins: electronegativity, radius, group, period, being a lanthanide."""
    chi = electronegativity()
    rows = []
    for symbol in ELEMENTS:
        z = int(atomic_numbers[symbol])
        column = family(symbol)
        # Lanthanides and actinides count as group 3, like the other trivalent metals.
        group = 2 if column >= 18 else column
        period = sum(z > noble for noble in _NOBLE)
        measured = np.array([chi[symbol], covalent_radii[z], group, period]) / UNITS
        rows.append([*measured, float(column == 18)])
    return torch.tensor(np.array(rows) / (WIDTH * math.sqrt(2)), dtype=torch.float32)


def fit(some: Sequence[Group]) -> tuple[Metric, float]:
    """The metric of these crystals, and the mean negative log likelihood at the end."""
    metric = Metric(torch.Generator().manual_seed(0))
    rng = np.random.default_rng(0)
    optimiser = torch.optim.AdamW(metric.parameters(), lr=RATE, weight_decay=DECAY)
    steps = EPOCHS * len(list(_batches(some, np.random.default_rng(0))))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    mean = math.nan
    for _ in range(EPOCHS):
        losses: list[float] = []
        for group, batch in _batches(some, rng):
            log_likelihood = _log_likelihood(metric, group, batch)
            if len(log_likelihood):
                optimiser.zero_grad()
                loss = -log_likelihood.sum() / QUERIES
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(metric.parameters(), 5.0)
                optimiser.step()
                losses += (-log_likelihood.detach()).tolist()
            schedule.step()
        mean = float(np.mean(losses))
    return metric, mean


def _batches(some: Sequence[Group], rng: np.random.Generator) -> Iterator[tuple[Group, Tensor]]:
    """Crystals of one group each, all of them once, in a random order."""
    found = []
    for group in some:
        m = len(group.template)
        if int(group.formula.max()) < 1:
            continue
        order = torch.tensor(rng.permutation(m))
        size = max(4, min(QUERIES, PAIRS // (m * len(group.orders))))
        found += [(group, batch) for batch in torch.split(order, size)]
    for k in rng.permutation(len(found)):
        yield found[k]


def _log_likelihood(metric: Metric, group: Group, batch: Tensor) -> Tensor:
    """Of the own skeleton among those of other formulas, of crystals of which there are any."""
    weights = metric.log_weights(group, group.elements[batch])
    own = (group.formula[batch][:, None] == group.formula[None])[:, :, None]
    alike = (group.template[batch][:, None] == group.template[None])[:, :, None] & group.same[None]
    weights = weights.masked_fill(own, -math.inf)
    some = (alike & ~own).flatten(1).any(1)
    weights, alike = weights[some], alike[some]
    return torch.logsumexp(weights.masked_fill(~alike, -math.inf).flatten(1), 1) - torch.logsumexp(
        weights.flatten(1), 1
    )


def some_formulas(templates: Mapping[str, str]) -> dict[Composition, set[tuple[str, str]]]:
    """Formulas to leave out, with the templates and elements of all their crystals."""
    known: dict[Composition, set[tuple[str, str]]] = defaultdict(set)
    for name, members in templates.items():
        for symbols, *_ in parse_members(members):
            elements = "".join(symbols)
            composition, _ = decode(name, elements)
            if len(composition.elements) > 1 and composition.size <= MOST_ATOMS:
                known[composition.reduced].add((name, elements))
    every = list(known)
    chosen = np.random.default_rng(0).permutation(len(every))[:LEFT_OUT]
    return {every[k]: known[every[k]] for k in chosen}


def rank_left_out(
    templates: Mapping[str, str], left_out: Mapping[Composition, set[tuple[str, str]]]
) -> dict[str, object]:
    """How high the true skeletons of left-out formulas rank, of a metric that never saw them."""
    without = frozenset(left_out)
    metric, _ = fit(groups(templates, without))
    kept = {
        name: " ".join(
            member
            for member in members.split()
            if decode(name, member.partition(":")[0])[0].reduced not in without
        )
        for name, members in templates.items()
    }
    ranks = {
        how: _ranks(SymmetryPrior({"templates": kept}, one.as_json()), left_out)
        for how, one in {"learned": metric, "properties of the elements alone": start()}.items()
    }
    return {
        "what": f"all crystals of at most {MOST_ATOMS} atoms of {len(left_out)} formulas of two or "
        "more elements, left out of the fit and of the table",
        **ranks,
    }


def start() -> Metric:
    """What the fit begins from, without what is random in it."""
    metric = Metric(torch.Generator().manual_seed(0))
    with torch.no_grad():
        metric.points[:, properties().shape[1] :] = 0.0
    return metric


def _ranks(
    prior: SymmetryPrior, left_out: Mapping[Composition, set[tuple[str, str]]]
) -> dict[str, object]:
    ranks: dict[str, list[int | None]] = {"number of atoms given": [], "any number of atoms": []}
    for own in left_out.values():
        for name, elements in sorted(own):
            composition, true = decode(name, elements)
            reduced = composition.reduced
            units = (composition.size // reduced.size,)
            every = tuple(reduced.units_within(MOST_ATOMS))
            for how, asked in zip(ranks, (units, every), strict=True):
                ranked = prior.known(reduced, asked).ranked()
                same = (
                    k
                    for k, one in enumerate(ranked)
                    if (one.space_group, sorted(one.occupied))
                    == (true.space_group, sorted(true.occupied))
                )
                ranks[how].append(next(same, None))
    return {
        "crystals": len(next(iter(ranks.values()))),
        **{
            how: {
                **{
                    f"among_first_{n}": round(
                        float(np.mean([k is not None and k < n for k in some])), 3
                    )
                    for n in (1, 5, 20)
                },
                "not_known": round(float(np.mean([k is None for k in some])), 3),
            }
            for how, some in ranks.items()
        },
    }


if __name__ == "__main__":
    main()
