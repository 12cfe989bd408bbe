"""What a report page shows, as plain data that becomes JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ase import Atoms

#: Facts of a run that are shown: a name and a value.
Fact = tuple[str, str]
#: How many there are of something: a name and a number.
Count = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportStructure:
    """A structure of a report with what is known of it.

    Attributes:
        structure_id: its id.
        atoms: the structure; what the page needs of ``info`` stands in the other attributes.
        formula: of the whole cell.
        reduced: the same in lowest terms, by which structures are grouped.
        energy: eV/atom; under pressure the enthalpy.
        above: decomposition energy, under pressure enthalpy, eV/atom.
        shown: that energy as tables show it.
        volume: Å³/atom.
        space_group: symbol and number; empty where it is not known.
        origin: move, or proposer, that made it.
        proposer: that made it or its earliest ancestor.
        model: digest of the weights of the generative model; empty where there is none.
        stage: where in the cycle it stands.
        parents: ids of the structures that it was made from.
        trial: number of the trial; in a cycle of the generated structure it stems from, from 0.
        failure: why there is no result; empty where there is one.
        duplicate_of: id of a better-ranked structure that is the same crystal.
        copies: how many structures are this crystal.
        decomposition: phases that its decomposition energy is taken against.
        reference: what is known of the reference phase that it is.
        fell_at: the filter that it did not pass.
        shares: of the atoms in each end member of the hull's system; ``None`` off that system.
        formation_energy: from the end members, eV/atom.
        similarity: of its powder pattern and the measured one, 0 to 1.
        strain: with which that is reached: xx, yy, zz, yz, xz, xy.
    """

    structure_id: str
    atoms: Atoms
    formula: str
    reduced: str
    energy: float | None = None
    above: float | None = None
    shown: str = ""
    volume: float | None = None
    space_group: str = ""
    origin: str = ""
    proposer: str = ""
    model: str = ""
    stage: str = ""
    parents: tuple[str, ...] = ()
    trial: int | None = None
    failure: str = ""
    duplicate_of: str = ""
    copies: int | None = None
    decomposition: str = ""
    reference: str = ""
    fell_at: str = ""
    shares: tuple[float, ...] | None = None
    formation_energy: float | None = None
    similarity: float | None = None
    strain: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginCount:
    """What became of the structures that one move or proposer made.

    Attributes:
        origin: its name.
        made: structures.
        converged: those of them with an energy.
        crystals: those of them that are not marked as a duplicate of another.
        lowest: lowest decomposition energy, or energy where there is none, eV/atom.
        late: its share of the last quarter of the trials; ``None`` where there are no trials.
    """

    origin: str
    made: int
    converged: int
    crystals: int
    lowest: float | None
    late: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that a page shows.

    Attributes:
        title: of the page.
        kind: "search", "cycle", ... or "pool" or "benchmark".
        place: file or folder that it is of.
        structures: the lowest first.
        facts: what is said at the top.
        messages: what a reader must know before believing the page, a sentence each.
        origins: by moves or proposers, the most frequent first.
        funnel: what was done, and how many were left behind it.
        failures: by reason, the most frequent first.
        settings: of the run.
        versions: of the programs that made the page.
        hull: the reference hull, see :func:`gencsp.report.hull.hull_of_report`; ``None`` without.
        pattern: the measured powder pattern, see :func:`gencsp.report.patterns.drawn_pattern`;
            ``None`` without.
        symbol: of energies: "E", under pressure "H".
        numbers: of a benchmark, its results; a name and a value each.
    """

    title: str
    kind: str
    place: str
    structures: tuple[ReportStructure, ...] = ()
    facts: tuple[Fact, ...] = ()
    messages: tuple[str, ...] = ()
    origins: tuple[OriginCount, ...] = ()
    funnel: tuple[Count, ...] = ()
    failures: tuple[Count, ...] = ()
    settings: tuple[Fact, ...] = ()
    versions: tuple[Fact, ...] = ()
    hull: Mapping[str, Any] | None = None
    pattern: Mapping[str, Any] | None = None
    symbol: str = "E"
    numbers: tuple[Fact, ...] = field(default=())
