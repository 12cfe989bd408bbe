"""``ase.io`` and ``ase.db`` on ``run.db``, and odd values on their way through every writer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import ase.db
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms, FixCartesian, FixedPlane, FixSymmetry
from ase.io.formats import ioformats
from hypothesis import given, settings
from hypothesis import strategies as st

from gencsp.io.structures import read_structures, write_cif, write_extxyz
from gencsp.provenance import Provenance, Stage
from gencsp.store import DiskStore, Finished, MemoryStore
from gencsp.store.base import portable

ODD: dict[Any, Any] = {
    "nothing": None,
    "nested": {"a": [1, 2.5, None], "b": {"c": "d"}, 3: (1, 2)},
    "vector": np.arange(3.0),
    "tensor": np.zeros((2, 2, 2)),
    "flags": np.array([True, False]),
    "words": np.array(["a", "b c"]),
    "empty": "",
    "none_in_list": [None, 1],
    "two\nlines": 'a "quoted"\nline = 2',
    "key with space": "x",
    "numpy": np.float64(0.5),
    "tuple": (1, "a"),
    "object": object(),
    "objects": [object()],
    "complex": 1j,
    "Lattice": "not a lattice",
    7: "a number as key",
}


def odd(seed: int = 0) -> Atoms:
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    atoms.rattle(0.01, seed=seed)
    atoms.set_tags([1, 2])
    atoms.set_initial_magnetic_moments([0.5, -1.0])
    atoms.set_initial_charges([1.0, -1.0])
    atoms.set_array("mine", np.array([[1.5, 2.5], [3.5, 4.5]]))
    atoms.set_array("label", np.array(["Na_1", "Cl_1"]))
    atoms.set_array("blocks", np.zeros((2, 2, 2)))
    atoms.info.update(ODD)
    Provenance(
        structure_id=f"r{seed}", proposer="fake", stage=Stage.RELAXED, model="123456789012"
    ).write(atoms)
    atoms.calc = SinglePointCalculator(atoms, energy=-1.5, forces=np.ones((2, 3)))
    return atoms


def assert_arrays(found: Atoms, *names: str) -> None:
    for name in names:
        np.testing.assert_array_equal(found.arrays[name], odd().arrays[name], err_msg=name)


def test_ase_reads_a_run_with_its_info(tmp_path: Path) -> None:
    with DiskStore(tmp_path, {}) as store:
        store.finish("a", Finished(structures=(odd(0), odd(1), odd(2))))
    structures = ase.io.read(tmp_path / "run.db", ":")
    assert [atoms.info["structure_id"] for atoms in structures] == ["r0", "r1", "r2"]
    assert structures[0].info["model"] == "123456789012"
    assert structures[0].info["nested"] == {"a": [1, 2.5, None], "b": {"c": "d"}, "3": [1, 2]}
    assert "task" not in structures[0].info
    assert_arrays(structures[0], *odd().arrays.keys() - {"positions"})
    assert structures[1].get_potential_energy() == -1.5
    assert ase.io.read(tmp_path / "run.db").info["structure_id"] == "r2"
    assert ase.io.read(tmp_path / "run.db", 1).info["structure_id"] == "r1"
    assert [a.info["structure_id"] for a in ase.io.read(tmp_path / "run.db", "1:")] == ["r1", "r2"]
    chosen = ase.io.read(tmp_path / "run.db", "structure_id=r1")
    assert [a.info["structure_id"] for a in chosen] == ["r1"]
    assert ase.io.read(tmp_path / "run.db@0").info["structure_id"] == "r0"
    rows = list(ase.db.connect(tmp_path / "run.db").select(stage="relaxed"))
    assert rows[0].key_value_pairs["structure_id"] == "r0"
    assert rows[0].data["info"]["vector"].tolist() == [0, 1, 2]
    assert rows[0].initial_magmoms.tolist() == [0.5, -1.0]
    (read,) = [a for a in read_structures([tmp_path]) if a.info["structure_id"] == "r0"]
    assert_arrays(read, "mine", "label", "blocks", "tags")


def test_a_foreign_database_of_that_name_is_read_and_written(tmp_path: Path) -> None:
    ase.io.write(tmp_path / "run.db", [bulk("Si"), bulk("Ge")])
    with ase.db.connect(tmp_path / "run.db") as db:
        db.write(bulk("C"), owner="me")
    found = ase.io.read(tmp_path / "run.db", ":")
    assert [str(atoms.symbols) for atoms in found] == ["Si2", "Ge2", "C2"]
    assert found[2].info == {"owner": "me"}
    assert ase.io.read(tmp_path / "run.db", "7:") == []


def test_the_format_costs_nothing_until_it_is_used() -> None:
    assert "gencsp-run" in ioformats
    code = "import sys, ase.io; print('gencsp.store.disk' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
    assert "Failed" not in done.stderr


def test_the_store_on_disk_keeps_what_the_one_in_memory_keeps(tmp_path: Path) -> None:
    memory = MemoryStore()
    memory.finish("t", Finished(structures=(odd(),)))
    with DiskStore(tmp_path, {}) as disk:
        disk.finish("t", Finished(structures=(odd(),)))
        (one,), (other,) = disk.get("t").structures, memory.get("t").structures  # type: ignore[union-attr]
    assert one.info.keys() == other.info.keys()
    assert repr(one.info) == repr(other.info)
    assert {"object", "objects", "complex"}.isdisjoint(one.info)
    assert one.arrays.keys() == other.arrays.keys() == odd().arrays.keys()
    for name, values in one.arrays.items():
        np.testing.assert_array_equal(values, other.arrays[name])
        assert values.dtype == other.arrays[name].dtype


def test_odd_values_survive_extxyz_or_are_left_out(tmp_path: Path) -> None:
    atoms = odd()
    atoms.set_constraint([FixAtoms([0]), FixCartesian([1], (True, False, False))])
    plain = bulk("Si")
    path = write_extxyz(tmp_path / "odd.extxyz", [atoms, plain])
    first, second = read_structures([path])
    assert len(second) == 2
    assert_arrays(first, "tags", "initial_magmoms", "initial_charges", "mine", "label")
    assert first.info["nested"]["a"] == [1, 2.5, None]
    assert first.info["vector"].tolist() == [0, 1, 2]
    assert first.info["two lines"] == 'a "quoted" line = 2'
    assert first.info["key with space"] == "x"
    assert {"nothing", "empty", "object"}.isdisjoint(first.info)
    np.testing.assert_allclose(first.cell.array, atoms.cell.array, atol=1e-7)
    assert first.get_potential_energy() == -1.5
    pushed = np.ones((2, 3))
    for constraint in first.constraints:
        constraint.adjust_forces(first, pushed)
    assert pushed.tolist() == [[0, 0, 0], [0, 1, 1]]
    for other in (FixedPlane([0], (0, 0, 1)), FixSymmetry(bulk("NaCl", "rocksalt", a=5.6))):
        atoms.set_constraint(other)
        write_extxyz(tmp_path / "other.extxyz", [atoms])
        assert len(read_structures([tmp_path / "other.extxyz"])[0]) == 2


def test_odd_values_do_not_stop_a_cif(tmp_path: Path) -> None:
    atoms = odd()
    atoms.info["energy_model"] = "chgnet-0.3.0"
    text = write_cif(tmp_path / "odd.cif", atoms).read_text()
    assert "# energy_model = chgnet-0.3.0\n" in text
    assert len(read_structures([tmp_path / "odd.cif"])[0]) == 8


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc_ ", max_size=4), inner,
                                                                max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(info=st.dictionaries(st.text("abcde_", min_size=1, max_size=6), plain, max_size=4))
@settings(deadline=None, max_examples=40)
def test_no_info_stops_a_writer(tmp_path_factory: pytest.TempPathFactory, info: Any) -> None:
    folder = tmp_path_factory.mktemp("odd")
    atoms = bulk("Si")
    atoms.info = info
    with DiskStore(folder, {}) as store:
        store.finish("t", Finished(structures=(atoms,)))
        kept = store.get("t")
    assert kept is not None
    assert repr(kept.structures[0].info) == repr(portable(atoms).info)
    assert [len(a) for a in read_structures([write_extxyz(folder / "o.extxyz", [atoms] * 2)])] == [
        2,
        2,
    ]
