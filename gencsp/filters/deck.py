"""The deck of ``gencsp filter``, and the filters that it takes for a purpose."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from gencsp.deck import Deck, Workers
from gencsp.plugins import Choice

Purpose = Literal["csp", "de-novo"]

#: The filters of PIGEN's protocol that need no relaxation (Fig. 4a-d), behind the usual test of
#: distances. They look for new compounds: known formulas fall.
PIGEN_FUNNEL = (
    "distances",
    "pair_potential",
    "compositional_novelty",
    "compactness",
    "local_diversity",
)
#: For structures of a composition that was chosen, which may well be known: no atoms too close, and
#: one of each crystal. Filters of de novo pools would take stable structures away as well: of
#: those that a random search found, half fall at the pair potential and most at compactness
#: (docs/filters.md).
CSP_FUNNEL = ("distances", "pair_separations", "uniqueness")
FUNNELS: dict[Purpose, tuple[str, ...]] = {"csp": CSP_FUNNEL, "de-novo": PIGEN_FUNNEL}
#: Structures at the beginning of a pool that tell what it is for.
LOOKED_AT = 1000


def _by_name(filters: Any) -> Any:
    """Filters by name as tables, which is how the deck keeps them."""
    if isinstance(filters, str) or not isinstance(filters, Iterable):
        return filters
    return [_table(one) if isinstance(one, str) else one for one in filters]


def _table(text: str) -> dict[str, Any]:
    choice = Choice.read(text.strip())
    return {"name": str(choice) if choice.value else choice.name, **choice.options}


class FilterDeck(Deck):
    """Settings of ``gencsp filter``: the filters, and how they are run."""

    filters: Annotated[tuple[dict[str, Any], ...] | None, BeforeValidator(_by_name)] = Field(
        None, description="Filters in order, such as distances,compactness; or see --for."
    )
    purpose: Purpose | None = Field(
        None,
        description="Filters for this: structures of a chosen composition, or new compounds; by "
        "default the first where the pool has one composition.",
    )
    workers: Workers = Field(2, description="Worker processes of one thread each.")
    out: Path = Field(Path("filtered"), description="Folder for the results.")
    rows: Literal["csv", "parquet"] = Field(
        "csv", description="Format of the table of verdicts; Parquet needs pyarrow."
    )
    plots: bool = Field(True, description="Draw the survival histogram and the distributions.")

    @field_validator("filters")
    @classmethod
    def _named(
        cls, filters: tuple[dict[str, Any], ...] | None
    ) -> tuple[dict[str, Any], ...] | None:
        if filters is None:
            return None
        if not filters:
            raise ValueError("name at least one filter")
        for one in filters:
            if not isinstance(one.get("name"), str):
                raise ValueError("each filter needs a name")
        return filters

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if self.filters is not None and self.purpose is not None:
            raise ValueError("filters and a purpose (--for) are both given: choose one")
        return self

    @property
    def stages(self) -> tuple[tuple[str, dict[str, Any]], ...]:
        """Names and options, in order; without filters and purpose those for de novo pools."""
        if self.filters is None:
            return tuple((name, {}) for name in FUNNELS[self.purpose or "de-novo"])
        return tuple(
            (one["name"], {key: value for key, value in one.items() if key != "name"})
            for one in self.filters
        )

    def for_pool(self, formulas: Iterable[str]) -> FilterDeck:
        """The deck with a purpose, where it has neither that nor filters.

        Args:
            formulas: of the pool's structures, reduced; the first :data:`LOOKED_AT` are read.
        """
        if self.filters is not None or self.purpose is not None:
            return self
        return self.model_copy(update={"purpose": purpose_of(formulas)})


def purpose_of(formulas: Iterable[str]) -> Purpose:
    """What a pool is for: one composition is a structure prediction, several are de novo."""
    found: set[str] = set()
    for formula in islice(formulas, LOOKED_AT):
        found.add(formula)
        if len(found) > 1:
            return "de-novo"
    return "csp"
