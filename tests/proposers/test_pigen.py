"""The pigen proposer and its ASE faces, with a small network of random weights."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spglib
import torch
from ase import Atoms
from ase.build import bulk
from ase.filters import FrechetCellFilter
from ase.io import read
from ase.optimize import FIRE
from scipy.spatial.transform import Rotation
from typer.testing import CliRunner

from gencsp.calculators.score import ScoreCalculator
from gencsp.cli import app
from gencsp.composition import Composition
from gencsp.descriptors.complexity import complexity
from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.joint.conditions import PropertyScale
from gencsp.diffusion.joint.guidance import ClassifierFree
from gencsp.diffusion.joint.model import JointModel, save_joint_model
from gencsp.diffusion.joint.process import JointProcess
from gencsp.diffusion.joint.reverse import JointReverseDiffusion
from gencsp.diffusion.joint.sampler import JointSamplerSettings, sample
from gencsp.diffusion.joint.score import JointScore
from gencsp.diffusion.joint.shape import LatticeScale
from gencsp.diffusion.joint.sizes import CellSizes
from gencsp.diffusion.networks import build_network
from gencsp.diffusion.training.joint_objective import JointObjective
from gencsp.errors import RequestError, TargetWarning, WeightsError
from gencsp.proposers import ProposerContext, propose
from gencsp.proposers.crystals.orbit_draw import orbit_statistics
from gencsp.proposers.pigen import PigenOptions, propose_de_novo
from gencsp.proposers.symmetric_starts import CompositionStarts, symmetric_start

SIZES = CellSizes({2: 3, 4: 2, 8: 1})
FAST = JointSamplerSettings(steps=5)


Given = dict[str, Any]
#: An untrained network makes atoms that are close.
CLOSE = "pigen:separation=0.1"


@pytest.fixture(scope="module")
def model() -> JointModel:
    scale = LatticeScale((0.0,) * 3 + (-0.1, 0.2, 1.8), (0.2, 0.2, 0.2, 0.15, 0.3, 0.2))
    objective = JointObjective(
        process=JointProcess(scale=scale),
        properties=PropertyScale((0.64, 8.0, 0.01, 1.8), (0.18, 0.9, 0.03, 0.6)),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_network("joint", {"channels": 8, "layers": 1, "n_radial": 4})
    return JointModel(network.eval(), objective, SIZES, "test")


@pytest.fixture(scope="module")
def options(model: JointModel) -> Given:
    return {
        "options": {"separation": 0.1, "attempts": 50, "batch_size": 8},
        "context": ProposerContext(joint_model=model, joint_sampler=FAST),
    }


def test_proposals_have_the_composition_and_repeat_with_the_seed(options: Given) -> None:
    first = list(propose("TiO2", n=4, max_atoms=6, proposer="pigen", seed=3, **options))
    again = list(propose("TiO2", n=4, max_atoms=6, proposer="pigen", seed=3, **options))
    assert len(first) == 4
    for one, other in zip(first, again, strict=True):
        assert Composition.of(one).reduced.formula == "TiO2"
        assert one.info["proposer"] == "pigen"
        np.testing.assert_array_equal(one.positions, other.positions)
        np.testing.assert_array_equal(one.cell.array, other.cell.array)


def test_a_cell_or_a_host_stays(options: Given) -> None:
    host = bulk("Mg", "hcp", a=3.2, c=5.2)
    made = list(propose("MgO", n=2, proposer="pigen", host=host, seed=0, **options))
    for atoms in made:
        np.testing.assert_allclose(atoms.cell.array, host.cell.array)
        moved = atoms.get_scaled_positions()[:2] - host.get_scaled_positions()
        np.testing.assert_allclose(moved - np.round(moved), 0, atol=1e-9)
        assert atoms.info["host_atoms"] == 2
        assert atoms.info["stage"] == "inpainted"
    assert len(made) == 2
    cell = bulk("NaCl", "rocksalt", a=5.6).cell
    (atoms,) = propose("NaCl", n=1, proposer="pigen", max_atoms=2, cell=cell, **options)
    np.testing.assert_allclose(atoms.cell.array, cell.array)


def test_a_volume_is_kept(options: Given) -> None:
    (atoms,) = propose("NaCl", n=1, proposer="pigen", max_atoms=4, volume=20.0, **options)
    assert atoms.cell.volume / len(atoms) == pytest.approx(20.0)


def _group(atoms: Atoms, numbers: Any = None) -> spglib.SpglibDataset:
    """spglib's data, as they are or with other species."""
    species = atoms.numbers if numbers is None else numbers
    cell = (atoms.cell.array, atoms.get_scaled_positions(), species)
    return spglib.get_symmetry_dataset(cell, symprec=1e-4)


