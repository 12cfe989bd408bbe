"""A cycle that keeps a known host and places its guests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.db import connect

import gencsp
from gencsp import records
from gencsp.errors import (
    DeckError,
    GencspError,
    InpainterError,
    PartlyOccupiedError,
    RequestError,
    StoreError,
    WrongTypeError,
)
from gencsp.proposers.base import Request
from gencsp.runs.decks import CycleDeck
from gencsp.runs.host_cycle import open_host_cycle, plan_host_cycle
from gencsp.symmetry.refinement import space_group

#: Cu and Au share the corner and two faces of a cube, Al has the third face in part.
MIXED = """data_mixed
_symmetry_space_group_name_H-M 'P 1'
_cell_length_a 3.9
_cell_length_b 3.9
_cell_length_c 3.9
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Cu1 Cu 0 0 0 0.5
Au1 Au 0 0 0 0.5
Cu2 Cu 0.5 0.5 0 1
Cu3 Cu 0.5 0 0.5 1
Al1 Al 0 0.5 0.5 0.5
"""
CHEAP: dict[str, Any] = {"hull": "none", "workers": 1, "steps": 2, "fmax": 9.0}


def ordered() -> Atoms:
    """Cu3Al in the order of Cu3Au."""
    atoms = bulk("Cu", cubic=True)
    atoms.symbols[0] = "Al"
    return atoms


class Recorder:
    """An inpainter that keeps the hosts it was given, and puts guests where there is room."""

    name = "recorder"
    failures = 0

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.lock = (_ for _ in ())  # cannot be pickled, so that it stays in this process

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        self.requests.append(request)
        assert request.host is not None
        missing = Counter(request.composition.symbols(request.units[0]))
        missing -= Counter(request.host.get_chemical_symbols())
        for _ in range(request.n):
            whole = request.host.copy()
            for symbol in missing.elements():
                whole += Atoms(symbol, positions=[roomy(whole, rng)])
            yield whole

    @property
    def hosts(self) -> list[Atoms]:
        return [one.host for one in self.requests if one.host is not None]


def roomy(atoms: Atoms, rng: np.random.Generator) -> np.ndarray:
    """Of a hundred places the one that is furthest from all atoms."""
    places = rng.random((100, 3)) @ atoms.cell.array
    filled = atoms + Atoms("H100", positions=places)
    distances = [filled.get_distances(k, range(len(atoms)), mic=True).min()
                 for k in range(len(atoms), len(filled))]  # fmt: skip
    return np.asarray(places[int(np.argmax(distances))])


def cycled(host: object, formula: str | None = None, **settings: Any) -> tuple[list[Atoms], Any]:
    inpainter = Recorder()
    given = {**CHEAP, "potential": EMT(), "inpainter": inpainter, "host": host, **settings}
    return gencsp.cycle(formula, **given), inpainter


def test_guests_are_taken_out_and_only_they_are_placed() -> None:
    crystal = ordered()
    crystal.rattle(0.01, seed=1)
    found, inpainter = cycled(crystal, guests=["Al"], n=6)
    # In two tasks, so that a crash loses little and two workers have work.
    assert [one.n for one in inpainter.requests] == [4, 2]
    for host in inpainter.hosts:
        assert str(host.symbols) == "Cu3"
        # Three face centres without the corner: symmetrised from P1, as frameworks are.
        assert space_group(host, symprec=1e-4).number == 221
        moved = host.positions - host.positions.mean(axis=0)
        before = crystal.positions[1:] - crystal.positions[1:].mean(axis=0)
        assert np.abs(moved - before).max() < 0.05
    assert len(found) == 6
    assert {atoms.get_chemical_formula() for atoms in found} == {"AlCu3"}
    assert {atoms.info["stage"] for atoms in found} == {"refined"}
    assert {str(a.info["parents"]) for a in found} == {f"i0000.{k}" for k in range(1, 7)}


def test_a_host_without_symmetry_stays_as_it_is() -> None:
    odd = Atoms("Cu3", positions=[(0, 0, 0), (1.8, 1.9, 0.2), (2.1, 0.3, 2.4)],
                cell=[3.9, 4.3, 4.9, 80, 85, 95], pbc=True)  # fmt: skip
    assert space_group(odd).number == 1
    found, inpainter = cycled(odd, "Cu3Al", n=1)
    (host,) = inpainter.hosts
    assert (host.positions == odd.positions).all()
    assert (host.cell.array == odd.cell.array).all()
    assert len(found) == 1


def test_guests_follow_by_difference_in_supercells_that_share_the_structures() -> None:
    found, inpainter = cycled(bulk("Cu", cubic=True), "Cu7Al", n=4, atoms=8)
    shares = [one.n for one in inpainter.requests]
    assert sorted(shares) == [1, 1, 2]
    assert {atoms.get_chemical_formula() for atoms in found} <= {"AlCu7"}
    cells = {tuple(np.round(np.sort(host.cell.lengths()), 3)) for host in inpainter.hosts}
    assert len(cells) == 3
    assert {str(host.symbols) for host in inpainter.hosts} == {"Cu7"}


def test_orders_of_a_disordered_host_share_the_structures(tmp_path: Path) -> None:
    file = tmp_path / "mixed.cif"
    file.write_text(MIXED)
    with pytest.raises(PartlyOccupiedError, match="--order N"):
        cycled(file, guests=["Al"])
    said = plan_host_cycle(
        CycleDeck.make(host=file, guests=("Al",), order=3, order_atoms=8, seed=2)
    ).said
    assert "an ordered cell of" in said[0]
    assert "AlAuCu5 (its exact composition)" in said[0].replace("Cu5AuAl", "AlAuCu5")
    assert said[1] == "mixed.cif: Al in AuCu5 makes AlAuCu5, 7 atoms in 2 cells"
    found, inpainter = cycled(file, guests=["Al"], order=3, order_atoms=8, n=5, seed=2)
    assert sorted(one.n for one in inpainter.requests) == [2, 3]
    assert all(Counter(host.symbols) == {"Au": 1, "Cu": 5} for host in inpainter.hosts)
    notes = {host.info[records.READING_NOTE] for host in inpainter.hosts}
    assert len(notes) == 1
    assert {str(host.info["parents"]) for host in inpainter.hosts} == {
        "mixed.cif-0",
        "mixed.cif-1",
    }
    assert {atoms.get_chemical_formula() for atoms in found} == {"AlAuCu5"}
    # The formula may have other amounts of the guest than the file.
    found, _ = cycled(file, "Cu5AuAl2", guests=["Al"], order=1, order_atoms=8, n=1)
    assert {atoms.get_chemical_formula() for atoms in found} == {"Al2AuCu5"}


def test_the_same_call_goes_on_and_another_host_is_another_run(tmp_path: Path) -> None:
    file, out = tmp_path / "cu3al.cif", tmp_path / "run"
    ordered().write(file)
    settings: dict[str, Any] = {"guests": ["Al"], "n": 6, "out": out}
    plan = plan_host_cycle(
        CycleDeck.make(host=file, potential=EMT(), inpainter=Recorder(), **settings, **CHEAP)
    )
    with open_host_cycle(plan) as cycle:
        for progress in cycle.irun():
            if progress.done == 1:
                break
    rows = {row.structure_id: row.stage for row in connect(out / "run.db").select()}
    assert rows == {"f0000": "framework", **{f"i0000.{k}": "inpainted" for k in range(1, 5)}}
    # A structure in memory is the same host as the file that it was written to.
    whole, inpainter = cycled(ase.io.read(file), **settings)
    assert [one.n for one in inpainter.requests] == [2]
    unbroken, _ = cycled(file, guests=["Al"], n=6)
    energies = [[a.info["enthalpy_per_atom"] for a in one] for one in (whole, unbroken)]
    assert energies[0] == energies[1]
    other = ordered()
    other.set_cell(1.01 * other.cell.array, scale_atoms=True)
    with pytest.raises(StoreError, match="host"):
        cycled(other, **settings)


def test_a_preset_sets_how_guests_are_placed_and_no_more() -> None:
    deck = CycleDeck.make(host=ordered(), guests=("Al",), preset="chggen", steps=7)
    assert (deck.inpainter, deck.levels, deck.minimiser, deck.steps) == ("score", 200, "fire", 7)
    assert not {"proposer", "ladder", "inpaintings", "volume"} & set(deck.given)
    plan = plan_host_cycle(CycleDeck.make(**deck.given))
    assert plan.deck.formula == "AlCu3"
    assert plan.deck.folder == Path("runs/AlCu3-in-host-0")


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({}, RequestError, "name its guests, .* or give the formula"),
        ({"guests": ["Au"]}, RequestError, "Au is not in host: name guests that it has"),
        ({"guests": ["Xx"]}, GencspError, "'Xx'"),
        ({"guests": ["Al", "Cu"]}, RequestError, "leaves no host atoms"),
        ({"formula": "Cu3Al"}, RequestError, "nothing is left to add"),
        ({"formula": "Cu3Ag"}, RequestError, "has Al, and Cu3Ag has none"),
        ({"formula": "Cu-Al"}, RequestError, "a host has one composition"),
        ({"formula": "Cu3Al", "guests": ["Al"], "proposer": "score", "ladder": "above-Pm"},
         RequestError, "leave out --proposer, --ladder; -n is the number"),
        ({"guests": ["Al"], "compositions": 2}, RequestError, "leave out --compositions"),
        ({"guests": ["Al"], "inpainter": "random"}, InpainterError, "cannot put atoms"),
        ({"guests": ["Al"], "host": "absent.cif"}, GencspError, "no file absent.cif"),
        ({"guests": ["Al"], "host": 3}, WrongTypeError, "host is a int"),
        ({"guests": ["Al"], "host": [ordered()]}, WrongTypeError, "one ase.Atoms"),
        ({"formula": "Cu3Al", "host": None, "order": 2}, RequestError, "give --host"),
        ({"host": None}, DeckError, "lacks the key 'formula'"),
    ],
)  # fmt: skip
def test_wrong_hosts_are_told_before_anything_is_computed(
    settings: dict[str, Any], error: type[Exception], says: str, tmp_path: Path
) -> None:
    def potential() -> EMT:
        raise AssertionError("loaded")

    given = {"host": ordered(), **CHEAP, "potential": potential, "out": tmp_path / "run"}
    with pytest.raises(error, match=says):
        gencsp.cycle(**{**given, **settings})
    assert not (tmp_path / "run").exists()
