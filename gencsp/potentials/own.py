"""A user's own potential: a function, in a file or a package, that returns an ASE calculator."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from ase.calculators.calculator import Calculator

from gencsp.errors import PotentialError
from gencsp.potentials.ase_engine import AseEngine


def from_file(path: Path, function: str) -> AseEngine:
    """The calculator that a function of a file returns.

    The name of the model is that of the file with a hash of its text, so that energies of an edited
    file do not mix with those before.

    Raises:
        PotentialError: the file is missing or fails, or the function does not give a calculator.
    """
    if not path.is_file():
        raise PotentialError(f"there is no file {path} with a calculator.")
    spec = spec_from_file_location(f"gencsp_potential_{path.stem}", path)
    assert spec is not None, "the name ends with .py"
    assert spec.loader is not None, "the name ends with .py"
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (ImportError, SyntaxError, NameError, OSError) as error:
        raise PotentialError(f"{path} cannot be run ({error}).") from error
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    return _engine(module, function, where=str(path), model=f"{path.stem}-{digest}", digest=digest)


def from_import(name: str, function: str) -> AseEngine:
    """The calculator that a function, or a class, of an installed package returns.

    Raises:
        PotentialError: it cannot be imported, or does not give a calculator.
    """
    try:
        module = import_module(name)
    except ImportError as error:
        raise PotentialError(f"{name} cannot be imported ({error}): install it.") from error
    file = inspect.getsourcefile(module)
    digest = hashlib.sha256(Path(file).read_bytes() if file else name.encode()).hexdigest()[:12]
    return _engine(module, function, where=name, model=f"{name}:{function}", digest=digest)


def _engine(module: ModuleType, function: str, *, where: str, model: str, digest: str) -> AseEngine:
    make: Callable[[], object] | None = getattr(module, function, None)
    if not callable(make):
        raise PotentialError(f"{where} has no function '{function}' that returns a calculator.")
    try:
        calculator = make()
    except TypeError as error:
        raise PotentialError(f"{function} of {where} must need no arguments ({error}).") from error
    if not isinstance(calculator, Calculator):
        raise PotentialError(
            f"{function} of {where} returned a {type(calculator).__name__}, which is no ASE "
            f"calculator."
        )
    return AseEngine(calculator, model=model, digest=digest)
