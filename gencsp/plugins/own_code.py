"""Code of users: files of Python that are run for an object in them."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType


def run_file(path: Path, *, kind: str) -> ModuleType:
    """Run a file, anew each time, and return what it made; what it raises reaches the caller.

    Args:
        path: that ends with ``.py``.
        kind: of what is looked for in it, for the name of the module.
    """
    spec = spec_from_file_location(f"gencsp_{kind}_{path.stem}", path)
    assert spec is not None, "the name ends with .py"
    assert spec.loader is not None, "the name ends with .py"
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
