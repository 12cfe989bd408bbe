"""Potentials by name, or by the function that returns their calculator.

The plug-in of a potential holds its options and makes an engine of them; see
:class:`ConfiguredPotential`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

from ase.calculators.calculator import BaseCalculator

from gencsp.deck import check_fields
from gencsp.errors import EngineError, PotentialError
from gencsp.plugins import Choice, Configured, Registry
from gencsp.potentials.base import Engine

#: A potential by name, as an object, or as a function that returns a calculator.
PotentialGiven: TypeAlias = (
    str | Mapping[str, Any] | Choice | BaseCalculator | Engine | Callable[[], Any]
)

#: Where the function of a potential is: see :func:`get_potential`.
PotentialKind: TypeAlias = Literal["plug-in", "file", "module"]

#: The default potential.
DEFAULT = "chgnet"


@dataclass(frozen=True, slots=True, kw_only=True)
class PotentialContext:
    """Where a potential is to run.

    Attributes:
        engine: "native", "torch" or "auto", for potentials that gencsp's own engines run.
        device: see :func:`gencsp.executors.devices.find_device`.
    """

    engine: Literal["auto", "native", "torch"] = "auto"
    device: str = "auto"

    def __post_init__(self) -> None:
        check_fields(self, EngineError)


class ConfiguredPotential(Configured):
    """Base of the options of potentials; ``build`` loads one.

    The text after the colon in ``NAME:MODEL`` sets the option that ``main`` names.
    """

    kind: ClassVar[str] = "potential"
    main: ClassVar[str] = "model"

    def build(self, context: PotentialContext) -> Engine:
        """The potential, ready to evaluate and relax.

        Any calculator of ASE becomes one by :class:`~gencsp.potentials.ase_engine.AseEngine`.

        Raises:
            PotentialError: its package is missing, or its model cannot be loaded.
        """
        raise NotImplementedError


#: All potentials, by name; their packages may still be missing.
POTENTIALS: Registry[Engine] = Registry(
    "gencsp.potentials",
    kind="potential",
    contract=Engine,
    error=PotentialError,
    hint=(
        ", or give FILE.py:FUNCTION or package.module:FUNCTION with a function that returns an "
        "ASE calculator"
    ),
)


def get_potential(
    given: PotentialGiven = DEFAULT,
    *,
    engine: Literal["auto", "native", "torch"] = "auto",
    device: str = "auto",
) -> Engine:
    """A potential, loaded once for each name and options, and again where its file has changed.

    Args:
        given: ``NAME`` or ``NAME:MODEL`` of :func:`potential_names`, such as ``chgnet:r2scan``,
            ``chgnet:FILE`` (weights of your own), ``sevennet`` or ``matgl:FOLDER``; a table with
            ``name`` and options; ``FILE.py`` or ``FILE.py:FUNCTION`` for a file with a function
            that returns an ASE calculator (``calculator`` if not named); or
            ``package.module:FUNCTION`` for one that can be imported. Also an ASE calculator, a
            function that returns one, or an object as :class:`~gencsp.potentials.base.Engine`
            describes.
        engine: which of gencsp's engines runs CHGNet.
        device: where the models of plug-ins run, see
            :func:`gencsp.executors.devices.find_device`; a calculator of your own runs where it was
            made.

    Raises:
        PotentialError: no potential has this name, its package is missing, or it cannot be loaded.
        DeckError: an option that is unknown or out of range.
        EngineError, WeightsError: as :func:`gencsp.potentials.chgnet.select.get_engine`.
    """
    if not isinstance(given, str | Mapping | Choice):
        from gencsp.potentials.own import from_object

        return from_object(given)
    choice = Choice.read(given)
    return _made(choice, PotentialContext(engine=engine, device=device), _state_of_files(choice))


def is_potential(given: object) -> bool:
    """Whether an object is a potential, an ASE calculator, or a function that may return one."""
    return not isinstance(given, type) and (
        isinstance(given, BaseCalculator | Engine) or callable(given)
    )


def potential_choice(given: str | Mapping[str, Any] | Choice) -> tuple[Choice, PotentialKind]:
    """What a name stands for: a plug-in, a function of a file, or one of a module."""
    choice = Choice.read(given)
    if choice.name not in POTENTIALS and "-" in choice.name and not choice.value:
        # As the models are called in hulls and results: chgnet-r2scan, sevennet-7net-0.
        shorter, _, rest = choice.name.partition("-")
        if shorter in POTENTIALS:
            choice = Choice(shorter, choice.settings, rest)
    if choice.name not in POTENTIALS:
        if choice.name.endswith(".py"):
            return choice, "file"
        if "." in choice.name and choice.value:
            return choice, "module"
    return choice, "plug-in"


def _state_of_files(choice: Choice) -> tuple[tuple[int, int], ...]:
    """Time and size of the files that a choice names: a potential trained anew is loaded anew."""
    found = []
    for text in (choice.name, choice.value, *choice.options.values()):
        with suppress(OSError, ValueError):  # no file, or no name of one
            about = os.stat(text) if isinstance(text, str) and text else None
            if about is not None:
                found.append((about.st_mtime_ns, about.st_size))
    return tuple(found)


@lru_cache(maxsize=8)
def _made(
    choice: Choice, context: PotentialContext, state_of_files: tuple[tuple[int, int], ...]
) -> Engine:
    del state_of_files  # tells apart what is kept
    from gencsp.potentials.own import from_file, from_import

    choice, kind = potential_choice(choice)
    if kind == "file":
        return from_file(Path(choice.name), choice.value or "calculator")
    if kind == "module":
        return from_import(choice.name, choice.value)
    return POTENTIALS.make(choice, context=context)
