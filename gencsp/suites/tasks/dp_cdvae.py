"""DP-CDVAE's tables: reconstruction (I, S1), generation (II), ground-state performance (III)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any, Self

from ase import Atoms

from gencsp import records
from gencsp.diffusion.dp_cdvae.model import DpCdvaeModel
from gencsp.diffusion.dp_cdvae.stored import StoredDpCdvae
from gencsp.diffusion.stored_weights import has_weights
from gencsp.errors import SuiteError, WeightsError
from gencsp.filters.hull_energy import load_hull
from gencsp.measure.coverage import CUTOFFS
from gencsp.measure.ground_state import (
    ground_state,
)
from gencsp.minimise.settings import RelaxSettings
from gencsp.potentials.base import identity
from gencsp.runs.objects import chosen
from gencsp.runs.parts import NamedRelaxer
from gencsp.searches.runner import TaskOutput
from gencsp.searches.tasks import cached_make
from gencsp.store.base import Finished, Manifest
from gencsp.suites.deck import BenchDeck
from gencsp.suites.outcome import Number, Outcome, Row, failures_of
from gencsp.suites.suite import Suite
from gencsp.suites.tasks.base import SuiteTask
from gencsp.suites.tasks.dp_cdvae_blocks import (
    Decoding,
    generate_block,
    know_block,
    reconstruct_block,
)
from gencsp.suites.tasks.dp_cdvae_values import (
    DpCdvaeSettings,
    Generation,
    measures_of,
    of_ground_state,
    of_reconstruction,
    reconstructed_by,
)
from gencsp.suites.truths import KnownCrystal, Sample, digest_of, part_of


class DpCdvae(SuiteTask):
    """Reconstruction and generation; see the module."""

    settings_class = DpCdvaeSettings
    stage = "decode"

    def __init__(
        self,
        settings: DpCdvaeSettings,
        deck: BenchDeck,
        sample: Sample,
        *,
        weights: Path,
    ) -> None:
        self.settings = settings
        self.deck = deck
        self.sample = sample
        self.crystals = sample.crystals
        self.how = Decoding(
            model=StoredDpCdvae(weights, deck.device),
            levels=settings.levels,
            generated_levels=settings.generated_levels or settings.levels,
            species=settings.species,
            attempts=settings.attempts,
            relaxer=NamedRelaxer(deck.engine, chosen(deck.potential), deck.device),
            relax=RelaxSettings(
                fmax=settings.fmax, steps=settings.steps, pressure=settings.pressure
            ),
            ground_states=settings.ground_states,
        )

    @classmethod
    def open(cls, suite: Suite, deck: BenchDeck, settings: Any) -> Self:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        if "proposer" in deck.given and str(chosen(deck.proposer)) != "dp-cdvae":
            raise SuiteError(
                "this suite measures a DP-CDVAE: leave out --proposer, give --weights."
            )
        weights = deck.weights or Path(f"dp-cdvae-{settings.data.replace('_', '-')}")
        if not has_weights(weights):
            raise WeightsError(
                f"there are no weights of a DP-CDVAE at {weights}: train one on the training part "
                f"of {settings.data} with 'gencsp train dp-cdvae TRAIN.extxyz.gz --out FOLDER', "
                f"and give its file by --weights."
            )
        n = deck.compositions or settings.crystals
        sample = Sample.take(suite, deck.truth, lambda every: part_of(every, n=n))
        return cls(settings, deck, sample, weights=weights)

    def identify(self, executor: Executor) -> Manifest:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        found = executor.submit(
            _identify, self.how, tuple(one.atoms for one in self.crystals)
        ).result()
        if self.settings.generated:
            load_hull(None).require_model(str(found["potential"]))
        return {"proposer": "dp-cdvae", "truths": self.sample.digest, **found}

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
            found = Generation(
                self.settings,
                made=[
                    (seed, results[name].structures)
                    for seed in range(self.deck.seeds)
                    for name, _ in self._generated(seed)
                ],
                known=[a for name, _ in self._known("known") for a in results[name].structures],
            )
            rows += list(found.rows())
            wholes |= found.distances()
            tables["coverage"] = found.coverage()
            if self.settings.ground_states:
                state = ground_state(found.pairs())
                wholes |= of_ground_state(state)
                tables["energy histogram"] = state.energy_histogram()
        return Outcome(
            measures=tuple(measures_of(self.settings)),
            rows=tuple(rows),
            sample_size={
                "known crystals": len(self.crystals),
                **({"generated crystals": n} if (n := self.settings.generated) else {}),
                "seeds": self.deck.seeds,
            },
            protocol={
                "set": self.settings.data,
                "known crystals": self.sample.described,
                "rules": "modified: eq. 7 (Table I); ancestral: eq. 6 (Table S1); renewal: of all "
                "noise; generated crystals go by eq. 7",
                "matcher": "StructureMatcher, stol 0.5, angle_tol 10, ltol 0.3",
                "coverage": f"cut-offs {CUTOFFS[self.settings.data]}",
                "formation energy": "by the potential, of structures as they are, against its "
                "elements",
                "ground state": "what did not converge counts as not matched and is left out of "
                "volume and energy, which are without the term of pressure and volume",
            },
            failures=failures_of(results),
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
                of = reconstructed_by(rule, self.settings)
                for name, _ in self._known(f"reconstructed-{rule}-seed{seed}"):
                    for atoms in results[name].structures:
                        key = str(atoms.info[records.KNOWN_CRYSTAL])
                        values = of_reconstruction(atoms, by_key[key])
                        named = {f"{of}: {name_}": value for name_, value in values.items()}
                        yield Row(key=key, seed=seed, values=named)


def _identify(how: Decoding, crystals: Sequence[Atoms]) -> dict[str, str]:
    """Names of the models, which are loaded once in a worker; all crystals must fit."""
    model: DpCdvaeModel = cached_make(how.model)
    model.encode(crystals)
    potential = how.relaxer.load()
    return {
        "model": model.digest,
        **identity(potential),
    }
