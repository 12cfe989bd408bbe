"""Programs that go into the folder of an export, for codes that are run as Python programs."""

from __future__ import annotations

from importlib.resources import files

#: The calculator of every such program: one file to change.
CALCULATOR = '''"""The calculator of this search: change it as you like."""

from chgnet.model.dynamics import CHGNetCalculator


def calculator():
    return CHGNetCalculator(use_device="cpu")
'''


def program(name: str) -> str:
    """A program from the templates, as text."""
    return (
        files("gencsp.exporters").joinpath("templates", f"{name}.txt").read_text(encoding="utf-8")
    )
