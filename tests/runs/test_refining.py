"""What ``gencsp refine`` shares with the cycle: presets, inpainters, samplers, ladders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from typer.testing import CliRunner

import gencsp
import gencsp.runs.refining
from gencsp.cli import app
from gencsp.errors import DeckError, InpainterError, RequestError
from gencsp.proposers.base import Request
from gencsp.runs.decks import CycleDeck
from gencsp.runs.parts import NamedProposer
from gencsp.runs.pool_decks import RefineDeck
from gencsp.symmetry.ladder import LADDERS

#: Settings that need no model: none of them is changed by what the tests are about.
CHEAP: dict[str, Any] = {"hull": "none", "workers": 1, "steps": 3, "fmax": 5.0, "guests": ["Al"]}
SHARED = sorted(set(RefineDeck.model_fields) & set(CycleDeck.model_fields) - {"out"})


def ordered() -> Atoms:
    """Cu3Al in the order of Cu3Au."""
    atoms = bulk("Cu", cubic=True)
    atoms.symbols[0] = "Al"
    return atoms


def test_what_both_have_is_defined_once() -> None:
    assert {"inpainter", "preset", "ladder", "minimiser", "levels", "resample"} <= set(SHARED)
    of_cycle = CycleDeck.make(formula="Cu3Al", preset="chggen")
    of_refine = RefineDeck.make(preset="chggen")
    for name in set(SHARED) - {"guests"}:
        ours, theirs = (kind.model_fields[name] for kind in (RefineDeck, CycleDeck))
        assert (ours.annotation, ours.description) == (theirs.annotation, theirs.description)
        assert ours.default == theirs.default
        assert getattr(of_refine, name) == getattr(of_cycle, name)
    assert (of_refine.inpainter, of_refine.ladder, of_refine.levels) == ("score", "chggen", 200)
    beside = RefineDeck.make(preset="chggen", inpainter="guest-orbits", levels=9)
    assert (beside.inpainter, beside.levels, beside.minimiser) == ("guest-orbits", 9, "fire")


class _Opened(Exception):
    """A cycle was about to begin."""


def test_the_settings_reach_the_cycle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    def begin(plan: Any, **parts: Any) -> None:
        seen.update(parts, plan=plan)
        raise _Opened

    monkeypatch.setattr(gencsp.runs.refining, "Cycle", begin)
    monkeypatch.chdir(tmp_path)
    ordered().write("cu3al.cif")
    words = "refine cu3al.cif --guests Al --hull none --workers 1 --as chggen --levels 9"
    result = CliRunner().invoke(app, f"{words} --minimiser quasi-newton".split())
    assert isinstance(result.exception, _Opened), result.output
    inpainter, plan = seen["inpainter"], seen["plan"]
    assert isinstance(inpainter, NamedProposer)
    assert str(inpainter.name) == "score"
    assert (inpainter.sampler.resampling, inpainter.sampler.steps) == (3, 9)
    assert (plan.ladder, plan.relax.steps) == (LADDERS["chggen"], 500)
    assert plan.relax.minimiser == "quasi-newton"


def test_an_inpainter_of_a_script_puts_the_guests_back() -> None:
    hosts: list[Atoms] = []

    def own(request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        assert request.host is not None
        hosts.append(request.host.copy())
        for _ in range(request.n):
            whole = request.host.copy()
            whole += Atoms("Al", positions=[whole.cell.sum(axis=0) * rng.uniform(0, 0.01)])
            yield whole

    found = gencsp.refine(ordered(), inpainter=own, inpaintings=2, potential=EMT(), **CHEAP)
    assert {str(host.symbols) for host in hosts} == {"Cu3"}
    assert len(found) == 2
    assert {atoms.info["proposer"] for atoms in found} == {"own"}
    assert {atoms.get_chemical_formula() for atoms in found} == {"AlCu3"}


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"inpainter": "random"}, InpainterError, "cannot put atoms into a host"),
        ({"inpainter": "nope"}, RequestError, "no proposer 'nope'"),
        ({"inpainter": "score:nope=1"}, DeckError, "has no option 'nope'"),
        ({"correctors": 2}, RequestError, "'ddim' has no correctors"),
        ({"minimiser": "nope"}, RequestError, "no minimiser 'nope'"),
        ({"ladder": "steps"}, DeckError, "ladder"),
    ],
)
def test_wrong_settings_are_told_before_anything_is_computed(
    wrong: dict[str, Any], error: type[Exception], says: str
) -> None:
    def potential() -> EMT:
        raise AssertionError("loaded")

    with pytest.raises(error, match=says):
        gencsp.refine(ordered(), potential=potential, **{**CHEAP, **wrong})
