"""Every block of code in the documents is run, parsed or read, or says why not."""

from __future__ import annotations

import re
import runpy
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from code_blocks import PAGES, ROOT, Block, blocks, blocks_of, commands
from typer.testing import CliRunner

from gencsp.cli import app
from gencsp.filters import get_filter
from gencsp.filters.deck import FilterDeck
from gencsp.proposers.external.deck import ExternalDeck
from gencsp.runs.decks import SearchDeck
from gencsp.runs.discover_decks import DiscoverDeck
from gencsp.suites.suite import Suite

TUTORIAL = ROOT / "docs" / "tutorial.md"
THIRD_PARTY = ROOT / "tests" / "plugins" / "third_party"
COMMAND = typer.main.get_command(app)

# What makes an example cheap: smaller values of options that it already gives, or that the
# documents name.
SMALLER = (
    (r"\bn=\d+", "n=1"),
    (r"\bbudget=\d+", "budget=2, workers=1"),
    (r"\bguests=", "inpaintings=1, guests="),
)
SMALLER_COMMANDS = {"--budget": "2", "-n": "1"}

OTHER_PROGRAMS = {
    ".", "clang-format", "do", "docker", "done", "export", "for", "kubectl", "mypy", "pip",
    "python3", "ruff", "sbatch",
}  # fmt: skip

# Of MatterGen, Chemeleon and CDVAE.
OPTIONS_OF_OTHERS = {"--sampling_config_name", "--target_compositions"}


