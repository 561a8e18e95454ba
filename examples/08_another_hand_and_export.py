"""08. Grasps for another hand, and out of the house: trajectories for a controller, files for other tools.

    python examples/08_another_hand_and_export.py [DIR]       # a folder of `zdg synth`

On a terminal: zdg retarget DIR --hand human16; zdg hand trajectory DIR2; zdg export DIR2 --format glb.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from zdg_jax.pipelines.export import export
from zdg_jax.pipelines.hand import write_trajectories
from zdg_jax.pipelines.options import LoopOptions
from zdg_jax.pipelines.retarget import retarget_file


def main(
    folder: str = "out/example01", out: str = "out/example08", hand: str = "human16", steps: int = 300
) -> tuple[int, ...]:
    """Bring every "ok" grasp of `folder` to `hand`, refine and simulate it, and write it in three forms."""
    there = Path(out)
    report = retarget_file(folder, hand, str(there / hand), loop=LoopOptions(steps=steps))
    print(report.summary())  # which tips could not be reached stands in retarget.json

    path = there / "trajectories.npz"
    count = write_trajectories(str(there / hand), str(path), steps=10)
    with np.load(path) as file:  # all joints of the model by name, so that a controller can play them
        shapes = {name: file[name].shape for name in file.files}
    print(f"{count} trajectories:", shapes)

    for form in ("dexgraspbench", "glb"):
        print(export(str(there / hand), form, str(there / form)).summary())
    return shapes["positions"]


if __name__ == "__main__":
    main(*sys.argv[1:])
