"""What a local Ray leaves behind ends with the command; nobody else does."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.pipelines.cluster.things import ROOT
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands orphans on")

SCENE = r"""
import ctypes, os, subprocess, time
from pathlib import Path
from pipelines.drivers import crew as leftovers

wait, held = os.pipe()  # all of them end with this process at the latest

def start(title, then="read -r line", env=None, **more):
    return subprocess.Popen(
        [title, "-c", then], executable="/bin/bash", stdin=wait, stderr=subprocess.DEVNULL, env=env, **more
    )

def told(title, then):
    # Ends with the number of an agent, which has no environment, below a process of that title.
    agent = "(exec -c -a ray::Agent bash -c 'read -r line') <&0 >/dev/null & echo $!; "
    pid = int(start(title, agent + then, stdout=subprocess.PIPE).stdout.readline())
    while not Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::Agent"):
        time.sleep(0.01)
    return pid

def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

leftovers.end_leftovers()  # of nothing
others = {
    "of the user": start("mine").pid, "of another Ray": start("/ray/raylet").pid,
    "its worker": start("ray::IDLE").pid, "its agent": told("/ray/raylet", "read -r line"),
}
with leftovers.marked():
    ours = {
        "gcs": start("gcs_server").pid, "worker": start("ray::IDLE").pid,
        "agent": told("raylet", "read -r line"), "orphan": told("raylet", "exit"),
    }
others["of the user, later"] = start("ray::mine").pid
fresh = others["of the user"]
leftovers._kill(fresh, leftovers._read(fresh)._replace(begun="1"))  # the number was another's when found
leftovers.end_leftovers()
print("gone:", *[name for name, pid in ours.items() if not alive(pid)], sep="\n  ")
print("stay:", *[name for name, pid in others.items() if alive(pid)], sep="\n  ")
reaper = ctypes.c_int(7)
ctypes.CDLL(None).prctl(37, ctypes.byref(reaper), 0, 0, 0)  # PR_GET_CHILD_SUBREAPER
print("adopts:", reaper.value, "marked:", leftovers.MARK in os.environ)
"""

SAID = """gone:
  gcs
  worker
  agent
  orphan
stay:
  of the user
  of another Ray
  its worker
  its agent
  of the user, later
adopts: 0 marked: False
"""


def test_only_what_our_ray_left_behind_is_ended() -> None:
    command = [sys.executable, "-c", SCENE]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.stdout == SAID, done.stderr
