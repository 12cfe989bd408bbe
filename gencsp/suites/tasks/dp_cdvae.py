"""DP-CDVAE's tables: reconstruction (I, S1), generation (II), ground-state performance (III)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from ase import Atoms
from pydantic import Field

from gencsp import records
from gencsp.composition import Composition
from gencsp.convex_hull.ends import formation_energy
from gencsp.convex_hull.hull import Hull
from gencsp.deck import Count, Deck, Fmax, Natural, Pressure
from gencsp.diffusion.dp_cdvae.choices import Rule
from gencsp.diffusion.dp_cdvae.model import DpCdvaeModel
from gencsp.errors import HullReferenceError, SuiteError, WeightsError
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
from gencsp.minimise.settings import RelaxSettings
from gencsp.runs.objects import chosen
from gencsp.runs.parts import NamedRelaxer
from gencsp.searches.runner import TaskOutput
from gencsp.searches.tasks import cached_make
from gencsp.store.base import Finished, Manifest
from gencsp.suites.deck import BenchDeck
from gencsp.suites.outcome import NOTHING, Measure, Number, Outcome, Row
from gencsp.suites.suite import Suite
from gencsp.suites.tasks.base import SuiteTask
from gencsp.suites.tasks.dp_cdvae_blocks import (
    Decoding,
    StoredDpCdvae,
    fingerprint_of,
    generate_block,
    is_valid,
    know_block,
    reconstruct_block,
)
from gencsp.suites.truths import KnownCrystal, digest_of, find_truths, part_of, read_truths

#: Properties of Table II, with their units.
PROPERTIES = {"density": "g/cm³", "formation energy": "eV/atom", "elements": ""}


class DpCdvaeSettings(Deck):
    """Settings of the suite; the meaning of each stands in its description."""

    data: Literal["perov_5", "carbon_24", "mp_20"] = Field(description="Set of the known crystals.")
    rules: tuple[Rule, ...] = Field(
        ("modified", "ancestral", "renewal"), description="Reverse steps of reconstructions."
    )
    crystals: Count | None = Field(None, description="Known crystals; all if not given.")
    generated: Natural = Field(10_240, description="Crystals of z ~ N(0, I).")
    valid: Count = Field(1000, description="Valid ones drawn for the property distances.")
    ground_states: Natural = Field(0, description="Generated crystals that are relaxed.")
    levels: Count | None = Field(None, description="Reverse steps; all of the model if not given.")
    block: Count = Field(16, description="Crystals that are decoded together.")
    pressure: Pressure = Field(10.0, description="Of the relaxations, GPa.")
    fmax: Fmax = Field(0.01, description="Relaxed when no force exceeds this, eV/Å.")
    steps: Natural = Field(2000, description="Most minimiser steps.")


class DpCdvae(SuiteTask):
    """Reconstruction and generation; see the module."""

    settings_class = DpCdvaeSettings
    stage = "decode"

    def __init__(
        self,
        settings: DpCdvaeSettings,
        deck: BenchDeck,
        crystals: Sequence[KnownCrystal],
        *,
        weights: Path,
        digest: str,
        source: Path,
    ) -> None:
        self.settings = settings
        self.deck = deck
        self.crystals = crystals
        self.digest = digest
        self.source = source
        self.how = Decoding(
            model=StoredDpCdvae(weights),
            levels=settings.levels,
            relaxer=NamedRelaxer(deck.engine, chosen(deck.potential)),
            relax=RelaxSettings(
                fmax=settings.fmax, steps=settings.steps, pressure=settings.pressure
            ),
            ground_states=settings.ground_states,
        )

    @classmethod
    def open(cls, suite: Suite, deck: BenchDeck, settings: Any) -> Self:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        if suite.truths is None:
            raise SuiteError("a suite of DP-CDVAE needs known crystals: give its table 'truths'.")
        if "proposer" in deck.given and str(chosen(deck.proposer)) != "dp-cdvae":
            raise SuiteError(
                "this suite measures a DP-CDVAE: leave out --proposer, give --weights."
            )
        if deck.weights is None:
            raise WeightsError(
                f"no weights of a DP-CDVAE ship with gencsp: train one on the training part of "
                f"{settings.data} with 'gencsp train dp-cdvae TRAIN.extxyz.gz --out FOLDER', and "
                f"give its file by --weights."
            )
        path = find_truths(suite.truths, deck.truth)
        every = read_truths(path)
        return cls(
            settings,
            deck,
            part_of(every, n=deck.compositions or settings.crystals),
            weights=deck.weights,
            digest=digest_of(every),
            source=path,
        )

    def identify(self, executor: Executor) -> Manifest:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        found = executor.submit(
            _identify, self.how, tuple(one.atoms for one in self.crystals)
        ).result()
        if self.settings.generated:
            load_hull(None).require_model(str(found["potential"]))
        return {"truths": self.digest, **found}

    def parts(self) -> Mapping[str, Callable[[], TaskOutput]]:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`: blocks of crystals are parts."""
        calls: dict[str, Callable[[], TaskOutput]] = {}
        for seed in range(self.deck.seeds):
            for rule in self.settings.rules:
                for name, some in self._known(f"reconstructed-{rule}-seed{seed}"):
                    calls[name] = partial(
                        reconstruct_block, self.how, rule, some, name=name, seed=seed
                    )
            for name, places in self._generated(seed):
                calls[name] = partial(
                    generate_block, self.how, "modified", places, name=name, seed=seed
                )
        if self.settings.generated:
            for name, some in self._known("known"):
                calls[name] = partial(know_block, self.how.relaxer, some, name=name)
        return calls

    def outcome(self, results: Mapping[str, Finished]) -> Outcome:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        rows = list(self._reconstructed(results))
        wholes: dict[str, Number] = {}
        tables: dict[str, Any] = {}
        if self.settings.generated:
            found = _Generation(self, results)
            rows += list(found.rows())
            wholes |= found.distances()
            tables["coverage"] = found.coverage()
            if self.settings.ground_states:
                state = ground_state(found.pairs())
                wholes |= _of_ground_state(state)
                tables["energy histogram"] = state.energy_histogram()
        failures: dict[str, int] = {}
        for finished in results.values():
            for reason, count in finished.failures.items():
                failures[reason] = failures.get(reason, 0) + count
        return Outcome(
            measures=tuple(measures_of(self.settings)),
            rows=tuple(rows),
            sample_size={
                "known crystals": len(self.crystals),
                "generated crystals": self.settings.generated,
                "seeds": self.deck.seeds,
            },
            protocol={
                "set": self.settings.data,
                "known crystals": f"{len(self.crystals)} of {self.source.name}",
                "rules": "modified: eq. 7 (Table I); ancestral: eq. 6 (Table S1); renewal: of all "
                "noise; generated crystals go by eq. 7",
                "matcher": "StructureMatcher, stol 0.5, angle_tol 10, ltol 0.3",
                "coverage": f"cut-offs {CUTOFFS[self.settings.data]}",
                "formation energy": "by the potential, of structures as they are, against its "
                "elements",
                "ground state": "what did not converge counts as not matched and is left out of "
                "volume and energy, which are without the term of pressure and volume",
            },
            failures=failures,
            tables=tables,
            wholes=wholes,
        )

    def _known(self, stem: str) -> Iterator[tuple[str, tuple[KnownCrystal, ...]]]:
        """Blocks of known crystals, named by what is in them: other numbers are other blocks."""
        size = self.settings.block
        for start in range(0, len(self.crystals), size):
            some = tuple(self.crystals[start : start + size])
            yield f"{stem}-{some[0].key}-{digest_of(some)}", some

    def _generated(self, seed: int) -> Iterator[tuple[str, range]]:
        n, size = self.settings.generated, self.settings.block
        for start in range(0, n, size):
            yield f"generated-seed{seed}-{start:06d}", range(start, min(n, start + size))

    def _reconstructed(self, results: Mapping[str, Finished]) -> Iterator[Row]:
        by_key = {one.key: one.atoms for one in self.crystals}
        for seed in range(self.deck.seeds):
            for rule in self.settings.rules:
                for name, _ in self._known(f"reconstructed-{rule}-seed{seed}"):
                    for atoms in results[name].structures:
                        key = str(atoms.info[records.KNOWN_CRYSTAL])
                        values = _of_reconstruction(atoms, by_key[key])
                        named = {f"{rule}: {name_}": value for name_, value in values.items()}
                        yield Row(key=key, seed=seed, values=named)


