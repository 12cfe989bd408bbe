"""Potentials by name: the same contract for all, and energies that never mix."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from ase.optimize import FIRE
from typer.testing import CliRunner

from gencsp.cli import app
from gencsp.composition import Composition
from gencsp.convex_hull.crystals import make_references, shipped_crystals
from gencsp.convex_hull.entries import HullEntry
from gencsp.convex_hull.hull import Hull
from gencsp.errors import HullReferenceError, PotentialError
from gencsp.io.structures import read_structures, write_extxyz
from gencsp.minimise import Outcome, RelaxSettings
from gencsp.potentials import AseEngine, get_potential, potential_names
from gencsp.runs.parts import NamedRelaxer

RUNNER = CliRunner()
OWN = "from ase.calculators.emt import EMT\n\n\ndef calculator():\n    return EMT()\n"


@pytest.fixture
def emt(tmp_path: Path) -> str:
    (tmp_path / "emt.py").write_text(OWN)
    return str(tmp_path / "emt.py")


def alloy(strain: float = 1.03, seed: int = 0) -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.symbols[:2] = "Au"
    atoms.set_cell(atoms.cell * strain, scale_atoms=True)
    atoms.rattle(0.05, seed=seed)
    return atoms


def test_chgnet_by_all_its_names() -> None:
    assert {"chgnet", "matgl", "sevennet"} <= set(potential_names())
    names = ("chgnet", "chgnet:0.3.0", "chgnet-0.3.0", "chgnet:0.2.0", "chgnet-r2scan")
    models = [get_potential(name).model for name in names]
    assert models == ["chgnet-0.3.0"] * 3 + ["chgnet-0.2.0", "chgnet-r2scan"]
    energies = [get_potential(name).evaluate([alloy()])[0].energy for name in names]
    assert energies[0] == energies[1]
    assert len({round(e, 3) for e in energies}) == 3


def test_an_ase_calculator_evaluates_as_by_itself(emt: str) -> None:
    potential = get_potential(emt)
    atoms, broken = alloy(), alloy()
    broken.positions[0] = np.nan
    good, bad = potential.evaluate([atoms, broken])
    atoms.calc = EMT()
    assert good.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
    np.testing.assert_allclose(good.forces, atoms.get_forces(), atol=1e-9)
    np.testing.assert_allclose(good.stress, atoms.get_stress(), atol=1e-9)
    assert (bad.failure, np.isnan(bad.energy)) == (Outcome.BAD_INPUT, True)


def on_each_other(gap: float) -> Atoms:
    """NaCl2 whose two chlorine atoms are so far apart, Å."""
    return Atoms(
        "NaCl2", scaled_positions=[(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5 + gap / 3.6)],
        cell=[3.6] * 3, pbc=True,
    )  # fmt: skip


class Attraction(Calculator):  # type: ignore[misc]  # ASE is untyped
    """Pulls pairs together: its minima are atoms on top of each other."""

    name = "attraction"
    implemented_properties = ("energy", "forces", "stress")

    def calculate(self, atoms: Any, properties: Any, system_changes: Any) -> None:
        super().calculate(atoms, properties, system_changes)
        vector = atoms.positions[2] - atoms.positions[1]
        forces = np.zeros((3, 3))
        forces[1], forces[2] = vector, -vector
        self.results = {"energy": 0.5 * vector @ vector, "forces": forces, "stress": np.zeros(6)}


@pytest.mark.parametrize("name", ["native", "torch", "ase"])
@pytest.mark.parametrize("gap", [0.0, 1e-9, 1e-3, 0.2, 0.45])
def test_atoms_on_top_of_each_other_are_no_result(name: str, gap: float) -> None:
    """CHGNet's graph leaves out pairs on one place, and the rest of the crystal looks sound."""
    if name == "native":
        pytest.importorskip("gencsp.potentials.chgnet.native", reason="the extension is not built")
    potential = (
        AseEngine(Attraction(), model="attraction", digest="0")
        if name == "ase"
        else get_potential("chgnet", engine=name)  # type: ignore[arg-type]
    )
    sound, bad = potential.evaluate([on_each_other(1.8), on_each_other(gap)])
    assert sound.failure is None
    assert bad.failure is Outcome.TOO_CLOSE
    assert np.isnan(bad.energy)
    for minimiser in ("fire", "quasi-newton"):
        for settings in (
            RelaxSettings(minimiser=minimiser, steps=0),
            RelaxSettings(minimiser=minimiser, fmax=1e3),
            RelaxSettings(minimiser=minimiser, time_limit=1e-9),
        ):
            (found,) = potential.relax([on_each_other(gap)], settings)
            assert found.outcome is Outcome.TOO_CLOSE


def test_minima_with_atoms_on_top_of_each_other_are_no_result() -> None:
    potential = AseEngine(Attraction(), model="attraction", digest="0")
    (found,) = potential.relax([on_each_other(0.8)], RelaxSettings(fmax=0.01, minimiser="fire"))
    assert found.outcome is Outcome.TOO_CLOSE
    assert found.steps > 0


def test_an_ase_calculator_relaxes_as_ase_does(emt: str) -> None:
    settings = RelaxSettings(fmax=0.01, minimiser="fire", steps=300)
    told: list[tuple[int, int]] = []

    def note(index: int, step: int, *_: float) -> None:
        told.append((index, step))

    results = list(get_potential(emt).relax([alloy(), alloy(seed=1)], settings, on_step=note))
    assert [r.index for r in results] == [0, 1]
    assert {index for index, _ in told} == {0, 1}
    reference = alloy()
    reference.calc = EMT()
    FIRE(FrechetCellFilter(reference), logfile=None).run(fmax=0.01, steps=300)
    assert results[0].energy == pytest.approx(reference.get_potential_energy(), abs=1e-4)


