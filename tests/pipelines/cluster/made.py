"""Finished tasks and options without any stage having run."""

from __future__ import annotations

from typing import Any

from pipelines.drivers.tasks import TaskSpec
from pipelines.options import GenerateOptions
from pipelines.stages.messages import Finished
from tests.pipelines.rows_as_grasps import grasps_of
from zdg_jax.hands import load_hand


def options(out: str = "", **more: Any) -> GenerateOptions:
    return GenerateOptions("tasks.csv", out, **{"num": 4, "keep": 2, **more})


def spec(number: int, obj: str = "ycb:025_mug") -> TaskSpec:
    return TaskSpec(f"t{number}", obj, f"task {number}")


def row(task: TaskSpec, number: int, status: str = "ok") -> dict[str, Any]:
    call = {
        "stage": "view", "provider": "openai-chat", "model": "m", "prompt_sha": "x", "attempts": 1,
        "input_tokens": 1000, "output_tokens": 50, "cached_tokens": 0, "cost_usd": 0.25, "latency_s": 0.5,
    }  # fmt: skip
    return {
        "grasp_id": f"{task.task_id}-0-{number:04d}", "task_id": task.task_id, "object_id": task.object,
        "object_scale": 1.0, "mesh_sha256": "abc", "hand": "human16", "task": task.task,
        "reasoner": "offline", "status": status, "status_reason": "", "seed": 0, "config_sha": "c",
        "code_version": "0", "calls": [call], "rank": number, "p_dep_cm": 0.1 * number, "sim_suc": True,
        "joints": [0.0] * 16,
    }  # fmt: skip


def finished(task: TaskSpec, grasps: int = 2) -> Finished:
    counts = {"refined": 4, "simulated": 4, "kept": grasps, "good": 1, "failed": 0}
    rows = grasps_of([row(task, number) for number in range(grasps)], load_hand("human16").active_names)
    trace = {"stages": [{"stage": "view"}]}
    about = {"source": task.object, "scale": 1.0, "up": None, "name": None, "mesh_sha256": "abc"}
    return Finished(task, "ok", "", rows, counts, trace, {"01_view.png": "f" * 64}, about)
