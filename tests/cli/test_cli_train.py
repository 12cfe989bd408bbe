"""``gencsp train score`` from data on disk to weights that load, stopped and resumed."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any, NoReturn

import pytest
from ase.build import bulk
from ase.io import write
from typer.main import get_command
from typer.testing import CliRunner

from gencsp.cli import app as gencsp_app
from gencsp.cli.train import LATE, app
from gencsp.diffusion.positions.model import load_score_model
from gencsp.diffusion.training.checkpoints import load_checkpoint
from gencsp.diffusion.training.settings import DpCdvaeDeck, JointDeck, ScoreDeck, TrainDeck
from gencsp.diffusion.training.trainer import TrainingProgress
from gencsp.errors import StoreError, TrainingDataError


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    data = tmp_path / "crystals.extxyz"
    write(data, [bulk("NaCl", "rocksalt", a=5.64), bulk("MgO", "rocksalt", a=4.21)] * 2)
    held_out = tmp_path / "held_out.txt"
    held_out.write_text("CaO\n")
    small = ["--channels", "8", "--layers", "2", "--radial", "4", "--batch-size", "2"]
    return [
        *("score", "--data", str(data), "--validation", str(data), "--held-out", str(held_out)),
        *("--out", str(tmp_path / "run"), "--validate-every", "2", *small),
    ]


def test_a_run_resumes_and_its_weights_load(arguments: list[str], tmp_path: Path) -> None:
    runner = CliRunner()
    first = runner.invoke(app, [*arguments, "--steps", "2"], catch_exceptions=False)
    assert first.exit_code == 0
    second = runner.invoke(app, [*arguments, "--steps", "4", "--resume"], catch_exceptions=False)
    assert "after 4 steps" in second.stdout
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").open()]
    assert [row["step"] for row in rows] == [2, 4]
    assert load_score_model(tmp_path / "run" / "score.safetensors").digest in second.stdout


def test_ctrl_c_says_how_to_go_on(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after the second step by what Ctrl-C raises; the same command resumes there."""
    steps = []

    def stop_after_two(self: object, progress: TrainingProgress) -> None:  # noqa: ARG001
        steps.append(progress.step)
        if progress.step == 2:
            raise KeyboardInterrupt

    runner, whole = CliRunner(), ["train", *arguments, "--steps", "4"]
    with monkeypatch.context() as changed:
        changed.setattr("gencsp.cli.train_models.Shown.step", stop_after_two)
        stopped = runner.invoke(gencsp_app, whole)
    assert stopped.exit_code == 130
    kept = tmp_path / "run" / "checkpoint.pt"
    assert f"{kept} is kept: add --resume to the same command" in stopped.stderr.replace("\n", " ")
    again = runner.invoke(gencsp_app, [*whole, "--resume"])
    assert again.exit_code == 0, again.output
    assert steps == [1, 2]
    assert load_checkpoint(kept)[0].step == 4


