"""Programs that go into the folder of an export, for codes that are run as Python programs."""

from __future__ import annotations

from importlib.resources import files

from gencsp.errors import ExportError

#: The calculator of every such program: one file to change.
CALCULATOR = '''"""The calculator of this search: change it as you like."""

from chgnet.model.dynamics import CHGNetCalculator


def calculator():
    return CHGNetCalculator(use_device="cpu")
'''


#: How the pressure stands in the templates of programs that have one.
_PRESSURE = "PRESSURE = 0.0  # GPa"


def program(name: str, *, pressure: float = 0.0) -> str:
    """A program from the templates, as text.

    Args:
        name: of its file.
        pressure: GPa, under which it relaxes; for programs that can.

    Raises:
        ExportError: this program cannot.
    """
    text = (
        files("gencsp.exporters").joinpath("templates", f"{name}.txt").read_text(encoding="utf-8")
    )
    if pressure and _PRESSURE not in text:
        raise ExportError(f"{name} relaxes without pressure: leave --pressure out.")
    return text.replace(_PRESSURE, f"PRESSURE = {pressure!r}  # GPa")
