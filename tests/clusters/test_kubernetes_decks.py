"""The manifests for Kubernetes: their commands, their resources, and what its tools say."""

from __future__ import annotations

import copy
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import ase.io
import pytest
import yaml
from cheap_gencsp import no_workers, opened
from programs import CLUSTERS, record, said
from typer.testing import CliRunner

from gencsp.cli import app

FILES = ["kubernetes_search.yaml", "kubernetes_merge.yaml"]
ROOT = CLUSTERS.parent


def documents(file: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((CLUSTERS / file).read_text()))


def job(file: str) -> dict[str, Any]:
    (found,) = [document for document in documents(file) if document["kind"] == "Job"]
    return found


def container(file: str) -> dict[str, Any]:
    (found,) = job(file)["spec"]["template"]["spec"]["containers"]
    return dict(found)


def test_each_index_runs_and_goes_on_in_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gencsp.cli.search.early_executor", no_workers)
    monkeypatch.setattr("gencsp.runs.search.open_search", opened)
    for index in ("0", "1", "0"):
        program, *words = container("kubernetes_search.yaml")["command"]
        assert program == "gencsp"
        here = [
            word.replace("$(JOB_COMPLETION_INDEX)", index).replace("/runs/", f"{tmp_path}/")
            for word in words
        ]
        small = ["--formula-units=1", "--budget=9", "--no-report"]
        done = CliRunner().invoke(app, [w.replace("TiO2", "LiSi2") for w in here] + small)
        assert done.exit_code == 0, done.output
        found = ase.io.read(tmp_path / f"LiSi2-{index}" / "ranked.extxyz", ":")
        assert {atoms.info["seed"] for atoms in found} == {int(index)}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["LiSi2-0", "LiSi2-1"]


@pytest.mark.skipif(sys.platform == "win32", reason="sh")
def test_both_kinds_of_cluster_merge_alike(tmp_path: Path) -> None:
    record(tmp_path, "gencsp")
    runs = tmp_path / "runs"
    for name in ("a", "b"):
        (runs / name).mkdir(parents=True)
        (runs / name / "ranked.extxyz").touch()
    shell, option, script = container("kubernetes_merge.yaml")["command"]
    programs = {"HOME": str(tmp_path), "SLURM_CPUS_PER_TASK": "4"}
    programs["PATH"] = f"{tmp_path / 'gencsp' / '.venv' / 'bin'}:{os.environ['PATH']}"
    everything = [shell, option, script.replace("/runs", "runs")]
    subprocess.run(everything, cwd=tmp_path, env=os.environ | programs, check=True)
    ours = said(tmp_path, "gencsp")
    slurm = ["bash", str(CLUSTERS / "slurm_merge.sh")]
    subprocess.run(slurm, cwd=tmp_path, env=os.environ | programs, check=True)
    assert said(tmp_path, "gencsp") == ours * 2
    assert ours[0][:3] == ["dedup", "runs/a/ranked.extxyz", "runs/b/ranked.extxyz"]


@pytest.mark.parametrize("file", FILES)
def test_a_container_has_a_cpu_for_each_worker_and_one_thread_in_each(file: str) -> None:
    has = container(file)
    limits, requests = has["resources"]["limits"], has["resources"]["requests"]
    workers = re.findall(r"--workers[= ](\d+)", " ".join(has["command"]))
    assert set(workers) == {limits["cpu"]}
    assert limits == requests  # so that the node never takes back what a search has
    assert {"name": "OMP_NUM_THREADS", "value": "1"} in has["env"]


@pytest.mark.parametrize("file", FILES)
def test_results_are_in_the_volume(file: str) -> None:
    claim = documents("kubernetes_search.yaml")[0]
    (volume,) = job(file)["spec"]["template"]["spec"]["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    (mount,) = container(file)["volumeMounts"]
    assert mount == {"name": volume["name"], "mountPath": "/runs"}


def test_what_was_stopped_is_started_again_and_what_is_wrong_is_not() -> None:
    spec = job("kubernetes_search.yaml")["spec"]
    assert spec["completionMode"] == "Indexed"
    lost, wrong = spec["podFailurePolicy"]["rules"]
    assert (lost["action"], lost["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")
    assert (wrong["action"], wrong["onExitCodes"]["values"]) == ("FailJob", [2])
    assert wrong["onExitCodes"]["containerName"] == container("kubernetes_search.yaml")["name"]
    assert CliRunner().invoke(app, ["search", "Xx2"]).exit_code == 2


def _missing(ours: Any, theirs: Any) -> bool:
    """Whether something of ours is not in theirs."""
    if isinstance(ours, dict):
        return any(key not in theirs or _missing(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list):
        pairs = zip(ours, theirs, strict=False)
        return len(ours) != len(theirs) or any(_missing(one, other) for one, other in pairs)
    return bool(ours != theirs)


def _read_by_kubectl(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A job as kubectl reads it, which drops what it does not know; no cluster is asked."""
    (folder / "job.yaml").write_text(yaml.safe_dump(document))
    has = document["spec"]["template"]["spec"]["containers"][0]
    dry = ["--local", "--dry-run=client", "-o", "yaml", "-f", str(folder / "job.yaml")]
    words = ["kubectl", "set", "image", *dry, f"{has['name']}={has['image']}-other"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(yaml.safe_load(done.stdout.replace(f"{has['image']}-other", has["image"])))


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("file", FILES)
def test_kubectl_knows_every_field(file: str, tmp_path: Path) -> None:
    version = subprocess.run(["kubectl", "version", "--client"], capture_output=True, text=True)
    found = re.search(r"v1\.(\d+)", version.stdout)
    if found is None or int(found[1]) < 29:
        pytest.skip(f"this kubectl is older than the fields: {version.stdout}")
    whole = job(file)
    assert not _missing(whole, _read_by_kubectl(whole, tmp_path))
    wrong = copy.deepcopy(whole)
    wrong["spec"]["template"]["spec"]["containers"][0]["resource"] = {"cpu": "4"}
    assert _missing(wrong, _read_by_kubectl(wrong, tmp_path))


@pytest.mark.parametrize("file", FILES)
def test_they_follow_the_schemas_of_kubernetes(file: str) -> None:
    schemas = pytest.importorskip("kubernetes_validate")
    for document in documents(file):
        for version in ("1.29.0", "1.33.0"):
            schemas.validate(document, version, strict=True)


def test_the_image_is_built_of_what_is_there() -> None:
    lines = (CLUSTERS / "Dockerfile").read_text().splitlines()
    copied = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    assert copied
    assert all((ROOT / path).exists() for path in copied)
    needed = {"CMakeLists.txt", "LICENSE", "README.md", "gencsp", "native", "pyproject.toml"}
    assert needed <= set(copied)
    user = job("kubernetes_search.yaml")["spec"]["template"]["spec"]["securityContext"]
    assert f"USER {user['runAsUser']}" in lines