def test_without_a_terminal_lines_say_how_far_a_training_is(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every second step is validated, and a line about each step is asked for."""
    monkeypatch.setattr("gencsp.cli.progress.EVERY", 0.0)
    log, whole = tmp_path / "run.log", ["train", *arguments]
    runner = CliRunner()
    first = runner.invoke(gencsp_app, [*whole, "--steps", "4", "-v", "--log", str(log)])
    assert first.exit_code == 0, first.output
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").open()]
    second, fourth = (row["validation"]["mean"] for row in rows)
    lines = first.stderr.splitlines()
    assert len(lines) == 4 + 2
    assert re.fullmatch(r"train: 1 of 4, loss \d+\.\d{4}", lines[0])
    assert lines[1] == f"step 2: validation loss {second:.4f}, the lowest so far"
    told = rf"train: 2 of 4, loss .*, best validation {second:.4f}, .* left"
    assert re.fullmatch(told, lines[2])
    assert lines[4].startswith(f"step 4: validation loss {fourth:.4f}")
    best = min(second, fourth)
    told = rf"train: 4 of 4, loss {rows[1]['train_loss']:.4f}, best validation {best:.4f}, "
    assert re.fullmatch(told + r"[\d.e+]+ steps/s", lines[5])
    logged = log.read_text()
    assert all(line in logged for line in lines)
    # The best of a run that goes on is that of all its sessions.
    earlier = [{"step": k, "validation": {"mean": mean}} for k, mean in ((2, 1e-3), (6, 1e-9))]
    lines = [*map(json.dumps, earlier), '{"step": 8, "val']
    (tmp_path / "run" / "metrics.jsonl").write_text("\n".join(lines))
    more = [*whole, "--steps", "6", "--resume"]
    quiet = runner.invoke(gencsp_app, [*more[:-2], "5", "--resume", "--quiet"])
    assert (quiet.exit_code, quiet.output) == (0, "")
    asked = runner.invoke(gencsp_app, [*more, "--json"])
    document = json.loads(asked.stdout)
    assert document["command"] == "train score"
    assert "after 6 steps" in document["messages"][0]
    (line,) = asked.stderr.splitlines()
    assert re.fullmatch(r"train: 6 of 6, loss .*, best validation 0\.0010", line)


def test_the_properties_of_crystals_have_a_line_of_their_own(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gencsp.cli.progress.EVERY", 0.0)
    words = ["train", "joint", *arguments[1:], "--steps", "1", "--labels"]
    done = CliRunner().invoke(gencsp_app, words)
    assert done.exit_code == 0, done.output
    lines = [line.split(",")[0] for line in done.stderr.splitlines()]
    assert lines[:4] == [f"properties: {k} of 4" for k in (1, 2, 3, 4)]
    assert lines[-1] == "train: 1 of 1"


def test_a_folder_with_another_run_is_left_alone(arguments: list[str], tmp_path: Path) -> None:
    CliRunner().invoke(app, [*arguments, "--steps", "1"], catch_exceptions=False)
    before = (tmp_path / "run" / "checkpoint.pt").read_bytes()
    with pytest.raises(StoreError, match="--resume"):
        CliRunner().invoke(app, [*arguments, "--steps", "1"], catch_exceptions=False)
    assert (tmp_path / "run" / "checkpoint.pt").read_bytes() == before


def test_held_out_formulas_end_the_command_before_anything_is_written(
    arguments: list[str], tmp_path: Path
) -> None:
    (tmp_path / "held_out.txt").write_text("MgO\n")
    with pytest.raises(TrainingDataError, match="MgO"):
        CliRunner().invoke(app, [*arguments, "--steps", "1"], catch_exceptions=False)
    assert not (tmp_path / "run").exists()


DECKS: dict[str, type[TrainDeck]] = {
    "score": ScoreDeck,
    "joint": JointDeck,
    "dp-cdvae": DpCdvaeDeck,
}
#: A value of every field that is not its default, as text of the command line.
GIVEN = {
    "steps": "7", "batch_size": "3", "learning_rate": "0.01", "warmup": "4", "cooldown": "0.5",
    "ema": "0.9", "clip": "2", "seed": "5", "validate_every": "6", "checkpoint_seconds": "1",
    "bfloat16": None, "compiled": None, "validation_size": "9", "channels": "16", "layers": "3",
    "radial": "5", "threads": "2", "device": "meta", "resume": None, "architecture": "painn",
    "sigma_max": "3", "labels": None, "compactness_loss": "1", "given_share": "0.25",
    "start": "w.safetensors", "size": "paper", "atom_count": None, "gine": None, "most_atoms": "9",
    "latent": "5", "atom_channels": "6", "blocks": "2", "encoder_channels": "7",
    "encoder_blocks": "3", "encoder_hidden": "12", "head_channels": "10", "neighbours": "8",
    "angles": "niggli", "teacher_forcing": "4", "species_weight": "2", "draws": "2",
    "late_share": "0.25",
    "kl_weight": "3", "lattice_weight": "4", "composition_weight": "5", "atom_count_weight": "6",
    "prior_steps": "7",
}  # fmt: skip


def test_commands_that_are_imported_late_have_the_help_of_the_list() -> None:
    group: Any = get_command(app)
    assert set(LATE) == set(group.commands) == set(DECKS)
    for name, (_, line) in LATE.items():
        assert (group.whole(name).help or "").splitlines()[0] == line


@pytest.mark.parametrize("kind", DECKS)
def test_every_setting_is_an_option_and_reaches_the_call(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what is given reaches it, so that a run that is resumed keeps the rest."""
    seen: list[dict[str, Any]] = []

    def call(*_: object, **settings: Any) -> NoReturn:
        seen.append(settings)
        raise KeyboardInterrupt

    name = kind.replace("-", "_")
    module = importlib.import_module(f"gencsp.diffusion.training.{name}")
    monkeypatch.setattr(module, f"train_{name}", call)
    words = [kind, "--data", "a", "--out", str(tmp_path), "--held-out", "b"]
    defaults = DECKS[kind].make()
    for name in DECKS[kind].model_fields:
        option = f"--{name.replace('_', '-')}"
        if getattr(defaults, name) is True:
            option = f"--no-{name}"
        CliRunner().invoke(app, [*words, option, *filter(None, [GIVEN[name]])])
        settings = seen.pop()
        assert settings["held_out"] == Path("b")
        given = {key: settings[key] for key in DECKS[kind].model_fields.keys() & settings.keys()}
        assert set(given) == {name}
        assert given[name] == getattr(DECKS[kind].make(**{name: given[name]}), name)
        assert given[name] != getattr(defaults, name)
    (tmp_path / "deck.toml").write_text("steps = 3\nchannels = 8\n")
    CliRunner().invoke(app, [*words, "--deck", str(tmp_path / "deck.toml"), "--channels", "9"])
    settings = seen.pop()
    assert (settings["steps"], settings["channels"]) == (3, 9)
