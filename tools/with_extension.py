"""Run the tests on an extension that was built elsewhere, such as one with sanitizers.

    python tools/with_extension.py FOLDER tests/potentials/chgnet/test_any_input.py

FOLDER holds the extension somewhere below; everything else goes to pytest.
"""

from __future__ import annotations

import sys
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

NAME = "gencsp.potentials.chgnet._native"


def load(folder: Path) -> None:
    """Make the extension below ``folder`` the one that gencsp imports."""
    found = [path for path in folder.rglob("_native*") if path.name.endswith(EXTENSION_SUFFIXES[0])]
    if not found:
        sys.exit(f"there is no extension below {folder}")
    newest = max(found, key=lambda path: path.stat().st_mtime)
    spec = spec_from_file_location(NAME, newest)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    load(Path(sys.argv[1]))
    sys.exit(pytest.main(sys.argv[2:]))
