"""Whatever is put in, a result or a verdict comes out; checked on the extension itself, too."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

native = pytest.importorskip("gencsp.potentials.chgnet.native", reason="the extension is not built")

from gencsp.minimise.result import Outcome  # noqa: E402
from gencsp.minimise.settings import Minimiser, RelaxSettings  # noqa: E402
from gencsp.potentials.chgnet import _native  # noqa: E402
from gencsp.potentials.chgnet.weights import load_weights  # noqa: E402

MINIMISERS: tuple[Minimiser, ...] = ("fire", "quasi-newton")


def silicon(**changes: object) -> Atoms:
    atoms = bulk("Si")
    for name, value in changes.items():
        setattr(atoms, name, value)
    return atoms


def crowd(neighbours: int, cutoff: float = 6.0) -> Atoms:
    """A simple cubic crystal of hydrogen, one atom a cell, with so many neighbours each."""
    edge = (4 / 3 * np.pi * cutoff**3 / neighbours) ** (1 / 3)
    return Atoms("H", cell=[edge] * 3, pbc=True)


def crowded_cell(neighbours: int, cutoff: float = 6.0) -> Atoms:
    """The same density in a cell of eight, wide enough to pass the check of lattice vectors."""
    return crowd(neighbours, cutoff) * (2, 2, 2)


def wild(what: str) -> Atoms:
    nan = silicon()
    nan.positions[1, 2] = np.nan
    infinite = silicon()
    infinite.positions[0, 0] = np.inf
    return {
        "10,000 neighbours": crowd(10_000),
        "10,000 neighbours, larger cell": crowded_cell(10_000),
        "2,000 neighbours": crowd(2_000),
        "zero volume": Atoms("Si2", [[0, 0, 0], [1, 1, 1]], cell=[[3, 0, 0]] * 3, pbc=True),
        "no cell": Atoms("Si2", [[0, 0, 0], [1, 1, 1]], pbc=True),
        "NaN position": nan,
        "infinite position": infinite,
        "NaN cell": Atoms("Si", cell=[np.nan, 3, 3], pbc=True),
        "infinite cell": Atoms("Si", cell=[np.inf, 3, 3], pbc=True),
        "element 0": Atoms([0, 14], [[0, 0, 0], [2, 0, 0]], cell=[4, 4, 4], pbc=True),
        "element 100": Atoms([100], cell=[3, 3, 3], pbc=True),
        "element -5": Atoms([-5], cell=[3, 3, 3], pbc=True),
        "element 10,000": Atoms([10_000], cell=[3, 3, 3], pbc=True),
        "empty": Atoms(),
        "empty cell": Atoms(cell=[3, 3, 3], pbc=True),
        "far outside": silicon(positions=np.array([[0, 0, 0], [1e17, -1e17, 1e15]])),
        "same place": silicon(positions=np.zeros((2, 3))),
        "flat": Atoms("Si", cell=[1e-3, 1e3, 20], pbc=True),
        "huge": Atoms("Si2", [[0, 0, 0], [1e7, 0, 0]], cell=[1e8] * 3, pbc=True),
        "skewed": Atoms("Si", cell=[[3, 0, 0], [3e4, 3, 0], [0, 3e4, 3]], pbc=True),
        "molecule": Atoms("H2", [[0, 0, 0], [0, 0, 0.74]], pbc=False, cell=[8, 8, 8]),
    }[what]


NAMES = (
    "10,000 neighbours", "10,000 neighbours, larger cell", "2,000 neighbours", "zero volume",
    "no cell", "NaN position", "infinite position", "NaN cell", "infinite cell", "element 0",
    "element 100", "element -5", "element 10,000", "empty", "empty cell", "far outside",
    "same place", "flat", "huge", "skewed", "molecule",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_relaxation_ends_in_a_result_or_a_verdict(name: str) -> None:
    engine = native.NativeEngine()
    reference = bulk("Si")
    for minimiser in MINIMISERS:
        run = engine.relax(
            [wild(name), reference], RelaxSettings(steps=2, minimiser=minimiser), workers=2
        )
        first, second = sorted(run, key=lambda r: r.index)
        assert isinstance(first.outcome, Outcome)
        assert np.isfinite(first.energy) == (first.atoms.calc is not None)
        if first.converged:
            assert np.isfinite(first.energy)
        assert np.isfinite(second.energy)


@pytest.mark.parametrize("name", NAMES)
def test_evaluation_ends_in_numbers_or_a_verdict(name: str) -> None:
    engine = native.NativeEngine()
    first, second = engine.evaluate([wild(name), bulk("Si")])
    assert (first.failure is None) == bool(np.isfinite(first.energy))
    assert (first.failure is None) == bool(np.isfinite(first.forces).all() and len(wild(name)))
    assert second.failure is None


def test_crowds_are_refused_before_they_fill_the_memory() -> None:
    engine = native.NativeEngine()
    for atoms in (crowd(10_000), crowded_cell(10_000), crowd(1_000_000)):
        (found,) = engine.evaluate([atoms])
        assert found.failure is Outcome.BAD_INPUT


WILD = st.floats(allow_nan=True, allow_infinity=True, width=64) | st.floats(-20, 20)


def _model() -> _native.Model:
    weights = load_weights("0.3.0")
    return _native.Model(
        dict(weights.arrays),
        atom_cutoff=weights.atom_cutoff,
        bond_cutoff=weights.bond_cutoff,
        envelope_power=weights.envelope_power,
    )


@settings(deadline=None, max_examples=40)
@given(
    data=st.data(),
    n=st.integers(1, 4),
    quasi_newton=st.booleans(),
    fixed_cell=st.booleans(),
    periodic=st.lists(st.booleans(), min_size=3, max_size=3),
)
def test_the_extension_survives_any_numbers(
    data: st.DataObject, n: int, quasi_newton: bool, fixed_cell: bool, periodic: list[bool]
) -> None:
    """Without the checks that Python makes first."""
    numbers = data.draw(hnp.arrays(np.int32, n, elements=st.integers(-3, 130)))
    positions = data.draw(hnp.arrays(np.float64, (n, 3), elements=WILD))
    cell = data.draw(hnp.arrays(np.float64, (3, 3), elements=WILD))
    model = MODEL
    status, energy, *_ = model.evaluate(
        numbers,
        positions,
        cell[None],
        np.array([periodic]),
        np.array([0, n], dtype=np.int32),
    )
    assert (status[0] == 0) == bool(np.isfinite(energy[0]))
    pool = _native.RelaxPool(
        model,
        quasi_newton=quasi_newton,
        fmax=0.1,
        steps=3,
        time_limit=0.0,
        ceiling=-1.0,
        patience=1,
        least_volume=0.0,
        most_volume=1e30,
        least_vector=0.0,
        least_distance=0.5,
        pressure=0.0,
        fixed_cell=fixed_cell,
        record_path=True,
        atom_stiffness=30.0,
        cell_stiffness=1.0,
        first_radius=0.3,
        least_radius=0.01,
        most_radius=1.0,
        uphill=0.02,
        most_atoms=300,
        on_step=None,
        workers=1,
        members=2,
    )
    none = np.zeros(0, dtype=np.bool_)
    no_images = np.zeros((0, n), dtype=np.int32)
    pool.submit(7, numbers, positions, cell, periodic, none, np.zeros((0, 3, 3)), no_images)
    taken = pool.take(60.0)
    assert taken is not None
    index, found = taken
    assert index == 7
    assert 0 <= found["outcome"] < 10
    assert len(found["positions"]) in (0, n)


MODEL = _model()
