"""AIRSS decks: what they mean, and what is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import spglib

from gencsp.errors import DeckError
from gencsp.runs.airss import AirssDeck, groups_of_order, read_airss

SPECIES = """
#SPECIES=Mg%NUM=2,Si%NUM=1,O%NUM=4
#MINSEP=1.2 Si-O=1.5 O-O=2.2
#VARVOL=70
#NFORM={1,2}
#SYMMOPS=2-4
#SLACK=0.1
##NATOM=20
! a comment
KPOINTS_MP_SPACING : 0.05
%BLOCK SPECIES_POT
QC5
%ENDBLOCK SPECIES_POT
%BLOCK EXTERNAL_PRESSURE
GPa
10 0 0
10 0
10
%ENDBLOCK EXTERNAL_PRESSURE
"""
ROWS = """
%BLOCK LATTICE_CART
2 0 0
0 2 0
0 0 2
%ENDBLOCK LATTICE_CART
#VARVOL=36
%BLOCK POSITIONS_FRAC
Ca 0.0 0.0 0.0 # Ca1 % NUM=1
Ti 0.0 0.0 0.0 # Ti1 % NUM=1
O 0.0 0.0 0.0 # O1 % NUM=3
%ENDBLOCK POSITIONS_FRAC
#NFORM=2
"""


def read(tmp_path: Path, text: str) -> AirssDeck:
    path = tmp_path / "seed.cell"
    path.write_text(text)
    return read_airss(path)


def test_species(tmp_path: Path) -> None:
    deck = read(tmp_path, SPECIES)
    assert str(deck.composition) == "Mg2SiO4"
    assert deck.units == (1, 2)
    assert deck.volume_per_atom == 10.0
    assert deck.pressure == 10.0
    found = deck.separations(("Mg", "Si", "O"))
    assert found["O", "Si"] == pytest.approx(1.35)
    assert found["O", "O"] == pytest.approx(1.98)
    assert found["Mg", "Mg"] == pytest.approx(1.08)
    assert len(found) == 6
    assert deck.space_groups == groups_of_order((2, 3, 4))


def test_rows_of_positions(tmp_path: Path) -> None:
    """#VARVOL is of the rows before NUM expands them: 12 Å³ each."""
    deck = read(tmp_path, ROWS)
    assert str(deck.composition) == "CaTiO3"
    assert deck.volume_per_atom == 12.0
    assert deck.units == (2,)
    assert deck.space_groups == (1,)
    assert deck.least is None


def test_variable_composition(tmp_path: Path) -> None:
    deck = read(tmp_path, "#SPECIES=Li,Si\n#NATOM=4-8\n#VARVOL=15\n")
    assert deck.composition is None
    assert deck.elements == ("Li", "Si")
    assert (deck.min_atoms, deck.max_atoms) == (4, 8)
    assert deck.volume_per_atom == 15.0


FIRST_AND_LAST = (
    *(1, 2, 9, 10, 46, 47, 75, 82, 83, 122, 123, 142, 143, 146, 147, 161, 162, 168, 174, 175),
    *(191, 195, 200, 220, 221, 230),
)


@pytest.mark.parametrize("number", FIRST_AND_LAST)
def test_orders_are_those_of_the_point_groups(number: int) -> None:
    halls = [spglib.get_spacegroup_type(hall) for hall in range(1, 531)]
    hall = next(h.hall_number for h in halls if h.number == number)
    rotations = spglib.get_symmetry_from_database(hall)["rotations"]
    order = len({rotation.tobytes() for rotation in rotations})
    assert number in groups_of_order((order,))
    assert number not in groups_of_order(tuple(n for n in range(1, 49) if n != order))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("#SPECIES=Si\n#SGRANK=20", "'SGRANK'"),
        ("#SPECIES=Si\n#TARGVOL=20", "'TARGVOL'"),
        ("#SPECIES=Si\n#MINSEP=1-3 AUTO", "MINSEP: '1-3'"),
        ("#SPECIES=Si\n#MINSEP=SiSi=2", "MINSEP: 'SiSi=2'"),
        ("#SPECIES=Si\n#SYMMOPS=~4", "SYMMOPS: '~4'"),
        ("#SPECIES=Si\n#SYMMOPS=5", "no space group"),
        ("#SPECIES=Si\n#SLACK=2", "SLACK"),
        ("#SPECIES=Si%POSAMP=2", "POSAMP=2"),
        ("#SPECIES=Xx%NUM=2", "Xx"),
        ("#SPECIES=Si%NUM=2\n#NATOM=4", "together with NUM"),
        ("#SPECIES=Si,O\n#NATOM=4\n#NFORM=2", "together with NATOM"),
        ("FIX_ALL_CELL : true\n#SPECIES=Si", "'FIX_ALL_CELL'"),
        ("%BLOCK IONIC_CONSTRAINTS\n%ENDBLOCK IONIC_CONSTRAINTS", "IONIC_CONSTRAINTS"),
        ("#VARVOL=20", "names no species"),
        (ROWS + "#SPECIES=Si", "together with a positions block"),
        (ROWS.replace("% NUM=3", "% NUM=3 POSAMP=1"), "POSAMP=1"),
        (SPECIES.replace("10 0 0", "12 0 0"), "hydrostatic"),
    ],
)
def test_refused_by_name(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(DeckError) as caught:
        read(tmp_path, text)
    assert says in str(caught.value)


def test_a_missing_deck(tmp_path: Path) -> None:
    with pytest.raises(DeckError, match="cannot be read"):
        read_airss(tmp_path / "none.cell")