def test_names_of_a_users_own(emt: str, tmp_path: Path) -> None:
    first = get_potential(emt)
    assert isinstance(first, AseEngine)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "emt.py").write_text(OWN + "# another\n")
    other = get_potential(f"{tmp_path}/b/emt.py:calculator")
    assert first.model.startswith("emt-")
    assert first.model != other.model  # an edited file is another model
    imported = get_potential("ase.calculators.emt:EMT")
    assert imported.model == "ase.calculators.emt:EMT"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("m3gent", "there is no potential 'm3gent': choose from chgnet"),
        ("chgnet:0.4", "there is no CHGNet '0.4': choose from 0.3.0"),
        ("missing.py", "there is no file missing.py"),
        ("no.such.package:make", "cannot be imported"),
        ("ase.build:nothing", "has no function 'nothing'"),
        ("ase.build:bulk", "must need no arguments"),
        ("collections:OrderedDict", "there is no potential"),
        ("ase.cell:Cell", "must need no arguments"),
        ("matgl", "name a model of matgl"),
    ],
)
def test_potentials_that_are_not_there(name: str, problem: str) -> None:
    with pytest.raises(PotentialError) as error:
        get_potential(name)
    assert problem in str(error.value)


@pytest.mark.parametrize(("name", "package"), [("sevennet", "sevenn"), ("matgl:x", "matgl")])
def test_a_package_that_is_missing(name: str, package: str) -> None:
    if importlib.util.find_spec(package) is not None:
        pytest.skip(f"{package} is installed")
    with pytest.raises(PotentialError, match=r"pip install 'gencsp\["):
        get_potential(name)


def test_files_that_give_no_calculator(tmp_path: Path) -> None:
    for text, problem in (
        ("def calculator():\n    return 3\n", "returned a int"),
        ("import no_such_package\n", "cannot be run"),
        ("def calculator(:\n", "cannot be run"),
    ):
        path = tmp_path / f"c{len(problem)}{len(text)}.py"
        path.write_text(text)
        with pytest.raises(PotentialError, match=problem):
            get_potential(str(path))


def test_a_relaxer_made_in_a_worker(emt: str) -> None:
    relaxer = NamedRelaxer(potential=emt)()
    (result,) = relaxer([alloy()], RelaxSettings(fmax=0.05))
    assert result.converged


def test_a_hull_for_another_potential(emt: str, tmp_path: Path) -> None:
    """Energies of one never reach the hull of the other; references made with it do."""
    pool = write_extxyz(tmp_path / "pool.extxyz", [alloy()])
    out = str(tmp_path / "relaxed")
    command = ["relax", str(pool), "--potential", emt, "--out", out]
    result = RUNNER.invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "no decomposition energies: the hull references were made with chgnet-0.3.0" in (
        " ".join(result.stderr.split())
    )
    (atoms,) = read_structures([tmp_path / "relaxed" / "relaxed.extxyz"])
    assert "decomposition_energy" not in atoms.info
    assert atoms.info["energy_model"] == get_potential(emt).model
    table = tmp_path / "references.csv"
    made = RUNNER.invoke(app, ["references", "Au-Cu", "--potential", emt, "--out", str(table)])
    assert made.exit_code == 0, made.output
    hull = Hull.load(table)
    assert hull.model == get_potential(emt).model
    result = RUNNER.invoke(app, [*command, "--hull", str(table)])
    assert result.exit_code == 0, result.output
    (atoms,) = read_structures([tmp_path / "relaxed" / "relaxed.extxyz"])
    expected = hull.decomposition_energy(
        Composition.parse("AuCu"), atoms.info["energy_per_atom"], model=atoms.info["energy_model"]
    )
    assert atoms.info["decomposition_energy"] == pytest.approx(expected, abs=1e-9)
    for wrong in (["hull"], ["refine", "--guests", "Cu"]):
        refused = RUNNER.invoke(
            app, [wrong[0], str(pool), *wrong[1:], "--hull", str(table), "--out", out]
        )
        assert refused.exit_code == 1, refused.output
        assert "energies with chgnet-0.3.0" in " ".join(refused.stderr.split())


@pytest.mark.usefixtures("in_this_process")
def test_a_search_refuses_a_hull_of_another_model(emt: str, tmp_path: Path) -> None:
    command = ["search", "AuCu", "--no-seeds", "--budget", "1", "--workers", "1"]
    result = RUNNER.invoke(app, [*command, "--potential", emt, "--out", str(tmp_path / "run")])
    assert result.exit_code == 1
    assert "references were made with chgnet-0.3.0" in " ".join(result.stderr.split())
    assert not (tmp_path / "run").exists()


def test_references_say_what_failed(emt: str) -> None:
    apart = bulk("Cu", a=12.0)
    made = list(make_references([bulk("Cu"), apart], get_potential(emt)))
    entry, failed = made
    assert isinstance(entry, HullEntry)
    assert (entry.composition.formula, entry.space_group) == ("Cu", 225)
    assert not isinstance(failed, HullEntry)
    assert failed.outcome is Outcome.ISOLATED
    crystals = list(shipped_crystals(["Li", "Si"]))
    assert {frozenset(a.symbols) for a in crystals} >= {frozenset({"Li", "Si"}), frozenset({"Li"})}
    assert all(set(a.symbols) <= {"Li", "Si"} for a in crystals)


def test_a_model_that_is_not_the_hulls() -> None:
    with pytest.raises(HullReferenceError, match=r"made with chgnet-0\.3\.0 and the energies with"):
        Hull.load().require_model(get_potential("chgnet:r2scan").model)
