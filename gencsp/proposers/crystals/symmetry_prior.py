"""Which space group, Wyckoff positions and cell shape a composition is likely to have.

A *skeleton* is a crystal without coordinates: space group, the Wyckoff position of every orbit, its
element, and the shape of the cell. Two sources give skeletons:

``known``: the skeleton of a known crystal of the same stoichiometry, its roles taken by the
requested elements. A skeleton is as likely as its crystals are similar to the request, role by role
(:mod:`gencsp.proposers.crystals.likeness`), so LuNi2B2C is a likely template of PrNi2B2C. A floor
gives crystals of dissimilar elements a small weight.

``invented``: a space group by its frequency, and for each element orbits by the frequency of their
Wyckoff positions in that group, until its atoms are placed. It reaches what no known crystal has.

The crystals are OQMD-ICSD's and those that the weights were trained on, without the held-out
formulas (``tools/fit_symmetry_prior.py``; card in ``data/symmetry_prior.card.json``). How often the
true skeleton of a formula that was left out is the likeliest known one, or among the first five and
twenty, says ``data/element_metric.card.json``.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gencsp.composition import ELEMENTS, Composition
from gencsp.proposers.crystals.lattice import Bravais, bravais
from gencsp.proposers.crystals.likeness import ElementMetric, element_metric
from gencsp.proposers.crystals.wyckoff import Site, sites
from gencsp.shipped import shipped_text

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Pseudo-count of orbits on every Wyckoff position, beside the observed ones.
SITE_FLOOR = 0.5
_INDEX = {symbol: i for i, symbol in enumerate(ELEMENTS)}

#: Free ratios and angles of a conventional cell.
Shape = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A crystal without coordinates and volume.

    Attributes:
        space_group: number.
        occupied: (element symbol, Wyckoff letter) of every orbit.
        shape: free ratios and angles of the conventional cell, see
            :func:`gencsp.proposers.crystals.lattice.conventional_shape`.
    """

    space_group: int
    occupied: tuple[tuple[str, str], ...]
    shape: tuple[float, ...]

    @property
    def n_free(self) -> int:
        """Free coordinates of all orbits together."""
        table = sites(self.space_group)
        return sum(table[letter].n_free for _, letter in self.occupied)


@dataclass(frozen=True, slots=True)
class Template:
    """One way to occupy a space group.

    Attributes:
        name: as the table writes it, such as ``139 1a 2d 2e``.
        space_group: number.
        roles: for each element its atoms in the primitive cell and the letters of its orbits.
    """

    name: str
    space_group: int
    roles: tuple[tuple[int, str], ...]


