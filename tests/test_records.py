"""The keys of ``info``: one table, written in one place, and nothing stale left behind."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.units import GPa
from cheap_parts import cheap_cycle

import gencsp
from gencsp import records
from gencsp.composition import Composition
from gencsp.convex_hull.entries import HullEntry
from gencsp.convex_hull.hull import Hull
from gencsp.errors import HullReferenceError
from gencsp.executors import ThisProcess
from gencsp.provenance import Provenance, Stage
from gencsp.records import Basis
from gencsp.runs.relaxing import relax
from gencsp.store import MemoryStore

ROOT = Path(gencsp.__file__).parents[1]

#: What an earlier run, with another potential, left in the input.
STALE = {
    "outcome": "cell exploded or collapsed",
    "reason": "of another run",
    "steps": 99,
    "energy_per_atom": -99.0,
    "enthalpy_per_atom": -99.0,
    "pressure": 7.0,
    "volume_per_atom": 99.0,
    "energy_model": "other-1",
    "energy_digest": "0" * 12,
    "decomposition_energy": -9.0,
    "decomposition_enthalpy": -9.0,
    "decomposition": "1.000 of another hull",
    "has_reference": False,
    "reference_phase": "another crystal",
    "space_group": "P1",
    "space_group_number": 1,
}
OF_THE_GEOMETRY = {
    "duplicate_of": "x",
    "energy_above_hull": 0.3,
    "broken_units": "NH2 1: N-H 1.03 -> 2.00 Å",
    "unit_bond_change": 0.94,
    "filter_distances": True,
    "filter_survived": True,
}


def lithium_fluoride() -> Atoms:
    atoms = bulk("LiF", "rocksalt", a=4.0)
    atoms.set_tags([3, 4])
    atoms.set_initial_magnetic_moments([0.5, -0.5])
    atoms.set_initial_charges([1.0, -1.0])
    atoms.set_array("site", np.array([[1.0, 2], [3, 4]]))
    atoms.set_constraint(FixAtoms([0]))
    atoms.info |= STALE | OF_THE_GEOMETRY | {"mine": {"a": [1, None]}, "model": "generator"}
    atoms.calc = SinglePointCalculator(atoms, energy=-999.0)
    return atoms


def assert_kept(atoms: Atoms) -> None:
    given = lithium_fluoride()
    for name in ("tags", "initial_magmoms", "initial_charges", "site"):
        np.testing.assert_array_equal(atoms.arrays[name], given.arrays[name])
    assert [c.todict() for c in atoms.constraints] == [c.todict() for c in given.constraints]
    assert atoms.info["mine"] == given.info["mine"]
    assert atoms.info["model"] == "generator"


def test_the_page_is_made_from_the_table() -> None:
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        from write_file_format import PAGE, page
    finally:
        sys.path.pop(0)
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "run tools/write_file_format.py"
    assert all(f"| `{key.name}` |" in text for key in records.KEYS)


def test_every_constant_is_in_the_table_once() -> None:
    names = [key.name for key in records.KEYS]
    public = {k: v for k, v in vars(records).items() if k.isupper() and k[0] != "_"}
    constants = {value for value in public.values() if isinstance(value, str)}
    assert len(names) == len(set(names))
    assert constants - {records.FILTER_PREFIX, records.NO_REFERENCE} <= set(names)
    assert set(Provenance.__dataclass_fields__) <= set(names)
    assert set(records.EVALUATION_KEYS) == set(STALE)


def test_no_key_is_written_as_a_literal() -> None:
    """Keys that could be mistaken for nothing else stand as text in one module alone."""
    own = {"energy_per_atom", "model", "seed", "stage", "steps", "origin", "move"}
    names = {key.name for key in records.KEYS if "NAME" not in key.name} - own
    pattern = re.compile(rf"info(?:\.get|\.pop)?[\[(]\s*[\"']({'|'.join(sorted(names))})[\"']")
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in (ROOT / "gencsp").rglob("*.py")
        for match in pattern.finditer(re.sub(r'"""(.|\n)*?"""', "", path.read_text()))
    ]
    assert found == []


def test_relaxing_clears_what_an_earlier_run_left() -> None:
    (result,) = relax([lithium_fluoride()], steps=40)
    atoms = records.record(result)
    assert_kept(atoms)
    assert result.converged
    assert not OF_THE_GEOMETRY.keys() & atoms.info.keys()
    assert "decomposition_energy" not in atoms.info
    assert "reason" not in atoms.info
    assert atoms.info["outcome"] == "converged"
    assert atoms.info["energy_model"] == "chgnet-0.3.0"
    assert atoms.info["energy_digest"] == result.energy_digest != "0" * 12
    assert atoms.info["energy_per_atom"] == pytest.approx(atoms.get_potential_energy() / 2)
    assert (atoms.info["steps"], atoms.info["space_group_number"]) == (result.steps, 225)


def test_a_failure_leaves_no_energy_of_before() -> None:
    slab = lithium_fluoride()
    slab.pbc = (True, True, False)
    (result,) = relax([slab])
    atoms = records.record(result)
    assert {key: atoms.info[key] for key in STALE if key in atoms.info} == {
        "outcome": "not periodic in three directions",
        "steps": 0,
    }
    assert atoms.calc is None


def test_the_hull_judges_each_structure_alone() -> None:
    slab = lithium_fluoride()
    slab.pbc = (True, True, False)
    argon = bulk("Ar", a=5.3)
    argon.info |= STALE
    judged = gencsp.hull([lithium_fluoride(), slab, argon])
    assert_kept(judged[0])
    assert_kept(judged[1])
    first, second, third = (atoms.info for atoms in judged)
    assert first["energy_model"] == "chgnet-0.3.0"
    assert abs(first["decomposition_energy"]) < 0.5
    assert judged[0].get_potential_energy() / 2 == pytest.approx(first["energy_per_atom"])
    assert {"outcome", "reason", "steps", "decomposition_enthalpy"}.isdisjoint(first)
    # A pressure that is not gencsp's own is none.
    assert first["pressure"] == 0
    assert first["enthalpy_per_atom"] == first["energy_per_atom"]
    assert first["volume_per_atom"] == pytest.approx(4.0**3 / 8)
    assert first["duplicate_of"] == "x"  # the crystal is where it was
    assert second["outcome"] == "not periodic in three directions"
    assert "energy_per_atom" not in second
    assert judged[1].calc is None
    assert "decomposition_energy" not in third or third["energy_model"] == "chgnet-0.3.0"


def test_an_element_without_reference_costs_its_structure_alone(
    tmp_path: Path,
) -> None:
    entries = tmp_path / "entries.csv"
    entries.write_text("# model: chgnet-0.3.0\nformula,energy_per_atom\nLi,-1.9\nF,-1.8\n")
    silicon = bulk("Si")
    silicon.info |= STALE
    judged = gencsp.hull([silicon, lithium_fluoride()], hull=entries)
    assert "Si" in judged[0].info["reason"]
    assert judged[0].info["energy_per_atom"] < 0
    assert "decomposition_energy" not in judged[0].info
    assert judged[1].info["decomposition_energy"] < 0


def test_filters_keep_what_they_are_given() -> None:
    (judged,) = gencsp.filter([lithium_fluoride()], filters=["distances"])
    assert_kept(judged)
    assert judged.info["filter_survived"] is True


def test_a_decomposition_energy_needs_an_energy() -> None:
    class Zero:
        def require_pressure(self, pressure: float) -> None:
            assert pressure == 0

        def decomposition_energy(self, composition: object, energy_per_atom: float) -> float:
            assert composition == Composition.parse("Si")
            return energy_per_atom

        def basis(self, atoms: Atoms, energy_per_atom: float) -> Basis:
            return Basis(
                decomposition=f"1.000 {atoms.symbols[0]}", has_reference=energy_per_atom < 0
            )

    atoms = bulk("Si")
    atoms.info["decomposition_energy"] = -9.0
    records.write_decomposition_energy(atoms, Zero())
    assert "decomposition_energy" not in atoms.info
    records.write_energy(atoms, -8.0, model="m")
    records.write_decomposition_energy(atoms, Zero())
    assert atoms.info == {
        "energy_per_atom": -4.0,
        "energy_model": "m",
        "decomposition_energy": -4.0,
        "decomposition": "1.000 Si",
        "has_reference": True,
    }


def test_under_pressure_enthalpies_are_compared_with_references_at_the_pressure() -> None:
    entry = HullEntry(composition=Composition.parse("Si"), energy_per_atom=-3.0, model="m")
    at_none = Hull([entry], model="m")
    at_ten = Hull([replace(entry, pressure=10.0, energy_per_atom=-1.5)], model="m", pressure=10.0)
    atoms = bulk("Si")
    records.write_energy(atoms, -8.0, model="m")
    records.write_enthalpy(atoms, -2.0, pressure=10.0)
    with pytest.raises(HullReferenceError, match="at 0 GPa and the structures at 10 GPa"):
        records.write_decomposition_energy(atoms, at_none)
    records.write_decomposition_energy(atoms, at_ten)
    assert atoms.info["decomposition_enthalpy"] == pytest.approx(0.5)
    assert records.above_hull(atoms.info) == records.ranking_energy(atoms.info)
    assert "decomposition_energy" not in atoms.info
    records.write_enthalpy(atoms, -8.0, pressure=0.0)
    records.write_decomposition_energy(atoms, at_none)
    assert atoms.info["decomposition_energy"] == pytest.approx(-1.0)
    assert "decomposition_enthalpy" not in atoms.info


@pytest.mark.parametrize("pressure", [0.0, 12.5, -3.0])
def test_a_result_knows_its_pressure(pressure: float) -> None:
    (result,) = relax([bulk("NaCl", "rocksalt", a=5.5)], pressure=pressure, fmax=0.01)
    assert result.converged
    assert result.pressure == pressure
    info = records.record(result).info
    work = pressure * GPa * info["volume_per_atom"]
    assert info["pressure"] == pressure
    assert info["enthalpy_per_atom"] == pytest.approx(info["energy_per_atom"] + work)
    # At the end the stress balances the pressure.
    assert -result.stress[:3].mean() / GPa == pytest.approx(pressure, abs=0.3)


def test_a_cycle_tells_generator_and_potential_apart() -> None:
    with ThisProcess() as executor:
        cycle = cheap_cycle(MemoryStore(), executor)
        ranked = cycle.run()
    assert ranked
    for line in ranked:
        info = line.info
        assert info["energy_model"] == "cheap"
        assert info.get("model") != "cheap"
        assert info["stage"] in (Stage.RELAXED, Stage.REFINED)


@pytest.mark.parametrize("written", ["abc", None, [1.0], float("nan"), float("inf"), "nan"])
def test_what_is_no_number_is_no_energy(written: object) -> None:
    info = {records.DECOMPOSITION_ENERGY: written, records.ENERGY_PER_ATOM: -3.5}
    assert records.number(info, records.DECOMPOSITION_ENERGY) is None
    assert records.ranking_energy(info) == -3.5
    assert records.number({records.DECOMPOSITION_ENERGY: "-0.25"}, "decomposition_energy") == -0.25


def test_failures_come_last_whatever_energy_they_carry() -> None:
    low, high, none, failed = (bulk("Cu") for _ in range(4))
    low.info["energy_per_atom"], high.info["energy_per_atom"] = -2.0, 1.0
    failed.info |= {"outcome": "step limit reached", "decomposition_energy": -6.0}
    above = bulk("Cu")
    above.info["decomposition_energy"] = 0.3
    found = sorted([failed, none, high, low, above], key=records.results_first)
    assert found == [above, low, high, none, failed]


def test_a_relaxed_structure_says_so() -> None:
    """Stage and parents of the input are those of the structure before it was moved."""
    silicon = bulk("Si")
    silicon.rattle(0.02, seed=0)
    Provenance(
        structure_id="g1", proposer="random", stage=Stage.GENERATED, parents="host", seed=3
    ).write(silicon)
    bare = bulk("Si")
    slab = bulk("Si")
    slab.info |= {"structure_id": "slab", "stage": "generated"}
    slab.pbc = (True, True, False)
    known, unknown, kept = sorted(relax([silicon, bare, slab]), key=lambda one: one.index)
    assert Provenance.read(known.atoms) == Provenance(
        structure_id="g1", proposer="random", stage=Stage.RELAXED, parents="g1", seed=3
    )
    assert (unknown.atoms.info["stage"], "parents" in unknown.atoms.info) == ("relaxed", False)
    # What could not be relaxed is what it was.
    assert kept.atoms.info["stage"] == "generated"
    (judged,) = gencsp.hull(known.atoms)
    assert (judged.info["stage"], judged.info["parents"]) == ("relaxed", "g1")
    assert silicon.info["stage"] == "generated"
