"""CHGNet in C++: fused kernels with hand-written derivatives, structures over threads.

The extension is built when gencsp is installed with a C++ compiler at hand; where it is missing,
importing this module raises ``ImportError`` and the torch engine is used. ``GENCSP_ISA`` in
the environment forces one of the instruction sets that :func:`instruction_sets` lists.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from itertools import chain, islice

import numpy as np
from ase import Atoms, units
from ase.stress import voigt_6_to_full_3x3_stress
from numpy.typing import NDArray

from gencsp.deck import Workers, check
from gencsp.descriptors import flaws
from gencsp.descriptors.least_distances import CLOSEST
from gencsp.errors import EngineError
from gencsp.minimise import verdicts
from gencsp.minimise.calculator import Numbers, relax_one
from gencsp.minimise.crystals import Crystals, Values
from gencsp.minimise.inflight import relax_in_flight, rigid_stage
from gencsp.minimise.jobs import enter
from gencsp.minimise.minimisers import MINIMISERS, FireOptions, QuasiNewtonOptions
from gencsp.minimise.result import Outcome, PathCallback, Relaxed, StepCallback
from gencsp.minimise.settings import TRUST_REGION, RelaxSettings, TrustRegionSettings
from gencsp.minimise.stages import judge_units, stage_settings, two_stages
from gencsp.potentials.base import Evaluation, ModelName
from gencsp.potentials.chgnet import _native
from gencsp.potentials.chgnet.native_arrays import (
    FAILURES,
    SiteEvaluation,
    frame_of,
    relaxed,
    stress_of,
    submit,
)
from gencsp.potentials.chgnet.weights import CHGNetWeights, load_weights

#: Atoms in flight for each thread, where a minimiser runs in Python.
IN_FLIGHT = 64


def instruction_sets() -> list[str]:
    """Instruction sets that the extension can use on this processor, best first."""
    return list(_native.available_isas())


class NativeEngine:
    """CHGNet by the C++ extension; satisfies :class:`gencsp.potentials.base.Engine`.

    Args:
        model: which CHGNet weights, by name or loaded.
        isa: instruction set, one of :func:`instruction_sets`; by default ``GENCSP_ISA`` from the
            environment, else the best that this processor has.

    Raises:
        EngineError: there is no such instruction set here.
        WeightsError: the weights are missing.
    """

    name = "native"

    def __init__(
        self, model: ModelName | CHGNetWeights = "0.3.0", *, isa: str | None = None
    ) -> None:
        weights = model if isinstance(model, CHGNetWeights) else load_weights(model)
        self.model = weights.model
        self.digest = weights.digest
        self.elements = weights.elements
        wanted = os.environ.get("GENCSP_ISA", "") if isa is None else isa
        if wanted and wanted not in instruction_sets():
            raise EngineError(
                f"Instruction set {wanted!r} is not available here: choose from "
                f"{', '.join(instruction_sets())}."
            )
        self._model = _build(weights, wanted)

    @property
    def isa(self) -> str:
        """Instruction set in use."""
        return str(self._model.isa)

    def evaluate(
        self,
        structures: Sequence[Atoms],
        *,
        magmoms: bool = False,
        workers: int = 1,
        merge: bool = False,
    ) -> list[Evaluation]:
        """Energies, forces and stresses, in the order of the input.

        With ``merge`` equivalent atoms, edges and angles are computed once: many times faster for
        symmetric crystals, whose forces are then as symmetric as they are. Not the default, because
        a relaxation of theirs then never leaves a saddle point, from which rounding would free it.
        """
        crystals = [atoms for atoms in structures if not _is_open(atoms)]
        found = iter(self.evaluate_sites(crystals, magmoms=magmoms, workers=workers, merge=merge))
        return [
            Evaluation.failed(Outcome.NOT_PERIODIC, len(atoms))
            if _is_open(atoms)
            else next(found).checked()
            for atoms in structures
        ]

    def evaluate_sites(
        self,
        structures: Sequence[Atoms],
        *,
        magmoms: bool = False,
        workers: int = 1,
        merge: bool = False,
    ) -> list[SiteEvaluation]:
        """As :meth:`evaluate`, with the energy of each atom.

        Beyond what the other engines do, directions that are not periodic are computed as open, and
        crystals with atoms on top of each other have the numbers that the network gives.
        """
        check("workers", workers, Workers)
        if not structures:
            return []
        first = np.cumsum([0, *(len(s) for s in structures)]).astype(np.int32)
        cells = np.array([s.cell.array for s in structures], dtype=np.float64)
        status, energy, site, forces, virial, moments, closest = self._model.evaluate(
            np.concatenate([s.numbers for s in structures]).astype(np.int32),
            np.concatenate([s.positions for s in structures]).astype(np.float64),
            cells,
            np.array([s.pbc for s in structures], dtype=np.bool_),
            first,
            forces=True,
            magmoms=magmoms,
            merge=merge,
            workers=workers,
        )
        results = []
        for b, atoms in enumerate(structures):
            rows = slice(first[b], first[b + 1])
            failure = FAILURES[int(status[b])]
            evaluation = (
                Evaluation.failed(failure, len(atoms))
                if failure is not None
                else Evaluation(
                    energy=float(energy[b]),
                    forces=forces[rows].copy(),
                    stress=stress_of(virial[b], cells[b]),
                    magmoms=moments[rows].copy() if magmoms else None,
                )
            )
            results.append(
                SiteEvaluation(
                    evaluation=evaluation, energies=site[rows].copy(), closest=float(closest[b])
                )
            )
        return results

    def relax(
        self,
        structures: Iterable[Atoms],
        settings: RelaxSettings,
        *,
        workers: int = 1,
        on_path: PathCallback | None = None,
        on_step: StepCallback | None = None,
        trust_region: TrustRegionSettings | None = None,
    ) -> Iterator[Relaxed]:
        """Relax a stream of structures on threads, yielding each as it finishes.

        Structures are worked on by one thread each, large ones by several where there are fewer
        structures than threads. Two structures per thread are read ahead. ``on_path`` receives
        every step of each structure, when that structure is done; ``on_step`` is called at each
        step, from the threads that relax, one call at a time. Structures with constraints on
        Cartesian directions are relaxed one by one in the calling thread, by the minimisers in
        Python. So are batches of all, on this engine's numbers, where the minimiser is of another
        package or FIRE with other constants than ASE's.

        Raises:
            RequestError, DeckError: there is no such minimiser, or it has no such option.
        """
        check("workers", workers, Workers)
        if settings.rigid_units:
            # The first stage has few coordinates and needs the minimisers in Python.
            yield from self._relax_units(
                structures, settings, workers, on_path, on_step, trust_region
            )
            return
        minimiser = MINIMISERS.configure(settings.minimiser)
        if isinstance(minimiser, QuasiNewtonOptions):
            trust_region = trust_region or minimiser.settings
        elif minimiser != FireOptions():
            evaluate = partial(self._values, workers=workers)
            results = relax_in_flight(
                structures,
                settings,
                evaluate,
                max_atoms=IN_FLIGHT * workers,
                on_step=on_step,
                on_path=on_path,
            )
            yield from map(self._complete, results)
            return
        # Where there are fewer structures than threads, several share a large one.
        rest = enumerate(structures)
        ahead = list(islice(rest, workers))
        pool = _native.RelaxPool(
            self._model,
            quasi_newton=isinstance(minimiser, QuasiNewtonOptions),
            fmax=settings.fmax,
            steps=settings.steps,
            time_limit=0.0 if settings.time_limit is None else settings.time_limit,
            ceiling=float("inf") if settings.ceiling is None else settings.ceiling,
            patience=verdicts.PATIENCE,
            least_volume=flaws.MIN_VOLUME_PER_ATOM,
            most_volume=flaws.MAX_VOLUME_PER_ATOM,
            least_vector=flaws.MIN_LATTICE_VECTOR,
            least_distance=CLOSEST,
            pressure=settings.pressure * units.GPa,
            fixed_cell=settings.fixed_cell,
            record_path=on_path is not None,
            **asdict(trust_region or TRUST_REGION),
            on_step=on_step,
            workers=min(workers, max(1, len(ahead))),
            members=max(1, workers // max(1, len(ahead))),
        )
        under_way: dict[int, Atoms] = {}
        queue = chain(ahead, rest)
        exhausted = False
        while True:
            while not exhausted and len(under_way) < 3 * workers:
                index, atoms = next(queue, (-1, None))
                if atoms is None:
                    exhausted = True
                    break
                entered = enter(index, atoms, settings)
                if isinstance(entered, Relaxed):
                    yield entered.made_by(self.model, self.digest)
                elif entered[0].directions is not None:
                    alone = relax_one(
                        self._numbers, atoms, settings, index, on_step=on_step, on_path=on_path
                    )
                    yield self._complete(alone)
                else:
                    restraints, start = entered
                    start.set_constraint(atoms.constraints)
                    under_way[index] = start
                    submit(pool, index, start, restraints)
            if not under_way:
                return
            taken = pool.take(0.2)  # wakes up now and then, so that Ctrl-C works
            if taken is None:
                continue
            index, found = taken
            start = under_way.pop(index)
            if on_path is not None:
                on_path(index, [frame_of(start, *frame) for frame in found["path"]])
            result = judge_units(relaxed(index, start, found), start, settings.broken_units)
            yield self._complete(result)

    def _relax_units(
        self,
        structures: Iterable[Atoms],
        settings: RelaxSettings,
        workers: int,
        on_path: PathCallback | None,
        on_step: StepCallback | None,
        trust_region: TrustRegionSettings | None,
    ) -> Iterator[Relaxed]:
        """Relax a stream with rigid units at first, as :meth:`relax` does where that is asked."""
        evaluate = partial(self._values, workers=workers)

        def free(
            moved: Iterable[Atoms], step: StepCallback | None, path: PathCallback | None
        ) -> Iterator[Relaxed]:
            return self.relax(
                moved,
                stage_settings(settings)[1],
                workers=workers,
                on_path=path,
                on_step=step,
                trust_region=trust_region,
            )

        results = two_stages(
            structures,
            rigid_stage(settings, evaluate, max_atoms=IN_FLIGHT * workers),
            free,
            on_step=on_step,
            on_path=on_path,
        )
        yield from map(self._complete, results)

    def _complete(self, result: Relaxed) -> Relaxed:
        """The result with the name of the model and, where it has energies, magnetic moments."""
        calculator = result.atoms.calc
        if calculator is not None:
            # One forward pass: 0.4 of an evaluation, about a hundredth of a relaxation.
            calculator.results["magmoms"] = self._moments(result.atoms)
        return result.made_by(self.model, self.digest)

    def _moments(self, atoms: Atoms) -> NDArray[np.float64]:
        _, _, _, _, _, moments, _ = self._model.evaluate(
            atoms.numbers.astype(np.int32),
            atoms.positions.astype(np.float64),
            atoms.cell.array[None].astype(np.float64),
            atoms.pbc[None],
            np.array([0, len(atoms)], dtype=np.int32),
            forces=False,
            magmoms=True,
            merge=False,
            workers=1,
        )
        return np.array(moments, dtype=np.float64)

    def _numbers(self, atoms: Atoms) -> Numbers | Outcome:
        """For relaxations by the minimisers in Python."""
        found = self.evaluate_sites([atoms])[0].evaluation
        if found.failure is not None:
            return found.failure
        return found.energy, found.forces, voigt_6_to_full_3x3_stress(found.stress)

    def _values(self, crystals: Crystals, *, workers: int) -> Values:
        """Energies, forces and stresses of a batch, for :func:`.relax_in_flight`."""
        sites = self.evaluate_sites(crystals.as_atoms(), workers=workers)
        found = [one.evaluation for one in sites]
        return Values(
            np.array([one.energy for one in found]),
            np.concatenate([one.forces for one in found]),
            np.stack([voigt_6_to_full_3x3_stress(one.stress) for one in found]),
            np.array([one.closest for one in sites]),
            [one.failure for one in found],
        )


def _is_open(atoms: Atoms) -> bool:
    return len(atoms) > 0 and not atoms.pbc.all()


def _build(weights: CHGNetWeights, isa: str) -> _native.Model:
    return _native.Model(
        dict(weights.arrays),
        atom_cutoff=weights.atom_cutoff,
        bond_cutoff=weights.bond_cutoff,
        envelope_power=weights.envelope_power,
        isa=isa,
    )
