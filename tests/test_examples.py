"""examples/: each is short, numbered, and does what it says, here with few grasps and steps."""

from __future__ import annotations

import importlib.util
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.test_grasps import batch
from zdg_jax.grasps import Grasps
from zdg_jax.refine.energies import TERMS

FOLDER = Path(__file__).parents[1] / "examples"
FILES = sorted(FOLDER.glob("[0-9]*.py"))


def example(number: int, **settings: object) -> object:
    return runpy.run_path(str(FILES[number - 1]))["main"](**settings)


def test_they_are_numbered_and_short() -> None:
    assert [path.name[:2] for path in FILES] == [f"{n:02d}" for n in range(1, len(FILES) + 1)]
    assert len(FILES) == 10
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 60, path.name
        assert text.startswith(f'"""{path.name[:2]}. '), path.name


@pytest.mark.slow
def test_01_synthesize_and_look(tmp_path: Path) -> None:
    kept = example(1, out=str(tmp_path), num=8, steps=60, keep=2, select="gravity", hypotheses=1)
    assert isinstance(kept, Grasps)
    assert 1 <= len(kept) <= 2
    assert (tmp_path / "report.html").stat().st_size > 0


@pytest.mark.slow
def test_02_only_reason(tmp_path: Path) -> None:
    said = example(2, out=str(tmp_path))
    assert [line.split(":")[0] for line in said][:2] == ["view", "hand_part"]
    assert list(tmp_path.glob("*.png"))


@pytest.mark.slow
def test_03_many_objects_in_one_call() -> None:
    refined = example(3, num=4, steps=60)
    assert [len(grasps) for grasps in refined] == [4, 4, 4]
    assert all(grasps["energy_total"].mean() < grasps["init_energy_total"].mean() for grasps in refined)


@pytest.mark.slow
def test_04_your_own_energy() -> None:
    plain, straight = example(4, num=4, steps=60)
    assert straight < 0.8 * plain
    assert "straight" not in TERMS


@pytest.mark.slow
def test_05_your_own_hand(tmp_path: Path) -> None:
    assert example(5, out=str(tmp_path)) == []
    assert (tmp_path / "claw" / "hand.png").is_file()


@pytest.mark.slow
def test_06_other_peoples_grasps(tmp_path: Path) -> None:
    held = example(6, out=str(tmp_path))
    assert held["missed"] == 0
    assert held["held"] > 0


def test_07_into_pytorch_and_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.dataset import write_dataset

    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    grasps = batch(6).with_columns({"rank": np.arange(6)})
    (tmp_path / "data").mkdir()
    write_dataset(tmp_path / "data", grasps, {"hand": "toy"})
    done = example(7, folder=str(tmp_path / "data"))
    assert done["kept"] == 6
    if importlib.util.find_spec("torch"):
        assert done["torch"] == (4, 3)
    if importlib.util.find_spec("datasets"):
        assert done["datasets"] == 5  # of six one has another status than "ok"


@pytest.mark.slow
def test_08_another_hand_and_export(tmp_path: Path) -> None:
    settings = {"num": 8, "steps": 60, "keep": 1, "select": "gravity", "hypotheses": 1}
    example(1, out=str(tmp_path / "first"), **settings)
    grasps, times, joints = example(8, folder=str(tmp_path / "first"), out=str(tmp_path), steps=60)
    assert (grasps, times) == (1, 21)
    assert joints > 16
    assert list((tmp_path / "glb").glob("*.glb"))


@pytest.mark.slow
def test_09_ray_job(tmp_path: Path) -> None:
    # in a process of its own: what Ray leaves open ends with it
    call = f"main(out={str(tmp_path)!r}, num=4, steps=40)"
    said = f"import runpy, sys; main = runpy.run_path({str(FILES[8])!r})['main']; sys.exit({call})"
    done = subprocess.run([sys.executable, "-c", said], cwd=FOLDER.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "configs:" in (tmp_path / "data" / "README.md").read_text()


def test_09_ray_job_is_submitted_with_the_same_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = pytest.importorskip("ray.job_submission", reason="ray[default], the extra `cluster`")
    sent = []

    class Client:
        def __init__(self, address: str) -> None:
            sent.append(address)

        def submit_job(self, **told: object) -> str:
            sent.append(told["entrypoint"])
            return "raysubmit_1"

    monkeypatch.setattr(job, "JobSubmissionClient", Client)
    assert example(9, address="http://head:8265", out=str(tmp_path)) == 0
    assert sent[0] == "http://head:8265"
    assert sent[1].startswith("python -m pipelines.generate --tasks ")


@pytest.mark.slow
def test_10_benchmark_your_method(tmp_path: Path) -> None:
    assert "| Mine |" in example(10, out=str(tmp_path))
