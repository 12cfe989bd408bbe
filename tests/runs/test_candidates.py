"""Generation in blocks, and the stages behind it, with a small network of random weights."""

from __future__ import annotations

from pathlib import Path

import own_alloys
import pytest
from ase.build import bulk
from tiny_joint import TINY, write_tiny_joint

import gencsp
from gencsp.convex_hull.hull import Hull
from gencsp.errors import RequestError
from gencsp.executors import ThisProcess
from gencsp.minimise.settings import RelaxSettings
from gencsp.runs import novelty
from gencsp.runs.candidates import BLOCK, Candidates, Price, generate
from gencsp.runs.generators import DeNovo
from gencsp.searches.runner import TaskRunner
from gencsp.store import MemoryStore
from gencsp.store.base import Finished


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_joint(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


def maker(weights: Path, *targets: str) -> DeNovo:
    elements = ("Li", "Si", "O")
    return DeNovo.of(TINY, targets, guidance=2.0, elements=elements, atoms=4, weights=weights)


def candidates(source: DeNovo, n: int, *, seed: int = 0) -> Candidates:
    runner = TaskRunner(MemoryStore(), ThisProcess(), prepare=lambda finished: finished)
    return Candidates(
        source,
        n=n,
        stages=(("distances", {}),),
        relaxer=lambda: own_alloys.CheapEngine().relax,
        relax=RelaxSettings(),
        seed=seed,
        runner=runner,
    )


def test_a_block_follows_from_its_name_and_the_seed(weights: Path) -> None:
    def positions(task: str, seed: int) -> list[object]:
        made = generate(maker(weights), seed=seed, task=task, ids=["g0", "g1", "g2"])
        return [(a.positions.tolist(), str(a.symbols)) for a in made.results[0].structures]

    first = positions("generated-00000", 0)
    assert first == positions("generated-00000", 0)
    assert first != positions("generated-00001", 0)
    assert first != positions("generated-00000", 1)


def test_blocks_make_as_many_as_were_asked_for(weights: Path) -> None:
    made = candidates(maker(weights), BLOCK + 3)
    steps = list(made.generate())
    assert [step.done for step in steps] == [0, 1, 2]
    ids = [atoms.info["structure_id"] for atoms in made.generated]
    assert ids == [f"g{k:04d}" for k in range(BLOCK + 3)]
    for atoms in made.generated:
        assert set(atoms.get_chemical_symbols()) <= {"Li", "Si", "O"}
        assert len(atoms) <= 4
        assert atoms.info["proposer"] == "pigen"
        assert atoms.info["model"]
        assert "parents" not in atoms.info
    # The first structures do not depend on how many follow.
    few = candidates(maker(weights), BLOCK)
    list(few.generate())
    for one, other in zip(few.generated, made.generated, strict=False):
        assert one.positions.tolist() == other.positions.tolist()


def test_targets_reach_the_generator(weights: Path) -> None:
    free, aimed = candidates(maker(weights), 4), candidates(maker(weights, "compactness=0.9"), 4)
    for one in (free, aimed):
        list(one.generate())
    assert [a.positions.tolist() for a in free.generated] != [
        a.positions.tolist() for a in aimed.generated
    ]
    with pytest.raises(RequestError, match="'hardness' is no property"):
        maker(weights, "hardness=3").identify()


def test_discover_from_the_first_atom(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """De novo, in the process of the test, at whatever volume such a network makes."""
    monkeypatch.setattr(own_alloys, "LOOSE", float("inf"))
    monkeypatch.setattr(novelty, "PROTOTYPES", ("prototypes",))
    found = gencsp.discover(
        **{
            **own_alloys.settings(tmp_path),
            "elements": ("Cu", "Au"),
            "proposer": TINY,
            "weights": weights,
            "atoms": 4,
            "n": 20,
            "filters": ("distances",),
            "within": 1e6,
            "top": 1,
            "budget": 2,
        }
    )
    left = dict(found.funnel)
    assert left["generated"] == 20
    assert left["compositions searched"] == 1
    parents = {str(a.info.get("parents")) for a in found.crystals if not a.info["trials"]}
    assert all(parent.startswith("g") for parent in parents)


def test_elements_without_reference_have_no_energy_and_the_reason(tmp_path: Path) -> None:
    price = Price(Hull.load(own_alloys.entries(tmp_path)))
    known, unknown = bulk("Cu"), bulk("Ni")
    for atoms in (known, unknown):
        atoms.info |= {"energy_per_atom": 0.5, "enthalpy_per_atom": 0.5, "pressure": 0.0}
    price(Finished(structures=(known, unknown)))
    assert known.info["decomposition_energy"] == pytest.approx(0.5)
    assert "decomposition_energy" not in unknown.info
    assert "Ni" in unknown.info["reason"]
