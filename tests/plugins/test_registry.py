"""The registry: ours through the same door, and what is said of a package that is at fault."""

from __future__ import annotations

import pickle
import subprocess
import sys
from importlib import invalidate_caches
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugin_packages import all_registries, refresh

from gencsp.errors import DeckError, PluginError, RequestError
from gencsp.plugins import Choice, plugin_names, split_plugins
from gencsp.proposers.base import PROPOSERS
from gencsp.searches.moves import MOVES, get_move
from gencsp.searches.moves.base import ConfiguredMove


def package(folder: Path, name: str, text: str, points: str) -> None:
    """An installed package: a module, and the metadata that an installer leaves."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(text)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points)


MOVE = """
from gencsp.searches.moves import ConfiguredMove
class Mine(ConfiguredMove):
    name = "mine"
    def __call__(self, parents, *, rng, tools):
        return None
class Rattle(Mine):
    name = "rattle"
class Mute(ConfiguredMove):
    name = "mute"
def function():
    return Mine()
"""


@pytest.mark.parametrize(
    ("point", "says"),
    [
        ("mine = absent:Mine", "move 'mine' of the package 'theirs' cannot be loaded .*absent"),
        ("mine = theirs:Missing", "'mine' of the package 'theirs' cannot be loaded .*Missing"),
        ("mine = theirs:function", "package 'theirs' is no plug-in: .* is a function, and no cla"),
        ("other = theirs:Mine", "package 'theirs' calls itself the move 'mine'"),
        ("mute = theirs:Mute", "of the package 'theirs' makes a Mute that has no '__call__'"),
        ("rattle = theirs:Rattle", "packages 'gencsp' and 'theirs' both offer a move 'rattle'"),
    ],
)
def test_a_package_at_fault_is_named(
    point: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(tmp_path / "site", "theirs", MOVE, f"[gencsp.moves]\n{point}\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "theirs", raising=False)
    refresh()
    try:
        name = point.partition(" ")[0]
        assert name in MOVES.names()
        with pytest.raises(PluginError, match=says) as caught:
            get_move(name)
        assert "\n" not in str(caught.value)
        assert get_move("strain").name == "strain"
    finally:
        monkeypatch.undo()
        invalidate_caches()
        refresh()


def test_every_plug_in_of_ours_loads_and_has_the_name_of_its_entry_point() -> None:
    for registry in all_registries():
        assert registry.names()
        for name in registry.names():
            found = registry.get(name)
            assert found.name == name
            assert found.__doc__


def test_finding_names_loads_nothing_heavy() -> None:
    code = (
        "import sys; from gencsp.plugins import Registry; "
        "Registry('gencsp.moves', kind='move', contract=object).names(); "
        "print({'torch', 'numpy', 'ase', 'pymatgen', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_what_can_be_written_of_a_choice() -> None:
    assert Choice.read("chgnet:r2scan") == Choice("chgnet", value="r2scan")
    assert Choice.read("a:x=1,y=[1, 2],z={k = 3}").options == {"x": "1", "y": [1, 2], "z": {"k": 3}}
    assert Choice.read({"name": "a", "x": 1}) == Choice.of("a", {"x": 1})
    assert Choice.read("parsl:/a/b=c.py").value == "/a/b=c.py"
    assert split_plugins("rattle:least=0.1,most=0.3, strain") == (
        "rattle:least=0.1,most=0.3",
        "strain",
    )
    one = Choice.of("a", {"x": 1, "y": [2]})
    assert pickle.loads(pickle.dumps(one)) == one
    assert hash(one) == hash(Choice.of("a", {"y": [2], "x": 1}))
    with pytest.raises(RequestError, match="needs a 'name'"):
        Choice.read({"amplitude": 1})
    with pytest.raises(RequestError, match="write KEY=VALUE,KEY=VALUE"):
        Choice.read("a:x=1,y")
    with pytest.raises(RequestError, match="cannot be read"):
        Choice.read("a:x=[1")
    with pytest.raises(RequestError, match="no move 'rattle:3': 'rattle' takes nothing but named"):
        get_move("rattle:3")
    with pytest.raises(DeckError, match="option 'most' of the move 'rattle' is 'far'"):
        get_move("rattle:most=far")


WORDS = st.text(st.characters(categories=["L", "N"], include_characters=" ./_-"), max_size=8)
VALUES = st.recursive(
    st.integers(-99, 99) | st.booleans() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)


@given(options=st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), VALUES, max_size=3))
def test_what_is_written_is_read_again(options: dict[str, object]) -> None:
    """Numbers come back as text where they stand alone: the type of the option tells them apart."""
    again = Choice.read(str(Choice.of("plug", options))).options
    for key, value in options.items():
        if isinstance(value, list | dict):
            assert again[key] == value
        else:
            assert again[key] == str(value)


def written(move: str) -> str:
    made = get_move(move)
    assert isinstance(made, ConfiguredMove)
    return made.text


def test_the_manifest_tells_options_that_differ() -> None:
    assert written("rattle") == "rattle"
    assert written("rattle:most=0.5") == "rattle:most=0.5"
    assert written("rattle:most=0.6") == "rattle"


def test_the_names_of_a_group_are_those_of_its_registry() -> None:
    assert plugin_names("gencsp.proposers") == PROPOSERS.names()
    assert plugin_names("gencsp.no-such-group") == ()