@pytest.mark.parametrize(("formula", "groups"), [("TiO2", (136, 141)), ("Li2SiO3", (36,))])
def test_a_composition_in_a_space_group(
    options: Given, formula: str, groups: tuple[int, ...]
) -> None:
    given = {"max_atoms": 12, "proposer": "pigen", "space_groups": groups, "seed": 4, **options}
    made = list(propose(formula, n=5, volume=15.0, **given))
    assert len(made) == 5
    for atoms in made:
        assert Composition.of(atoms) == Composition.parse(formula)
        assert atoms.cell.volume / len(atoms) == pytest.approx(15.0)
        group = atoms.info["proposed_space_group"]
        assert group in groups
        found = _group(atoms)
        # At least all operations of the group that was asked for, in a primitive cell of it.
        assert len(found.rotations) % len(_operations(group)) == 0
        assert found.number == group or len(found.rotations) > len(_operations(group))
    assert len({tuple(atoms.cell.lengths().round(6)) for atoms in made}) == 5


def _operations(group: int) -> set[bytes]:
    """Point operations of a space group, as spglib's database has them."""
    hall = next(h for h in range(1, 531) if spglib.get_spacegroup_type(h).number == group)
    return {w.tobytes() for w in spglib.get_symmetry_from_database(hall)["rotations"]}


def test_a_drawn_space_group_for_a_composition(options: Given) -> None:
    own = {**options["options"], "symmetry": "drawn"}
    made = list(propose("MgO", n=6, max_atoms=8, proposer="pigen", seed=2,
                        options=own, context=options["context"]))  # fmt: skip
    assert [Composition.of(atoms).formula_key for atoms in made] == ["MgO"] * 6
    drawn = [atoms.info["proposed_space_group"] for atoms in made]
    assert len(set(drawn)) > 1
    assert all(len(_group(a).rotations) >= len(_operations(g))
               for a, g in zip(made, drawn, strict=True))  # fmt: skip


def test_complexity_chooses_among_the_orbits_of_a_composition() -> None:
    def mean(target: float) -> float:
        starts = CompositionStarts(Composition.parse("TiO2"), (4,), complexity=target, weight=2.0)
        found = [starts(np.random.default_rng(seed)) for seed in range(20)]
        # Equal atoms of a start are those that its own symmetry exchanges.
        return float(np.mean([complexity(atoms) for atoms in found]))

    assert mean(3.5) > mean(1.0) + 1.0


def test_space_groups_without_room_for_the_composition_are_refused(options: Given) -> None:
    given = {"n": 1, "proposer": "pigen", **options}
    with pytest.raises(RequestError, match="no Wyckoff positions of the space groups 225 add up"):
        list(propose("Li3Si2", max_atoms=9, space_groups=225, **given))
    with pytest.raises(RequestError, match="leave out the space groups"):
        list(propose("NaCl", space_groups=225, cell=bulk("NaCl", "rocksalt", a=5.6), **given))
    with pytest.raises(RequestError, match="leave out the space groups"):
        list(propose("MgO", space_groups=225, host=bulk("Mg", "hcp", a=3.2, c=5.2), **given))


def test_de_novo_draws_sizes_of_training_and_allowed_elements(options: Given) -> None:
    given = {**options, "options": PigenOptions(**options["options"])}
    made = list(propose_de_novo(n=12, elements=["Li", "O"], seed=1, **given))
    assert len(made) == 12
    assert {len(a) for a in made} <= set(SIZES.counts)
    assert {s for a in made for s in a.get_chemical_symbols()} <= {"Li", "O"}
    assert all(a.info["structure_id"].startswith("de-novo-1") for a in made)
    small = list(propose_de_novo(n=5, most_atoms=2, **given))
    assert {len(a) for a in small} == {2}
    with pytest.raises(RequestError, match="knows no element"):
        propose_de_novo(elements=["Xx"], **given)
    with pytest.raises(RequestError, match=r"beauty.*choose from"):
        propose_de_novo(targets={"beauty": 1.0}, **given)  # type: ignore[dict-item]
    with pytest.raises(RequestError, match="most_atoms"):
        propose_de_novo(most_atoms=1, **given)


