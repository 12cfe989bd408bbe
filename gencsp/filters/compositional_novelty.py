"""Filter B: compositions that no reference crystal has.

Source: PIGEN, Fig. 4b. As in the example of the paper (RbErO2 is known, Rb2Er4O7 is new) it is the
reduced formula that counts, not the set of its elements. The default reference is OQMD-ICSD (card:
``gencsp/data/filters.md``); the paper's is the training set of its models.
"""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path
from typing import ClassVar

from ase import Atoms
from pydantic import Field

from gencsp.composition import Composition
from gencsp.errors import CompositionError, StructureFileError
from gencsp.filters.base import ConfiguredFilter, Verdict
from gencsp.io.content import decode, read_bytes
from gencsp.shipped import shipped_bytes


class CompositionalNovelty(ConfiguredFilter):
    """B: passes a structure whose reduced formula is not in the reference.

    The value is 1 for a new formula and 0 for a known one.
    """

    name: ClassVar[str] = "compositional_novelty"
    quantity: ClassVar[str] = "new formula (0 or 1)"

    reference: Path | None = Field(
        None,
        description="Text file of formulas, one a line (also .gz); OQMD-ICSD if not given.",
    )

    def judge(self, atoms: Atoms) -> Verdict:
        """See :class:`~gencsp.filters.base.Filter`.

        Raises:
            StructureFileError: the file of formulas cannot be read.
        """
        known = Composition.of(atoms).formula_key in reference_formulas(self.reference)
        return self.verdict(float(not known), (1.0, 1.0))


@cache
def reference_formulas(path: Path | None = None) -> frozenset[str]:
    """Known formulas, spelled as :attr:`.Composition.formula_key` spells them.

    They are read from a file, or from the list that ships with gencsp where it is ``None``.

    Raises:
        StructureFileError: the file is missing or empty, or a line is no formula.
    """
    if path is None:
        known = gzip.decompress(shipped_bytes("reference_formulas.txt.gz"))
        return frozenset(known.decode().split())
    text = decode(read_bytes(path))
    try:
        keys = frozenset(Composition.parse(line).formula_key for line in text.split())
    except CompositionError as error:
        raise StructureFileError(f"{path} is not a list of formulas: {error}") from error
    if not keys:
        raise StructureFileError(f"{path} holds no formulas: write one a line.")
    return keys
