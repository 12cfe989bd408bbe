"""The deck of ``gencsp filter``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from gencsp.deck import (
    Deck,
    Workers,
)

#: The filters of PIGEN's protocol that need no relaxation (Fig. 4a-d), behind the usual test of
#: distances.
PIGEN_FUNNEL = (
    "distances",
    "pair_potential",
    "compositional_novelty",
    "compactness",
    "local_diversity",
)


class FilterDeck(Deck):
    """Settings of ``gencsp filter``: the filters, and how they are run."""

    filters: tuple[dict[str, Any], ...] = Field(
        tuple({"name": name} for name in PIGEN_FUNNEL),
        description="The filters in order: a name, and options of that filter.",
    )
    workers: Workers = Field(2, description="Worker processes of one thread each.")
    out: Path = Field(Path("filtered"), description="Folder for the results.")
    rows: Literal["csv", "parquet"] = Field(
        "csv", description="Format of the table of verdicts; Parquet needs pyarrow."
    )
    plots: bool = Field(True, description="Draw the survival histogram and the distributions.")

    @field_validator("filters")
    @classmethod
    def _named(cls, filters: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        if not filters:
            raise ValueError("name at least one filter")
        for one in filters:
            if not isinstance(one.get("name"), str):
                raise ValueError("each filter needs a name")
        return filters

    @property
    def stages(self) -> tuple[tuple[str, dict[str, Any]], ...]:
        """Names and options, in order."""
        return tuple(
            (one["name"], {key: value for key, value in one.items() if key != "name"})
            for one in self.filters
        )
