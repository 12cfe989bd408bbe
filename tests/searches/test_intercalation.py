"""A series of guest contents on parts that cost nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from cheap_parts import Backwards, note

from gencsp.composition import Composition
from gencsp.errors import RequestError, StoreError
from gencsp.executors import ThisProcess
from gencsp.minimise.result import Outcome, PathCallback, Relaxed
from gencsp.minimise.settings import RelaxSettings
from gencsp.proposers.base import Request
from gencsp.searches.contracts import Relaxer
from gencsp.searches.intercalation import Intercalation
from gencsp.searches.intercalation_settings import IntercalationSettings, intercalation_manifest
from gencsp.store import DiskStore, MemoryStore, Store

HOST = bulk("Si", "bcc", a=3.0, cubic=True)
SETTINGS = IntercalationSettings(
    guest="Li",
    series=(Fraction(0), Fraction(1, 4), Fraction(1, 2)),
    unit=Composition.parse("Si"),
    max_atoms=10,
    n=3,
    seed=7,
)


class Inpainter:
    """Guests anywhere."""

    name = "anywhere"
    failures = 0

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        assert request.host is not None
        wanted = Counter(request.composition.symbols(request.units[0]))
        missing = list((wanted - Counter(request.host.get_chemical_symbols())).elements())
        for _ in range(request.n):
            atoms = request.host.copy()
            atoms += Atoms(missing, positions=rng.random((len(missing), 3)) @ atoms.cell.array)
            atoms.info = {"host_atoms": len(request.host), "proposer": self.name}
            yield atoms


@dataclass(frozen=True)
class InpainterMaker:
    def __call__(self) -> Inpainter:
        return Inpainter()


@dataclass(frozen=True)
class RelaxerMaker:
    """Energies of where the first guest is; says what is held in a file."""

    log: Path | None = None

    def __call__(self) -> Relaxer:
        def relax(
            structures: Iterable[Atoms],
            settings: RelaxSettings,
            *,
            on_path: PathCallback | None = None,  # noqa: ARG001
        ) -> Iterator[Relaxed]:
            for index, start in enumerate(structures):
                held = sum(len(c.index) for c in start.constraints if isinstance(c, FixAtoms))
                guests = start.symbols == "Li"
                note(self.log, f"{guests.sum()},{held},{settings.fixed_cell}")
                atoms = start.copy()
                where = atoms.get_scaled_positions()[guests][:1].sum()
                energy = float(-len(atoms) - np.sin(5 * where) * guests.sum())
                atoms.calc = SinglePointCalculator(atoms, energy=energy)
                yield Relaxed(
                    index=index,
                    atoms=atoms,
                    energy=energy,
                    enthalpy=energy,
                    fmax=0.0,
                    stress=np.zeros(6),
                    steps=1,
                    outcome=Outcome.CONVERGED if where < 2.5 else Outcome.STEP_LIMIT,
                    energy_model="cheap",
                )

        return relax


def run_of(
    store: Store, executor: Any = None, log: Path | None = None, **changes: Any
) -> Intercalation:
    settings = {name: getattr(SETTINGS, name) for name in SETTINGS.__dataclass_fields__}
    known, ahead = changes.pop("known", ()), changes.pop("ahead", 1)
    return Intercalation(
        IntercalationSettings(**(settings | changes)),
        host=HOST,
        known=known,
        inpainter=InpainterMaker(),
        relaxer=RelaxerMaker(log),
        hull=None,
        store=store,
        executor=executor or ThisProcess(),
        same="close",
        ahead=ahead,
    )


def story(structures: list[Atoms]) -> list[tuple[object, ...]]:
    return [
        (a.info["structure_id"], a.info["guest_content"], a.positions.tolist(), repr(a.info))
        for a in structures
    ]


def test_every_content_has_its_structures() -> None:
    run = run_of(MemoryStore())
    structures = run.run()
    failed = run.failures()[str(Outcome.STEP_LIMIT)]
    assert len(structures) + failed == 1 + 3 + 3
    contents = [atoms.info["guest_content"] for atoms in structures]
    assert contents == sorted(contents)
    assert set(contents) == {0.0, 0.25, 0.5}
    for atoms in structures:
        counts = Counter(atoms.get_chemical_symbols())
        assert counts["Li"] / counts["Si"] == atoms.info["guest_content"]
        assert len(atoms) <= 10
    # The lowest of each content first.
    for content in (0.25, 0.5):
        energies = [
            a.info["enthalpy_per_atom"] for a in structures if a.info["guest_content"] == content
        ]
        assert energies == sorted(energies)


def test_two_cells_share_the_structures() -> None:
    structures = run_of(MemoryStore(), cells=2, n=5).run()
    half = [atoms for atoms in structures if atoms.info["guest_content"] == 0.5]
    cells = {str(atoms.info["structure_id"]).split(".")[1] for atoms in half}
    assert cells == {"0", "1"}
    shapes = {tuple(atoms.cell.cellpar().round(4)) for atoms in half}
    assert len(shapes) == 2


def test_energies_are_per_formula_unit_of_the_host() -> None:
    run = run_of(MemoryStore())
    structures = run.run()
    for atoms, point in zip(structures, run.points(structures), strict=True):
        units = atoms.get_chemical_symbols().count("Si")
        assert point.energy == pytest.approx(atoms.get_potential_energy() / units)
        assert point.volume == pytest.approx(13.5)
        assert float(point.x) == atoms.info["guest_content"]


@pytest.mark.parametrize(
    ("relaxing", "held", "fixed_cell"),
    [("all", False, False), ("cell", True, False), ("guests", True, True)],
)
def test_what_relaxes(tmp_path: Path, relaxing: str, held: bool, fixed_cell: bool) -> None:
    log = tmp_path / "log"
    run_of(MemoryStore(), log=log, relaxing=relaxing).run()
    lines = [line.split(",") for line in log.read_text().splitlines()]
    assert len(lines) == 7
    for guests, fixed, cell in lines:
        hosts = {"0": 2, "1": 4, "2": 4}[guests] if (guests, fixed) != ("1", "2") else 2
        assert int(fixed) == (hosts if held else 0)
        assert cell == str(fixed_cell)


def test_an_interrupted_run_ends_as_one_that_was_left_alone(tmp_path: Path) -> None:
    whole = story(run_of(MemoryStore()).run())
    manifest = intercalation_manifest(SETTINGS, host="x")
    for stops in range(4):
        folder = tmp_path / str(stops)
        log = folder.with_suffix(".log")
        with DiskStore(folder, manifest) as store:
            for number, _ in enumerate(run_of(store, log=log).irun()):
                if number == stops:
                    break
        with DiskStore(folder, manifest) as store:
            assert story(run_of(store, log=log).run()) == whole
        assert len(log.read_text().splitlines()) == 7, "nothing is relaxed twice"
    with pytest.raises(StoreError, match="another run"):
        DiskStore(tmp_path / "0", intercalation_manifest(SETTINGS, host="y"))


def test_the_order_of_tasks_does_not_matter() -> None:
    assert story(run_of(MemoryStore(), Backwards(), ahead=4).run()) == story(
        run_of(MemoryStore()).run()
    )


def test_known_places_are_relaxed_at_their_content() -> None:
    known = HOST.copy()
    known += Atoms("Li", positions=[[1.5, 1.5, 0.0]])
    known.info = {"origin": "the crystal given"}
    structures = run_of(MemoryStore(), known=[known]).run()
    (given,) = [a for a in structures if a.info.get("origin") == "the crystal given"]
    assert given.info["guest_content"] == 0.5
    assert given.info["host_atoms"] == 2
    assert given.info["structure_id"].startswith("r002")
    # Contents that are not in the series are not made for it.
    alone = run_of(MemoryStore(), known=[known], series=(Fraction(0), Fraction(1, 4))).run()
    assert not [a for a in alone if a.info.get("origin") == "the crystal given"]


def test_a_series_that_no_cell_has() -> None:
    with pytest.raises(RequestError, match=r"0\.2 cannot be reached within 10 atoms"):
        run_of(MemoryStore(), series=(Fraction(1, 5),))
    with pytest.raises(RequestError, match="holds the guest Li"):
        IntercalationSettings(guest="Li", series=(Fraction(0),), unit=Composition.parse("LiSi"))
