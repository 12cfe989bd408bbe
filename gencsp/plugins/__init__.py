"""The registry of everything found by name: proposers, moves, strategies, filters and more.

A plug-in is one class whose fields are its options. It is found through an entry point, and
gencsp's own plug-ins are found in the same way as those of other packages::

    [project.entry-points."gencsp.moves"]
    twist = "my_package:Twist"

The class derives from :class:`Configured`, mostly through the base of its contract, such as
``gencsp.searches.moves.ConfiguredMove``. Its options are checked fields:

    class Twist(ConfiguredMove):
        name = "twist"
        angle: float = Field(30.0, gt=0, description="Largest angle, degrees.")

They are given as a table in a deck (``{name = "twist", angle = 20}``), or as text where only text
can be given (``twist:angle=20``). ``docs/extending.md`` builds one plug-in of each kind.
"""

from gencsp.plugins.choice import Choice, split_plugins
from gencsp.plugins.configured import Configured
from gencsp.plugins.registry import Registry, plugin_names

__all__ = ["Choice", "Configured", "Registry", "plugin_names", "split_plugins"]