def run_here(block: Block, folder: Path) -> None:
    """Run a block of Python as the program that a reader would make of it."""
    code = block.code
    for pattern, smaller in SMALLER:
        code = re.sub(pattern, smaller, code)
    program = folder / "program.py"
    program.write_text(code, encoding="utf-8")
    runpy.run_path(str(program), run_name="__main__")


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize(
    "block",
    [b for b in blocks("python") if b.not_run is None and b.page != TUTORIAL],
    ids=str,
)
def test_python_runs(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_here(block, tmp_path)


@pytest.mark.usefixtures("in_this_process")
def test_the_tutorial_runs_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All but the installation and the cycle, each command on what those before it left."""
    monkeypatch.chdir(tmp_path)
    done = []
    for block in blocks_of(TUTORIAL):
        if block.language == "python":
            capsys.readouterr()
            run_here(block, tmp_path)
            assert re.search(r"^s0000\d \S+ \d\.\d{4}$", capsys.readouterr().out, re.MULTILINE)
        for program, *words in commands(block.code) if block.language == "sh" else ():
            smaller = _smaller(words)
            if program == "gencsp" and words[0] != "cycle" and smaller not in done:
                result = CliRunner().invoke(app, smaller, catch_exceptions=False)
                assert result.exit_code == 0, (words, result.output)
                done.append(smaller)
    assert {words[0] for words in done} == {"info", "search", "status", "propose", "relax"}
    assert (tmp_path / "TiO2" / "run.db").exists()
    assert (tmp_path / "relaxed" / "relaxed.extxyz").exists()


@pytest.mark.parametrize("block", blocks("sh"), ids=str)
def test_commands_exist_with_their_options(block: Block) -> None:
    assert commands(block.code)
    for words in commands(block.code):
        _check(words, block.page.parent)


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_decks_are_read(block: Block, tmp_path: Path) -> None:
    deck = tmp_path / "deck.toml"
    deck.write_text(block.code, encoding="utf-8")
    content = tomllib.loads(block.code)
    if "project" in content:
        assert block.code == (THIRD_PARTY / "pyproject.toml").read_text(encoding="utf-8")
    elif "filters" in content and block.page.stem != "discover":
        for name, options in FilterDeck.read(deck).stages:
            assert get_filter(name, options).name == name
    elif "preset" in content or "command" in content:
        ExternalDeck.read(deck)
    elif block.page.stem == "benchmarks":
        Suite.make(**content)
    elif block.page.stem == "discover":
        DiscoverDeck.make(**content)
    else:
        SearchDeck.make(formula="TiO2", **content)


def test_no_block_is_left_out() -> None:
    known = {"python", "sh", "toml", "text"}
    kinds = {str(b): b.language for page in PAGES for b in blocks_of(page)}
    assert {place: kind for place, kind in kinds.items() if kind not in known} == {}
    fences = sum(
        len(re.findall(r"^ *```", page.read_text(encoding="utf-8"), re.MULTILINE)) for page in PAGES
    )
    assert fences == 2 * len(kinds)


def test_reasons_are_given_to_blocks_that_would_run_otherwise() -> None:
    reasons = [b for page in PAGES for b in blocks_of(page) if b.not_run is not None]
    assert all(b.language == "python" and len(b.not_run or "") > 10 for b in reasons)
    texts = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    # One more: CONTRIBUTING shows the form.
    assert texts.count("<!-- not run: ") == len(reasons) + 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_prose_names_commands_and_options_that_exist(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]
    unknown = []
    for span in spans:
        if span.startswith("gencsp "):
            words = span.split()[1:]
            if not _command_exists(words[0].rstrip(",")):
                unknown.append(span)
        elif span.startswith("--"):
            option = re.split(r"[ =]", span)[0]
            if option not in _OPTIONS | OPTIONS_OF_OTHERS:
                unknown.append(span)
    assert unknown == []


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("gencsp search TiO2 --no-such-option 3", "No such option"),
        ("gencsp serch TiO2", "serch"),
        ("gencsp search TiO2 --budget many", "valid integer"),
        ("gencsp export pool.extxyz seeded --code airss", "--code"),
        ("make tea", "tea"),
        ("python benchmarks/nothing.py", "nothing"),
        ("pytest tests/nothing", "nothing"),
        ("rm -r /", "rm"),
    ],
)
def test_a_wrong_command_would_be_found(line: str, what: str) -> None:
    with pytest.raises(Exception, match=what):
        _check(commands(line)[0], ROOT)


def _check(words: list[str], folder: Path) -> None:
    """Fail where a command names something that is not there; nothing is run."""
    program, *rest = words
    if program == "gencsp":
        _parse(COMMAND, "gencsp", rest)
    elif program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert {word for word in rest if "=" not in word} <= set(targets), words
    elif program == "python":
        assert any((place / rest[0]).is_file() for place in (ROOT, folder)), words
    elif program == "pytest":
        paths = [word for word in rest if word.startswith("tests")]
        assert all((ROOT / path).exists() for path in paths), words
    else:
        assert program in OTHER_PROGRAMS, words


def _parse(command: Any, name: str, words: list[str]) -> None:
    """Read the words as the command line would, options, types and all, without running it."""
    if hasattr(command, "commands"):
        if name == "bench" and words[0] not in command.commands:  # options of its own, or a suite
            words = words if words[0] in _own_options(command) else ["run", *words]
        if words[0] in _own_options(command):
            return
        assert words[0] in command.commands, words
        _parse(_whole(command, words[0]), words[0], words[1:])
    else:
        command.make_context(name, list(words))


def _own_options(group: Any) -> set[str]:
    return {option for parameter in group.params for option in parameter.opts}


def _whole(group: Any, name: str) -> Any:
    """A command with its options, also where the group imports it only when it is called."""
    return group.whole(name) if hasattr(group, "whole") else group.commands[name]


def _command_exists(name: str) -> bool:
    return name in COMMAND.commands or name.startswith("-")  # type: ignore[attr-defined]


def _options(command: Any) -> Iterator[str]:
    for parameter in command.params:
        yield from (*parameter.opts, *parameter.secondary_opts)
    for name in getattr(command, "commands", {}):
        yield from _options(_whole(command, name))


def _smaller(words: list[str]) -> list[str]:
    """The command with a smaller number after options that say how much to do."""
    before = ["", *words]
    made = [SMALLER_COMMANDS.get(b, word) for b, word in zip(before, words, strict=False)]
    return [*made, "--workers", "1"] if words[0] == "search" else made


_OPTIONS = {"--help", *_options(COMMAND)}
