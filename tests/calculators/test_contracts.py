"""ASE's contracts with calculators: copies, records, settings, NEB, processes, files."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import ase.db
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import CalculationFailed, Calculator
from ase.calculators.lj import LennardJones
from ase.io.jsonio import decode, encode
from ase.mep import NEB
from ase.optimize import BFGS

from gencsp.calculators import CHGNetCalculator, MixedScoreCalculator, ScoreCalculator
from gencsp.deck import EngineName
from gencsp.errors import EngineError, GencspError, RequestError
from gencsp.minimise import RelaxSettings, relax_with
from gencsp.potentials.chgnet.select import engine_status
from gencsp.testing import WrappedMixture

ENGINES: list[EngineName] = ["native", "torch"] if engine_status().name == "native" else ["torch"]
Make = Callable[[], Any]


def score(sigma: float = 0.3) -> ScoreCalculator:
    model = WrappedMixture.around([bulk("Cu", cubic=True)], spread=0.1, sigma_max=3.0)
    return ScoreCalculator(model, sigma=sigma)


def other() -> LennardJones:
    return LennardJones(sigma=2.3, epsilon=0.4, rc=5.0)


def mixed() -> MixedScoreCalculator:
    return MixedScoreCalculator(score(), other(), weight=0.5)


MAKERS: dict[str, Make] = {
    **{f"chgnet-{e}": partial(CHGNetCalculator, engine=e) for e in ENGINES},
    "score": score,
    "mixed": mixed,
}


@pytest.fixture(params=list(MAKERS))
def make(request: pytest.FixtureRequest) -> Make:
    return MAKERS[request.param]


def copper(seed: int = 1) -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=seed)
    return atoms


def forces_of(calculator: Calculator, atoms: Atoms | None = None) -> np.ndarray:
    fresh = copper() if atoms is None else atoms.copy()
    fresh.calc = calculator
    return np.asarray(fresh.get_forces())


def test_importing_the_package_loads_no_torch() -> None:
    code = "import sys, gencsp.calculators; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda calculator: pickle.loads(pickle.dumps(calculator))]
)
def test_copies_compute_the_same_and_on_their_own(make: Make, copied: Callable[[Any], Any]) -> None:
    original = make()
    forces = forces_of(original)
    twin = copied(original)
    assert type(twin) is type(original)
    assert twin.todict() == original.todict()
    assert twin.results.keys() == original.results.keys()
    np.testing.assert_allclose(twin.results["forces"], forces, atol=1e-12)
    moved = forces_of(twin, copper(seed=7))
    assert not np.allclose(moved, forces)
    np.testing.assert_array_equal(original.results["forces"], forces)
    np.testing.assert_allclose(forces_of(twin), forces, atol=1e-6)


def test_a_pickle_of_chgnet_holds_no_weights() -> None:
    calculator = CHGNetCalculator()
    assert len(pickle.dumps(calculator)) < 5_000
    assert copy.deepcopy(calculator).engine is calculator.engine


def test_records_say_which_weights(make: Make) -> None:
    calculator = make()
    record = decode(encode(calculator.todict()))
    assert calculator.name in ("chgnet", "score", "mixed-score")
    assert record == calculator.todict() == dict(calculator.parameters)
    if calculator.name == "chgnet":
        assert record["model"] == "0.3.0"
        assert record["digest"] == calculator.engine.digest
        assert record["engine"] == calculator.engine.name
        assert CHGNetCalculator("0.2.0").parameters["digest"] != record["digest"]
        assert calculator.energy_model == "chgnet-0.3.0"
    else:
        part = record if calculator.name == "score" else record["score"]
        assert part["model"] == "wrapped-mixture"
        assert part["sigma"] == 0.3


def test_set_changes_the_calculation_or_is_refused() -> None:
    chgnet = CHGNetCalculator()
    before = forces_of(chgnet)
    assert chgnet.set(model="0.3.0") == {}
    assert chgnet.set(model="0.2.0") == {"model": "0.2.0"}
    assert chgnet.results == {}
    expected = forces_of(CHGNetCalculator("0.2.0"))
    np.testing.assert_allclose(forces_of(chgnet), expected, atol=1e-12)
    assert not np.allclose(before, expected, atol=1e-3)
    assert chgnet.parameters["model"] == chgnet.version == "0.2.0"
    with pytest.raises(EngineError, match="9"):
        chgnet.set(model="9")
    np.testing.assert_allclose(forces_of(chgnet), expected, atol=1e-12)
    assert chgnet.parameters["model"] == "0.2.0"


def test_set_of_a_score_changes_the_calculation() -> None:
    for calculator, share in ((score(), 1.0), (mixed(), 0.5)):
        forces_of(calculator)
        assert calculator.set(sigma=0.6) == {"sigma": 0.6}
        rest = 0 if share == 1 else forces_of(other())
        np.testing.assert_allclose(
            forces_of(calculator), share * forces_of(score(sigma=0.6)) + rest, atol=1e-12
        )
        part = calculator.todict() if share == 1 else calculator.todict()["score"]
        assert part["sigma"] == 0.6
    both = mixed()
    forces_of(both)
    both.set(weight=0.0, other_weight=2.0)
    np.testing.assert_allclose(forces_of(both), 2 * forces_of(other()), atol=1e-12)
    assert (both.parameters["weight"], both.parameters["other_weight"]) == (0.0, 2.0)


def test_settings_that_are_not_there_are_refused(make: Make) -> None:
    calculator = make()
    before = calculator.todict()
    for wrong in ({"temperature": 300}, {"digest": "0" * 12}, {"sigma": -1.0, "stiffness": 2.0}):
        with pytest.raises(GencspError):
            calculator.set(**wrong)
    assert calculator.todict() == before
    with pytest.raises((RequestError, AttributeError)):
        score().set(model="another")


def test_results_go_into_databases_and_files(make: Make, tmp_path: Path) -> None:
    atoms = copper()
    atoms.calc = make()
    forces = atoms.get_forces()
    with ase.db.connect(tmp_path / "own.db") as db:
        db.write(atoms)
    row = next(ase.db.connect(tmp_path / "own.db").select())
    assert row.calculator == atoms.calc.name
    assert row.calculator_parameters == decode(encode(atoms.calc.todict()))
    np.testing.assert_allclose(row.forces, forces, atol=1e-12)
    for name in ("own.json", "own.traj", "own.extxyz"):
        ase.io.write(tmp_path / name, atoms)
        np.testing.assert_allclose(ase.io.read(tmp_path / name).get_forces(), forces, atol=1e-7)


def test_a_nudged_elastic_band_of_copies(make: Make) -> None:
    start = copper()
    start.calc = make()
    end = start.copy()
    end.positions[0] += 0.3
    images = [copy.deepcopy(start) for _ in range(4)]
    images[-1].positions[:] = end.positions
    band = NEB(images, method="improvedtangent")
    band.interpolate()
    before = np.abs(band.get_forces()).max()
    BFGS(band, logfile=None).run(fmax=0.01, steps=5)
    assert np.isfinite(band.get_forces()).all()
    assert np.abs(band.get_forces()).max() < before
    assert len({id(image.calc) for image in images}) == 4


def test_other_processes_compute_the_same() -> None:
    calculators = [CHGNetCalculator(), score()]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.map(forces_of, calculators)
    for forces, calculator in zip(found, calculators, strict=True):
        np.testing.assert_allclose(forces, forces_of(calculator), atol=1e-6)


@pytest.mark.parametrize("pbc", [(True, True, False), (False, False, False)])
def test_slabs_and_molecules_are_refused_by_name(make: Make, pbc: tuple[bool, ...]) -> None:
    atoms = copper()
    atoms.pbc = pbc
    atoms.calc = make()
    with pytest.raises((CalculationFailed, RequestError), match=r"periodic in three directions"):
        atoms.get_potential_energy()
    if "energies" in atoms.calc.implemented_properties:
        with pytest.raises(CalculationFailed, match="periodic in three directions"):
            atoms.get_potential_energies()


def test_relaxations_name_the_weights_of_a_calculator() -> None:
    still = RelaxSettings(steps=0)
    chgnet = relax_with(CHGNetCalculator("0.2.0"), copper(), still)
    assert (chgnet.energy_model, chgnet.energy_digest) == (
        "chgnet-0.2.0",
        CHGNetCalculator("0.2.0").parameters["digest"],
    )
    assert relax_with(other(), copper(), still).energy_model == "lennardjones"
