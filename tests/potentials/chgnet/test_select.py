"""Which engine runs, and what is said when there is none."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gencsp.errors import EngineError
from gencsp.potentials.chgnet import select
from gencsp.potentials.chgnet.select import engine_status, get_engine


@pytest.fixture
def no_native(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise ImportError(f"no {name} here")

    monkeypatch.setattr(select, "import_module", refuse)
    select._make.cache_clear()


@pytest.mark.usefixtures("no_native")
def test_without_the_extension_torch_does_it_and_says_why() -> None:
    status = engine_status()
    assert status.name == "torch"
    assert "no gencsp.potentials.chgnet._native here" in status.reason
    assert get_engine().name == "torch"


@pytest.mark.usefixtures("no_native")
def test_asked_for_by_name_the_missing_extension_is_an_error() -> None:
    with pytest.raises(EngineError, match="compiler"):
        get_engine("native")


def test_the_same_request_gives_the_same_engine() -> None:
    one = get_engine("torch", model="r2scan", device="cpu")
    assert one is get_engine("torch", model="r2scan", device="cpu")
    assert one.model == "chgnet-r2scan"
    assert len(one.digest) == 12
    assert one.digest != get_engine("torch", device="cpu").digest


@pytest.mark.parametrize(
    "request_",
    [{"name": "fast"}, {"model": "9.9"}, {"name": "native", "device": "cuda"}],
)
def test_what_is_not_there_is_named(request_: dict[str, str]) -> None:
    with pytest.raises(EngineError, match=r"fast|9\.9|cuda"):
        get_engine(**request_)  # type: ignore[arg-type]


def test_choosing_and_the_call_import_no_torch() -> None:
    code = (
        "import sys; import gencsp.potentials.chgnet.select; "
        "from gencsp.runs.relaxing import relax; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