def test_targets_change_what_is_proposed(options: Given) -> None:
    free = list(propose("NaCl", n=1, proposer="pigen", max_atoms=4, **options))
    aimed = {**options, "options": {**options["options"], "targets": {"compactness": 0.9}}}
    steered = list(propose("NaCl", n=1, proposer="pigen", max_atoms=4, **aimed))
    assert not np.allclose(free[0].cell.cellpar(), steered[0].cell.cellpar())


def test_sizes_are_drawn_as_in_training_or_given_the_targets(model: JointModel) -> None:
    """Cells of 2 and 8 atoms were as frequent; all large ones were complex."""
    labels = np.full((400, 4), np.nan)
    labels[:, 3] = np.repeat([0.5, 2.5], 200) + np.tile([0.0, 0.01], 200)
    sizes = CellSizes.fit([2] * 200 + [8] * 200, labels)
    context = ProposerContext(joint_model=replace(model, sizes=sizes), joint_sampler=FAST)
    found = {}
    for rule in ("training", "targets"):
        options = PigenOptions(
            separation=0.01, sizes=rule, targets={"complexity": 2.5}, batch_size=40
        )
        made = propose_de_novo(n=40, options=options, context=context)
        found[rule] = [len(atoms) for atoms in made]
    assert 8 <= found["training"].count(2) <= 32
    assert found["targets"].count(2) <= 2


def test_a_complexity_that_no_allowed_cell_has_is_warned_of(options: Given) -> None:
    own = PigenOptions(**options["options"])
    given = {"options": own, "context": options["context"], "targets": {"complexity": 2.5}}
    with pytest.warns(TargetWarning, match=r"a cell of 4 atoms.*at most 2 bits.*2\.5 cannot"):
        propose_de_novo(n=1, most_atoms=4, **given)
    with pytest.warns(TargetWarning, match="a cell of 2 atoms"):
        propose_de_novo(n=1, sizes=[2], **given)


def test_the_pull_of_a_potential_reaches_what_is_proposed(options: Given) -> None:
    """More of it, lower energies; the same random numbers."""
    from gencsp.calculators.potential import CHGNetCalculator

    energies = []
    for strength in (0.0, 20.0):
        own = {**options["options"], "energy_guidance": strength, "separation": 0.01}
        made = propose("NaCl", n=3, proposer="pigen", max_atoms=2, **{**options, "options": own})
        for atoms in made:
            atoms.calc = CHGNetCalculator()
            energies.append(atoms.get_potential_energy())
    assert np.mean(energies[3:]) < np.mean(energies[:3]) - 0.1


def test_de_novo_in_a_space_group(options: Given) -> None:
    """Species are one for an orbit, the cell is of the Bravais class, and the group is found."""
    own = PigenOptions(**{**options["options"], "separation": 0.01})
    made = list(
        propose_de_novo(
            n=6, sizes=[4, 5, 8], space_groups=[123, 166, 14], seed=2,
            options=own, context=options["context"],
        )
    )  # fmt: skip
    assert len(made) == 6
    for atoms in made:
        cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
        found = spglib.get_symmetry_dataset(cell, symprec=1e-4)
        group = atoms.info["proposed_space_group"]
        assert group in (123, 166, 14)
        # Orbits of one species may be exchanged by a larger group, never by less.
        order = {123: 16, 166: 12, 14: 4}[group]
        assert len(found.rotations) % order == 0
    with pytest.raises(RequestError, match=r"no crystal of \[220\].*allow more atoms"):
        list(propose_de_novo(n=1, sizes=[3], space_groups=[220], options=own,
                             context=options["context"]))  # fmt: skip


