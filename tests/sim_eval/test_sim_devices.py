"""MJX on two devices gives the rows that one gives: a process of its own, with forced host devices.

Each device compiles for itself: for two GPUs at once XLA ended in a segmentation fault.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import jax, numpy as np
from sim_eval.backends import mjx
from tests.sim_eval.test_backends import scattered

devices = jax.devices()
assert len(devices) == 2
job = scattered(24)
one = mjx.drop(job, devices=devices[:1], rows_a_chunk=(16,))
used = []
bodies = mjx._bodies
mjx._bodies = lambda objects, device: used.append(device) or bodies(objects, device)
two = mjx.drop(job, devices=devices, rows_a_chunk=(8,))
assert set(used) == set(devices), used
assert one.failure == two.failure
np.testing.assert_array_equal(one.contact, two.contact)
np.testing.assert_allclose(one.p_world_com, two.p_world_com, atol=1e-6)
print("agree")
"""


@pytest.mark.slow
def test_two_devices_give_the_rows_of_one() -> None:
    env = dict(os.environ, XLA_FLAGS="--xla_force_host_platform_device_count=2", PYTHONPATH=str(ROOT))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, env=env, capture_output=True, text=True
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == "agree\n"
