"""Regular and resized cells are the same crystal; text forms keep it."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import same_crystal
from strict_formats import strict_poscars, strict_res

from gencsp.exporters.airss import write_res
from gencsp.exporters.cells import regular, resized
from gencsp.exporters.poscar import read_poscars, write_poscar
from gencsp.io.res import parse_res


@st.composite
def crystals(draw: st.DrawFn) -> Atoms:
    """Triclinic cells of either hand, atoms anywhere, species interleaved."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    cell = np.diag(rng.uniform(4, 7, 3)) + rng.uniform(-1, 1, (3, 3))
    if draw(st.booleans()):
        cell = cell[[2, 1, 0]]
    symbols = list(rng.permutation(["Na", "Cl", "Na", "Cl", "O"]))
    return Atoms(symbols, scaled_positions=rng.uniform(-2, 2, (5, 3)), cell=cell, pbc=True)


@settings(max_examples=15, deadline=None)
@given(crystals())
def test_regular(atoms: Atoms) -> None:
    made, _ = regular(atoms, ("O", "Na", "Cl"))
    scaled = made.get_scaled_positions(wrap=False)
    assert (scaled >= 0).all()
    assert (scaled < 1).all()
    assert np.linalg.det(made.cell.array) > 0
    assert made.get_chemical_symbols() == ["O", "Na", "Na", "Cl", "Cl"]
    assert same_crystal(made, atoms)
    assert regular(made, ("O", "Na", "Cl"))[1] == ()


@settings(max_examples=15, deadline=None)
@given(crystals(), st.integers(2, 6))
def test_resized_there_and_back(atoms: Atoms, copies: int) -> None:
    made = resized(atoms, 5 * copies)
    assert made is not None
    large, _ = made
    assert len(large) == 5 * copies
    assert same_crystal(large, atoms)
    back = resized(large, 5)
    assert back is not None
    assert same_crystal(back[0], atoms)
    assert resized(atoms, 5 * copies + 1) is None


@settings(max_examples=15, deadline=None)
@given(crystals(), st.floats(-1e4, 1e4))
def test_text_keeps_the_crystal(atoms: Atoms, energy: float) -> None:
    made, _ = regular(atoms, ("O", "Na", "Cl"))
    text = write_poscar(made, "EA1 title")
    ((title, by_rules),) = strict_poscars(text)
    ((again, by_us),) = read_poscars(text + "\n" + "", where="here")
    assert (title, again) == ("EA1 title", "EA1 title")
    res = write_res(made, "x-1", energy=energy)
    fields, from_res = strict_res(res)
    found = parse_res(res, where="here")
    name, value, back = found.name, found.enthalpy, found.atoms
    assert value is not None
    assert name == fields["name"] == "x-1"
    np.testing.assert_allclose([value, float(fields["energy"])], energy, atol=1e-8)
    for one in (by_rules, by_us):
        np.testing.assert_allclose(one.positions, made.positions, atol=1e-9)
        np.testing.assert_allclose(one.cell.array, made.cell.array, atol=1e-9)
    for one in (from_res, back):  # lengths and angles: another orientation
        np.testing.assert_allclose(one.cell.cellpar(), made.cell.cellpar(), atol=1e-6)
        np.testing.assert_allclose(
            one.get_all_distances(mic=True), made.get_all_distances(mic=True), atol=1e-6
        )
