"""Robot hands lifting YCB scans, judged by `six_force`: `python -m pipelines.results_six_force --out DIR`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from tyro.conf import arg

from pipelines.dataset import read_dataset, write_atomic
from pipelines.runtime import program

SCANS = (
    "002_master_chef_can", "003_cracker_box", "004_sugar_box", "005_tomato_soup_can", "006_mustard_bottle",
    "007_tuna_fish_can", "010_potted_meat_can", "011_banana", "013_apple", "014_lemon", "016_pear",
    "017_orange", "019_pitcher_base", "021_bleach_cleanser", "022_windex_bottle", "024_bowl", "025_mug",
    "028_skillet_lid", "032_knife", "033_spatula", "035_power_drill", "037_scissors", "040_large_marker",
    "042_adjustable_wrench", "043_phillips_screwdriver", "048_hammer", "051_large_clamp",
    "052_extra_large_clamp", "055_baseball", "065-d_cups", "077_rubiks_cube",
)  # fmt: skip
TASK = "lift it"
#: The second judge moves the hand by so much, metres, in a direction drawn for each grasp.
NUDGE = 0.001


@dataclass(frozen=True)
class Scan:
    """What came of one scan.

    Attributes:
      name, status: the scan, and what `zdg synth` made of it.
      kept: grasps.
      selected: share that passed the test they were chosen by.
      nudged: share that passes with the hand 1 mm elsewhere, which chose nothing.
      p_dep_mm: mean penetration depth.
      gap_mm: least distance of any pregrasp from the object.
      free: share whose pregrasp and way to the grasp are free.
    """

    name: str
    status: str
    kept: int
    selected: float
    nudged: float
    p_dep_mm: float
    gap_mm: float
    free: float


def run_scan(name: str, hand: str, out: Path, *, num: int, keep: int, seed: int, select: str) -> Scan:
    """Synthesize one scan into a folder of its own, and judge its kept grasps once more."""
    from pipelines.options import SynthOptions
    from pipelines.synth import synth
    from sim_eval import backends
    from sim_eval.protocols import six_force
    from sim_eval.simobject import sim_object
    from zdg_jax.hands import load_hand
    from zdg_jax.objects import load_object

    result = synth(
        SynthOptions(
            f"ycb:{name}", TASK, str(out / name), hand=hand, num=num, keep=keep, seed=seed, select=select
        )
    )
    table, _ = read_dataset(out / name)
    rows = [row for row in table.to_pylist() if row["rank"] is not None]
    if not rows:
        return Scan(name, result.status, 0, 0.0, 0.0, *[float("nan")] * 3)
    simulator = backends.backend("c")
    target = sim_object(load_object(f"ycb:{name}", seed=seed).mesh, simulator.convex)
    pose, start, pregrasp, joints, squeeze = (
        np.array([row[key] for row in rows], dtype=np.float64)
        for key in ("hand_pose", "pregrasp_pose", "pregrasp_joints", "joints", "squeeze_joints")
    )
    direction = np.random.default_rng(seed).normal(size=(len(rows), 3))
    direction *= NUDGE / np.linalg.norm(direction, axis=1, keepdims=True)
    pose[:, :3] += direction
    start[:, :3] += direction
    again = six_force.run(
        load_hand(hand),
        (target,),
        np.zeros(len(rows), int),
        pose,
        pregrasp,
        joints,
        squeeze,
        simulator,
        start,
    )
    depth, gap = (
        np.array([row[key] for row in rows], dtype=np.float64) for key in ("p_dep_cm", "pregrasp_gap_cm")
    )
    return Scan(
        name, result.status, len(rows), float(np.mean([bool(row["six_force_suc"]) for row in rows])),
        float(again.success.mean()), float(10.0 * np.nanmean(depth)), float(10.0 * np.nanmin(gap)),
        float(np.mean([bool(row["approach_free"]) for row in rows])),
    )  # fmt: skip


def markdown(scans: Sequence[Scan], note: str) -> str:
    """A page: means over scans, then a row a scan."""
    done = [scan for scan in scans if scan.kept]
    mean = lambda key: float(np.mean([getattr(s, key) for s in done])) if done else 0.0  # noqa: E731
    lines = [
        "# six_force on YCB scans", "", note, "",
        "| scan | kept | six_force (%) | moved by 1 mm (%) | P.Dep (mm) | least gap (mm) | free (%) |",
        "|---|---|---|---|---|---|---|",
        f"| mean of {len(done)} | {sum(s.kept for s in done)} | {100 * mean('selected'):.1f} "
        f"| {100 * mean('nudged'):.1f} | {mean('p_dep_mm'):.2f} | {min(s.gap_mm for s in done):.1f} "
        f"| {100 * mean('free'):.1f} |" if done else "| no grasp | | | | | | |",
    ]  # fmt: skip
    for s in scans:
        lines.append(
            f"| {s.name} | {s.kept} | {100 * s.selected:.0f} | {100 * s.nudged:.0f} | {s.p_dep_mm:.2f} "
            f"| {s.gap_mm:.1f} | {100 * s.free:.0f} |"
            if s.kept
            else f"| {s.name} | 0 ({s.status}) | | | | | |"
        )
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Options:
    """Run the scans; write six_force.md, six_force.json and a folder for each."""

    out: Annotated[str, arg(metavar="DIR", help="Folder for the results.")]
    hand: Annotated[str, arg(metavar="NAME", help="Hand to use.")] = "shadow"
    num: Annotated[int, arg(help="Initial grasps a scan.")] = 64
    keep: Annotated[int, arg(help="Grasps kept a scan.")] = 20
    seed: Annotated[int, arg(help="Same seed, same result.")] = 0
    select: Annotated[str, arg(metavar="gravity|six_force", help="Test that chooses.")] = "gravity"
    only: Annotated[tuple[str, ...], arg(metavar="NAME", help="Only these scans.")] = ()


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0, or 2 on a user error."""
    options = tyro.cli(Options, prog="python -m pipelines.results_six_force", args=argv)
    return program("results_six_force", lambda: _run(options))


def _run(options: Options) -> int:
    from pipelines.runtime import output_folder

    out = output_folder(options.out)
    scans: list[Scan] = []
    for name in options.only or SCANS:
        scan = run_scan(
            name,
            options.hand,
            out,
            num=options.num,
            keep=options.keep,
            seed=options.seed,
            select=options.select,
        )
        print(f"{name}: {scan.status}, {100 * scan.selected:.0f} % of {scan.kept}", flush=True)
        scans.append(scan)
    note = (
        f"{options.hand}, {TASK!r}, {options.num} starts, {options.keep} kept, seed {options.seed}. The "
        f"grasps were chosen by {options.select}, their closing by six_force; the hand moved by 1 mm in a "
        "random direction is a test that chose nothing."
    )
    records: list[dict[str, Any]] = [asdict(scan) for scan in scans]
    write_atomic(out / "six_force.json", json.dumps(records, indent=2).encode() + b"\n")
    page = markdown(scans, note)
    write_atomic(out / "six_force.md", page.encode())
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
