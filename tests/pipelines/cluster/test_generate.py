"""The command on a real cluster: killed, interrupted, resumed; nothing lost, doubled or paid twice."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pyarrow.dataset as ds
import pytest

from sim_eval.select import SelectBy
from tests.pipelines.cluster.things import Running, cluster, generate, sticks, table
from tests.reasoning.models.fakes import Local, point_at, running, settings_file

TASKS = 16
SMALL = ("--num", "8", "--keep", "2", "--steps", "5", "--batch", "16", "--shard", "4")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with cluster() as found:
        yield found


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Local]:
    monkeypatch.setenv("ZDG_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("ZDG_PROVIDERS", str(settings_file(tmp_path)))
    with running(latency=0.5) as local:
        point_at(local, monkeypatch)
        yield local


@pytest.fixture
def patient_server(server: Local, monkeypatch: pytest.MonkeyPatch) -> Iterator[Local]:
    """It answers ten questions and holds the others until `release`, those of one task until the second."""
    with running(latency=0.5, answers=10, holds="place 9") as local:
        point_at(local, monkeypatch)
        yield local


def tasks_of(folder: Path) -> Path:
    objects = sticks(folder)
    rows = [
        {"task_id": f"t{i}", "object": objects[i * len(objects) // TASKS], "task": f"move it to place {i}"}
        for i in range(TASKS)
    ]
    return table(folder / "tasks.csv", rows)


def check_whole(out: Path, server: Local) -> None:
    """Every task once, every grasp once, every question sent once."""
    tasks = ds.dataset(out / "tasks").to_table()
    assert Counter(tasks["task_id"].to_pylist()) == {f"t{i}": 1 for i in range(TASKS)}
    assert set(tasks["status"].to_pylist()) == {"ok"}
    grasps = ds.dataset(out / "grasps").to_table()
    assert set(Counter(grasps["grasp_id"].to_pylist()).values()) == {1}
    assert set(grasps["task_id"].to_pylist()) == {f"t{i}" for i in range(TASKS)}
    asked = Counter(entry["digest"] for entry in server.log())
    again = {digest: times for digest, times in asked.items() if times > 1}
    assert not again
    stages = [s for trace in tasks["trace"].to_pylist() for s in json.loads(trace)["stages"]]
    # More only where a task was gone through again: an answer that was accepted after a refusal then settles
    # the question at once, and the refused one leaves the trace. Each of those was fed back.
    attempts = sum(len(s["attempts"]) for s in stages)
    fed_back = sum(entry["fed_back"] for entry in server.log())
    assert attempts <= len(asked) <= attempts + fed_back
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["complete"]
    card = (out / "README.md").read_text()
    assert f"| ok | {TASKS} |" in card
    for name in {p["sha256"] for row in tasks["pictures"].to_pylist() for p in row}:
        assert (out / "images" / name[:2] / f"{name}.png").stat().st_size
    for sha in set(grasps["mesh_sha256"].to_pylist()):
        assert (out / "meshes" / f"{sha}.ply").stat().st_size


def killed(run: Running, stage: str) -> None:
    os.kill(run.pids(stage)[-1], signal.SIGKILL)


@pytest.mark.slow
def test_a_reasoning_and_a_refining_process_die(address: str, server: Local, tmp_path: Path) -> None:
    tasks, out = tasks_of(tmp_path), tmp_path / "out"
    run = generate(tasks, out, "--address", address, "--reasoner", "openai-chat:m", *SMALL)
    run.until(lambda: len(server.log()) > 20)
    killed(run, "reason")
    run.until(lambda: len([e for e in run.log() if e.get("stage") == "refine" and e["event"] == "span"]) > 1)
    killed(run, "refine")
    code, said, errors = run.ends()
    assert code == 0, errors
    assert f"{TASKS} of {TASKS} tasks are written" in said
    assert len(set(run.pids("reason"))) == 2
    assert len(set(run.pids("refine"))) == 2
    check_whole(out, server)
    assert max(e["compiled"] for e in run.log() if e.get("stage") == "refine" and "compiled" in e) <= 2


@pytest.mark.slow
def test_the_driver_is_interrupted_then_killed_and_goes_on(
    address: str, patient_server: Local, tmp_path: Path
) -> None:
    tasks, out, server = tasks_of(tmp_path), tmp_path / "out", patient_server
    command = ("--address", address, "--reasoner", "openai-chat:m", *SMALL)
    run = generate(tasks, out, *command)
    run.until(lambda: server.held() > 0)
    said = run.kill(signal.SIGINT)  # ends, though what it waits for never comes
    assert run.process.returncode == 130
    assert "run the same command again" in said
    server.release()

    run = generate(tasks, out, *command)
    run.until(lambda: len(list((out / "tasks").glob("*.parquet"))) > 0)
    run.kill()  # it can't have ended: one task still waits for its answer
    server.release()
    (out / "grasps" / "part-00099.parquet").write_bytes(b"what a kill may leave")
    assert run.process.returncode == -signal.SIGKILL

    code, said, errors = generate(tasks, out, *command).ends()
    assert code == 0, errors
    assert "are there already" in errors
    check_whole(out, server)

    code, _, errors = generate(tasks, out, *command, "--steps", "6").ends()
    assert code == 2
    assert "another configuration (steps 5 there and 6 here)" in errors
    code, said, _ = generate(tasks, out, *command).ends()
    assert code == 0
    check_whole(out, server)


def check_offline(address: str, folder: Path, objects: list[str], select: str) -> None:
    """Good objects give their grasps, a bad one a row that says why."""
    flat = folder / "flat.stl"
    flat.write_bytes(b"solid nothing\nendsolid nothing\n")
    rows = [{"object": path, "task": "lift it", "name": "stick"} for path in (*objects, str(flat))]
    tasks, out = table(folder / "tasks.csv", rows), folder / "out"
    code, _, errors = generate(tasks, out, "--address", address, *SMALL, "--select", select).ends()
    assert code == 0, errors
    found = {row["object"]: row for row in ds.dataset(out / "tasks").to_table().to_pylist()}
    assert found[str(flat)]["status"] == "bad_object"
    assert "face" in found[str(flat)]["status_reason"]
    assert [found[path]["status"] for path in objects] == ["ok"] * len(objects)
    grasps = ds.dataset(out / "grasps").to_table()
    assert grasps.num_rows == 2 * len(objects) + 1  # two kept of each, and why there is none of one
    tested = [row["six_force_suc"] is not None for row in grasps.to_pylist() if row["rank"] is not None]
    assert tested == [True] * 2 * len(objects)  # whatever chose them, their closing was tried


@pytest.mark.slow
def test_ray_that_does_not_come_up_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_gcs_server_port_wait_time_s", "0")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    tasks = table(tmp_path / "tasks.csv", [{"object": sticks(tmp_path)[1], "task": "lift it"}])
    code, _, errors = generate(tasks, tmp_path / "out").ends()
    assert code == 2
    begun, line = [line for line in errors.splitlines() if not line.startswith("[")]
    assert begun.startswith("1 task:")
    assert "no Ray cluster at this machine" in line
    assert "run it again when the machine has less to do" in line


def test_a_small_table_on_a_cluster(address: str, tmp_path: Path) -> None:
    """Through the same command, workers and files, without the minute that refinement takes to compile."""
    flat = tmp_path / "flat.stl"
    flat.write_bytes(b"solid nothing\nendsolid nothing\n")
    (tmp_path / "dot.obj").write_text("v 0 0 0\n")
    names = (str(flat), str(tmp_path / "dot.obj"))
    tasks = table(tmp_path / "tasks.csv", [{"object": name, "task": "lift it"} for name in names])
    out = tmp_path / "out"
    code, _, errors = generate(tasks, out, "--address", address, *SMALL).ends()
    assert code == 0, errors
    found = {row["object"]: row for row in ds.dataset(out / "tasks").to_table().to_pylist()}
    assert [found[name]["status"] for name in names] == ["bad_object"] * 2
    assert all("face" in found[name]["status_reason"] for name in names)
    assert ds.dataset(out / "grasps").to_table().num_rows == 2  # why there is none


@pytest.mark.slow
@pytest.mark.parametrize("select", get_args(SelectBy))
def test_offline_on_a_cluster(address: str, tmp_path: Path, select: str) -> None:
    check_offline(address, tmp_path, sticks(tmp_path), select)
