"""Volumes under pressure: of the equation of state, and of what proposers make."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

import gencsp
from gencsp.composition import ELEMENTS, Composition
from gencsp.errors import RequestError
from gencsp.proposers.base import Request
from gencsp.proposers.crystals.compression import bulk_modulus, compressed, volume_under
from gencsp.proposers.crystals.volume import predict_volume
from gencsp.proposers.drawing import at_requested_volume

FORMULAS = st.lists(st.sampled_from(ELEMENTS), min_size=1, max_size=3, unique=True).flatmap(
    lambda symbols: st.tuples(*(st.integers(1, 4) for _ in symbols)).map(
        lambda counts: Composition(tuple(zip(symbols, counts, strict=True)))
    )
)


@pytest.mark.parametrize("pressure", [-5.0, 20.0, 150.0])
def test_compressed_integrates_the_bulk_modulus(pressure: float) -> None:
    """Murnaghan: K(P) = K + K' P, and d ln V = -dP / K(P)."""
    modulus, derivative = 80.0, 4.0
    logarithm, _ = quad(lambda p: -1 / (modulus + derivative * p), 0, pressure)
    made = compressed(np.array([pressure]), modulus, derivative)
    assert made[0] == pytest.approx(np.exp(logarithm))


@given(FORMULAS, st.floats(-10_000, 10_000), st.floats(0, 1000))
def test_more_pressure_is_less_volume(
    composition: Composition, pressure: float, more: float
) -> None:
    here = volume_under(composition, pressure)
    there = volume_under(composition, min(pressure + more, 10_000))
    assert 0 < there <= here < 10 * predict_volume(composition).value
    assert volume_under(composition, 0.0) == predict_volume(composition).value
    modulus, _ = bulk_modulus(composition)
    assert 0.3 < modulus < 2000


def test_moduli_are_near_experiments() -> None:
    """Bulk moduli at room temperature, GPa: Kittel's table of the elements, and Anderson's of
    minerals (Equations of State of Solids, 1995).

    A fit of composition alone tells classes of hardness apart, and not much more.
    """
    known = {"C": 443, "Fe": 168, "W": 323, "Cu": 137, "MgO": 160, "Al2O3": 254, "CaF2": 82}
    known |= {"GaAs": 75, "NaCl": 24, "KCl": 17, "CsI": 12}
    for formula, measured in known.items():
        modulus, _ = bulk_modulus(Composition.parse(formula).reduced)
        assert modulus == pytest.approx(measured, rel=0.45), formula


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -2e4])
def test_a_wrong_pressure_is_refused(wrong: float) -> None:
    with pytest.raises(RequestError, match="pressure"):
        volume_under(Composition.parse("NaCl"), wrong)
    with pytest.raises(RequestError, match="pressure"):
        list(gencsp.propose("NaCl", n=1, proposer="random", pressure=wrong))


@pytest.mark.parametrize(
    "proposer", ["random", "pyxtal", "symmetric", "score", "substitution", "mixed"]
)
def test_proposals_are_compressed(proposer: str) -> None:
    def volumes(pressure: float = 0.0, volume: float | None = None) -> list[float]:
        made = list(
            gencsp.propose(
                "NaCl", n=3, max_atoms=8, proposer=proposer, pressure=pressure, volume=volume
            )
        )
        assert all(atoms.info.get("pressure", 0.0) == pressure for atoms in made)
        return [atoms.cell.volume / len(atoms) for atoms in made]

    formula = Composition.parse("NaCl")
    modulus, derivative = bulk_modulus(formula)
    ratio = (1 + derivative * 30 / modulus) ** (-1 / derivative)
    free = volumes()
    assert volumes(pressure=30.0) == pytest.approx([volume * ratio for volume in free])
    if proposer not in ("substitution", "mixed"):  # they go by known crystals as well
        assert free == pytest.approx([predict_volume(formula).value] * 3)
    assert volumes(pressure=30.0, volume=19.0) == pytest.approx([19.0] * 3)


def test_generated_cells_shrink_from_their_own_volume() -> None:
    formula = Composition.parse("NaCl")
    ratio = volume_under(formula, 50.0) / volume_under(formula, 0.0)
    cell = np.diag([3.0, 4.0, 5.0])

    def made(**given: object) -> float:
        atoms = Atoms("NaCl", scaled_positions=[[0, 0, 0], [0.5] * 3], cell=cell, pbc=True)
        request = Request(composition=formula, n=1, **given)  # type: ignore[arg-type]
        return float(at_requested_volume(atoms, request).cell.volume)

    assert made() == pytest.approx(60)
    assert made(pressure=50.0) == pytest.approx(60 * ratio)
    assert made(pressure=50.0, volume_per_atom=7.0) == pytest.approx(14)
    host = Atoms("Na", cell=cell, pbc=True)
    assert made(pressure=50.0, host=host) == pytest.approx(60)
