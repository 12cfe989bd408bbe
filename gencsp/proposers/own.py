"""A user's own proposer: an object that proposes, or a function; also of a file or a module."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
from ase import Atoms

from gencsp import records
from gencsp.errors import GencspError, PluginError, RequestError, WrongTypeError
from gencsp.io.structures import atoms_of
from gencsp.plugins.own_code import run_file
from gencsp.proposers.base import (
    ConfiguredProposer,
    CountsReasons,
    Proposer,
    ProposerContext,
    Request,
)
from gencsp.proposers.checks import WRONG_COMPOSITION, has_composition
from gencsp.proposers.drawing import tag_proposal
from gencsp.provenance import Stage

#: Object of a file where none is named.
DEFAULT_OBJECT = "propose"


class OwnCode(ConfiguredProposer):
    """What is known of proposers of files and modules before they are loaded."""

    inpaints: ClassVar[bool] = True


def from_file(path: Path, name: str) -> Any:
    """The object of a file, executed anew.

    Raises:
        RequestError: there is no such file, or no such object in it.
        PluginError: the file, or a class of it, cannot be run.
    """
    if not path.is_file():
        raise RequestError(f"there is no file {path} with a proposer.")
    try:
        module = run_file(path, kind="proposer")
    except GencspError:
        raise
    except Exception as error:  # somebody else's code: anything can be raised
        raise PluginError(f"{path} cannot be run ({error!r}).") from error
    return _object_of(module, name, str(path))


def from_import(module: str, name: str, *, known: Sequence[str] = ()) -> Any:
    """The object of a module that can be imported.

    Args:
        module: its name.
        name: of the object.
        known: names of proposers, which are said where there is no such module.

    Raises:
        RequestError: there is no such module, or no such object in it.
        PluginError: the module, or a class of it, cannot be run.
    """
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        raise RequestError(
            f"there is no proposer and no module '{module}' ({error}): choose from "
            f"{', '.join(known)}, or give FILE.py:OBJECT."
        ) from error
    except GencspError:
        raise
    except Exception as error:  # somebody else's code: anything can be raised
        raise PluginError(f"{module} cannot be imported ({error!r}).") from error
    return _object_of(found, name, module)


def _object_of(module: ModuleType, name: str, where: str) -> Any:
    try:
        found = attrgetter(name)(module)
    except AttributeError as error:
        raise RequestError(f"{where} has no '{name}' that proposes structures.") from error
    if not isinstance(found, type):
        return found
    if issubclass(found, ConfiguredProposer):
        return found.from_options({})
    try:
        return found()
    except Exception as error:  # somebody else's code: anything can be raised
        raise PluginError(f"'{name}' of {where} must need no arguments ({error!r}).") from error


def is_own_proposer(given: object) -> bool:
    """Whether an object proposes, or is a function that may."""
    if isinstance(given, type):
        return False
    return isinstance(given, ConfiguredProposer | Proposer) or callable(given)


def own_proposer(given: Any, context: ProposerContext) -> Proposer:
    """The proposer that an object is, that its options make, or that calls a function.

    Raises:
        WrongTypeError: it is none of these.
    """
    if isinstance(given, ConfiguredProposer):
        return given.build(context)
    if isinstance(given, Proposer) and not isinstance(given, type):
        return given
    if is_own_proposer(given):
        return FunctionProposer(given)
    raise WrongTypeError(
        f"proposer is a {type(given).__name__}: give a name, a function of a request and rng=, or "
        f"an object with 'propose', 'name' and 'failures'."
    )


class FunctionProposer(CountsReasons):
    """Proposes what a function makes; see :class:`~gencsp.proposers.base.Proposer`.

    Args:
        function: ``function(request, rng=rng)`` returns or yields structures, or returns one, in
            which case it is called for each. Those of another composition count as failures. Of
            their ``info`` the ``confidence`` is kept.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.name = str(getattr(function, "__name__", type(function).__name__))
        self.rejected: Counter[str] = Counter()

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        """See :class:`~gencsp.proposers.base.Proposer`.

        Raises:
            WrongTypeError: the function made something else than structures.
            RequestError: a ``confidence`` that is no probability.
        """
        stage = Stage.GENERATED if request.host is None else Stage.INPAINTED
        made = 0
        for atoms in self._structures(request, rng):
            if not has_composition(atoms, request.composition, request.units):
                self.rejected[WRONG_COMPOSITION] += 1
                continue
            proposal = tag_proposal(atoms, proposer=self.name, stage=stage)
            self._keep_confidence(atoms, proposal)
            yield proposal
            made += 1
            if made == request.n:
                return

    def _keep_confidence(self, atoms: Atoms, proposal: Atoms) -> None:
        said = records.number(atoms.info, records.CONFIDENCE)
        if said is None:
            return
        if not 0 <= said <= 1:
            raise RequestError(
                f"the proposer '{self.name}' says a confidence of {said:g}: give a probability "
                f"from 0 to 1, or none."
            )
        proposal.info[records.CONFIDENCE] = said

    def _structures(self, request: Request, rng: np.random.Generator) -> Iterator[Atoms]:
        what = f"what the proposer '{self.name}' makes"
        for _ in range(request.n):
            found = self.function(request, rng=rng)
            yield from atoms_of(found, what=what)
            if not isinstance(found, Atoms):
                return
