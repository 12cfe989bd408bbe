"""A user's own potential: a function, in a file or a package, that returns an ASE calculator."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

from ase.calculators.calculator import BaseCalculator, Calculator

from gencsp.errors import PotentialError, WrongTypeError
from gencsp.minimise.calculator import energy_model
from gencsp.plugins.own_code import run_file
from gencsp.potentials.ase_engine import AseEngine
from gencsp.potentials.base import Engine


def from_file(path: Path, function: str) -> AseEngine:
    """The calculator that a function of a file returns.

    The name of the model is that of the file with a hash of its text, so that energies of an edited
    file do not mix with those before.

    Raises:
        PotentialError: the file is missing or fails, or the function does not give a calculator.
    """
    if not path.is_file():
        raise PotentialError(f"there is no file {path} with a calculator.")
    try:
        module = run_file(path, kind="potential")
    except Exception as error:
        raise PotentialError(f"{path} cannot be run ({_said(error)}).") from error
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
    except Exception as error:
        raise PotentialError(f"{name} cannot be imported ({_said(error)}).") from error
    file = inspect.getsourcefile(module)
    digest = hashlib.sha256(Path(file).read_bytes() if file else name.encode()).hexdigest()[:12]
    return _engine(module, function, where=name, model=f"{name}:{function}", digest=digest)


def from_object(given: object) -> Engine:
    """The potential that an object is, that its calculator makes, or that a function returns.

    The model is named as :func:`~gencsp.minimise.calculator.energy_model` says; the digest is that
    of the calculator, or else a hash of its class and of those parameters that are plain values.

    Raises:
        PotentialError: the function needs arguments.
        WrongTypeError: it is none of these.
    """
    made = given
    if callable(given) and not isinstance(given, type | BaseCalculator | Engine):
        try:
            made = given()
        except TypeError as error:
            name = getattr(given, "__name__", type(given).__name__)
            raise PotentialError(f"{name} must need no arguments ({error}).") from error
        except Exception as error:
            name = getattr(given, "__name__", type(given).__name__)
            raise PotentialError(f"{name} gives no calculator ({_said(error)}).") from error
    if isinstance(made, Engine) and not isinstance(made, type):
        return made
    if isinstance(made, BaseCalculator):
        model, digest = energy_model(made)
        return AseEngine(made, model=model, digest=digest or _digest_of(made))
    what = f"the class {made.__name__}" if isinstance(made, type) else f"a {type(made).__name__}"
    raise WrongTypeError(
        f"the potential is {what}: give a name, an ASE calculator, a function that returns one, or "
        f"an object with 'evaluate' and 'relax'."
    )


def _said(error: Exception) -> str:
    """What went wrong in code of others, which may raise anything."""
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def _digest_of(calculator: BaseCalculator) -> str:
    kind = type(calculator)
    plain = {
        str(key): value
        for key, value in dict(calculator.parameters).items()
        if value is None or isinstance(value, str | int | float)
    }
    text = f"{kind.__module__}.{kind.__qualname__} {sorted(plain.items())}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _engine(module: ModuleType, function: str, *, where: str, model: str, digest: str) -> AseEngine:
    make: Callable[[], object] | None = getattr(module, function, None)
    if not callable(make):
        raise PotentialError(f"{where} has no function '{function}' that returns a calculator.")
    try:
        calculator = make()
    except TypeError as error:
        raise PotentialError(f"{function} of {where} must need no arguments ({error}).") from error
    except Exception as error:
        raise PotentialError(
            f"{function} of {where} gives no calculator ({_said(error)})."
        ) from error
    if not isinstance(calculator, Calculator):
        raise PotentialError(
            f"{function} of {where} returned a {type(calculator).__name__}, which is no ASE "
            f"calculator."
        )
    return AseEngine(calculator, model=model, digest=digest)
