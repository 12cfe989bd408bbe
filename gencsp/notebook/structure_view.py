"""A crystal in three dimensions, in a notebook."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Any

from ase import Atoms

from gencsp import records
from gencsp.errors import WrongTypeError
from gencsp.files import one_line
from gencsp.minimise.result import Relaxed
from gencsp.records.structure_list import cell_formula
from gencsp.report.model import Report
from gencsp.report.page import STRUCTURE, page
from gencsp.report.structures import structure

if TYPE_CHECKING:
    from pymatgen.core import Structure

#: Size of a view, pixels.
WIDTH, HEIGHT = 560, 420


class StructureView:
    """A structure that a notebook shows in three dimensions; see :func:`view`.

    Args:
        atoms: the structure.

    Attributes:
        atoms: the structure.
    """

    def __init__(self, atoms: Atoms) -> None:
        self.atoms = atoms

    def __repr__(self) -> str:
        """The structure in a line, as a terminal shows it."""
        info = self.atoms.info
        group = str(info.get(records.SPACE_GROUP, ""))
        identity = str(info.get(records.STRUCTURE_ID, ""))
        parts = (cell_formula(self.atoms), group, f"{len(self.atoms)} atoms", identity)
        return one_line(f"<StructureView: {', '.join(filter(None, parts))}>")

    def _repr_html_(self) -> str:
        # The frame has an origin of its own: nothing in it reaches the notebook around it.
        return (
            f'<iframe srcdoc="{escape(self.page())}" sandbox="allow-scripts" '
            f'title="{escape(repr(self))}" width="{WIDTH}" height="{HEIGHT}" '
            f'style="border: 1px solid #cbd2d9; max-width: 100%"></iframe>'
        )

    def page(self) -> str:
        """The page in the frame: one file of HTML that loads nothing from elsewhere.

        Raises:
            ReportError: a part of it is missing from the installation.
        """
        shown = replace(structure(self.atoms), formula=cell_formula(self.atoms))
        pressed = records.stated_pressure(self.atoms.info)
        report = Report(
            title=shown.formula,
            kind="structure",
            place="",
            structures=(shown,),
            symbol="H" if pressed else "E",
        )
        return page(report, STRUCTURE)


def view(atoms: Atoms | Structure | Relaxed) -> StructureView:
    """Show a structure in three dimensions, where it ends a cell of a notebook.

    As of ``ase.visualize.view`` it is a call with the structure, and as in Crystal Toolkit atoms
    have Jmol's colours and those on the faces of the cell are drawn on both. It can be turned with
    the mouse, and shown in its conventional and primitive cells, as 8 or 27 cells, with bonds and
    polyhedra. The 3Dmol.js that ships with gencsp draws it; nothing is loaded from the network.
    Each view takes 0.6 MB in the file of the notebook. Outside of a notebook nothing is drawn.

    Args:
        atoms: a structure of ASE or pymatgen, or the result of a relaxation.

    Raises:
        WrongTypeError: it is none, or its sites are partly occupied, or of no element.
    """
    if isinstance(atoms, Relaxed):
        atoms = atoms.atoms
    given = atoms if isinstance(atoms, Atoms) else _of_pymatgen(atoms)
    if not len(given) or not given.numbers.all():
        raise WrongTypeError("there is nothing to show: give a structure of atoms of elements.")
    return StructureView(given)


def _of_pymatgen(given: Any) -> Atoms:
    from pymatgen.core import IStructure

    if not isinstance(given, IStructure):
        raise WrongTypeError(
            f"the structure is a {type(given).__name__}: give an ase.Atoms or a pymatgen Structure."
        )
    if not given.is_ordered:
        raise WrongTypeError(
            "the structure has partly occupied sites: gencsp.order makes ordered cells of a CIF."
        )
    return Atoms(
        [site.specie.symbol for site in given],
        positions=given.cart_coords,
        cell=given.lattice.matrix,
        pbc=given.lattice.pbc,
    )
