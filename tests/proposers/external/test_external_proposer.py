"""An external generator: its files read as they appear, its failures survived and told."""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from gencsp.composition import Composition
from gencsp.descriptors.flaws import Flaw
from gencsp.errors import DeckError, ProgramError, RequestError
from gencsp.proposers import Request, get_proposer, propose
from gencsp.proposers.checks import WRONG_COMPOSITION
from gencsp.proposers.external.deck import ExternalDeck
from gencsp.proposers.external.proposer import UNREADABLE, ExternalProposer

STAND_IN = Path(__file__).parent / "stand_in_generator.py"
NACL = Composition.parse("NaCl")


def deck(behaviour: str, **settings: object) -> ExternalDeck:
    command = ["python", str(STAND_IN), behaviour, "{out}", "{n}", "{batch}", "{formula}", "{seed}"]
    told = {"output": ["c*.cif"], "launches": 1, "retries": 1, **settings}
    return ExternalDeck.make(command=command, **told)


def asked(proposer: ExternalProposer, n: int = 3, units: tuple[int, ...] = (1,)) -> list[Atoms]:
    request = Request(composition=NACL, n=n, units=units)
    return list(proposer.propose(request, rng=np.random.default_rng(0)))


@pytest.fixture(autouse=True)
def folders_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test starts names a folder in ``tmp_path``, to tell it by."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def left_running(place: Path) -> list[str]:
    """Command lines of the stand-in and of what it started, with a folder in ``place``."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(place) in line:
            found.append(line)
    return found


def test_structures_with_provenance() -> None:
    found = asked(ExternalProposer(deck("fine", model="weights-1", name="mine")))
    assert [a.get_chemical_formula() for a in found] == ["ClNa"] * 3
    np.testing.assert_allclose([a.cell.lengths()[0] for a in found], [4.0, 4.01, 4.02])
    assert {(a.info["proposer"], a.info["model"]) for a in found} == {("mine", "weights-1")}


def test_cells_of_several_sizes_are_launched_one_by_one() -> None:
    found = asked(ExternalProposer(deck("fine")), n=6, units=(1, 2))
    assert len(found) == 6
    assert {len(a) for a in found} == {2, 4}


def test_read_while_it_runs(tmp_path: Path) -> None:
    proposer = ExternalProposer(deck("stops half way", output=["all.extxyz"], keep=tmp_path))
    request = Request(composition=NACL, n=4)
    made = proposer.propose(request, rng=np.random.default_rng(0))
    assert next(made).get_chemical_formula() == "ClNa"
    # The first is there before the program has made all; closing the iterator ends it.
    assert len(left_running(tmp_path)) == 1
    del made
    assert left_running(tmp_path) == []
    assert not list(tmp_path.glob("*/out-1/finished"))
    assert len(asked(ExternalProposer(deck("slowly", output=["all.extxyz"])), n=4)) == 4


def test_hangs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    proposer = ExternalProposer(deck("hangs", seconds=6, retries=0))
    begun = time.monotonic()
    with caplog.at_level(logging.WARNING):
        assert len(asked(proposer)) == 1
    # The program itself would take 600 s.
    assert time.monotonic() - begun < 300
    assert "not done after 6 s" in caplog.text
    assert left_running(tmp_path) == []


def test_falls_silent(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        asked(ExternalProposer(deck("hangs", silence=1.0, retries=0)))
    assert "wrote nothing for 1 s" in caplog.text
    assert left_running(tmp_path) == []


def test_dies_half_way_and_is_started_again(caplog: pytest.LogCaptureFixture) -> None:
    proposer = ExternalProposer(deck("dies once", output=["all.extxyz"]))
    with caplog.at_level(logging.WARNING):
        found = asked(proposer)
    # One whole frame of the first attempt, the cut one dropped, the rest of the second.
    np.testing.assert_allclose([a.cell.lengths()[0] for a in found], [4.0, 4.05, 4.06])
    assert proposer.rejected == {UNREADABLE: 1}
    assert "ended with status 1 (Segmentation fault, more or less)" in caplog.text


def test_dies_for_good(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert asked(ExternalProposer(deck("dies", retries=2, launches=5))) == []
    assert caplog.text.count("no CUDA GPUs are available") == 3  # attempts, and no other launch


def test_out_of_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    proposer = ExternalProposer(deck("memory", batch=8, retries=3, keep=tmp_path))
    with caplog.at_level(logging.WARNING):
        assert len(asked(proposer, n=8)) == 8
    assert len(list(tmp_path.glob("*/out-*"))) == 3  # batches of 8, 4, 2
    assert "out of memory" in caplog.text


def test_killed_for_its_memory(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert asked(ExternalProposer(deck("killed", batch=1, retries=3)), n=1) == []
    assert "out of memory for a single structure" in caplog.text


def test_leaves_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert asked(ExternalProposer(deck("nothing"))) == []
    assert caplog.text.count("left no output (0 structures were generated)") == 2


def test_writes_garbage() -> None:
    proposer = ExternalProposer(deck("garbage"))
    assert len(asked(proposer, n=9)) == 1
    assert proposer.rejected == {UNREADABLE: 4}
    frames = ExternalProposer(deck("garbage frames", output=["all.extxyz"]))
    assert len(asked(frames, n=9)) == 1
    assert frames.rejected == {UNREADABLE: 1}


def test_another_composition_is_counted_and_dropped() -> None:
    proposer = ExternalProposer(deck("off"))
    found = asked(proposer, n=9)
    assert [a.get_chemical_formula() for a in found] == ["ClNa"] * 2
    assert proposer.rejected == {WRONG_COMPOSITION: 3, Flaw.TOO_CLOSE: 1}
    assert proposer.failures == 4


def test_missing_ones_are_asked_for_again(tmp_path: Path) -> None:
    proposer = ExternalProposer(deck("off", launches=3, keep=tmp_path))
    assert len(asked(proposer, n=5)) == 5
    seeds = {path.read_text() for path in tmp_path.glob("*/out-1/seed.txt")}
    assert len(seeds) == 3


@pytest.mark.parametrize("limit", [0.01])
def test_fills_the_disk(tmp_path: Path, limit: float, caplog: pytest.LogCaptureFixture) -> None:
    proposer = ExternalProposer(deck("fills the disk", disk_gb=limit, retries=5, keep=tmp_path))
    with caplog.at_level(logging.WARNING):
        assert asked(proposer) == []
    assert "wrote more than 0.01 GB" in caplog.text
    assert len(list(tmp_path.glob("*/out-*"))) == 1  # no second try
    assert left_running(tmp_path) == []


def test_no_space_left(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert asked(ExternalProposer(deck("no space", retries=5, keep=tmp_path))) == []
    assert "no space left on the device" in caplog.text
    assert len(list(tmp_path.glob("*/out-*"))) == 1


def test_nothing_is_left_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    asked(ExternalProposer(deck("dies", retries=0)))
    assert list(tmp_path.iterdir()) == []


def test_the_same_generator_gives_the_same_seed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        asked(ExternalProposer(deck("fine", keep=tmp_path / name)))
    texts = [next((tmp_path / n).glob("*/out-1/seed.txt")).read_text() for n in ("a", "b")]
    assert texts[0] == texts[1]


def test_an_environment_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its programs come first, and our Python's variables do not reach it."""
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "generate"
    program.write_text(
        f'#!/bin/sh\necho "$PYTHONPATH|$VIRTUAL_ENV|$EXTRA" > "$2/said.txt"\n'
        f'exec python "{STAND_IN}" "$@"\n'
    )
    program.chmod(0o755)
    settings = ExternalDeck.make(
        command=["generate", "fine", "{out}", "{n}", "{batch}", "{formula}", "0"],
        output=["c*.cif"],
        environment=tmp_path,
        variables={"EXTRA": "{formula}"},
        keep=tmp_path / "kept",
    )
    assert len(asked(ExternalProposer(settings))) == 3
    said = next((tmp_path / "kept").glob("*/out-1/said.txt")).read_text().strip()
    assert said == f"|{tmp_path}|Na1Cl1"


