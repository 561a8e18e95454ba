"""Several devices give the rows that one gives: a process of its own, with three host devices."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import jax
import pytest

from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand
from zdg_jax.refine.driver import choose_path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import jax, numpy as np
from dataclasses import replace
from tests.refine.test_batch import HAND, SHORT, numbers, six_tasks
from zdg_jax.refine import refine_many
from zdg_jax.refine.driver import functions

tasks = six_tasks()
tasks.insert(2, replace(tasks[0], seed=7))
devices = jax.devices()
assert len(devices) == 3
few = replace(SHORT, steps=8, early_stop=((4, 0.5),))
one = refine_many(HAND, tasks, config=few, devices=devices[:1])
for used in (devices[:2], devices):
    many = refine_many(HAND, tasks, config=few, devices=used)
    do = functions(HAND, "adam", "xla", tuple(used))
    assert do.advance._cache_size() == 1, do.advance._cache_size()
    for a, b in zip(one, many, strict=True):
        assert a.status.tolist() == b.status.tolist()
        np.testing.assert_allclose(numbers(a), numbers(b), rtol=1e-4, atol=1e-5)
    print(len(used), "agree")
"""


@pytest.mark.slow
def test_two_and_three_devices_give_the_rows_of_one() -> None:
    """Seven slots: 4 + 3 on two devices, 4 + 3 + 0 on three."""
    env = dict(os.environ, XLA_FLAGS="--xla_force_host_platform_device_count=3", PYTHONPATH=str(ROOT))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, env=env, capture_output=True, text=True
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split("\n")[:2] == ["2 agree", "3 agree"]


def device(platform: str, version: str) -> Mock:
    return Mock(spec=jax.Device, platform=platform, client=Mock(platform_version=version))


def test_auto_takes_the_kernel_where_it_runs() -> None:
    hand = load_hand("human16")
    cpu, cuda, rocm = (
        device("cpu", "cpu"),
        device("gpu", "PJRT C API\ncuda 12080"),
        device("gpu", "rocm 60300"),
    )
    assert choose_path(hand, "auto", [cpu]) == "xla"
    assert choose_path(hand, "auto", [rocm]) == "xla"
    assert choose_path(hand, "auto", [cuda, cuda]) == "kernel"
    assert choose_path(hand, "kernel", [cuda]) == "kernel"
    assert choose_path(hand, "xla", [cuda]) == "xla"
    for wrong in ([cpu], [rocm], [cuda, cpu]):
        with pytest.raises(UserError, match="CUDA"):
            choose_path(hand, "kernel", wrong)
