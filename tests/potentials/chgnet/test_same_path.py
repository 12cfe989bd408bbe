"""The native minimisers and those of the batch: the same path from the same start."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.constraints import FixAtoms

native = pytest.importorskip("gencsp.potentials.chgnet.native", reason="the extension is not built")

from gencsp.minimise.crystals import Crystals, Values  # noqa: E402
from gencsp.minimise.inflight import relax_in_flight  # noqa: E402
from gencsp.minimise.minimisers import Fire, QuasiNewton  # noqa: E402
from gencsp.minimise.result import Outcome, Relaxed  # noqa: E402
from gencsp.minimise.settings import (  # noqa: E402
    Minimiser,
    RelaxSettings,
    TrustRegionSettings,
)


def starts() -> list[Atoms]:
    """A salt, an oxide and a metal, far from their minima and without symmetry."""
    rng = np.random.default_rng(8)
    out = []
    for atoms in (
        bulk("NaCl", "rocksalt", a=5.9) * (2, 1, 1),
        bulk("MgO", "wurtzite", a=3.4, c=5.2),
        bulk("Cu", a=3.8) * (1, 2, 2),
    ):
        atoms.set_cell(atoms.cell.array + 0.15 * rng.normal(size=(3, 3)), scale_atoms=True)
        atoms.positions += 0.25 * rng.normal(size=atoms.positions.shape)
        out.append(atoms)
    return out


class NativeForces:
    """The native engine's numbers as the minimisers of a batch want them; counts the crystals."""

    def __init__(self, *, gap: int = -1) -> None:
        self._engine = native.NativeEngine()
        self._gap = gap
        self.calls = 0

    def __call__(self, crystals: Crystals) -> Values:
        ends = np.cumsum(crystals.sizes)
        batch = [
            Atoms(
                crystals.numbers[end - size : end],
                crystals.positions[end - size : end],
                cell=cell,
                pbc=True,
            )
            for size, end, cell in zip(crystals.sizes, ends, crystals.cells, strict=True)
        ]
        found = self._engine.evaluate(batch)
        self.calls += len(batch)
        voigt = [[0, 5, 4], [5, 1, 3], [4, 3, 2]]
        return Values(
            np.array([one.energy for one in found]),
            np.concatenate([one.forces for one in found]),
            np.stack([one.stress[voigt] for one in found]),
            np.full(len(found), 2.0),
            [Outcome.NOT_FINITE if self.calls == self._gap else one.failure for one in found],
        )


def in_batch(structures: list[Atoms], settings: RelaxSettings) -> list[Relaxed]:
    results = relax_in_flight(structures, settings, NativeForces(), max_atoms=100)
    return sorted(results, key=lambda r: r.index)


def alone(structures: list[Atoms], settings: RelaxSettings) -> list[Relaxed]:
    return sorted(native.NativeEngine().relax(structures, settings), key=lambda r: r.index)


@pytest.mark.parametrize("minimiser", ["fire", "quasi-newton"])
@pytest.mark.parametrize(
    "settings",
    [{}, {"pressure": 10.0}, {"fixed_cell": True}, {"steps": 7, "fmax": 1e-6}],
    ids=["plain", "pressure", "fixed cell", "step limit"],
)
def test_batch_and_extension_follow_the_same_path(
    minimiser: Minimiser, settings: dict[str, float]
) -> None:
    structures = starts()
    structures[0].set_constraint(FixAtoms([1]))
    wanted = RelaxSettings(minimiser=minimiser, **settings)  # type: ignore[arg-type]
    for one, other in zip(in_batch(structures, wanted), alone(structures, wanted), strict=True):
        assert one.outcome is other.outcome
        assert one.steps == other.steps > 3
        np.testing.assert_allclose(one.atoms.positions, other.atoms.positions, atol=1e-5)
        np.testing.assert_allclose(one.atoms.cell.array, other.atoms.cell.array, atol=1e-5)
        assert one.fmax == pytest.approx(other.fmax, abs=1e-4)


def test_a_point_without_numbers_is_taken_back() -> None:
    """A third call that gives nothing costs a call and a shorter step, not the structure."""
    (start, *_) = starts()
    settings = RelaxSettings(minimiser="quasi-newton")
    forces = NativeForces(gap=3)
    (found,) = relax_in_flight([start], settings, forces, max_atoms=1)
    assert found.converged
    assert forces.calls == found.steps + 1
    (fire,) = relax_in_flight(
        [start], RelaxSettings(minimiser="fire"), NativeForces(gap=3), max_atoms=1
    )
    assert fire.outcome is Outcome.NOT_FINITE


def test_structures_too_large_for_a_dense_hessian_go_by_fire() -> None:
    structures = starts()
    newton, fire = RelaxSettings(minimiser="quasi-newton"), RelaxSettings(minimiser="fire")
    engine = native.NativeEngine()
    small = TrustRegionSettings(most_atoms=3)
    for one, other in zip(
        sorted(engine.relax(structures, newton, trust_region=small), key=lambda r: r.index),
        alone(structures, fire),
        strict=True,
    ):
        assert one.steps == other.steps
        np.testing.assert_array_equal(one.atoms.positions, other.atoms.positions)


def test_the_batch_sends_large_structures_to_fire_and_no_others() -> None:
    rng = np.random.default_rng(0)
    sizes, volumes = np.array([2, 5]), np.array([30.0, 80.0])
    mixed, newton, fire = QuasiNewton(TrustRegionSettings(most_atoms=3)), QuasiNewton(), Fire()
    mixed.join(sizes, volumes)
    newton.join(sizes[:1], volumes[:1])
    fire.join(sizes[1:], volumes[1:])
    for k in range(4):
        forces, values = rng.normal(size=(13, 3)), np.array([-1.0, -2.0]) * (k + 1)
        mixed.judge(forces, values)
        newton.judge(forces[:5], values[:1])
        fire.judge(forces[5:], values[1:])
        expected = np.concatenate([newton.step(), fire.step()])
        np.testing.assert_array_equal(mixed.step(), expected)
