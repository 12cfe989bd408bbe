"""Whether code runs in a notebook, and a place in the output of its cell."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any


def in_notebook() -> bool:
    """Whether this is a cell of a notebook, whose output can be replaced.

    IPython is asked only where something has imported it, as every notebook has. Google Colab's
    shell is one of Jupyter's; IPython in a terminal is not.
    """
    module = sys.modules.get("IPython")
    shell = None if module is None else module.get_ipython()
    return any(kind.__name__ == "ZMQInteractiveShell" for kind in type(shell).__mro__)


class Area:
    """A place in the output of a cell; what is shown takes the place of what was there."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(
        self, data: Mapping[str, str], metadata: Mapping[str, Mapping[str, int]] | None = None
    ) -> None:
        """Show something in the forms of :func:`IPython.display.display`.

        Args:
            data: by MIME types; pictures in base 64.
            metadata: by MIME types, such as the width of a picture.
        """
        from IPython.display import display

        how: dict[str, Any] = {"metadata": dict(metadata or {}), "raw": True}
        if self._handle is None:
            self._handle = display(dict(data), display_id=True, **how)
        else:
            self._handle.update(dict(data), **how)
