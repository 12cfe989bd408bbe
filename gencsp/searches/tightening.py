"""Tight relaxations of structures that may be the same crystal, when a run is ranked.

Each is a task of its own, so that what comes of it does not depend on the others or on the number
of workers. The results are not stored: they only say which structures are the same crystal.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial

from ase import Atoms

from gencsp import records
from gencsp.executors.lost import lost_errors
from gencsp.minimise.settings import RelaxSettings
from gencsp.searches import tasks
from gencsp.searches.contracts import RelaxerMaker
from gencsp.searches.runner import worker_error
from gencsp.similarity.tolerances import TIGHT_FMAX, TIGHT_STEPS
from gencsp.store.base import portable

#: A crystal and its enthalpy, eV/atom; ``None`` where the relaxation failed.
Form = tuple[Atoms, float] | None


def tight_settings(settings: RelaxSettings) -> RelaxSettings:
    """As the settings of a run, to smaller forces, and without what ends a relaxation early."""
    return replace(
        settings,
        fmax=min(settings.fmax, TIGHT_FMAX),
        steps=max(settings.steps, TIGHT_STEPS),
        ceiling=None,
        time_limit=None,
        rigid_units=False,
        broken_units="keep",
    )


class TightRelaxations:
    """Relaxes structures of a run tightly, each at most once; see :class:`Tighten`.

    Args:
        relaxer: makes the relaxer of the run.
        settings: those of the run's relaxations.
    """

    def __init__(self, relaxer: RelaxerMaker, settings: RelaxSettings) -> None:
        self.relaxer = relaxer
        self.settings = tight_settings(settings)
        self._forms: dict[str, Form] = {}

    def on(self, executor: Executor, structures: Sequence[Atoms]) -> list[Form]:
        """Where each structure ends, with its enthalpy in eV/atom; ``None`` where it failed.

        Args:
            executor: where the relaxations run.
            structures: with a ``structure_id`` each, by which they are known again.

        Raises:
            WorkerError: the executor lost its workers, or takes no more tasks.
        """
        names = [str(atoms.info[records.STRUCTURE_ID]) for atoms in structures]
        refusals: tuple[type[BaseException], ...] = (*lost_errors(), RuntimeError)
        try:
            futures = {
                name: executor.submit(
                    partial(relax_tightly, self.relaxer, _bare(atoms), self.settings)
                )
                for name, atoms in zip(names, structures, strict=True)
                if name not in self._forms
            }
        except refusals as error:
            raise worker_error(error) from error
        for name, future in futures.items():
            try:
                self._forms[name] = future.result()
            except lost_errors() as error:
                raise worker_error(error) from error
        return [self._forms[name] for name in names]


def relax_tightly(make: RelaxerMaker, atoms: Atoms, settings: RelaxSettings) -> Form:
    """Relax one structure in a worker."""
    (result,) = tasks.cached_make(make)([atoms], settings)
    if not result.converged:
        return None
    return _bare(result.atoms), float(result.enthalpy) / len(result.atoms)


def _bare(atoms: Atoms) -> Atoms:
    """Without results, and with nothing of its provenance but the id."""
    copy = portable(atoms)
    copy.calc = None
    copy.info = {k: v for k, v in atoms.info.items() if k == records.STRUCTURE_ID}
    return copy
