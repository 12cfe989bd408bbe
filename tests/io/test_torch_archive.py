"""Files of torch.save read without torch, against torch.load."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gencsp.io.torch_archive import READ_ERRORS, UnknownContentError, read_archive


@settings(max_examples=30, deadline=None)
@given(
    shape=st.lists(st.integers(0, 4), max_size=3),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.int64, torch.int32, torch.bool]),
    transposed=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_tensors_are_those_of_torch(
    tmp_path_factory: pytest.TempPathFactory,
    shape: list[int],
    dtype: torch.dtype,
    transposed: bool,
    seed: int,
) -> None:
    whole = torch.from_numpy(np.random.default_rng(seed).integers(0, 9, [2, *shape])).to(dtype)
    part = whole[1]  # begins within the storage that it shares with the whole
    if transposed and part.ndim > 1:
        part = part.transpose(0, 1)
    saved = {"model": OrderedDict(a=whole, b=part), "args": {"cutoff": 5.0, "name": "x"}}
    path = tmp_path_factory.mktemp("archive") / "file.pt"
    torch.save(saved, path)
    found = read_archive(path)
    assert found["args"] == saved["args"]
    for name, tensor in saved["model"].items():  # type: ignore[attr-defined]
        assert found["model"][name].dtype == tensor.numpy().dtype
        np.testing.assert_array_equal(found["model"][name], tensor.numpy())


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("executed",)


def test_nothing_else_is_executed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "file.pt"
    torch.save({"model": Harmful()}, path, pickle_module=pickle)
    with pytest.raises(UnknownContentError, match="print"):
        read_archive(path)
    assert capsys.readouterr().out == ""


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.pt"
    path.write_bytes(pickle.dumps({"model": 1}))
    with pytest.raises(UnknownContentError, match="no zip archive"):
        read_archive(path)


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
def test_a_cut_file_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "file.pt"
    torch.save({"model": torch.arange(1000)}, path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(READ_ERRORS):
        read_archive(path)
