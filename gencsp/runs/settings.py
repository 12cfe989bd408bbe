"""Interprets the deck of a search: its space, its relaxations, and when it stops."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from ase.cell import Cell

from gencsp.composition import Composition
from gencsp.convex_hull.end_members import EndMembers
from gencsp.deck import MOST_ATOMS
from gencsp.errors import DeckError, RequestError
from gencsp.executors.named import EXECUTORS
from gencsp.files import storage_errors
from gencsp.io.structures import read_structures
from gencsp.minimise.minimisers import minimiser_text
from gencsp.minimise.settings import RelaxSettings
from gencsp.plugins import Choice, Registry
from gencsp.potentials.registry import POTENTIALS
from gencsp.proposers.base import PROPOSERS
from gencsp.proposers.crystals.compression import volume_under
from gencsp.runs.airss import AirssDeck, read_airss
from gencsp.runs.decks import SearchDeck
from gencsp.runs.objects import Carried, Named
from gencsp.runs.units import units_of_deck
from gencsp.searches.moves import MOVES
from gencsp.searches.settings import SearchSettings
from gencsp.searches.space import Space
from gencsp.searches.stop import StopRules

#: The deck of a run, in its folder.
DECK = "search.json"
#: Key of its checksum in it, which finds damage and changes by hand.
CHECKSUM = "sha256"

#: The volume of a fixed cell may differ from the predicted one by this factor.
CROWDING = 1.35


def search_settings(deck: SearchDeck) -> SearchSettings:
    """The settings of the search itself.

    Raises:
        CompositionError, RequestError, StructureFileError, DeckError: the deck is invalid.
        PluginError: the package of the minimiser is at fault.
    """
    given = [deck.formula, deck.system, deck.airss]
    if sum(place is not None for place in given) != 1:
        raise RequestError("give one of a formula, a chemical system and an AIRSS deck.")
    airss = AirssDeck() if deck.airss is None else read_airss(deck.airss)
    pressure = deck.pressure if airss.pressure is None else airss.pressure
    space = _space(deck, airss, pressure)
    deck.separations.require_elements(space.elements)
    units = units_of_deck(deck, space.compositions[0][0])
    rigid = units is not None if deck.rigid_units is None else deck.rigid_units
    minimiser = minimiser_text(deck.minimiser)
    return SearchSettings(
        space=space,
        seed=deck.seed,
        relax=RelaxSettings(
            fmax=deck.fmax,
            steps=deck.steps,
            pressure=pressure,
            fixed_cell=space.cell is not None,
            keep_symmetry=deck.keep_symmetry,
            minimiser=minimiser,
            rigid_units=rigid,
            broken_units=deck.broken_units,
        ),
        rattle=deck.rattle,
        ahead=deck.ahead,
        batch=deck.batch,
        seed_share=deck.seed_share,
        volume_spread=deck.volume_spread,
        separations=airss.separations(space.elements) | deck.separations,
        units=() if units is None else units.labels,
    )


def folder(deck: SearchDeck) -> Path:
    """The folder of the run."""
    name = search_settings(deck).space.name
    return deck.out or Path("runs") / f"{name}-{Choice.read(deck.method).name}-{deck.seed}"


def save_deck(deck: SearchDeck, where: Path) -> None:
    """Save a deck in the folder of its run, for :func:`saved_deck`.

    Raises:
        StoreError: it cannot be written, or there is no space left.
    """
    kinds = ("airss", "target", "cell", "weights", "hull", "xrd")
    files = {key: getattr(deck, key) for key in kinds}
    whole = {key: file.absolute() for key, file in files.items() if isinstance(file, Path)}
    named: dict[str, Any] = {
        "seeds": tuple(_absolute(one, PROPOSERS) for one in deck.seeds),
        "background": _absolute(deck.background, PROPOSERS),
        "units": None if deck.units is None else tuple(map(whole_path, deck.units)),
        "moves": None if deck.moves is None else tuple(_absolute(m, MOVES) for m in deck.moves),
        "potential": _absolute(deck.potential, POTENTIALS),
        "executor": _absolute(deck.executor, EXECUTORS),
    }
    kept = deck.model_copy(update={**whole, **named, "out": None})
    settings = json.loads(kept.model_dump_json())
    _write_deck({**settings, CHECKSUM: _checksum(settings)}, where)


def move_deck(where: Path, new: Path) -> bool:
    """Copy the deck of the run in a folder to another one; whether there is one that is whole.

    Raises:
        StoreError: it cannot be written, or there is no space left.
    """
    try:
        settings = _read_deck(where)
    except DeckError:
        return False
    _write_deck({**settings, CHECKSUM: _checksum(settings)}, new)
    return True


def _write_deck(kept: Mapping[str, Any], where: Path) -> None:
    with storage_errors(where):
        aside = where / f"{DECK}.new"
        aside.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        aside.replace(where / DECK)


def saved_deck(where: Path, **changes: object) -> SearchDeck:
    """The deck of the run in a folder, to continue it.

    Args:
        where: the folder.
        changes: settings to change; ``None`` leaves one as it is.

    Raises:
        DeckError: there is no search in the folder, or a change is out of range.
    """
    settings = _read_deck(where)
    new = {key: value for key, value in changes.items() if value is not None}
    return SearchDeck.make(**{**settings, **new, "out": where})


def _read_deck(where: Path) -> dict[str, Any]:
    try:
        kept = json.loads((where / DECK).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DeckError(f"{where} holds no search to go on with.") from error
    if not isinstance(kept, dict) or kept.pop(CHECKSUM, None) != _checksum(kept):
        raise DeckError(
            f"{where / DECK} was changed since the run wrote it, or is damaged: repeat the command "
            f"of the run, with what is to be changed as its options."
        )
    return kept


def _checksum(settings: Mapping[str, Any]) -> str:
    """SHA-256 of the settings of a deck."""
    return sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _absolute(given: Named | Carried, registry: Registry[Any]) -> Named | Carried:
    """A plug-in or file by name, with the whole paths of all files in it."""
    if isinstance(given, Carried):
        return given
    if not isinstance(given, str):
        return {key: whole_path(value) for key, value in given.items()}
    name, colon, rest = given.partition(":")
    if name in registry:
        choice = Choice.read(given)
        if choice.options:
            whole = {key: whole_path(value) for key, value in choice.options.items()}
            return str(Choice.of(name, whole))
        return f"{name}{colon}{rest if _is_number(rest) else whole_path(rest)}"
    # A file, and behind it a function, a weight, or both.
    file, behind = given, ""
    while ":" in file:
        file, _, last = file.rpartition(":")
        behind = f":{last}{behind}"
        if file and os.path.exists(file):
            return f"{whole_path(file)}{behind}"
    return str(whole_path(given))


def whole_path(value: Any) -> Any:
    """Text that names a file or folder, as its whole path; anything else as it is."""
    # Not Path.exists, which raises at a text that is too long for a name.
    found = isinstance(value, str) and value and os.path.exists(value)
    return str(Path(value).absolute()) if found else value


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def weighted(given: Named) -> tuple[Choice, float]:
    """A proposer or file of seeds, and its weight: ``NAME:WEIGHT``, or a table with ``weight``.

    Raises:
        RequestError: the weight is no number.
    """
    if isinstance(given, str):
        before, colon, after = given.rpartition(":")
        if colon and _is_number(after):
            return Choice.read(before), float(after)
        return Choice.read(given), 1.0
    weight = given.get("weight", 1.0)
    if not isinstance(weight, int | float):
        raise RequestError(f"the weight of the seeds {given} is no number: give one above zero.")
    return Choice.read({key: value for key, value in given.items() if key != "weight"}), weight


def stop_rules(deck: SearchDeck) -> StopRules:
    """When the search of a deck ends."""
    return StopRules(
        budget=deck.budget,
        seconds=None if deck.minutes is None else 60 * deck.minutes,
        patience=deck.patience,
    )


def _space(deck: SearchDeck, airss: AirssDeck, pressure: float) -> Space:
    volume = deck.volume or airss.volume_per_atom
    groups = deck.space_groups or airss.space_groups
    elements = airss.elements if airss.composition is None else ()
    if deck.system is not None or elements:
        if deck.cell is not None or deck.formula_units is not None:
            raise RequestError("a chemical system has no one cell and no one formula unit.")
        return Space.system(
            EndMembers.parse(deck.system or "-".join(elements)),
            min_atoms=airss.min_atoms or 2,
            max_atoms=airss.max_atoms or deck.atoms,
            volume_per_atom=volume,
            space_groups=groups,
            pressure=pressure,
        )
    composition = airss.composition or Composition.parse(deck.formula or "")
    cell = None
    if deck.cell is not None:
        if isinstance(deck.cell, Path):
            cell = read_structures([deck.cell])[0].cell
        else:
            cell = Cell(deck.cell)
    if airss.composition is None:
        units = composition.cell_units(_most_atoms(deck, composition, cell), deck.formula_units)
    else:
        units = deck.formula_units or airss.units or composition.reduced.cell_units(deck.atoms)
    if cell is not None and deck.formula_units is None and airss.units is None:
        units = _units_that_fill(composition.reduced, cell, units, pressure)
    return Space.fixed(
        composition,
        units=units,
        cell=cell,
        volume_per_atom=volume,
        space_groups=groups,
        pressure=pressure,
    )


def _most_atoms(deck: SearchDeck, composition: Composition, cell: Cell | None) -> int:
    """Most atoms in a cell; those that fill it, where crystals of units are sought in a given one.

    The cell of a powder pattern holds what it holds: nobody needs to count its atoms.
    """
    if cell is None or not deck.units or deck.formula_units is not None:
        return deck.atoms
    fitting = cell.volume / volume_under(composition.reduced, deck.pressure) * CROWDING
    return max(deck.atoms, min(int(fitting) + composition.reduced.size, MOST_ATOMS))


def _units_that_fill(
    composition: Composition, cell: Cell, units: tuple[int, ...], pressure: float
) -> tuple[int, ...]:
    """Numbers of formula units that bring a cell near the predicted volume."""
    wanted = volume_under(composition, pressure) * composition.size
    near = tuple(u for u in units if 1 / CROWDING < cell.volume / (wanted * u) < CROWDING)
    if not near:
        raise RequestError(
            f"a cell of {cell.volume:.0f} Å³ holds no whole number of {composition} at a likely "
            f"volume ({wanted:.0f} Å³ each): name the formula units, or allow more atoms."
        )
    return near
