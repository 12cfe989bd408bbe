"""Other people's codes, each in an environment of its own, made once and kept.

In the user's cache folder, or where GENCSP_CLIENTS says. Where one cannot be made, its tests are
skipped with the reason.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path

import pytest

#: The packages of the running environment.
OUTSIDE = sysconfig.get_paths()["purelib"]

#: Most time to install one code, and to run it once. A machine that is busy needs them.
INSTALL_SECONDS, RUN_SECONDS = 1800, 600


def cache() -> Path:
    chosen = os.environ.get("GENCSP_CLIENTS")
    home = os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")
    return Path(chosen) if chosen else Path(home) / "gencsp" / "clients"


def environment(
    name: str,
    *packages: str,
    layered: bool = False,
    variables: Mapping[str, str] | None = None,
) -> Path:
    """The folder of executables of an environment that holds these packages.

    Args:
        name: of the code.
        packages: as pip takes them, with their versions.
        layered: sees the packages of the running environment as well, so that what both need (and
            gencsp itself) is not installed twice.
        variables: more environment variables while it is made.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    over = f"over-{hashlib.sha256(OUTSIDE.encode()).hexdigest()[:6]}"
    parts = (*packages, version, over) if layered else (*packages, version)
    place = cache() / "-".join(parts).replace("==", "-")
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_name(f"{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests may run side by side
        if not (place / "ready").exists():
            _make(place, name, packages, layered, variables or {})
    return place / "bin"


def _make(
    place: Path,
    name: str,
    packages: tuple[str, ...],
    layered: bool,
    variables: Mapping[str, str],
) -> None:
    try:
        venv.create(place, clear=True)
        if layered:
            (inside,) = place.glob("lib/python*/site-packages")
            (inside / "layer.pth").write_text(f"import site; site.addsitedir({OUTSIDE!r})\n")
        # By our own pip: one in each environment takes longer to make than most codes.
        pip = [sys.executable, "-m", "pip", "--python", str(place / "bin" / "python")]
        command = [*pip, "install", "--quiet", "--prefer-binary", "--no-compile", *packages]
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **variables},
        )
    except (OSError, subprocess.SubprocessError) as error:
        last = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1]
        pytest.skip(f"{name} cannot be installed here: {last}")
    (place / "ready").touch()


def run(place: Path, folder: Path, program: str, *arguments: str) -> str:
    """Run a program of an environment in a folder; returns what it printed."""
    done = subprocess.run(
        [place / program, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        env={
            "PATH": f"{place}:/usr/bin:/bin",
            "HOME": str(folder),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        },
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout
