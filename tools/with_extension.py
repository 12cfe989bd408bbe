"""Run the tests on extensions that were built elsewhere, such as one with sanitizers.

    python tools/with_extension.py FOLDER tests/potentials/chgnet/test_any_input.py

FOLDER holds the extensions somewhere below; everything else goes to pytest.
"""

from __future__ import annotations

import sys
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

NAMES = ("gencsp.potentials.chgnet._native", "gencsp.diffusion.networks._denoiser")


def load(folder: Path, name: str) -> None:
    """Make the extension below ``folder`` the one that gencsp imports under a name."""
    file = name.rpartition(".")[2] + EXTENSION_SUFFIXES[0]
    found = list(folder.rglob(file))
    if not found:
        sys.exit(f"there is no {file} below {folder}")
    newest = max(found, key=lambda path: path.stat().st_mtime)
    spec = spec_from_file_location(name, newest)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    for each in NAMES:
        load(Path(sys.argv[1]), each)
    sys.exit(pytest.main(sys.argv[2:]))