class _Generation:
    """What was generated, and what Tables II and III measure of it; of all seeds together."""

    def __init__(self, task: DpCdvae, results: Mapping[str, Finished]) -> None:
        self.settings = task.settings
        blocks = [
            (seed, results[name].structures)
            for seed in range(task.deck.seeds)
            for name, _ in task._generated(seed)
        ]
        self.made = [(s, a) for s, some in blocks for a in some if not _is_relaxed(a)]
        self.relaxed = {
            str(a.info[records.PARENTS]): a for _, some in blocks for a in some if _is_relaxed(a)
        }
        self.known = [a for name, _ in task._known("known") for a in results[name].structures]
        self.prints = (_prints([a for _, a in self.made]), _prints(self.known))

    def rows(self) -> Iterator[Row]:
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


_SECONDS = "processor seconds of a crystal"
_GROUND = "ground state: "


def measures_of(settings: DpCdvaeSettings) -> Iterator[Measure]:
    """What is measured, in the order of the table."""
    for rule in settings.rules:
        yield Measure(name=f"{rule}: matched", kind="share")
        yield Measure(name=f"{rule}: rms", kind="mean", better="lower")
        for name in ("matched and valid", "right number of atoms", "right formula"):
            yield Measure(name=f"{rule}: {name}", kind="share")
        yield Measure(name=f"{rule}: {_SECONDS}", kind="mean", unit="s", better="lower")
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


def _identify(how: Decoding, crystals: Sequence[Atoms]) -> dict[str, str]:
    """Names of the models, which are loaded once in a worker; all crystals must fit."""
    model: DpCdvaeModel = cached_make(how.model)
    model.encode(crystals)
    potential = how.relaxer.load()
    return {
        "model": model.digest,
        "engine": potential.name,
        "potential": potential.model,
        "potential_digest": potential.digest,
    }


def _of_reconstruction(atoms: Atoms, known: Atoms) -> dict[str, float | None]:
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


def _of_ground_state(state: GroundState) -> dict[str, Number]:
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