#: A template, and the requested elements on its roles.
Choice = tuple[Template, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Family:
    """Known crystals of one stoichiometry (atoms of each role in the primitive cell, ascending).

    Attributes:
        elements: indices into ``ELEMENTS`` of each crystal's roles, shape (m, roles).
        templates: of each crystal.
        shapes: of each crystal.
        volumes: of each crystal, Å³/atom.
    """

    elements: IntArray
    templates: tuple[Template, ...]
    shapes: tuple[Shape, ...]
    volumes: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Likely:
    """A known crystal as the model of a requested one.

    Attributes:
        weight: how similar its elements are to the requested ones.
        family: that it belongs to.
        row: which crystal of the family it is.
        symbols: requested elements in the order of the template's roles.
    """

    weight: float
    family: Family
    row: int
    symbols: tuple[str, ...]

    @property
    def template(self) -> Template:
        """How it occupies its space group."""
        return self.family.templates[self.row]

    @property
    def elements(self) -> tuple[str, ...]:
        """Its own elements, in the order of the template's roles."""
        return tuple(ELEMENTS[k] for k in self.family.elements[self.row])

    @property
    def formula(self) -> str:
        """The same as the table writes them, such as ``CaAuSi``."""
        return "".join(self.elements)

    @property
    def composition(self) -> Composition:
        """Of its primitive cell."""
        counts = (n for n, _ in self.template.roles)
        return Composition.from_counts(dict(zip(self.elements, counts, strict=True)))

    @property
    def shape(self) -> Shape:
        """Free ratios and angles of its conventional cell."""
        return self.family.shapes[self.row]

    @property
    def volume(self) -> float:
        """Å³/atom."""
        return self.family.volumes[self.row]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A skeleton that known crystals have.

    Attributes:
        skeleton: with the shape of the most similar crystal.
        probability: share of its crystals in the weight of all.
        crystals: that have it, the most similar ones first.
    """

    skeleton: Skeleton
    probability: float
    crystals: tuple[Likely, ...]


class KnownSkeletons:
    """Skeletons of known crystals for one composition, drawn until they are used up.

    One choice of template and roles is drawn at most ``1 + n_free`` times, and at most
    ``MOST_REPEATS``: without free coordinates a second draw would be the same crystal.
    """

    MOST_REPEATS = 4

    def __init__(self, choices: Mapping[Choice, Sequence[Likely]]) -> None:
        self._keys = tuple(choices)
        self._members = tuple(choices.values())
        self._weights = np.array([sum(one.weight for one in members) for members in self._members])
        self._drawn = np.zeros(len(self._keys), dtype=np.int64)

    def __len__(self) -> int:
        return int(np.count_nonzero(self._weights))

    def ranked(self) -> list[Skeleton]:
        """One skeleton of each choice, the likeliest first."""
        return [one.skeleton for one in self.candidates()]

    def candidates(self) -> list[Candidate]:
        """All choices with their probabilities, the likeliest first."""
        total = self._weights.sum()
        found = []
        for k in np.argsort(-self._weights, kind="stable").tolist():
            if self._weights[k] <= 0:
                break
            crystals = sorted(self._members[k], key=lambda one: -one.weight)
            skeleton = self._skeleton(k, crystals[0].shape)
            found.append(Candidate(skeleton, float(self._weights[k] / total), tuple(crystals)))
        return found

    def draw(self, rng: np.random.Generator, *, likeliest: bool = False) -> Skeleton | None:
        """A skeleton, or ``None`` when all are used up.

        Args:
            rng: what chance comes from.
            likeliest: take the likeliest choice, which from then on counts half as much, and the
                shape of its likeliest crystal, instead of drawing by their weights.
        """
        total = self._weights.sum()
        if total <= 0:
            return None
        weights = self._weights / total
        k = int(weights.argmax() if likeliest else rng.choice(len(self._keys), p=weights))
        weights = np.array([one.weight for one in self._members[k]])
        weights /= weights.sum()
        member = int(weights.argmax() if likeliest else rng.choice(len(weights), p=weights))
        if likeliest:
            self._weights[k] *= 0.5
        skeleton = self._skeleton(k, self._members[k][member].shape)
        self._drawn[k] += 1
        if self._drawn[k] >= min(1 + skeleton.n_free, self.MOST_REPEATS):
            self._weights[k] = 0.0
        return skeleton

    def _skeleton(self, k: int, shape: Shape) -> Skeleton:
        template, symbols = self._keys[k]
        occupied = tuple(
            (symbol, letter)
            for symbol, (_, letters) in zip(symbols, template.roles, strict=True)
            for letter in letters
        )
        return Skeleton(template.space_group, occupied, shape)


class SymmetryPrior:
    """Statistics of known crystals; :func:`symmetry_prior` loads those that ship with gencsp."""

    def __init__(self, table: Mapping[str, Any], metric: Mapping[str, Any] | None = None) -> None:
        """Statistics of a table, compared by the metric that ships with gencsp or another table."""
        self._metric = None if metric is None else ElementMetric.from_table(metric)
        self.families: dict[tuple[int, ...], Family] = {}
        self.group_counts: Counter[int] = Counter()
        self.site_counts: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self.unit_counts: Counter[int] = Counter()
        self.shapes: defaultdict[Bravais, list[Shape]] = defaultdict(list)
        grouped: defaultdict[tuple[int, ...], list[tuple[list[int], Template, Shape, float]]]
        grouped = defaultdict(list)
        for name, members in table["templates"].items():
            template = parse_template(name)
            numbers = tuple(n for n, _ in template.roles)
            rows = [
                ([_INDEX[s] for s in symbols], template, shape, volume)
                for symbols, shape, volume in parse_members(members)
            ]
            if not rows:  # all of its crystals were left out
                continue
            grouped[numbers] += rows
            self._count(template, numbers, [shape for _, _, shape, _ in rows])
        for numbers, of_family in grouped.items():
            elements, templates, shapes, volumes = zip(*of_family, strict=True)
            self.families[numbers] = Family(np.array(elements), templates, shapes, volumes)

    def _count(self, template: Template, numbers: Sequence[int], shapes: Sequence[Shape]) -> None:
        group = template.space_group
        self.group_counts[group] += len(shapes)
        for _, letters in template.roles:
            for letter in letters:
                self.site_counts[group][letter] += len(shapes)
        self.unit_counts[math.gcd(*numbers)] += len(shapes)
        self.shapes[bravais(group)] += shapes

    def known(
        self,
        composition: Composition,
        units: tuple[int, ...],
        space_groups: tuple[int, ...] | None = None,
    ) -> KnownSkeletons:
        """Skeletons of known crystals that hold whole formula units, among ``units``."""
        choices: defaultdict[Choice, list[Likely]] = defaultdict(list)
        metric = self._metric or element_metric()
        for u in units:
            counts = [(n * u, symbol) for symbol, n in composition.counts]
            family = self.families.get(tuple(sorted(n for n, _ in counts)))
            if family is None:
                continue
            for symbols in role_orders(counts):
                wanted = np.array([_INDEX[s] for s in symbols])
                likeness = metric.log_likeness[family.elements, wanted].sum(axis=1)
                weights = (np.exp(likeness) + metric.floor).tolist()
                for row, (weight, template) in enumerate(
                    zip(weights, family.templates, strict=True)
                ):
                    if space_groups is None or template.space_group in space_groups:
                        choices[template, _same_roles(template, symbols)].append(
                            Likely(weight, family, row, symbols)
                        )
        return KnownSkeletons(choices)

    def invent(
        self,
        composition: Composition,
        units: int,
        *,
        rng: np.random.Generator,
        space_groups: tuple[int, ...] | None = None,
        attempts: int = 50,
    ) -> Skeleton | None:
        """A new skeleton, or ``None`` where none was found in so many attempts."""
        allowed = np.array(space_groups or range(1, 231))
        # A pseudo-count of one, so that a requested group is possible even if never observed.
        weights = np.array([self.group_counts[int(g)] + 1.0 for g in allowed])
        for _ in range(attempts):
            group = int(rng.choice(allowed, p=weights / weights.sum()))
            occupied = self.occupy(group, composition, units, rng)
            if occupied is not None:
                return Skeleton(group, occupied, self.shape(bravais(group), rng))
        return None

    def occupy(
        self, group: int, composition: Composition, units: int, rng: np.random.Generator
    ) -> tuple[tuple[str, str], ...] | None:
        """Orbits for all elements, drawn one after another; ``None`` at a dead end."""
        table = sites(group)
        seen = self.site_counts[group]
        taken: set[str] = set()
        occupied: list[tuple[str, str]] = []
        elements = list(composition.counts)
        for k in rng.permutation(len(elements)):
            symbol, n = elements[int(k)]
            left = n * units
            while left > 0:
                fits = [s for s in table.values() if _fits(s, left, taken)]
                if not fits:
                    return None
                weights = np.array([seen[s.letter] + SITE_FLOOR for s in fits])
                site = fits[int(rng.choice(len(fits), p=weights / weights.sum()))]
                occupied.append((symbol, site.letter))
                left -= site.multiplicity
                if site.n_free == 0:
                    taken.add(site.letter)
        return tuple(sorted(occupied))

    def shape(self, kind: Bravais, rng: np.random.Generator) -> Shape:
        """The shape of a known crystal with this Bravais lattice."""
        shapes = self.shapes[kind]
        return shapes[int(rng.integers(len(shapes)))]


@cache
def symmetry_prior() -> SymmetryPrior:
    """The statistics that ship with gencsp."""
    text = shipped_text("symmetry_prior.json")
    return SymmetryPrior(json.loads(text))


def _fits(site: Site, left: int, taken: set[str]) -> bool:
    return site.multiplicity <= left and site.letter not in taken


def role_orders(counts: Sequence[tuple[int, str]]) -> Iterator[tuple[str, ...]]:
    """Every order of the elements whose numbers of atoms ascend.

    Args:
        counts: number of atoms and symbol of every element.
    """
    ascending = tuple(sorted(n for n, _ in counts))
    for order in permutations(counts):
        if tuple(n for n, _ in order) == ascending:
            yield tuple(symbol for _, symbol in order)


def _same_roles(template: Template, symbols: tuple[str, ...]) -> tuple[str, ...]:
    """The symbols with those on equal roles in alphabetical order, so that equals meet."""
    order = sorted(range(len(symbols)), key=lambda i: (template.roles[i], symbols[i]))
    return tuple(symbols[i] for i in order)


def parse_template(name: str) -> Template:
    """A template as the table writes it: ``139 1a 2d 2e``."""
    group, *roles = name.split()
    parsed = (re.fullmatch(r"(\d+)([a-zA-Z]+)", role) for role in roles)
    return Template(name, int(group), tuple((int(m[1]), m[2]) for m in parsed if m))


def parse_members(members: str) -> Iterator[tuple[list[str], Shape, float]]:
    """Elements, shape and volume (Å³/atom) of crystals: ``CaAuSi:2.28:21.4``."""
    for member in members.split():
        elements, shape, volume = member.split(":")
        symbols = re.findall(r"[A-Z][a-z]?", elements)
        yield symbols, tuple(float(x) for x in shape.split(",")) if shape else (), float(volume)
