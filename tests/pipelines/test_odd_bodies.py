"""Odd topologies through every stage: grasps, or a status that says why not; never a traceback."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from pipelines.inline import Synthesis, synthesize
from tests.objects.odd_bodies import BODIES
from zdg_jax.errors import UserError
from zdg_jax.status import Status


@pytest.mark.slow
@pytest.mark.parametrize("name", BODIES)
def test_odd_topologies_through_every_stage(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.stl"
    BODIES[name]().export(path)
    with suppress(UserError):  # refused in one line
        check(synthesize(str(path), "lift it", num=8, keep=2, steps=5, hypotheses=2))


def check(done: Synthesis) -> None:
    assert done.status in {*Status}
    assert len(done.grasps) >= 1
    assert len(done.kept) or done.reason
