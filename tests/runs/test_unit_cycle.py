"""The cycle with rigid units: they stay whole, and guests are single atoms in none of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from unit_salts import Instant, bond_lengths, sodium_amide

from gencsp.cli.deck_options import read_deck
from gencsp.cli.tables import print_structures
from gencsp.errors import DeckError, GencspError, RequestError, UnitError
from gencsp.plugins import Choice
from gencsp.provenance import Provenance, Stage
from gencsp.runs.calls import cycle
from gencsp.runs.cycle import cycle_parts, cycle_settings, open_cycle
from gencsp.runs.decks import CycleDeck
from gencsp.runs.discover_decks import DiscoverDeck, SynergyDeck
from gencsp.runs.host_decks import IntercalateDeck
from gencsp.searches import tasks
from gencsp.searches.settings import cycle_manifest
from gencsp.symmetry.hosts import choose_guests
from gencsp.units.members import Members, has_units, keep_names_of_part, name_completed

#: A function without a name keeps the work in this process; one step of diffusion is enough.
SMALL: dict[str, Any] = {
    "formula": "NaNH2",
    "units": "NH2",
    "atoms": 8,
    "n": 4,
    "inpaintings": 1,
    "sampler": "quick",
    "levels": 4,
    "hull": "none",
    "potential": lambda: Instant(),
    "workers": 1,
    "same": "close",
    "seed": 2,
}


def test_units_stay_whole_from_the_first_stage_to_the_last() -> None:
    with open_cycle(CycleDeck.make(**SMALL), in_memory=True) as run:
        ranked = run.run()
        assert run.settings.relax.rigid_units
        assert run.guests == ("Na",)
        generated = run.structures(Stage.GENERATED)
        frameworks = run.structures(Stage.FRAMEWORK)
        inpainted = run.structures(Stage.INPAINTED)
        assert {atoms.info["proposer"] for atoms in generated} == {"units-random"}
        assert len(frameworks) == len(inpainted) > 1
        for atoms in frameworks:
            assert set(Members.of(atoms).names) == {"NH2"}
            assert "Na" not in atoms.symbols
        for atoms in [*inpainted, *run.structures(Stage.REFINED)]:
            names = Counter(Members.of(atoms).names)
            assert names["NH2"] == names["Na"] == len(atoms) // 4
            np.testing.assert_allclose(bond_lengths(atoms), 1.03, atol=0.05)
    assert {atoms.info["stage"] for atoms in ranked} == {"relaxed", "refined"}
    for atoms in ranked:
        assert abs(atoms.info["unit_bond_change"]) < 1e-6


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"guests": ["H"]}, UnitError, r"H is part of a rigid unit.*guests can be Na\."),
        ({"formula": "CO2", "units": "CO2"}, UnitError, "use 'gencsp search' with --units"),
        ({"proposer": "score"}, RequestError, "places single atoms.*units-random"),
        ({"units": "NH4"}, UnitError, "does not split into units"),
        ({"formula": "Na-N-H"}, RequestError, "need one formula"),
        ({"host": bulk("NaCl", "rocksalt", 5.6)}, RequestError, "leave --units out"),
        ({"guests": ["Li"]}, GencspError, "Li is not in"),
    ],
)
def test_what_a_cycle_cannot_do_is_said_before_it_begins(
    changes: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        cycle(**{**SMALL, **changes})


def test_other_proposers_of_units_are_told_which() -> None:
    proposer, _, _ = cycle_parts(CycleDeck.make(**{**SMALL, "proposer": "units:model.safetensors"}))
    assert str(proposer.name) == "units:model.safetensors"
    proposer, _, _ = cycle_parts(CycleDeck.make(**{**SMALL, "proposer": "units-random:attempts=3"}))
    assert isinstance(proposer.name, Choice)
    assert proposer.name.options == {"attempts": "3", "units": ["NH2"]}
    without = cycle_settings(CycleDeck.make(formula="NaNH2"))
    assert not without.relax.rigid_units
    assert not {"units", "guest_choices"} & cycle_manifest(without).keys()
    assert "units" in cycle_manifest(cycle_settings(CycleDeck.make(**SMALL)))


def test_guests_are_chosen_among_what_is_in_no_unit() -> None:
    salts = [sodium_amide()]
    assert choose_guests(salts, among=("Na",)).species == "Na"
    assert choose_guests(salts).species in ("Na", "H")
    chosen = choose_guests(salts, among=("N",))  # the most electronegative, and the only one
    assert chosen.species == "N"
    assert "only species that is in no rigid unit" in chosen.reason


def test_a_framework_whose_units_are_distorted_does_not_count() -> None:
    good, bad = sodium_amide(), sodium_amide()
    for number, atoms in enumerate((good, bad)):
        Provenance(structure_id=f"r{number:04d}", proposer="p", seed=0, stage=Stage.RELAXED).write(
            atoms
        )
    # Only the first unit is far from the symmetry that a large tolerance brings back.
    hydrogen = int(np.flatnonzero(bad.get_array("unit") == 4)[1])
    nitrogen = int(np.flatnonzero(bad.get_array("unit") == 4)[0])
    bad.positions[hydrogen] += 0.6 * (bad.positions[hydrogen] - bad.positions[nitrogen])
    made = tasks.frameworks([good, bad], guests=("Na",))
    assert len(made.structures) == 1
    assert made.failures == {"framework distorts rigid units": 1}
    taken = tasks.frameworks([good], guests=("H",))
    assert not has_units(taken.structures[0])


def test_names_of_a_part_and_of_what_completes_it() -> None:
    whole = sodium_amide()
    kept = np.array([symbol != "Na" for symbol in whole.symbols])
    host = whole[kept]
    keep_names_of_part(whole, kept, host)
    assert Members.of(host).names == ("NH2",) * 4
    atoms = Atoms("Na4", positions=np.arange(12).reshape(4, 3) / 2, cell=whole.cell, pbc=True)
    atoms += Atoms(host.numbers, host.positions)[::-1]
    name_completed(host, atoms)
    assert Counter(Members.of(atoms).names) == {"NH2": 4, "Na": 4}
    np.testing.assert_allclose(bond_lengths(atoms), 1.03, atol=1e-6)
    atoms.positions[-1] += 0.5  # no longer the host
    name_completed(host, atoms)
    assert not has_units(atoms)
    part = whole[1:]
    keep_names_of_part(whole, np.arange(len(whole)) > 0, part)
    assert has_units(part)  # one sodium less
    part = whole[:-1]
    keep_names_of_part(whole, np.arange(len(whole)) < len(whole) - 1, part)
    assert not has_units(part)  # one hydrogen less


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        (DiscoverDeck, {"units": "NH2"}, "gencsp search NaNH2 --units NH2"),
        (DiscoverDeck, {"method": "units:first=30"}, "'units': compositions that are generated"),
        (SynergyDeck, {"units": "NH2"}, "gencsp search NaNH2 --units NH2"),
        (SynergyDeck, {"background": "units-random"}, "'units-random': compositions"),
        (IntercalateDeck, {"guest": "Li", "units": "NH2"}, "leave --units out"),
    ],
)
def test_runs_without_rigid_units_say_so(kind: Any, settings: dict[str, str], said: str) -> None:
    with pytest.raises(DeckError, match=said):
        read_deck(kind, None, settings)


def test_the_command_says_so_as_well(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from gencsp.cli import app

    result = CliRunner().invoke(app, ["synergy", "--units", "NH2", "--out", str(tmp_path / "run")])
    assert result.exit_code != 0
    assert "no rigid units that could be named" in result.output + capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_tables_show_by_how_much_bonds_changed(capsys: pytest.CaptureFixture[str]) -> None:
    atoms = sodium_amide()
    print_structures([atoms])
    assert "unit bonds" not in capsys.readouterr().out
    atoms.info["unit_bond_change"] = -0.0123
    print_structures([atoms])
    shown = capsys.readouterr().out
    assert "unit bonds" in shown
    assert "-1.2%" in shown
