"""10. The benchmark with your own method: take its objects and sentences, hand grasps back, read your row.

    python examples/10_benchmark_your_method.py

The method here only puts an open hand beside the labelled part; yours is what stands in `method`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import zdg_jax as zdg
from zdg_jax.hands import HandModel
from zdg_jax.pipelines.benchmark import __main__ as benchmark
from zdg_jax.pipelines.benchmark import export
from zdg_jax.pose import make_pose


def method(hand: HandModel, folder: Path, asked: dict) -> tuple[np.ndarray, np.ndarray]:
    """Two grasps: the palm 4 cm before the middle of the part, facing it along -x and along -z."""
    given = np.load(folder / asked["points"])
    part = np.isin(given["part"], [list(given["part_names"]).index(p) for p in asked["hand_parts"]])
    middle = given["points"][part].mean(axis=0)
    poses = []
    for away, fingers in ((np.eye(3)[0], np.eye(3)[2]), (np.eye(3)[2], np.eye(3)[0])):
        palm = np.stack([fingers, np.cross(-away, fingers), -away], axis=1)  # D_finger, y, D_palm
        R = palm @ hand.R_base_palm.T
        poses.append(make_pose(middle + 0.04 * away - R @ hand.p_base_palm, R))
    joints = next(iter(hand.grasp_types.values())).joints
    return np.array(poses), np.tile(joints, (len(poses), 1))


def main(out: str = "out/example10", only: str = "zoo-mug-0") -> str:
    hand, given = zdg.load_hand("human16"), Path(out) / "given"
    export.main(["--set", "zoo", "--only", only, "--out", str(given)])
    ids, poses, joints = [], [], []
    for asked in json.loads((given / "instructions.json").read_text()):
        pose, angles = method(hand, given, asked)
        ids, poses, joints = ids + [asked["id"]] * len(pose), [*poses, pose], [*joints, angles]
    np.savez(
        Path(out) / "mine.npz", instruction=ids, hand_pose=np.concatenate(poses), hand=hand.name,
        joints=np.concatenate(joints), joint_names=hand.active_names,
    )  # fmt: skip
    told = ["--set", "zoo", "--only", only, "--rows", "", "--methods", f"Mine={out}/mine.npz"]
    benchmark.main([*told, "--out", f"{out}/table"])  # `--rows ours` puts ours beside it
    return (Path(out) / "table" / "benchmark.md").read_text()


if __name__ == "__main__":
    main()
