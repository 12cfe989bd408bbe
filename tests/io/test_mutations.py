"""Damaged files end in structures or reasons; ``python tests/io/mutations.py 1000`` reads more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import mutations
import numpy as np
import pytest

SCRIPT = Path(mutations.__file__)


def test_no_damaged_file_is_fatal_slow_or_large() -> None:
    """In a process of its own, whose memory is limited and which a parser may end."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "208"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", 0 faults," in done.stdout


def test_undamaged_files_are_read(tmp_path: Path) -> None:
    counts = {}
    for name, make in mutations.FORMATS.items():
        (tmp_path / name).write_bytes(make())
        one = mutations._read(tmp_path / name, 0, tmp_path)
        assert (one.fault, one.reasons) == ("", ())
        counts[name] = one.structures
    assert counts == {
        "a.cif": 2, "a.res": 2, "a.extxyz": 2, "POSCAR": 1, "a.json": 2, "a.db": 2, "a.traj": 2,
        "a.xsf": 1, "a.zip": 7, "b.cif.gz": 2, "b.extxyz.gz": 2, "entries.json": 0,
        "entries.csv": 0,
    }  # fmt: skip


def test_every_fault_damages_and_is_drawn_from_the_seed() -> None:
    content = mutations.FORMATS["a.cif"]()
    for fault in mutations._FAULTS:
        results = {fault(content, np.random.default_rng(seed)) for seed in range(8)}
        assert results - {content}
        again = {fault(content, np.random.default_rng(seed)) for seed in range(8)}
        assert results == again


@pytest.mark.parametrize(
    ("error", "fault"),
    [(ValueError("what?"), "ValueError: what?"), (MemoryError(), "MemoryError")],
)
def test_an_error_that_is_no_reason_is_found(
    error: Exception, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise error

    monkeypatch.setattr(mutations, "sources", broken)
    (one,) = mutations.read_damaged(1)
    assert fault in one.fault
