"""SIGTERM, a second Ctrl-C and keys, with a Ray that the command starts by itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from pipelines.lock import LOCK
from tests.pipelines.cluster.own_ray import NOT_UP, all_gone, begun, finished, members, own_ray
from tests.pipelines.cluster.things import Running, generate, sticks, table
from tests.reasoning.models.fakes import KEY, Local, point_at, running, settings_file

pytestmark = pytest.mark.soak
SMALL = "--num 4 --keep 1 --steps 2 --hypotheses 1 --select gravity --batch 4 --shard 1 --in-flight 2".split()
TASKS, ADDRESS_WORD = 6, "sk-zdgtest-in-the-address"


@pytest.fixture
def ray_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with own_ray(monkeypatch) as folder:
        yield folder


def tasks_of(folder: Path) -> Path:
    stick = sticks(folder)[0]
    rows = [{"task_id": f"t{i}", "object": stick, "task": f"move it to place {i}"} for i in range(TASKS)]
    return table(folder / "tasks.csv", rows)


def stopped_after_a_shard(run: Running, *numbers: signal.Signals) -> str:
    run.until(lambda: any((run.out / "tasks").glob("part-*.parquet")))
    for number in numbers:
        os.killpg(run.process.pid, number)
    return run.process.communicate()[1]


def test_sigterm_ends_in_order_and_a_second_signal_at_once(ray_folder: Path, tmp_path: Path) -> None:
    assert ray_folder.is_dir()
    tasks, out = tasks_of(tmp_path), tmp_path / "out"
    run = begun(tasks, out, *SMALL)
    said = stopped_after_a_shard(run, signal.SIGTERM)
    assert run.process.returncode == 143, said
    last = said.splitlines()[-1]
    assert last.startswith("stopped: ")
    assert last.endswith("run the same command again to go on")
    assert "Traceback" not in said
    assert not (out / LOCK).exists()
    all_gone()

    run = begun(tasks, out, *SMALL)
    run.until(lambda: bool(run.pids("simulate")))
    os.killpg(run.process.pid, signal.SIGTERM)
    os.killpg(run.process.pid, signal.SIGINT)
    said = run.process.communicate()[1]
    assert run.process.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM)
    assert said.splitlines()[-1] == "generate: stopped at once"
    all_gone()

    code, _, errors = finished(tasks, out, *SMALL)
    assert code == 0, errors
    ids = ds.dataset(out / "tasks").to_table()["task_id"].to_pylist()
    assert sorted(ids) == [f"t{i}" for i in range(TASKS)]
    all_gone()


def raylet_and_agents() -> list[int]:
    """The first that has started both of its agents, and they; nobody before."""
    children: dict[int, list[int]] = {}
    for pid in members():
        with suppress(OSError):
            parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            if b"/raylet\0" in Path(f"/proc/{parent}/cmdline").read_bytes():
                children.setdefault(parent, []).append(pid)
    return next(([raylet, *agents] for raylet, agents in children.items() if len(agents) >= 2), [])


def test_a_ray_that_does_not_come_up_leaves_nobody_behind(ray_folder: Path, tmp_path: Path) -> None:
    run = generate(tasks_of(tmp_path), tmp_path / "out")
    run.until(lambda: bool(raylet_and_agents()))
    raylet, *agents = raylet_and_agents()
    for agent in agents:
        os.kill(agent, signal.SIGSTOP)  # a busy machine: they don't notice that their raylet dies
    os.kill(raylet, signal.SIGKILL)
    code, _, said = run.ends()
    assert code == 2, said
    assert NOT_UP in said
    assert ray_folder.is_dir()
    assert not members()


def test_no_key_reaches_rays_folder_or_ours(
    ray_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logs, runtime environments, job configuration, dashboards' files, dataset, trace, cache."""
    monkeypatch.setenv("ZDG_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("ZDG_PROVIDERS", str(settings_file(tmp_path)))
    monkeypatch.setenv("HF_TOKEN", KEY)
    monkeypatch.setenv("ZDG_OWN_API_KEY", KEY)
    with running(latency=0.1) as local:
        at(local, monkeypatch)
        more = ("--reasoner", "openai-chat:m", *SMALL)
        code, out, said = finished(tasks_of(tmp_path), tmp_path / "out", *more)
        assert code == 0, said
        assert local.log()  # the key was used
    looked = [path for top in (ray_folder, tmp_path) for path in top.rglob("*") if path.is_file()]
    assert sum("logs" in path.parts for path in looked) > 10
    secrets = (KEY.encode(), ADDRESS_WORD.encode())
    assert not [path for path in looked if any(word in path.read_bytes() for word in secrets)]
    assert not any(word.decode() in out + said for word in secrets)


def at(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server with its key, and a password in the address of another."""
    point_at(local, monkeypatch)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", local.url.replace("//", f"//user:{ADDRESS_WORD}@"))
