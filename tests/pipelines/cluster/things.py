"""A Ray cluster in a process of its own, and the command that runs on it."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trimesh

from tests.waiting import PATIENCE_S, until

ROOT = Path(__file__).resolve().parents[3]
_HEAD = """
import socket, sys, time, ray
from ray._private import parameter, services

found, start, made = services.get_node, services.start_ray_process, parameter.RayParams.__init__

def patient(*node):
    # Ray gives a node 30 s to come up, whatever the machine; that limit alone can't be set.
    for _ in range(900):
        try:
            return found(*node)
        except RuntimeError:
            time.sleep(1)
    return found(*node)

# The raylet gives its agents 15 s to say which ports they took, and dies; for fixed ones it need not wait.
free = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
listen, *ports = [each.getsockname()[1] for each in free]
names = "metrics_agent_port metrics_export_port runtime_env_agent_port".split()
for each in free:
    each.close()

def with_ports(self, **given):
    made(self, **{**given, **dict(zip(names, ports)), "dashboard_agent_listen_port": listen})

def with_port(command, process_type, *more, **given):
    told = [f"--dashboard_agent_listen_port={listen}"] if process_type == "raylet" else []
    return start([*command, *told], process_type, *more, **given)

services.get_node, services.start_ray_process = patient, with_port
parameter.RayParams.__init__ = with_ports
settings = {"include_dashboard": False, "log_to_driver": False, "_node_ip_address": "127.0.0.1"}
context = ray.init("local", num_cpus=2, **settings)
print(context.address_info["gcs_address"], flush=True)
sys.stdin.read()
ray.shutdown()
"""


@contextmanager
def cluster() -> Iterator[str]:
    """A cluster of two processors; yields its address. The test's own process never imports Ray."""
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_AUTH_TOKEN", "0123456789abcdef0123456789abcdef")
    process = subprocess.Popen(
        [sys.executable, "-c", _HEAD], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        found = process.stdout.readline().strip()
        assert found, "no cluster came up"  # without an address everybody would start one of their own
        yield found
    finally:
        process.stdin.close()
        try:
            process.wait(300)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def sticks(folder: Path) -> list[str]:
    """Two small meshes that are prepared in a moment."""
    paths = []
    for name, mesh in (
        ("stick", trimesh.creation.cylinder(radius=0.015, height=0.2, sections=24)),
        ("box", trimesh.creation.box((0.05, 0.16, 0.04))),
    ):
        path = folder / f"{name}.stl"
        mesh.export(path)
        paths.append(str(path))
    return paths


def table(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@dataclass
class Running:
    """`python -m pipelines.generate` under way."""

    process: subprocess.Popen[str]
    out: Path

    def log(self) -> list[dict[str, Any]]:
        path = self.out / "log.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("}")]

    def pids(self, stage: str) -> list[int]:
        """Of everyone who ever did this stage's work, the last last."""
        return [e["pid"] for e in self.log() if e.get("stage") == stage and e["event"] in ("actor", "span")]

    def until(self, condition: Callable[[], bool]) -> None:
        until(condition, lambda: self.process.poll() is None)

    def kill(self, number: int = signal.SIGKILL) -> str:
        """What it said on stderr."""
        self.process.send_signal(number)
        return self.process.communicate(timeout=PATIENCE_S)[1]

    def ends(self) -> tuple[int, str, str]:
        out, said = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out, said


def generate(tasks: Path, out: Path, *more: str) -> Running:
    command = [sys.executable, "-m", "pipelines.generate", "--tasks", str(tasks), "--out", str(out), *more]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    return Running(process, out)
