"""07. A dataset into PyTorch and Hugging Face `datasets`.

    python examples/07_into_pytorch_and_datasets.py [DIR]    # a folder of `zdg synth` or `zdg generate`

Columns have one unit and one order (docs/metrics.md); joint names stand in the parquet's own metadata.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np

import zdg_jax as zdg


def kept(folder: str) -> zdg.Grasps:
    """The good grasps of a folder's first file of grasps; nothing but zdg-jax is needed."""
    root = Path(folder)
    files = sorted(root.glob("grasps/part-*.parquet")) or [root / "grasps.parquet"]
    return zdg.Grasps.load(files[0]).kept


def with_datasets(folder: str) -> int:
    """`load_dataset(DIR)` reads README.md there, which says which files are the grasps."""
    from datasets import load_dataset

    rows = load_dataset(folder, split="train").filter(lambda row: row["status"] == "ok")
    rows = rows.select_columns(["hand_pose", "joints"]).with_format("numpy")
    print("datasets:", rows, rows[:2]["joints"].shape)
    return len(rows)


def with_torch(grasps: zdg.Grasps) -> tuple[int, ...]:
    """A loader of (pose, joints); torch refuses null, as `contact_points` may be."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    pose, joints = (torch.from_numpy(np.asarray(a, np.float32)) for a in (grasps.hand_pose, grasps.joints))
    batch = next(iter(DataLoader(TensorDataset(pose, joints), batch_size=4, shuffle=True)))
    print("torch:", [tuple(x.shape) for x in batch])
    return tuple(batch[1].shape)


def main(folder: str = "out/example01") -> dict[str, object]:
    grasps = kept(folder)
    print(len(grasps), "kept grasps of", grasps.hand, "with joints", ", ".join(grasps.joint_names))
    done: dict[str, object] = {"kept": len(grasps)}
    for name, read in (("datasets", lambda: with_datasets(folder)), ("torch", lambda: with_torch(grasps))):
        if importlib.util.find_spec(name) is None:
            print(f"{name} is not installed: pip install {name}")
        else:
            done[name] = read()
    return done


if __name__ == "__main__":
    main(*sys.argv[1:])
