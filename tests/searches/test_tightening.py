"""Tight relaxations for the ranking of a run: small forces, each structure once, any order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from gencsp.executors import ThisProcess
from gencsp.minimise.result import Outcome, PathCallback, Relaxed
from gencsp.minimise.settings import RelaxSettings
from gencsp.searches.contracts import Relaxer
from gencsp.searches.tightening import TightRelaxations, tight_settings


@dataclass(frozen=True)
class Maker:
    """Makes a relaxer that moves every atom by 0.1 Å, fails over copper, and keeps a list."""

    given: list[tuple[str, RelaxSettings]] = field(default_factory=list, hash=False, compare=False)

    def __call__(self) -> Relaxer:
        def relax(
            structures: Iterable[Atoms],
            settings: RelaxSettings,
            *,
            on_path: PathCallback | None = None,
        ) -> Iterator[Relaxed]:
            assert on_path is None
            for index, atoms in enumerate(structures):
                self.given.append((str(atoms.info["structure_id"]), settings))
                assert set(atoms.info) == {"structure_id"}
                moved = atoms.copy()
                moved.positions += 0.1
                yield Relaxed(
                    index=index,
                    atoms=moved,
                    energy=-3.0 * len(atoms),
                    enthalpy=-2.0 * len(atoms),
                    fmax=0.001,
                    stress=np.zeros(6),
                    steps=7,
                    outcome=Outcome.STEP_LIMIT if "Cu" in atoms.symbols else Outcome.CONVERGED,
                )

        return relax


def named(name: str, atoms: Atoms) -> Atoms:
    atoms.info |= {"structure_id": name, "decomposition_energy": 0.1, "duplicate_of": "x"}
    atoms.calc = SinglePointCalculator(atoms, energy=1.0)
    return atoms


def test_each_structure_is_relaxed_once_and_failures_are_none() -> None:
    maker = Maker()
    tight = TightRelaxations(maker, RelaxSettings(fmax=0.1, steps=200, pressure=5.0, ceiling=-1.0))
    salt, copper = named("a", bulk("NaCl", "rocksalt", a=5.6)), named("b", bulk("Cu"))
    first = tight.on(ThisProcess(), [salt, copper])
    again = tight.on(ThisProcess(), [copper, salt])
    assert [name for name, _ in maker.given] == ["a", "b"]
    assert first[1] is again[0] is None
    assert first[0] is not None
    assert again[1] is first[0]
    atoms, energy = first[0]
    np.testing.assert_allclose(atoms.positions, salt.positions + 0.1)
    assert energy == -2.0  # the enthalpy of an atom
    assert salt.info["duplicate_of"] == "x"


def test_the_settings_of_the_run_but_for_the_end() -> None:
    settings = RelaxSettings(
        fmax=0.05, steps=50, pressure=5.0, keep_symmetry=True, ceiling=-1.0, time_limit=2.0
    )
    tight = tight_settings(settings)
    assert (tight.fmax, tight.steps) == (0.002, 1000)
    assert (tight.ceiling, tight.time_limit) == (None, None)
    assert (tight.pressure, tight.keep_symmetry) == (5.0, True)
    finer = tight_settings(RelaxSettings(fmax=1e-4, steps=5000))
    assert (finer.fmax, finer.steps) == (1e-4, 5000)
