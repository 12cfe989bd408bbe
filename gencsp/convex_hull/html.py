"""Reference phases as a table of HTML, which notebooks show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gencsp.records.html import FORMULA, html_table

if TYPE_CHECKING:
    from gencsp.convex_hull.system import Phase

ENERGIES = ("E_d (eV/atom)", "E_f (eV/atom)")


def phases_html(groups: Sequence[Sequence[Phase]], caption: str) -> str:
    """The table of phases, in their order; stable ones are on the hull.

    Args:
        groups: of phases that are mostly one crystal, as :func:`.system.alike` finds them: one row
            each, with how many there are.
        caption: a line below.
    """
    titles = (FORMULA, "space group", *ENERGIES, "", "references", "source", "id")
    right = (*ENERGIES, "references")
    return html_table(titles, [_cells(one) for one in groups], right=right, caption=caption)


def _cells(group: Sequence[Phase]) -> tuple[str, ...]:
    phase = group[0]
    entry = phase.entry
    return (
        entry.composition.reduced.formula,
        entry.symbol,
        f"{phase.decomposition_energy:.4f}",
        f"{phase.formation_energy:.4f}",
        "stable" if phase.stable else "",
        str(len(group)),
        entry.source,
        entry.entry_id,
    )
