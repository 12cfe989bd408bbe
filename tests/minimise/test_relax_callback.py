"""The callback that watches relaxations step by step, in every engine."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from gencsp.minimise import Outcome, Relaxed, RelaxSettings, StepCallback, relax_with
from gencsp.minimise.settings import Minimiser
from gencsp.potentials.chgnet.select import engine_status, get_engine

Run = Callable[[list[Atoms], RelaxSettings, StepCallback], Iterator[Relaxed]]


def with_emt(
    structures: list[Atoms], settings: RelaxSettings, on_step: StepCallback
) -> Iterator[Relaxed]:
    for atoms in structures:
        yield relax_with(EMT(), atoms, settings, on_step=on_step)


def with_torch(
    structures: list[Atoms], settings: RelaxSettings, on_step: StepCallback
) -> Iterator[Relaxed]:
    yield from get_engine("torch", device="cpu").relax(structures, settings, on_step=on_step)


def with_native(
    structures: list[Atoms], settings: RelaxSettings, on_step: StepCallback
) -> Iterator[Relaxed]:
    yield from get_engine("native").relax(structures, settings, workers=2, on_step=on_step)


@pytest.fixture(params=[with_emt, with_torch, with_native])
def run(request: pytest.FixtureRequest) -> Run:
    if request.param is with_native and engine_status().name != "native":
        pytest.skip("the extension is not built")
    chosen: Run = request.param
    return chosen


def strained(count: int) -> list[Atoms]:
    rng = np.random.default_rng(3)
    out = []
    for _ in range(count):
        atoms = bulk("Cu", cubic=True)
        atoms.positions += 0.15 * rng.normal(size=(4, 3))
        atoms.set_cell(atoms.cell.array + 0.1 * rng.normal(size=(3, 3)), scale_atoms=True)
        out.append(atoms)
    return out


@pytest.mark.parametrize("minimiser", ["fire", "quasi-newton"])
def test_every_step_is_told(run: Run, minimiser: Minimiser) -> None:
    told = defaultdict(list)

    def watch(index: int, step: int, energy: float, fmax: float) -> None:
        told[index].append((step, energy, fmax))

    for k, result in enumerate(run(strained(2), RelaxSettings(minimiser=minimiser), watch)):
        place = k if run is with_emt else result.index
        if run is with_emt:  # one relaxation at a time, each of index 0
            steps = told.pop(0)
            told[-1 - place] = steps
        else:
            steps = told[place]
        numbers = [step for step, _, _ in steps]
        assert numbers[0] == 0
        assert numbers == sorted(set(numbers))
        assert numbers[-1] == result.steps
        assert len(numbers) == result.steps + 1 or minimiser == "quasi-newton"
        assert steps[-1][1:] == pytest.approx((result.energy, result.fmax))
        assert all(fmax >= 0.1 for _, _, fmax in steps[:-1])
    assert len(told) == 2


def test_false_stops_one_structure_and_no_other(run: Run) -> None:
    def stop(index: int, step: int, energy: float, fmax: float) -> bool:  # noqa: ARG001
        return index == 1 or step < 2

    if run is with_emt:  # every relaxation has index 0
        (result,) = run(strained(1), RelaxSettings(fmax=1e-4), stop)
        assert result.outcome is Outcome.STOPPED
        assert result.steps == 2
        assert np.isfinite(result.energy)
        return
    found = {r.index: r for r in run(strained(3), RelaxSettings(), stop)}
    assert [found[i].outcome for i in range(3)] == [
        Outcome.STOPPED,
        Outcome.CONVERGED,
        Outcome.STOPPED,
    ]
    assert found[0].steps == 2
    assert np.isfinite(found[0].energy)
    assert not found[0].converged


def test_an_exception_ends_the_run_and_is_raised(run: Run) -> None:
    def fail(index: int, step: int, energy: float, fmax: float) -> None:  # noqa: ARG001
        if step == 1:
            raise KeyError("mine")

    before = threading.active_count()
    with pytest.raises(KeyError, match="mine"):
        list(run(strained(3), RelaxSettings(fmax=1e-6, steps=100_000), fail))
    assert threading.active_count() == before


def test_leaving_early_does_not_wait_for_the_callback() -> None:
    """Threads that want to call back must not be waited for by the one that holds the lock."""
    pytest.importorskip("gencsp.potentials.chgnet.native", reason="the extension is not built")
    calls = 0

    def watch(index: int, step: int, energy: float, fmax: float) -> None:  # noqa: ARG001
        nonlocal calls
        calls += 1

    structures = [strained(1)[0], *strained(5)]
    structures[0].set_cell(3.6 * np.eye(3), scale_atoms=True)
    results = with_native(structures, RelaxSettings(steps=1_000), watch)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert calls > 0