def test_by_name_and_by_deck(tmp_path: Path) -> None:
    words = ["python", str(STAND_IN), "fine", "{out}", "{n}", "{batch}", "{formula}", "{seed}"]
    path = tmp_path / "rock salt.toml"
    path.write_text(f'command = {json.dumps(words)}\noutput = ["c*.cif"]\n')
    found = list(propose("NaCl", n=2, max_atoms=2, proposer=str(path)))
    assert [a.info["structure_id"] for a in found] == [f"NaCl-rock salt-0-0000{k}" for k in (0, 1)]
    assert {a.info["proposer"] for a in found} == {"rock salt"}
    with pytest.raises(RequestError, match="needs a deck"):
        get_proposer("external")
    path.write_text('command = ["no-such-generator", "{out}"]\noutput = ["*.cif"]\n')
    with pytest.raises(ProgramError, match="there is no program 'no-such-generator': install it"):
        get_proposer(str(path))


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "name a preset, or give both"),
        ({"preset": "matter"}, "no preset 'matter': choose from mattergen"),
        ({"preset": "mattergen-csp"}, "this command needs 'model'"),
        ({"command": ["x", "{place}"], "output": ["*"]}, "'{place}' is no placeholder"),
        ({"command": ["x"], "output": ["../*"]}, "inside {out} only"),
        ({"command": ["x"], "output": ["*"], "second": 1}, "unknown key 'second'"),
        ({"preset": "chemeleon", "seconds": -1}, "greater than 0"),
    ],
)
def test_wrong_decks(settings: dict[str, object], problem: str) -> None:
    with pytest.raises(DeckError) as error:
        ExternalDeck.make(**settings)
    assert problem in str(error.value)


def test_what_it_cannot_be_told() -> None:
    proposer = ExternalProposer(deck("fine"))
    rng = np.random.default_rng(0)
    host = Atoms("Na", cell=[3, 3, 3], pbc=True)
    for change in ({"host": host}, {"cell": host.cell}, {"space_groups": (225,)}):
        with pytest.raises(RequestError):
            proposer.propose(Request(composition=NACL, n=1, **change), rng=rng)


def test_names_for_shells_reach_no_shell(tmp_path: Path) -> None:
    place = tmp_path / "$(touch x) `touch y` \"a\" [b]; 'c'"
    place.mkdir()
    settings = deck("fine", keep=place, arguments=[])
    before = set(os.listdir())
    assert len(asked(ExternalProposer(settings))) == 3
    assert set(os.listdir()) == before
