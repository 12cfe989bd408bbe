"""Scripts that are killed while they run."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path


def run_and_kill(script: Path, lines: int) -> bool:
    """Start a script and kill it once it has written so many lines; 99 lets it end.

    Returns:
        Whether it was killed, and had not ended before.
    """
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(lines):
        if not process.stdout.readline():
            break
    killed = process.poll() is None and lines < 99
    if killed:
        process.send_signal(signal.SIGKILL)
    process.stdout.read()
    assert process.wait() == (-signal.SIGKILL if killed else 0)
    process.stdout.close()
    return killed
