"""Weights that ship with gencsp, given by their names."""

from pathlib import Path

import pytest

import gencsp
from gencsp.diffusion.joint.model import load_joint_model
from gencsp.diffusion.positions.model import load_score_model
from gencsp.diffusion.stored_weights import SUFFIX, has_weights, shipped_weights, stored_weights
from gencsp.errors import WeightsError

FOLDER = Path(gencsp.__file__).parent / "weights"


def test_the_names_are_those_of_the_files() -> None:
    assert {f"{name}{SUFFIX}" for name in shipped_weights()} == {
        file.name for file in FOLDER.glob(f"*{SUFFIX}")
    }
    assert {"score", "pigen", "dp-cdvae-perov-5", "dp-cdvae-carbon-24"} <= set(shipped_weights())


def test_a_name_is_the_default_is_the_file() -> None:
    joint = [load_joint_model(one) for one in (None, Path("pigen"), FOLDER / f"pigen{SUFFIX}")]
    assert len({one.digest for one in joint}) == 1
    score = [load_score_model(one) for one in (None, Path("score"), FOLDER / f"score{SUFFIX}")]
    assert len({one.digest for one in score}) == 1
    assert joint[0].digest != score[0].digest


def test_a_file_beside_does_not_take_the_place_of_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pigen").write_text("not weights")
    assert load_joint_model(Path("pigen")).digest == load_joint_model().digest
    with pytest.raises(WeightsError, match="fetch it again"):
        load_joint_model(tmp_path / "pigen")


def test_what_there_is_can_be_asked(tmp_path: Path) -> None:
    file = tmp_path / "own"
    file.touch()
    assert has_weights(Path("score"))
    assert has_weights(file)
    assert not has_weights(Path("scores"))
    with (
        pytest.raises(WeightsError, match=r"at scores: train .* names: .*pigen.*score"),
        stored_weights(Path("scores"), what="weights", needed="x", command="gencsp train score"),
    ):
        pass
