"""Settings of searches and cycles, and the manifests by which a store knows its run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from gencsp.composition import Composition
from gencsp.deck import (
    CellAtoms,
    Count,
    Displacement,
    Fraction,
    Natural,
    Seed,
    Share,
    VolumePerAtom,
    check_fields,
)
from gencsp.descriptors.least_distances import LeastDistances
from gencsp.errors import RequestError
from gencsp.minimise.settings import RelaxSettings
from gencsp.records import SymmetryTolerance
from gencsp.searches.space import Space
from gencsp.searches.starts import PoolStarts, ProposerStarts, StartSource
from gencsp.searches.trial import Strategy
from gencsp.store.base import Manifest, Scalar
from gencsp.symmetry.ladder import ABOVE_P1, Ladder

#: Format of a run; a newer one is refused by older versions.
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """What all searches have in common.

    Attributes:
        space: where to look.
        seed: every random choice follows from it.
        relax: how to relax.
        rattle: Å, standard deviation of the displacements that take a structure off the saddles of
            its symmetry before it relaxes freely; where symmetry is kept, that is done after it
            has relaxed within it. 0 for no displacements, and no second relaxation.
        tolerance: for the space groups of relaxed structures.
        ahead: trials that may run at once; about four times the workers, so that a slow trial
            holds up few others.
        batch: trials in one task. Larger batches cost less to send and to store.
        block: structures that a proposer makes in one task.
        seed_share: share of the seeds among structures without parents.
        volume_spread: fraction by which the volumes of random crystals spread.
        separations: least distances of pairs of elements, Å; where there are rigid units, of
            atoms of different units.
        units: names of the rigid units that starts consist of, which moves keep whole; empty where
            atoms are moved one by one.

    Raises:
        RequestError: a value is out of range, a batch is larger than ``ahead``, or the space and
            the relaxation do not agree on whether the cell is fixed.
    """

    space: Space
    seed: Seed = 0
    relax: RelaxSettings = field(default_factory=RelaxSettings)
    rattle: Displacement = 0.0
    tolerance: SymmetryTolerance = field(default_factory=SymmetryTolerance)
    ahead: Count = 8
    batch: Count = 1
    block: Count = 8
    seed_share: Share = 0.5
    volume_spread: Fraction = 0.0
    separations: LeastDistances = field(default_factory=LeastDistances)
    units: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)
        if self.ahead < self.batch:
            raise RequestError(
                f"ahead is {self.ahead} and batch {self.batch}: at least one batch must be ahead."
            )
        if (self.space.cell is not None) is not self.relax.fixed_cell:
            raise RequestError("a fixed cell must be fixed in the space and in the relaxation.")

    def manifest(self) -> dict[str, Scalar | list[Scalar] | None]:
        """The settings that identify the run, as a flat dictionary."""
        flat = {key: getattr(self, key) for key in ("seed", "ahead", "batch", "block")}
        flat |= {"seed_share": self.seed_share, "volume_spread": self.volume_spread}
        flat["rattle"] = self.rattle
        flat |= {"separations": self.separations.texts}
        if self.units:
            flat["units"] = list(self.units)
        flat |= self.space.manifest()
        for part in ("relax", "tolerance"):
            values = asdict(getattr(self, part))
            flat |= {f"{part}_{key}": value for key, value in values.items()}
        return flat


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleSettings:
    """What to search, and how.

    Attributes:
        composition: the formula unit.
        guests: species to remove and inpaint; ``None`` takes the species with the broadest local
            environments among the relaxed proposals.
        guest_choices: species that it may take; empty for all but the most electronegative.
        max_atoms: most atoms in a generated cell.
        n: structures to generate.
        first: number of the first of them; where several compositions share a run, each has
            numbers of its own.
        seed: every random choice follows from it.
        inpaintings: structures to inpaint into each framework (the paper's three).
        inpainted: structures to inpaint in all, shared evenly among the frameworks, in the place
            of so many in each; ``None`` for those.
        relax: how to relax, both times.
        keep_symmetry: keep the symmetry of inpainted structures while they relax.
        tolerance: for the space groups of relaxed structures.
        volume_per_atom: of generated structures, Å³/atom; ``None`` predicts it.
        ladder: tolerances by which frameworks are symmetrised, and groups that are not enough.
        units: names of the rigid units that structures consist of; empty where there are none.
        chunk: structures in one task. A crash loses the tasks that run at the time. Results may
            differ in their last digits with it, since structures of a task share a batch; they do
            not depend on the number of workers.
    """

    composition: Composition
    guests: tuple[str, ...] | None = None
    guest_choices: tuple[str, ...] = ()
    max_atoms: CellAtoms = 20
    n: Count = 20
    first: Natural = 0
    seed: Seed = 0
    inpaintings: Count = 3
    inpainted: Count | None = None
    relax: RelaxSettings = field(default_factory=RelaxSettings)
    keep_symmetry: bool = False
    tolerance: SymmetryTolerance = field(default_factory=SymmetryTolerance)
    volume_per_atom: VolumePerAtom | None = None
    ladder: Ladder = ABOVE_P1
    units: tuple[str, ...] = ()
    chunk: Count = 4

    def __post_init__(self) -> None:
        check_fields(self)
        if self.guests is not None:
            if not self.guests:
                raise RequestError("no guests are named: name at least one, or leave them out.")
            self.composition.without(self.guests)
        elif len(self.composition.elements) == 1:
            raise RequestError(
                f"{self.composition} has one species only, so no host would be left without its "
                f"guests: give a formula of at least two elements."
            )
        self.composition.units_within(self.max_atoms)

    def manifest(self) -> dict[str, Scalar | Sequence[Scalar] | None]:
        """The settings that identify the run, as a flat dictionary."""
        flat = asdict(self) | {
            "composition": self.composition.formula,
            "guests": None if self.guests is None else sorted(self.guests),
        }
        for part in ("relax", "tolerance"):
            flat |= {f"{part}_{key}": value for key, value in flat.pop(part).items()}
        for key in ("guest_choices", "units"):  # runs without units are those of before
            flat[key] = list(flat[key])
            if not flat[key]:
                del flat[key]
        return flat | self.ladder.manifest()


def search_manifest(
    settings: SearchSettings,
    strategy: Strategy,
    seeds: tuple[StartSource, ...],
    background: ProposerStarts,
    **parts: Scalar | None,
) -> Manifest:
    """The manifest of a run: settings, strategy, seeds, and what names its parts.

    When a search stops is left out: a run goes on with a larger budget.
    """
    named = [
        f"{s.name}*{s.weight:g}" + (f"#{s.digest}" if isinstance(s, PoolStarts) else "")
        for s in seeds
    ]
    return {
        "kind": "search",
        "format": FORMAT,
        "method": strategy.name,
        **settings.manifest(),
        **strategy.settings(),
        "seeds": named,
        "background": background.name,
        **parts,
    }


def cycle_manifest(settings: CycleSettings, **parts: Scalar | Sequence[Scalar] | None) -> Manifest:
    """The manifest of a cycle: its settings and the names of its models and hull."""
    return {"kind": "cycle", "format": 1, **settings.manifest(), **parts}
