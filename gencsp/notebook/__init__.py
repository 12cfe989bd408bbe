"""gencsp in Jupyter: progress with a live plot, tables of structures, crystals in 3D.

Nothing here needs a notebook: elsewhere progress is lines of text, and a view says in a line what
it is of.
"""

from gencsp.notebook.structure_view import StructureView, view
from gencsp.notebook.structures import table
from gencsp.notebook.watch import Watch, watching

__all__ = ["StructureView", "Watch", "table", "view", "watching"]