def test_a_target_of_complexity_moves_the_orbits_at_a_fixed_size() -> None:
    statistics = orbit_statistics()
    free = statistics.shares(12)
    assert sum(free.values()) == pytest.approx(1)
    means = []
    for target in (1.0, 2.0, 3.0):
        shares = statistics.shares(12, complexity=target, weight=2.0)
        assert set(shares) == set(free)
        means.append(sum(p * orbits.complexity for orbits, p in shares.items()))
    assert means == pytest.approx([1.0, 2.0, 3.0], abs=0.35)
    assert statistics.shares(12, complexity=3.0, weight=0.0) == pytest.approx(free)
    # Against the crystal: K of the orbits is that of a crystal in which all of them differ.
    for orbits in list(free)[::20]:
        atoms = symmetric_start(orbits, np.random.default_rng(0))
        if atoms is None:
            continue
        (constraint,) = atoms.constraints
        operations = np.asarray(constraint.symm_map)
        atoms.set_atomic_numbers(operations.min(axis=0) + 1)
        atoms.set_constraint()
        assert complexity(atoms, symprec=1e-4) == pytest.approx(orbits.complexity)
    # A group that no known crystal of this size has is filled from its Wyckoff positions.
    assert statistics.shares(9, space_groups=[16]) == {}
    invented = statistics.draw(9, rng=np.random.default_rng(0), space_groups=[16])
    assert invented is not None
    assert (invented.space_group, sum(invented.multiplicities)) == (16, 9)


def at(folder: Path) -> list[str]:
    return ["--out", str(folder)]


def test_the_command_line_takes_targets_and_de_novo(
    tmp_path: Path, model: JointModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An untrained network: few steps do, and its atoms are close.
    monkeypatch.setattr("gencsp.proposers.pigen.DEFAULT_JOINT_SAMPLER", FAST)
    weights = tmp_path / "joint.safetensors"
    save_joint_model(model.network, model.objective, SIZES, weights)
    run = CliRunner()
    base = ["--weights", str(weights), "-n", "2", "--atoms", "4"]
    result = run.invoke(
        app,
        ["propose", "NaCl", "--proposer", CLOSE, "--target", "m_led=9", *base, *at(tmp_path)],
    )
    assert result.exit_code == 0, result.output
    made = read(next((tmp_path).glob("*.extxyz")), ":")
    assert {Composition.of(a).reduced.formula for a in made} <= {"NaCl"}
    result = run.invoke(
        app,
        [
            "propose",
            "--de-novo",
            "--proposer",
            CLOSE,
            "--elements",
            "Li,O",
            *base,
            *at(tmp_path / "b"),
        ],
    )
    assert result.exit_code == 0, result.output
    symmetric = ["--symmetry", "drawn", "--sizes", "training", "--energy-guidance", "1"]
    result = run.invoke(
        app, ["propose", "--de-novo", "--proposer", CLOSE, *symmetric, *base, *at(tmp_path / "s")]
    )
    assert result.exit_code == 0, result.output
    made = read(tmp_path / "s" / "proposals.extxyz", ":")
    assert all(1 <= a.info["proposed_space_group"] <= 230 for a in made)
    formula = ["NaCl", "--symmetry", "drawn", "--atoms", "4"]
    result = run.invoke(app, ["propose", *formula, "--proposer", CLOSE, *base, *at(tmp_path / "f")])
    assert result.exit_code == 0, result.output
    made = read(tmp_path / "f" / "proposals.extxyz", ":")
    assert {Composition.of(a).formula_key for a in made} == {"ClNa"}
    assert all("proposed_space_group" in a.info for a in made)
    for bad, words in (
        (["NaCl", "--symmetry", "drawn"], "has no --symmetry: use pigen"),
        (["--de-novo", "NaCl"], "leave formula"),
        (["NaCl", "--target", "compactness"], "not understood"),
        (["NaCl", "--target", "m_led=9"], "has no targets"),
        (["NaCl", "--elements", "Na"], "goes with --de-novo"),
        (["NaCl", "--energy-guidance", "1"], "has no energy guidance"),
        (["NaCl", "--proposer", "pigen", "--sizes", "training"], "--sizes goes with --de-novo"),
        (["--de-novo", "--target", "e_hull=-1"], "at least 0"),
        (
            ["--de-novo", "--space-groups", "225", "--atoms", "1", "--formula-units", "2"],
            "leave out",
        ),
        ([], "name a formula"),
    ):
        result = run.invoke(app, ["propose", *bad, *base, *at(tmp_path / "c")])
        assert result.exit_code == 2
        assert words in " ".join(result.output.split())


def test_a_file_that_is_no_joint_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"0")
    with pytest.raises(WeightsError):
        list(
            propose(
                "NaCl",
                proposer="pigen",
                context=ProposerContext(weights=tmp_path / "w.safetensors"),
            )
        )


