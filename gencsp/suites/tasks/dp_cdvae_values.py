"""What reconstructed and generated crystals of DP-CDVAE come to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
from ase import Atoms
from pydantic import Field

from gencsp import records
from gencsp.composition import Composition
from gencsp.convex_hull.ends import formation_energy
from gencsp.convex_hull.hull import Hull
from gencsp.deck import Count, Deck, Fmax, Natural, Pressure
from gencsp.diffusion.dp_cdvae.choices import Rule, SpeciesRule
from gencsp.errors import HullReferenceError
from gencsp.filters.hull_energy import load_hull
from gencsp.measure.coverage import CUTOFFS, Fingerprints, coverage, which_covered
from gencsp.measure.ground_state import (
    GroundState,
    GroundStatePair,
    ground_state,
    root_mean_square,
)
from gencsp.measure.property_distances import density, element_count, property_distance
from gencsp.measure.statistics import bootstrap_interval
from gencsp.runs.objects import OneOrMany
from gencsp.suites.outcome import NOTHING, Measure, Number, Row
from gencsp.suites.tasks.dp_cdvae_blocks import (
    fingerprint_of,
    is_valid,
)

_SECONDS = "processor seconds of a crystal"
_GROUND = "ground state: "
#: Properties of Table II, with their units.
PROPERTIES = {"density": "g/cm³", "formation energy": "eV/atom", "elements": ""}


class DpCdvaeSettings(Deck):
    """Settings of the suite; the meaning of each stands in its description."""

    data: Literal["perov_5", "carbon_24", "mp_20"] = Field(description="Set of the known crystals.")
    rules: Annotated[tuple[Rule, ...], OneOrMany] = Field(
        ("modified", "ancestral", "renewal"), description="Reverse steps of reconstructions."
    )
    crystals: Count | None = Field(None, description="Known crystals; all if not given.")
    generated: Natural = Field(10_240, description="Crystals of z from its prior.")
    valid: Count = Field(1000, description="Valid ones drawn for the property distances.")
    ground_states: Natural = Field(0, description="Generated crystals that are relaxed.")
    levels: Count | None = Field(None, description="Reverse steps; all of the model if not given.")
    generated_levels: Count | None = Field(
        None, description="Reverse steps of generated crystals; those of all if not given."
    )
    attempts: Count = Field(
        1, description="Decodings of a reconstruction; the encoder chooses one."
    )
    species: SpeciesRule = Field(
        "read",
        description="Species: read from z and kept, by known stoichiometries (read) or rounding "
        "alone (rounded), or at each step the likeliest.",
    )
    block: Count = Field(16, description="Crystals that are decoded together.")
    pressure: Pressure = Field(10.0, description="Of the relaxations, GPa.")
    fmax: Fmax = Field(0.01, description="Relaxed when no force exceeds this, eV/Å.")
    steps: Natural = Field(2000, description="Most minimiser steps.")


class Generation:
    """What was generated, and what Tables II and III measure of it; of all seeds together.

    Args:
        settings: of the suite.
        made: seed and structures of each block, those among them that were relaxed.
        known: the known crystals, as their blocks measured them.
    """

    def __init__(
        self,
        settings: DpCdvaeSettings,
        *,
        made: Sequence[tuple[int, Sequence[Atoms]]],
        known: Sequence[Atoms],
    ) -> None:
        self.settings = settings
        self.made = [(seed, a) for seed, some in made for a in some if not _is_relaxed(a)]
        self.relaxed = {
            str(a.info[records.PARENTS]): a for _, some in made for a in some if _is_relaxed(a)
        }
        self.known = known
        self.prints = (_prints([a for _, a in self.made]), _prints(known))

    def rows(self) -> Iterator[Row]:
        """Those of the generated crystals, and of the known ones."""
        cutoffs = CUTOFFS[self.settings.data]
        generated, known = which_covered(*self.prints, cutoffs)
        for (seed, atoms), covered in zip(self.made, generated, strict=True):
            values: dict[str, float | None] = {
                "structure": float(atoms.info[records.VALID_STRUCTURE]),
                "composition": float(atoms.info[records.VALID_COMPOSITION]),
                "valid": float(is_valid(atoms)),
                "COV-P": float(covered),
                _SECONDS: float(atoms.info[records.PROCESSOR_SECONDS]),
            }
            if atoms.info[records.RANK] < self.settings.ground_states:
                values |= _matched(ground_state([self._pair(atoms)]).distances[0])
            key = f"generated {int(atoms.info[records.RANK]):05d}"
            yield Row(key=key, seed=seed, values=values)
        for atoms, covered in zip(self.known, known, strict=True):
            key = str(atoms.info[records.KNOWN_CRYSTAL])
            yield Row(key=key, seed=0, values={"COV-R": float(covered)})

    def coverage(self) -> dict[str, Any]:
        """Counts, and mean distances of fingerprints."""
        return asdict(coverage(*self.prints, CUTOFFS[self.settings.data]))

    def distances(self) -> dict[str, Number]:
        """Wasserstein distances of properties of valid crystals, drawn with seed 0."""
        valid = [atoms for _, atoms in self.made if is_valid(atoms)]
        rng = np.random.default_rng(0)
        places = rng.choice(len(valid), min(self.settings.valid, len(valid)), replace=False)
        hull, drawn = load_hull(None), [valid[int(k)] for k in places]
        found: dict[str, Number] = {}
        for name, of in (
            ("density", density),
            ("formation energy", partial(_formation_energy, hull)),
            ("elements", element_count),
        ):
            sides = [[float(of(atoms)) for atoms in some] for some in (drawn, self.known)]
            if all(np.isfinite(side).any() for side in sides):
                one = property_distance(sides[0], sides[1], rng=np.random.default_rng(0))
                found[name] = _number(one.distance, one.low, one.high, one.generated)
        return found

    def pairs(self) -> list[GroundStatePair]:
        """Generated crystals that were relaxed, and what they became."""
        most = self.settings.ground_states
        return [self._pair(atoms) for _, atoms in self.made if atoms.info[records.RANK] < most]

    def _pair(self, atoms: Atoms) -> GroundStatePair:
        after = self.relaxed.get(str(atoms.info[records.STRUCTURE_ID]))
        converged = after is not None and not records.failed(after.info)
        return GroundStatePair(
            generated=atoms,
            energy=_energy(atoms),
            relaxed=after if converged else None,
            relaxed_energy=_energy(after) if after is not None and converged else float("nan"),
        )


def reconstructed_by(rule: Rule, settings: DpCdvaeSettings) -> str:
    """How the measures of reconstructions are named; the paper decodes once."""
    return rule if settings.attempts == 1 else f"{rule}, best of {settings.attempts}"


def measures_of(settings: DpCdvaeSettings) -> Iterator[Measure]:
    """What is measured, in the order of the table."""
    for rule in settings.rules:
        of = reconstructed_by(rule, settings)
        yield Measure(name=f"{of}: matched", kind="share")
        yield Measure(name=f"{of}: rms", kind="mean", better="lower")
        for name in ("matched and valid", "right number of atoms", "right formula"):
            yield Measure(name=f"{of}: {name}", kind="share")
        yield Measure(name=f"{of}: {_SECONDS}", kind="mean", unit="s", better="lower")
    if not settings.generated:
        return
    for name in ("structure", "composition", "valid", "COV-R", "COV-P"):
        yield Measure(name=name, kind="share")
    for name, unit in PROPERTIES.items():
        yield Measure(name=name, kind="whole", unit=unit, better="lower")
    yield Measure(name=_SECONDS, kind="mean", unit="s", better="lower")
    if settings.ground_states:
        yield Measure(name=f"{_GROUND}matched", kind="share")
        yield Measure(name=f"{_GROUND}rms", kind="mean", better="lower")
        volume, energy = f"{_GROUND}volume", f"{_GROUND}energy"
        yield Measure(name=volume, kind="whole", unit="Å³/atom", better="lower")
        yield Measure(name=energy, kind="whole", unit="eV/atom", better="lower")


def of_reconstruction(atoms: Atoms, known: Atoms) -> dict[str, float | None]:
    """Values of one reconstruction, by the names of measures without the rule."""
    rms = records.number(atoms.info, records.RMS_TO_KNOWN)
    valid = bool(atoms.info[records.VALID_COMPOSITION])
    return {
        "matched": float(rms is not None),
        "rms": rms,
        "matched and valid": float(rms is not None and valid),
        "right number of atoms": float(len(atoms) == len(known)),
        "right formula": float(Composition.of(atoms).reduced == Composition.of(known).reduced),
        _SECONDS: float(atoms.info[records.PROCESSOR_SECONDS]),
    }


def _matched(distance: float) -> dict[str, float | None]:
    found = None if np.isnan(distance) else float(distance)
    return {f"{_GROUND}matched": float(found is not None), f"{_GROUND}rms": found}


def of_ground_state(state: GroundState) -> dict[str, Number]:
    """Root mean squares of what relaxation changed, with intervals."""
    found: dict[str, Number] = {}
    for name, values in (("volume", state.volumes), ("energy", state.energies)):
        if len(values):
            low, high = bootstrap_interval(
                values.tolist(), root_mean_square, rng=np.random.default_rng(0)
            )
            found[f"{_GROUND}{name}"] = _number(root_mean_square(values), low, high, len(values))
    return found


def _number(value: float, low: float, high: float, n: int) -> Number:
    return {**NOTHING, "value": value, "low": low, "high": high, "n": n}


def _prints(crystals: Sequence[Atoms]) -> Fingerprints:
    return Fingerprints.join(crystals, [fingerprint_of(atoms) for atoms in crystals])


def _formation_energy(hull: Hull, atoms: Atoms) -> float:
    """eV/atom; not a number where there is no energy, or no reference for an element."""
    try:
        return formation_energy(hull, Composition.of(atoms), _energy(atoms))
    except HullReferenceError:
        return float("nan")


def _energy(atoms: Atoms) -> float:
    energy = records.number(atoms.info, records.ENERGY_PER_ATOM)
    return float("nan") if energy is None else energy


def _is_relaxed(atoms: Atoms) -> bool:
    return records.OUTCOME in atoms.info
