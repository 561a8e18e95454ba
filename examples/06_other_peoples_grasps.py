"""06. Simulate other people's grasps: a file as DexGraspBench writes it, read by its contents and tested.

    python examples/06_other_peoples_grasps.py

On a terminal: zdg eval FILE --objects MESHES --protocol six_force. docs/formats.md lists all formats.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import zdg_jax as zdg
from zdg_jax.pipelines.evaluate import evaluate_file

# Shadow's root pose (xyz, wxyz) and 22 joints before, at and after a grasp, as somebody left them.
GRASP = [-0.119, 0.048, 0.098, 0.549, -0.006, 0.836, -0.016, 0.07, 1.199, 1.533, 0.753, 0.039, 1.311, 1.264,
         1.026, -0.084, 1.163, 1.357, 0.888, 0.012, -0.133, 0.814, 1.543, 0.697, 0.045, 0.709, -0.145, 0.297,
         1.096]  # fmt: skip
PREGRASP = [-0.112, 0.049, 0.1, 0.555, -0.012, 0.831, -0.015, 0.064, 1.122, 1.342, 0.635, 0.205, 1.243,
            1.166, 0.768, -0.331, 1.079, 1.247, 0.702, 0.007, -0.336, 0.767, 1.342, 0.657, -0.043, 0.922,
            -0.207, 0.077, 1.272]  # fmt: skip
SQUEEZE = [*GRASP[:7], 0.065, 1.297, 1.571, 0.891, 0.024, 1.406, 1.492, 1.254, -0.088, 1.218, 1.549, 1.08,
           0.043, -0.144, 0.777, 1.571, 0.827, 0.147, 0.642, -0.149, 0.331, 1.096]  # fmt: skip


def someones_files(folder: Path) -> Path:
    """A mesh, a grasp, and the same grasp half a metre away, which can't hold."""
    (folder / "theirs").mkdir(parents=True, exist_ok=True)
    zdg.load_object("ycb:048_hammer").mesh.export(folder / "hammer.obj")
    for name, off in (("held", 0.0), ("missed", 0.5)):
        stages = {"pregrasp": PREGRASP, "grasp": GRASP, "squeeze": SQUEEZE}
        entry = {f"{stage}_qpos": np.array(q) + np.eye(29)[0] * off for stage, q in stages.items()}
        entry |= {"obj_path": "hammer", "obj_scale": 1.0, "obj_pose": np.array([0, 0, 0, 1.0, 0, 0, 0])}
        np.save(folder / "theirs" / f"{name}.npy", entry, allow_pickle=True)
    return folder / "theirs"


def main(out: str = "out/example06", protocol: str = "six_force") -> dict[str, float]:
    files = someones_files(Path(out))
    report = evaluate_file(str(files), protocol=protocol, objects=out, out=f"{out}/measured")
    column = {"six_force": "six_force_held", "gravity": "sim_dis_cm"}[protocol]
    for row in report.rows:
        print(f"{row['grasp_id']}: {row['status']}, depth {row['p_dep_cm']:.2f} cm, {column} {row[column]}")
    print(f"tables: {out}/measured/metrics.md, .json, .parquet")
    return {row["grasp_id"]: float(row[column]) for row in report.rows}


if __name__ == "__main__":
    main()
