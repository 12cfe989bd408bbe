"""Which guest contents a run places in a host, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Literal

from gencsp.composition import Composition
from gencsp.deck import CellAtoms, Count, Seed, check_fields
from gencsp.errors import RequestError
from gencsp.minimise.settings import RelaxSettings
from gencsp.records import SymmetryTolerance
from gencsp.store.base import Manifest, Scalar

#: What relaxes: everything; the cell and the guests, while the host keeps its fractional
#: coordinates; or the guests alone.
Relaxing = Literal["all", "cell", "guests"]
#: Kind of run in the manifest.
KIND = "intercalation"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntercalationSettings:
    """Which guest contents, and how the guests are placed and relaxed.

    Attributes:
        guest: element symbol.
        series: guest atoms for each formula unit of the host, ascending.
        unit: formula unit of the host.
        max_atoms: most atoms in a supercell, guests included.
        n: structures to inpaint at each content.
        cells: supercells among which they are shared: the smallest that can have the content, and
            of equal ones the most compact.
        relaxing: what relaxes.
        relax: how; its ``fixed_cell`` follows from ``relaxing``.
        tolerance: for the space groups of relaxed structures.
        seed: every random choice follows from it.
    """

    guest: str
    series: tuple[Fraction, ...]
    unit: Composition
    max_atoms: CellAtoms = 40
    n: Count = 8
    cells: Count = 2
    relaxing: Relaxing = "all"
    relax: RelaxSettings = field(default_factory=RelaxSettings)
    tolerance: SymmetryTolerance = field(default_factory=SymmetryTolerance)
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_fields(self)
        Composition.from_counts({self.guest: 1})
        if self.guest in self.unit.elements:
            raise RequestError(
                f"the formula unit {self.unit} holds the guest {self.guest}: give that of the host "
                f"without guests."
            )

    def manifest(self) -> dict[str, Scalar | Sequence[Scalar] | None]:
        """The settings that identify the run, as a flat dictionary."""
        flat = asdict(self) | {
            "unit": self.unit.formula,
            "composition": f"{self.guest}x{self.unit}",
            "series": [str(x) for x in self.series],
        }
        for part in ("relax", "tolerance"):
            flat |= {f"{part}_{key}": value for key, value in flat.pop(part).items()}
        return flat


def intercalation_manifest(settings: IntercalationSettings, **parts: Scalar | None) -> Manifest:
    """The manifest of a run: its settings, and what names its host, models and hull."""
    return {"kind": KIND, "format": 1, **settings.manifest(), **parts}
