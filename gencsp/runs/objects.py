"""Objects of a script among the settings of a run: calculators, proposers, functions, structures.

A deck holds each as a :class:`Carried`, which travels to worker processes as pickled bytes, so that
a run with objects is put together as one with names is. The help of a command imports its deck and
with it this module: what is heavy is imported when a value is looked at.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from gencsp.deck import one_or_many
from gencsp.errors import RequestError, WrongTypeError
from gencsp.plugins import Choice

if TYPE_CHECKING:
    from ase import Atoms

    from gencsp.convex_hull.hull import Hull

#: A plug-in by name: text such as ``rattle`` or ``rattle:most=0.3``, or a table with ``name`` and
#: its options.
Named = str | dict[str, Any]

#: What stands in the place of hull references where there are to be none.
NoHull: TypeAlias = Literal["none"]
NO_HULL: NoHull = "none"

#: What Python raises at an object that cannot be pickled.
_UNPICKLABLE = (pickle.PicklingError, TypeError, AttributeError, RecursionError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Carried:
    """An object of a script: hashable, and equal where the pickled bytes are.

    Attributes:
        label: what it is called: its name, or that of its class.
        digest: short hash of the bytes, 12 hexadecimal digits; empty if it cannot be pickled.
        pickled: the bytes; empty if it cannot be pickled, and then it is used as it is.
        here: the object where it cannot be pickled, which no other process sees.
    """

    label: str
    digest: str
    pickled: bytes = field(default=b"", repr=False)
    here: Any = field(default=None, repr=False, hash=False)

    @classmethod
    def of(cls, value: object) -> Carried:
        """Pack an object as it is now; what becomes of it later changes nothing."""
        label = _label(value)
        try:
            pickled = pickle.dumps(value)
        except _UNPICKLABLE:
            return cls(label, "", here=value)
        return cls(label, sha256(pickled).hexdigest()[:12], pickled)

    def open(self) -> Any:
        """A copy of the object, or the object itself where it cannot be pickled.

        Raises:
            RequestError: it cannot be opened in this process.
        """
        if not self.pickled:
            return self.here
        try:
            return pickle.loads(self.pickled)  # written by this program's caller
        except (AttributeError, ImportError) as error:
            raise RequestError(
                f"'{self.label}' cannot be found by a worker process ({error}): keep its class or "
                f"function in a file that can be imported, give FILE.py:FUNCTION, or set workers=1."
            ) from error

    def __reduce__(self) -> tuple[Any, ...]:
        self.require_pickled()
        return (Carried, (self.label, self.digest, self.pickled))

    def require_pickled(self) -> None:
        """Find out whether other processes can have it.

        Raises:
            RequestError: it cannot be pickled.
        """
        if not self.pickled:
            raise RequestError(
                f"'{self.label}' cannot be sent to worker processes, because it cannot be pickled: "
                f"give a function that makes it or FILE.py:FUNCTION, or set workers=1."
            )

    def __str__(self) -> str:
        return f"{self.label}#{self.digest}" if self.digest else self.label

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(
            lambda one: {"object": one.label, "digest": one.digest}, when_used="json"
        )
        return core_schema.is_instance_schema(cls, serialization=written)


def chosen(given: Named | Carried) -> Choice | Carried:
    """A plug-in by name with its options, or an object."""
    return given if isinstance(given, Carried) else Choice.read(given)


def carried(settings: Mapping[str, Any]) -> list[Carried]:
    """The objects among the values of settings."""
    found = []
    for value in settings.values():
        several = value if isinstance(value, tuple) else (value,)
        found += [one for one in several if isinstance(one, Carried)]
    return found


def _label(value: Any) -> str:
    name = getattr(value, "name", None) or getattr(value, "__name__", None)
    text = name if isinstance(name, str) else type(value).__name__
    return re.sub(r"\W+", "-", text).strip("-") or "object"


def _by_name(value: object) -> bool:
    """Whether something is chosen by name, or packed already."""
    if isinstance(value, Mapping) and "object" in value:
        raise WrongTypeError(
            f"the run was begun by a script with the object '{value['object']}': go on with the "
            f"same call there."
        )
    return isinstance(value, str | Mapping | Carried)


def potential_part(value: Any) -> Any:
    """A potential as a deck holds it: by name, or packed.

    Raises:
        WrongTypeError: it is none.
    """
    if _by_name(value):
        return value
    if isinstance(value, Choice):
        return str(value)
    from gencsp.potentials.registry import is_potential

    if is_potential(value):
        return Carried.of(value)
    raise WrongTypeError(
        f"potential is {_what(value)}: give a name, an ASE calculator, a function that returns "
        f"one, or an object with 'evaluate' and 'relax' (see gencsp.potentials.Engine)."
    )


def proposer_part(value: Any) -> Any:
    """A proposer as a deck holds it: by name, or packed.

    Raises:
        WrongTypeError: it is none.
    """
    if _by_name(value):
        return value
    if isinstance(value, Choice | Path):
        return str(value)
    from gencsp.proposers.own import is_own_proposer

    if is_own_proposer(value):
        return Carried.of(value)
    raise WrongTypeError(
        f"proposer is {_what(value)}: give a name, a function of a request and rng=, or an object "
        f"with 'propose', 'name' and 'failures' (see gencsp.proposers.Proposer)."
    )


def _seeds(value: Any) -> Any:
    if value is None:
        return ()
    from ase import Atoms

    from gencsp.proposers.own import is_own_proposer
    from gencsp.store.base import portable

    single = isinstance(value, str | Mapping | Path | Atoms) or not isinstance(value, Iterable)
    found: list[Any] = []
    structures: list[Atoms] = []
    for one in [value] if single else value:
        if isinstance(one, Atoms):
            structures.append(portable(one))
        elif _by_name(one):
            found.append(one)
        elif isinstance(one, Path):
            found.append(str(one))
        elif is_own_proposer(one):
            found.append(Carried.of(one))
        else:
            raise WrongTypeError(
                f"one of the seeds is {_what(one)}: give files, ase.Atoms, and proposers as names, "
                f"functions or objects."
            )
    if structures:
        found.append(Carried.of(Structures(tuple(structures))))
    return tuple(found)


def host_part(value: Any) -> Any:
    """A host as a deck holds it: a structure file, or packed.

    Raises:
        WrongTypeError: it is neither a file nor one structure.
    """
    if value is None or isinstance(value, str | Path | Carried):
        return value
    from ase import Atoms

    from gencsp.store.base import portable

    if isinstance(value, Atoms):
        return Carried.of(portable(value))
    raise WrongTypeError(f"host is {_what(value)}: give a structure file, or one ase.Atoms.")


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, str | Path):
        return _lattice_of(str(value)) or value
    import numpy as np
    from ase import Atoms
    from ase.cell import Cell

    lattice = value.cell if isinstance(value, Atoms) else value
    try:
        array = np.asarray(lattice.array if isinstance(lattice, Cell) else lattice, dtype=float)
        rows = Cell.ascell(array).array
    except (TypeError, ValueError) as error:
        raise WrongTypeError(
            f"cell is {_what(value)}: give a structure file, an ase.Atoms, or three vectors in Å."
        ) from error
    if not (np.isfinite(rows).all() and abs(np.linalg.det(rows)) > 0):
        raise WrongTypeError("cell has no volume: give three vectors in Å that span one.")
    return tuple(tuple(map(float, row)) for row in rows)


#: Edges and angles of a cell as text.
_PARAMETERS = re.compile(r"\s*(?:[-+.\deE]+\s*,\s*){5}[-+.\deE]+\s*")


def _lattice_of(text: str) -> Any:
    """Vectors of a cell written ``a,b,c,alpha,beta,gamma`` (Å, degrees); else ``None``.

    Raises:
        WrongTypeError: there is no such cell.
    """
    if not _PARAMETERS.fullmatch(text):
        return None
    from ase.cell import Cell

    try:
        parameters = [float(part) for part in text.split(",")]
        rows = Cell.fromcellpar(parameters).array
    except (AssertionError, ValueError, ZeroDivisionError) as error:
        raise WrongTypeError(
            f"cell is '{text}': give edges in Å and angles in degrees that make a cell."
        ) from error
    if min(parameters) <= 0 or max(parameters[3:]) >= 180:
        raise WrongTypeError(
            f"cell is '{text}': give edges above zero and angles between 0 and 180 degrees."
        )
    return _cell(rows)


def _units(value: Any) -> Any:
    """Names or files of rigid units, a text with commas or several; numbers are refused."""
    if value is None or not isinstance(value, str | Path | Iterable):
        return value
    from gencsp.proposers.unit_choice import unit_texts

    if isinstance(value, str):
        return unit_texts(value)
    return unit_texts([value] if isinstance(value, Path) else tuple(value))


def hull_part(value: Any) -> Any:
    """Hull references as a deck holds them: a file of entries, ``None`` for ours, or packed.

    ``"none"`` stands for no hull at all.

    Raises:
        WrongTypeError: it is none.
    """
    if value == NO_HULL or value == Path(NO_HULL):
        return NO_HULL
    if value is None or isinstance(value, Path) or _by_name(value):
        return value
    from gencsp.convex_hull.hull import Hull

    if isinstance(value, Hull):
        return Carried.of(value)
    raise WrongTypeError(
        f"hull is {_what(value)}: give a file of entries, a gencsp.convex_hull.Hull, None for the "
        f"references that ship with gencsp, or 'none' for no hull."
    )


#: Hull references as a deck holds them, see :func:`hull_part`.
HullGiven: TypeAlias = Path | NoHull | Carried | None


def optional_hull(given: HullGiven) -> Hull | None:
    """The hull that a deck names or holds; ``None`` where it says that there is none.

    Raises:
        StructureFileError, HullReferenceError: as :meth:`gencsp.convex_hull.hull.Hull.load`.
    """
    return None if given == NO_HULL else open_hull(given)


def open_hull(given: HullGiven) -> Hull:
    """The hull that a deck names or holds.

    Raises:
        StructureFileError, HullReferenceError: as :meth:`gencsp.convex_hull.hull.Hull.load`.
        RequestError: the deck says that there is none.
    """
    from gencsp.convex_hull.hull import Hull

    if given == NO_HULL:
        raise RequestError("decomposition energies need a hull: leave out --hull none.")
    if not isinstance(given, Carried):
        return Hull.load(given)
    hull: Hull = given.open()
    return hull


def _what(value: object) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}, not an object"
    return f"a {type(value).__name__}"


@dataclass(frozen=True)
class Structures:
    """Structures that seed a search."""

    structures: tuple[Atoms, ...]
    name: str = "atoms"

    def __post_init__(self) -> None:
        from gencsp.io.structures import atoms_of

        list(atoms_of(self.structures, what="seeds"))


Vector = tuple[float, float, float]
#: Cell vectors in the rows, Å.
Lattice = tuple[Vector, Vector, Vector]

#: Fields of decks that take objects beside names.
PotentialField = Annotated[Named | Carried, BeforeValidator(potential_part)]
ProposerField = Annotated[Named | Carried, BeforeValidator(proposer_part)]
HullField = Annotated[Path | NoHull | Carried | None, BeforeValidator(hull_part)]
#: A structure file, or a structure in memory.
HostField = Annotated[Path | Carried | None, BeforeValidator(host_part)]
SeedsField = Annotated[tuple[Named | Carried, ...], BeforeValidator(_seeds)]
#: A structure file, vectors, or edges and angles as text; a structure or a cell in memory becomes
#: vectors.
CellField = Annotated[Path | Lattice | None, BeforeValidator(_cell)]
#: Rigid units by name or file.
UnitsField = Annotated[tuple[str, ...] | None, BeforeValidator(_units)]
#: Several whole numbers or names, or one, also as a text with commas.
OneOrMany = BeforeValidator(one_or_many)
