"""Sets of files: replaced as a whole, whatever lies beside them and whenever a run is killed."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gencsp.errors import StoreError
from gencsp.files import OUTPUTS, csv_cell, file_name, one_line, replace_outputs

FIRST = {"cif/001-a.cif": "1", "cif/002-b.cif": "1", "pool.extxyz": "1", "summary.json": "1"}
SECOND = {"cif/001-b.cif": "2", "plots/x.png": "2", "pool.extxyz": "2", "summary.json": "2"}
#: What somebody else keeps in the same folder.
FOREIGN = {"cif/mine.cif": "mine", "run.db": "a run"}


def write(folder: Path, files: dict[str, str], name: str = "pool") -> None:
    with replace_outputs(folder, name, last="summary.json") as new:
        fill(new, files)


def fill(folder: Path, files: dict[str, str]) -> None:
    for file, text in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)


def write_and_fail(folder: Path) -> None:
    with replace_outputs(folder, "pool") as new:
        fill(new, SECOND)
        raise StoreError("the disk is full.")


def held(folder: Path) -> dict[str, str]:
    """Every file that is not hidden, with its text."""
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and not path.relative_to(folder).parts[0].startswith(".")
    }


def test_a_second_run_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    fill(tmp_path, FOREIGN)
    write(tmp_path, FIRST)
    assert held(tmp_path) == FIRST | FOREIGN
    write(tmp_path, SECOND)
    assert held(tmp_path) == SECOND | FOREIGN
    write(tmp_path, {"summary.json": "3"})
    assert held(tmp_path) == {"summary.json": "3"} | FOREIGN
    assert not (tmp_path / "plots").exists()


def test_a_file_of_somebody_else_under_the_same_name_is_kept(tmp_path: Path) -> None:
    for text in ("mine", "mine too"):
        (tmp_path / "cif").mkdir(exist_ok=True)
        (tmp_path / OUTPUTS).unlink(missing_ok=True)
        (tmp_path / "cif" / "001-a.cif").write_text(text)
        write(tmp_path, {"cif/001-a.cif": "ours"})
    write(tmp_path, {"cif/001-a.cif": "ours again"})
    kept = {"cif/001-a.cif.old": "mine", "cif/001-a.cif.old2": "mine too"}
    assert held(tmp_path) == {"cif/001-a.cif": "ours again"} | kept


def test_sets_of_one_folder_leave_each_other_alone(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "1", "both.txt": "1"}, "one")
    write(tmp_path, {"b.txt": "1", "both.txt": "2"}, "two")
    write(tmp_path, {}, "one")
    assert held(tmp_path) == {"b.txt": "1", "both.txt": "2"}


@pytest.mark.skipif(sys.platform == "win32", reason="fork")
def test_killed_at_any_moment(tmp_path: Path) -> None:
    """What is called whole is whole, and the next run clears up."""
    moment, killed = 0, True
    while killed:
        folder = tmp_path / str(moment)
        folder.mkdir()
        fill(folder, FOREIGN)
        write(folder, FIRST)
        killed = _dies_at(moment, folder)
        there = held(folder)
        assert there.items() >= FOREIGN.items()
        ours = {file: text for file, text in there.items() if file not in FOREIGN}
        whole = json.loads((folder / OUTPUTS).read_text())["pool"]
        if whole["complete"]:
            assert ours in (FIRST, SECOND)
            assert set(whole["files"]) == set(ours)
        if "summary.json" in ours:
            generation = FIRST if ours["summary.json"] == "1" else SECOND
            assert ours.items() >= generation.items()
        write(folder, SECOND)
        assert held(folder) == SECOND | FOREIGN
        moment += 1
    assert moment > 10


def _dies_at(moment: int, folder: Path) -> bool:
    """Write the second set in a process that is gone before its n-th change of the folder."""
    child = os.fork()
    if child == 0:
        changes = 0

        def watched(event: str, _: tuple[object, ...]) -> None:
            nonlocal changes
            if event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree"):
                changes += 1
                if changes > moment:
                    os._exit(9)

        sys.addaudithook(watched)
        write(folder, SECOND)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_what_fails_before_the_end_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, FIRST)
    with pytest.raises(StoreError, match="full"):
        write_and_fail(tmp_path)
    assert held(tmp_path) == FIRST
    missing = tmp_path / "a" / "b"
    with pytest.raises(StoreError, match="full"):
        write_and_fail(missing)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("blocked", ["cif", "pool.extxyz"])
def test_what_is_in_the_way_is_told_before_anything_is_changed(
    tmp_path: Path, blocked: str
) -> None:
    if blocked == "cif":
        (tmp_path / blocked).write_text("a file")
    else:
        (tmp_path / blocked).mkdir()
    with pytest.raises(StoreError, match="is in the way of the results"):
        write(tmp_path, FIRST)
    assert [p.name for p in tmp_path.iterdir() if p.name[0] != "."] == [blocked]


@pytest.mark.parametrize(
    "listed",
    [["../mine"], ["/etc/hosts"], ["link/mine"], "text", [3], [""], ["a\0b"], None],
)
def test_a_list_of_others_removes_nothing_outside(tmp_path: Path, listed: object) -> None:
    outside, folder = tmp_path / "mine", tmp_path / "results"
    outside.write_text("mine")
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path, target_is_directory=True)
    (folder / OUTPUTS).write_text(json.dumps({"pool": {"complete": True, "files": listed}}))
    write(folder, FIRST)
    assert outside.read_text() == "mine"


def test_two_commands_at_once(tmp_path: Path) -> None:
    with replace_outputs(tmp_path, "one") as new:
        fill(new, {"a": "1"})
        with pytest.raises(StoreError, match="another command writes"):
            write(tmp_path, FIRST)
    assert held(tmp_path) == {"a": "1"}
    sqlite3.connect(tmp_path / ".gencsp-outputs.lock").close()


@given(st.text(max_size=400))
def test_names_of_files(text: str) -> None:
    name = file_name(text)
    assert 0 < len(name.encode()) <= 120
    assert name == file_name(name)
    assert "/" not in name
    assert name[0] != "."
    assert name.isprintable()


def test_long_and_odd_ids_keep_names_apart() -> None:
    odd = ["a/b", "a_b", "a\nb", "x" * 300, "x" * 301, "", "..", "é"]
    assert len({file_name(text) for text in odd}) == len(odd)
    assert file_name("TiO2-random-0.0001") == "TiO2-random-0.0001"


def test_text_of_others_is_one_cell_on_one_line() -> None:
    assert one_line("a\nb\0c\x1b[31md") == "a b c [31md"
    for text in ("=1+1", "+1", "-1", "@x", "\t=1"):
        assert str(csv_cell(text)).lstrip(" ")[0] not in "=+-@"
    assert csv_cell(-1.5) == -1.5
    assert csv_cell("mp-1") == "mp-1"
