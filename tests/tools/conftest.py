"""The scripts of ``tools/`` are importable here as they are beside each other."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
