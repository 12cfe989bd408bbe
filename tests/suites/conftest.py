"""Shared by the tests of suites that are workflows of papers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_suite import run_suite

from gencsp.suites.outcome import Outcome


@pytest.fixture(scope="module")
def whole(words: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Path]:
    """A run to its end of the suite that the module's ``words`` ask for, and its folder."""
    out = tmp_path_factory.mktemp("whole") / "run"
    outcome = run_suite(words, out)
    assert outcome is not None
    return outcome, out