def salt() -> Atoms:
    atoms = bulk("NaCl", "rocksalt", a=5.9)
    atoms.rattle(0.1, seed=1)
    return atoms


def test_score_calculator_has_the_stress_of_a_lattice_score(model: JointModel) -> None:
    score = JointScore(model)
    calc = ScoreCalculator(score, sigma=0.3, stiffness=4.0, cell_stiffness=0.7)
    atoms = salt()
    atoms.calc = calc
    assert "stress" in calc.implemented_properties
    batch = CrystalBatch.from_atoms([atoms])
    vectors, strain = score.predict(batch, torch.tensor([0.3], dtype=torch.float64))
    np.testing.assert_allclose(atoms.get_forces(), 4.0 * 0.09 * vectors.numpy(), atol=1e-10)
    np.testing.assert_allclose(atoms.get_stress(voigt=False), -0.7 * strain[0].numpy(), atol=1e-10)
    expected = 0.5 * 4.0 * 0.09**2 * float(vectors.square().sum())
    expected += 0.5 * 0.7 * atoms.cell.volume * float(strain.square().sum())
    assert atoms.get_potential_energy() == pytest.approx(expected)


def test_forces_and_stress_turn_with_the_crystal(model: JointModel) -> None:
    atoms, turned = salt(), salt()
    q = Rotation.random(rng=5).as_matrix()
    turned.set_cell(atoms.cell.array @ q)
    turned.set_positions(atoms.positions @ q)
    for a in (atoms, turned):
        a.calc = ScoreCalculator(JointScore(model), sigma=0.3)
    np.testing.assert_allclose(turned.get_forces(), atoms.get_forces() @ q, atol=1e-5)
    np.testing.assert_allclose(
        turned.get_stress(voigt=False), q.T @ atoms.get_stress(voigt=False) @ q, atol=1e-6
    )


def test_ase_relaxes_the_cell_towards_the_model(model: JointModel) -> None:
    class Towards(JointScore):
        """A lattice score that is known: V^(1/3) is to be 4.2 Å."""

        def predict(self, batch: CrystalBatch, _):  # type: ignore[no-untyped-def]
            edge = torch.linalg.det(batch.cells).pow(1 / 3)
            strain = torch.log(4.2 / edge)[:, None, None] * torch.eye(3, dtype=torch.float64)
            return torch.zeros_like(batch.positions), strain

    atoms = bulk("NaCl", "rocksalt", a=5.9)
    atoms.calc = ScoreCalculator(Towards(model), sigma=0.3)
    FIRE(FrechetCellFilter(atoms), logfile=None).run(fmax=1e-4, steps=300)
    assert atoms.cell.volume ** (1 / 3) == pytest.approx(4.2, abs=1e-3)


def test_the_dynamics_takes_the_steps_of_the_batch(model: JointModel) -> None:
    start = Atoms("X2", cell=np.eye(3), positions=np.zeros((2, 3)), pbc=True)
    denoiser = ClassifierFree(model)
    settings = JointSamplerSettings(steps=6)
    (expected,) = sample(denoiser, [start], settings=settings, rngs=[np.random.default_rng(4)])
    atoms = start.copy()
    walk = JointReverseDiffusion(
        atoms, denoiser, settings=settings, rng=np.random.default_rng(4), logfile="-"
    )
    times: list[float] = []
    walk.attach(lambda: times.append(walk.time))
    walk.run(3)
    halfway = walk.finished
    walk.run()
    assert (halfway, walk.finished) == (False, True)
    assert times == pytest.approx([1 - i / 6 for i in range(7)])
    np.testing.assert_array_equal(atoms.numbers, expected.numbers)
    np.testing.assert_allclose(atoms.cell.array, expected.cell.array, atol=1e-9)
    np.testing.assert_allclose(atoms.positions, expected.positions, atol=1e-9)
