"""Least distances of atoms, by pair of elements: one value from the command line to workers.

Decks hold them, and the help of a command imports its deck: what is heavy is imported when needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BeforeValidator, PlainSerializer

from gencsp.deck import Separation, check
from gencsp.errors import RequestError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Å: no two nuclei of a crystal come closer; the shortest bond, H-H, has 0.74. At shorter
#: distances potentials may have spurious minima.
CLOSEST = 0.5


@dataclass(frozen=True, slots=True)
class LeastDistances(Mapping[tuple[str, str], float]):
    """Least distances of pairs of elements, Å.

    They stand in place of a share of the covalent radii, which pairs that are not named keep
    (:meth:`least`). It is a mapping of pairs of symbols to distances; the order of the two symbols
    and of the pairs means nothing, to equality and hash neither. :meth:`parse` is the usual way in.

    Attributes:
        triples: two symbols in alphabetical order and their distance in Å, in order.

    Raises:
        RequestError: a symbol is no element, a distance is out of range, or a pair has two
            distances.
    """

    triples: tuple[tuple[str, str, float], ...] = ()

    def __post_init__(self) -> None:
        if not self.triples:
            return
        from ase.data import atomic_numbers

        found: dict[tuple[str, str], float] = {}
        for one, other, distance in self.triples:
            pair = _in_order(one, other)
            name = "-".join(pair)
            for symbol in pair:
                if symbol not in atomic_numbers or symbol == "X":
                    raise RequestError(
                        f"'{name}' is not a pair of elements such as Li-O: '{symbol}' is not an "
                        f"element."
                    )
            check(f"the least distance of {name}", distance, Separation)
            if found.setdefault(pair, float(distance)) != distance:
                raise RequestError(
                    f"{name} has two least distances, {found[pair]:g} and {distance:g} Å: give one."
                )
        triples = tuple((a, b, distance) for (a, b), distance in sorted(found.items()))
        object.__setattr__(self, "triples", triples)

    @classmethod
    def parse(cls, given: str | Mapping[str, object] | LeastDistances) -> Self:
        """Read ``Si-O=1.5,O-O=2.2``, or a mapping such as ``{"Si-O": 1.5}``; Å.

        Raises:
            RequestError: it is written otherwise, or as for the class.
        """
        if isinstance(given, LeastDistances):
            return cls(given.triples)
        if isinstance(given, str):
            parts = [part.strip() for part in given.split(",") if part.strip()]
            items = [(pair, distance) for pair, _, distance in (p.partition("=") for p in parts)]
        elif isinstance(given, Mapping):
            items = [(str(pair), str(distance)) for pair, distance in given.items()]
        else:
            raise RequestError(f"least distances are written as Si-O=1.5, in Å, not as {given!r}.")
        return cls(tuple(_triple(pair.strip(), distance) for pair, distance in items))

    def __getitem__(self, pair: tuple[str, str]) -> float:
        wanted = _in_order(*pair)
        for one, other, distance in self.triples:
            if (one, other) == wanted:
                return distance
        raise KeyError(pair)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((one, other) for one, other, _ in self.triples)

    def __len__(self) -> int:
        return len(self.triples)

    def __or__(self, other: LeastDistances) -> LeastDistances:
        """These, with those of another in place of them where both name a pair."""
        kept = tuple(triple for triple in self.triples if triple[:2] not in other)
        return LeastDistances(kept + other.triples)

    def __str__(self) -> str:
        """As :meth:`parse` reads it."""
        return ",".join(self.texts)

    @property
    def texts(self) -> list[str]:
        """``O-Si=1.5`` and so on, for manifests; every digit counts."""
        return [f"{one}-{other}={_digits(distance)}" for one, other, distance in self.triples]

    def by_name(self) -> dict[str, float]:
        """As decks have them: ``{"O-Si": 1.5}``."""
        return {f"{one}-{other}": distance for one, other, distance in self.triples}

    def require_elements(self, elements: Iterable[str]) -> None:
        """Raise ``RequestError`` where a pair is not of these elements, those of a search."""
        known = set(elements)
        for one, other, distance in self.triples:
            if not {one, other} <= known:
                raise RequestError(
                    f"'{one}-{other}' = {distance:g} is not the least distance of two elements of "
                    f"this search, which has {', '.join(sorted(known))}."
                )

    def least(
        self, symbols: Sequence[str], *, separation: float, closest: float = CLOSEST
    ) -> NDArray[np.float64]:
        """Least distance of each pair of elements, Å, shape (s, s).

        Args:
            symbols: s elements.
            separation: of pairs that are not named, as a share of the sum of their covalent radii
                (ASE's: Cordero et al., Dalton Trans. 2008, 2832).
            closest: Å, below which that share does not go.
        """
        import numpy as np
        from ase.data import atomic_numbers, covalent_radii

        radii = covalent_radii[[atomic_numbers[symbol] for symbol in symbols]]
        least = np.maximum(separation * (radii[:, None] + radii[None]), closest)
        place = {symbol: i for i, symbol in enumerate(symbols)}
        for one, other, distance in self.triples:
            if one in place and other in place:
                i, j = place[one], place[other]
                least[i, j] = least[j, i] = distance
        return np.asarray(least)


#: No pair of elements has a least distance of its own.
NO_PAIRS = LeastDistances()

#: A field of a deck or a filter that holds least distances, written as :meth:`LeastDistances.parse`
#: reads them.
LeastDistancesField = Annotated[
    LeastDistances,
    BeforeValidator(LeastDistances.parse),
    PlainSerializer(LeastDistances.by_name, return_type=dict[str, float]),
]


def _in_order(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one <= other else (other, one)


def _triple(pair: str, distance: str) -> tuple[str, str, float]:
    one, dash, other = pair.partition("-")
    try:
        number = float(distance)
    except ValueError:
        number = None
    if not dash or "-" in other or number is None:
        raise RequestError(
            f"'{pair}' = '{distance}' is not a pair of elements with a least distance: write "
            f"Si-O=1.5, in Å."
        )
    return one, other, number


def _digits(distance: float) -> str:
    short = f"{distance:g}"
    return short if float(short) == distance else repr(distance)
