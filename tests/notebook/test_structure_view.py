"""Crystals in three dimensions: what is accepted, and what a browser draws in the frame."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from browser import DRAWN, LONGEST, chromium
from page_material import HOSTILE
from pymatgen.core import Lattice, Structure

from gencsp.errors import WrongTypeError
from gencsp.minimise.result import Outcome, Relaxed
from gencsp.notebook import view

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Frame

SALT = bulk("NaCl", "rocksalt", a=5.64)


class Element(HTMLParser):
    """The one element that a text of HTML is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.all.append((tag, dict(attrs)))


def named(text: str) -> Atoms:
    atoms = SALT.copy()
    atoms.info |= {"structure_id": text, "space_group": text}
    return atoms


@pytest.mark.parametrize("text", HOSTILE)
def test_a_frame_of_its_own_that_text_does_not_leave(text: str) -> None:
    shown = view(named(text))
    ((tag, attributes),) = Element(shown._repr_html_()).all
    assert tag == "iframe"
    assert attributes["sandbox"] == "allow-scripts", "no origin in common with the notebook"
    assert attributes["srcdoc"] == shown.page()
    assert "src" not in attributes
    assert "default-src 'none'" in shown.page()
    assert "\n" not in repr(shown)


def test_structures_of_others_are_taken() -> None:
    structure = Structure(Lattice.cubic(3.9), ["Sr", "Ti"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    shown = view(structure).atoms
    assert shown.get_chemical_symbols() == ["Sr", "Ti"]
    assert shown.cell.lengths() == pytest.approx([3.9] * 3)
    assert shown.get_scaled_positions()[1] == pytest.approx([0.5] * 3)
    assert shown.pbc.all()
    charged = structure.copy()
    charged.add_oxidation_state_by_element({"Sr": 2, "Ti": 4})
    assert view(charged).atoms.get_chemical_symbols() == ["Sr", "Ti"]
    relaxed = Relaxed(
        index=0, atoms=named("a"), energy=-6.8, enthalpy=-6.8, fmax=0.0, stress=np.zeros(6),
        steps=0, outcome=Outcome.CONVERGED,
    )  # fmt: skip
    assert view(relaxed).atoms is relaxed.atoms
    assert repr(view(relaxed)) == "<StructureView: NaCl, a, 2 atoms, a>"
    view(molecule("H2O"))._repr_html_()


def test_what_cannot_be_shown_is_refused() -> None:
    mixed = Structure(Lattice.cubic(3.9), [{"Sr": 0.5, "Ba": 0.5}], [[0, 0, 0]])
    with pytest.raises(WrongTypeError, match=r"partly occupied .*gencsp\.order"):
        view(mixed)
    wrongs: tuple[Any, ...] = ("TiO2", None, [SALT])
    for wrong in wrongs:
        with pytest.raises(WrongTypeError, match=r"give an ase\.Atoms or a pymatgen Structure"):
            view(wrong)
    for empty in (Atoms(), Atoms("X")):
        with pytest.raises(WrongTypeError, match="nothing to show"):
            view(empty)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


class InNotebook:
    """A view in a page that stands for a notebook."""

    def __init__(self, browser: Browser, atoms: Atoms, folder: Path) -> None:
        path = folder / "notebook.html"
        html = view(atoms)._repr_html_()
        path.write_text(f"<!DOCTYPE html><meta charset='utf-8'>{html}", encoding="utf-8")
        self.page = browser.new_page(offline=True)
        self.page.set_default_timeout(1000 * LONGEST)
        self.said: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("console", lambda m: self.said.append(m.text) if m.type == "error" else None)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.frame: Frame = self.page.frames[1]
        self.frame.wait_for_function("() => window.gencspReport && window.gencspReport.ready")
        self.requests.remove(path.as_uri())


#: How many colours are on the canvas, right after it was drawn.
COLOURS = f"""() => {{
  window.gencspReport.draw();
  return ({DRAWN})("#viewer");
}}"""


def test_a_browser_draws_the_crystal_without_a_network(browser: Browser, tmp_path: Path) -> None:
    atoms = named(HOSTILE[0])
    atoms.info |= {"space_group": "Fm-3m", "space_group_number": 225, "energy_per_atom": -3.4}
    shown = InNotebook(browser, atoms, tmp_path)
    assert shown.frame.evaluate(COLOURS) > 50
    facts = shown.frame.inner_text("#facts")
    assert facts.startswith("NaCl · Fm-3m (225) · E -3.4000 eV/atom · 22.43 Å³/atom · ")
    choices = shown.frame.eval_on_selector_all("#cell option", "all => all.map((o) => o.value)")
    assert choices == ["as computed", "conventional", "primitive"]
    shown.frame.select_option("#cell", "conventional")
    shown.frame.select_option("#repeats", "2")
    shown.frame.check("#polyhedra")
    assert shown.frame.evaluate(COLOURS) > 50
    assert shown.frame.inner_text("#legend").split() == ["Cl", "Na"]
    assert shown.said == []
    assert shown.requests == []
    # The frame is apart: neither can look into the other.
    assert shown.frame.evaluate("() => window.origin") == "null"
    shown.page.close()


def test_the_legend_and_menus_do_not_cover_the_crystal(browser: Browser, tmp_path: Path) -> None:
    shown = InNotebook(browser, SALT, tmp_path)
    parts = [shown.frame.locator(one) for one in ("#facts", "#viewer", ".tools")]
    boxes = [box for one in parts if (box := one.bounding_box()) is not None]
    tops = [box["y"] for box in boxes]
    bottoms = [box["y"] + box["height"] for box in boxes]
    assert len(boxes) == 3
    assert bottoms[0] <= tops[1] + 0.5
    assert bottoms[1] <= tops[2] + 0.5
    frame = shown.page.locator("iframe").bounding_box()
    assert frame is not None
    assert bottoms[2] <= frame["y"] + frame["height"]
    shown.page.close()
