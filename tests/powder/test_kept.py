"""The pattern of a run comes back from its folder as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from page_material import profile, rock_salt

from gencsp.errors import PatternError
from gencsp.powder.kept import PATTERN, keep_pattern, kept_pattern
from gencsp.powder.measured import MeasuredPattern


def test_a_pattern_comes_back_as_it_was(tmp_path: Path) -> None:
    pattern = MeasuredPattern.of(*profile(rock_salt(), 1.1), wavelength=1.1)
    keep_pattern(pattern, tmp_path)
    kept = kept_pattern(tmp_path)
    assert np.array_equal(kept.angles, pattern.angles)
    assert np.array_equal(kept.intensities, pattern.intensities)
    assert kept.digest == pattern.digest


@pytest.mark.parametrize("content", [None, "", "# wavelength 1.1 angstrom\n1 2\n3\n", "1 2\n3 4\n"])
def test_what_is_no_kept_pattern(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / PATTERN).write_text(content)
    with pytest.raises(PatternError, match="--xrd"):
        kept_pattern(tmp_path)
