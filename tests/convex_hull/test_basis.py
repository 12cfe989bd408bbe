"""What a decomposition energy stands on: by hand, and on the crystals and phases that ship."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from gencsp import records
from gencsp.composition import Composition
from gencsp.convex_hull import hull as hull_module
from gencsp.convex_hull.crystals import reference_crystal, shipped_crystals
from gencsp.convex_hull.entries import HullEntry
from gencsp.convex_hull.hull import Hull
from gencsp.potentials.chgnet.select import get_engine
from gencsp.similarity import same_crystal
from gencsp.symmetry.refinement import space_group

MODEL = "m"


def entry(
    formula: str, energy: float, group: int = 0, name: str = "", source: str = ""
) -> HullEntry:
    return HullEntry(
        composition=Composition.parse(formula),
        energy_per_atom=energy,
        model=MODEL,
        space_group=group,
        entry_id=name,
        source=source,
    )


@pytest.fixture
def hull() -> Hull:
    """MgO one eV/atom below its elements, with a second polymorph, and Mg and O."""
    return Hull(
        [
            entry("Mg", -1.0, 194, "mg"),
            entry("O", -5.0, 12, "o"),
            entry("MgO", -4.0, 225, "salt", source="AMCSD"),
            entry("Mg2O2", -3.98, 216, "blende"),
        ],
        model=MODEL,
    )


def priced(formula: str, energy: float, hull: Hull) -> dict[str, object]:
    atoms = Atoms(formula, cell=[9, 9, 9], pbc=True)
    atoms.set_scaled_positions(np.random.default_rng(0).random((len(atoms), 3)))
    records.write_energy(atoms, energy * len(atoms), model=MODEL)
    records.write_decomposition_energy(atoms, hull)
    return dict(atoms.info)


def test_shares_are_of_atoms_and_the_largest_comes_first(hull: Hull) -> None:
    # Mg3O: two of four atoms in MgO, two in Mg; Mg4O: two of five and three of five.
    info = priced("Mg3O", -3.0, hull)
    assert info["decomposition"] in (
        "0.500 MgO Fm-3m + 0.500 Mg P6_3/mmc",
        "0.500 Mg P6_3/mmc + 0.500 MgO Fm-3m",
    )
    info = priced("Mg4O", -3.0, hull)
    assert info["decomposition"] == "0.600 Mg P6_3/mmc + 0.400 MgO Fm-3m"
    assert info["has_reference"] is False
    assert "reference_phase" not in info


@pytest.mark.parametrize(
    ("formula", "energy", "shown"),
    [
        # On the line between Mg and MgO at Mg3O lies -2.5.
        ("Mg3O", -2.52, "no reference"),
        ("Mg3O", -2.5051, "no reference"),
        ("Mg3O", -2.5049, "-0.0049"),
        ("Mg3O", -2.4, "0.1000"),
        # With a reference at the composition a lower polymorph is a number.
        ("MgO", -4.02, "-0.0200"),
        ("Mg2O2", -5.0, "-1.0000"),
        ("Mg", -1.3, "-0.3000"),
    ],
)
def test_below_the_hull_without_a_reference_no_number_is_shown(
    hull: Hull, formula: str, energy: float, shown: str
) -> None:
    info = priced(formula, energy, hull)
    assert records.shown_decomposition_energy(info) == shown
    assert records.lacks_reference(info) == (shown == "no reference")
    assert isinstance(info["decomposition_energy"], float)


@pytest.mark.parametrize("written", [False, np.False_, "False", "F", 0, "0"])
def test_a_reference_that_is_missing_is_missing_however_a_file_says_it(written: object) -> None:
    assert records.lacks_reference({"decomposition_energy": -0.2, "has_reference": written})
    assert records.shown_reference({"has_reference": written}) == "none"


def test_below_the_hull_of_a_pressure_without_a_reference_no_number_is_shown(hull: Hull) -> None:
    entries = [replace(one, pressure=20.0) for one in hull.inside(["Mg", "O"])]
    pressed = Hull(entries, model=MODEL, pressure=20.0)
    atoms = Atoms("Mg3O", positions=np.eye(4, 3) * 2, cell=[9, 9, 9], pbc=True)
    for enthalpy, shown in ((-2.52, "no reference"), (-2.5049, "-0.0049"), (-2.4, "0.1000")):
        records.write_energy(atoms, -99.0, model=MODEL)
        records.write_enthalpy(atoms, enthalpy * len(atoms), pressure=20.0)
        records.write_decomposition_energy(atoms, pressed)
        assert records.shown_decomposition_energy(atoms.info) == shown
        assert records.lacks_reference(atoms.info) == (shown == "no reference")
        assert atoms.info["decomposition"] == priced("Mg3O", -2.4, hull)["decomposition"]
        assert atoms.info["has_reference"] is False


def test_under_pressure_the_crystal_of_a_reference_is_scaled(
    hull: Hull, monkeypatch: pytest.MonkeyPatch
) -> None:
    crystals(monkeypatch, {"salt": bulk("MgO", "rocksalt", a=4.21)})
    entries = [replace(one, pressure=100.0) for one in hull.inside(["Mg", "O"])]
    pressed = Hull(entries, model=MODEL, pressure=100.0)

    def judged_at(atoms: Atoms, enthalpy: float) -> str:
        records.write_enthalpy(atoms, enthalpy * len(atoms), pressure=100.0)
        # The energy of the reference: what is compared is the enthalpy.
        return judged(atoms, -4.0, pressed)

    assert judged_at(bulk("MgO", "rocksalt", a=3.7), -4.001) == "= MgO Fm-3m (AMCSD salt)"
    assert judged_at(bulk("MgO", "rocksalt", a=3.7), -3.8) == "yes"
    assert judged_at(bulk("MgO", "cesiumchloride", a=2.3), -4.001) == "yes"


def test_energies_of_others_stay_numbers() -> None:
    for info in ({}, {"has_reference": True}, {"has_reference": "T"}, {"has_reference": 1}):
        given = {"decomposition_energy": -0.2, **info}
        assert records.shown_decomposition_energy(given) == "-0.2000"
    assert records.shown_decomposition_energy({}) == ""
    assert records.shown_reference({}) == ""
    assert records.shown_reference({"has_reference": True}) == "yes"


def test_polymorphs_are_kept_lowest_first(hull: Hull) -> None:
    assert [one.entry_id for one in hull.references(Composition.parse("O3Mg3"))] == [
        "salt",
        "blende",
    ]
    assert hull.references(Composition.parse("MgO2")) == ()
    assert {one.entry_id for one in hull.inside(["O", "Mg"])} == {"mg", "o", "salt", "blende"}
    assert {one.entry_id for one in hull.inside(["Mg"])} == {"mg"}
    less = hull.without([Composition.parse("MgO")])
    assert less.references(Composition.parse("MgO")) == ()
    assert [one.entry_id for one in less.inside(["Mg", "O"])] == ["mg", "o"]
    assert len(hull.references(Composition.parse("MgO"))) == 2
    assert priced("MgO", -4.0, less)["has_reference"] is False


def test_a_phase_that_a_search_adds_is_no_reference(hull: Hull) -> None:
    assert hull.add(entry("Mg3O", -3.0))
    assert hull.references(Composition.parse("Mg3O")) == ()
    assert priced("Mg3O", -3.1, hull)["has_reference"] is False


def crystals(monkeypatch: pytest.MonkeyPatch, known: dict[str, Atoms]) -> list[str]:
    """Let these be the crystals of entries; returns the ids that were asked for."""
    asked: list[str] = []

    def of(one: HullEntry) -> Atoms | None:
        asked.append(one.entry_id)
        return known.get(one.entry_id)

    monkeypatch.setattr(hull_module, "reference_crystal", of)
    return asked


def judged(atoms: Atoms, energy: float, hull: Hull) -> str:
    records.write_energy(atoms, energy * len(atoms), model=MODEL)
    records.write_decomposition_energy(atoms, hull)
    return records.shown_reference(atoms.info)


def test_a_structure_that_is_a_reference_phase_says_which(
    hull: Hull, monkeypatch: pytest.MonkeyPatch
) -> None:
    salt, blende = bulk("MgO", "rocksalt", a=4.21), bulk("MgO", "zincblende", a=4.6)
    asked = crystals(monkeypatch, {"salt": salt, "blende": blende})
    cell = bulk("MgO", "rocksalt", a=4.25, cubic=True)
    cell.rattle(0.01, rng=np.random.default_rng(0))
    assert judged(cell, -4.001, hull) == "= MgO Fm-3m (AMCSD salt)"
    assert asked == ["salt"]  # the other lies too far away in energy
    assert judged(bulk("MgO", "zincblende", a=4.65), -3.981, hull) == "= MgO F-43m (blende)"
    # The right crystal at another energy, and another crystal at the right energy.
    assert judged(salt.copy(), -3.8, hull) == "yes"
    assert judged(bulk("MgO", "cesiumchloride", a=2.6), -4.0, hull) == "yes"
    assert judged(bulk("Mg"), -1.0, hull) == "yes"  # its crystal is not known


def test_of_several_the_one_of_the_space_group_and_then_of_the_energy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = [
        entry("Mg", -1.0),
        entry("O", -5.0),
        entry("MgO", -4.0, 216, "low"),
        entry("MgO", -3.999, 225, "far"),
        entry("MgO", -3.998, 225, "near"),
    ]
    salt = bulk("MgO", "rocksalt", a=4.21)
    crystals(monkeypatch, dict.fromkeys(("low", "far", "near"), salt))
    assert judged(salt.copy(), -3.9975, Hull(known, model=MODEL)) == "= MgO Fm-3m (near)"


def test_what_is_no_crystal_is_no_reference_phase(
    hull: Hull, monkeypatch: pytest.MonkeyPatch
) -> None:
    salt = bulk("MgO", "rocksalt", a=4.21)
    crystals(monkeypatch, {"salt": salt})
    slab = salt.copy()
    slab.pbc = (True, True, False)
    assert judged(slab, -4.0, hull) == "yes"
    molecule = Atoms("MgO", positions=[[0, 0, 0], [0, 0, 1.8]])
    assert judged(molecule, -4.0, hull) == "yes"


@pytest.mark.parametrize("formula", ["NaCl", "MgO", "TiO2", "GaAs"])
def test_crystals_that_ship_are_those_of_their_rows(formula: str) -> None:
    composition = Composition.parse(formula)
    found = 0
    for one in Hull.load().references(composition):
        crystal = reference_crystal(one)
        if crystal is None:
            continue
        found += 1
        assert Composition.of(crystal) == composition
        assert space_group(crystal).number == one.space_group
        assert crystal.info["structure_id"] == one.entry_id
        again = reference_crystal(one)
        assert again is not None
        again.positions += 1.0
        assert crystal == reference_crystal(one)
    assert found


def test_no_crystal_is_guessed() -> None:
    lowest = next(
        one
        for one in Hull.load().references(Composition.parse("NaCl"))
        if one.source == "OQMD-ICSD"
    )
    assert reference_crystal(lowest) is not None
    assert reference_crystal(replace(lowest, entry_id="mine")) is None
    other = Composition.parse("LiF")
    assert reference_crystal(replace(lowest, composition=other)) is None


def test_every_row_of_a_source_that_allows_it_has_its_crystal_at_its_energy() -> None:
    """The stackings of an element, too, of which several have one energy and space group."""
    rows = list(Hull.load().inside(["Ac", "Na", "Cl", "Li", "Si"]))
    held_back = {"Materials Project", "OQMD", "AMCSD"}
    crystals = [reference_crystal(one) for one in rows]
    assert [one.entry_id for one, crystal in zip(rows, crystals, strict=True) if not crystal] == [
        one.entry_id for one in rows if one.source in held_back
    ]
    known = [(one, crystal) for one, crystal in zip(rows, crystals, strict=True) if crystal]
    assert len([one for one, _ in known if one.composition.formula == "Ac"]) > 2
    evaluations = get_engine().evaluate([crystal for _, crystal in known])
    for (one, crystal), found in zip(known, evaluations, strict=True):
        assert found.energy / len(crystal) == pytest.approx(one.energy_per_atom, abs=2e-3)


def test_crystals_of_a_system_are_given_once_and_the_phases_of_the_hull_first() -> None:
    given = list(shipped_crystals(["Si", "O"]))
    assert {s for atoms in given for s in atoms.get_chemical_symbols()} == {"Si", "O"}
    names = [str(atoms.info["structure_id"]) for atoms in given]
    assert len(set(names)) == len(names)
    unstable = [name.startswith("oqmd-icsd-") for name in names]
    assert unstable == sorted(unstable)
    assert 0 < sum(unstable) < len(unstable)
    hull = [atoms for atoms, far in zip(given, unstable, strict=True) if not far]
    for atoms, far in zip(given, unstable, strict=True):
        assert not far or not any(same_crystal(atoms, phase) for phase in hull)


def test_crystals_of_our_own_references_go_by_their_number() -> None:
    given = next(
        atoms
        for atoms in shipped_crystals(["Si", "O"])
        if str(atoms.info["structure_id"]).startswith("oqmd-icsd-")
    )
    name = str(given.info["structure_id"])
    made = HullEntry(
        composition=Composition.of(given), energy_per_atom=-3.0, model="x", entry_id=name
    )
    crystal = reference_crystal(made)
    assert crystal is not None
    assert same_crystal(crystal, given)
    other = HullEntry(
        composition=Composition.parse("LiF"), energy_per_atom=-3.0, model="x", entry_id=name
    )
    assert reference_crystal(other) is None
    missing = HullEntry(
        composition=made.composition, energy_per_atom=0.0, model="x", entry_id="oqmd-icsd-99999999"
    )
    assert reference_crystal(missing) is None


def test_rock_salt_is_the_shipped_rock_salt() -> None:
    hull = Hull.load()
    lowest = hull.references(Composition.parse("NaCl"))[0]
    salt = bulk("NaCl", "rocksalt", a=5.7)
    found = hull.phase_of(salt, lowest.energy_per_atom)
    assert found is not None
    assert found.name == "NaCl Fm-3m"
