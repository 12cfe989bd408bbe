"""Reference phases as a table of HTML, which notebooks show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gencsp.records.html import FORMULA, html_table

if TYPE_CHECKING:
    from gencsp.convex_hull.system import Phase

ENERGIES = ("E_d (eV/atom)", "E_f (eV/atom)")


def phases_html(phases: Sequence[Phase], caption: str) -> str:
    """The table of phases, in their order; stable ones are on the hull."""
    titles = (FORMULA, "space group", *ENERGIES, "", "source", "id")
    return html_table(titles, [_cells(one) for one in phases], right=ENERGIES, caption=caption)


def _cells(phase: Phase) -> tuple[str, ...]:
    entry = phase.entry
    return (
        entry.composition.reduced.formula,
        entry.symbol,
        f"{phase.decomposition_energy:.4f}",
        f"{phase.formation_energy:.4f}",
        "stable" if phase.stable else "",
        entry.source,
        entry.entry_id,
    )
