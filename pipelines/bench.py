"""`zdg bench`: the benchmarks as commands. Heavy imports happen inside them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, arg, subcommand

from pipelines.bench_end_to_end import BenchEndToEnd
from pipelines.bench_hold import BenchHold
from pipelines.options import Hand, Json, check_ranges, values_of, words
from pipelines.runtime import report_writer
from zdg_jax.errors import UserError


@dataclass(frozen=True)
class BenchRefine:
    """Time refinement by every path on the same starts, and compare where it ends."""

    objects: Annotated[int | None, arg(help="Different objects; by device 8 or 64, 200 in a scale test.")] = (
        None
    )
    grasps: Annotated[
        int | None, arg(help="Grasps in all; by device 512 or 16384, 100000 in a scale test.")
    ] = None
    seeds: Annotated[int, arg(help="Starts a task at most.")] = 64
    steps: Annotated[int, arg(help="Steps of Adam.")] = 600
    paths: Annotated[
        str, arg(metavar="A,B", help="Some of pairwise, xla, kernel; kernel only where there is CUDA.")
    ] = "pairwise,xla,kernel"
    hand: Hand = "human16"
    pairwise_grasps: Annotated[
        int | None,
        arg(help="Grasps for the slow reference; by device 16 or 1024. Their energies are compared."),
    ] = None
    devices: Annotated[str, arg(metavar="all|N", help="Devices to spread over; pairwise takes one.")] = "all"
    meshes: Annotated[str, arg(metavar="A,B", help="Mesh files or ycb:NAMEs instead of all YCB scans.")] = ""
    points: Annotated[
        bool, FlagCreatePairsOff, arg(help="Thumb and index finger have key points of their own.")
    ] = False
    scale_test: Annotated[
        bool, FlagCreatePairsOff, arg(help="Refine everything in one call; no other path is timed.")
    ] = False
    json: Json = None

    def run(self) -> int:
        write = report_writer(self.json)
        from pipelines.runtime import start_jax

        start_jax()
        from sim_eval.bench.refine import RefineBench, bench_refine, bench_scale
        from sim_eval.tables import show_refine, show_scale

        asked = values_of(RefineBench, self)
        asked["paths"], asked["meshes"] = words(self.paths), words(self.meshes)
        options = RefineBench(**asked)
        report = (bench_scale if self.scale_test else bench_refine)(options, _say)
        print((show_scale if self.scale_test else show_refine)(report))
        write(report)
        return 0


@dataclass(frozen=True)
class BenchFields:
    """Compare signed distance fields with exact distances."""

    objects: Annotated[str, arg(metavar="A,B", help="Names of YCB scans; all by default.")] = ""
    points: Annotated[int, arg(help="Points of each scan.")] = 40_000
    json: Json = None

    def run(self) -> int:
        check_ranges(self)
        write = report_writer(self.json)
        from sim_eval.bench.accuracy import bench_fields
        from sim_eval.tables import show_fields

        report = bench_fields(words(self.objects) or None, self.points)
        print(show_fields(report))
        write(report)
        return 0


@dataclass(frozen=True)
class BenchSim:
    """Time simulation by backend, protocol and batch size, on grasps of many objects at once."""

    objects: Annotated[
        str | None, arg(metavar="FILE.npz", help="Grasps and objects from --prepare; no mesh is needed then.")
    ] = None
    prepare: Annotated[
        str | None, arg(metavar="FILE.npz", help="Write such a file and stop: reasons offline and refines.")
    ] = None
    hand: Hand = "human16"
    meshes: Annotated[
        str, arg(metavar="A,B", help="Mesh files or ycb:NAMEs to prepare; all YCB scans by default.")
    ] = ""
    each: Annotated[int, arg(help="Grasps an object to prepare.")] = 24
    backends: Annotated[str, arg(metavar="A,B", help="Some of mjx, warp, c.")] = "mjx,c"
    protocols: Annotated[str, arg(metavar="A,B", help="Some of gravity, gravity_hold, six_force.")] = (
        "gravity,six_force"
    )
    batches: Annotated[str, arg(metavar="N,M", help="Grasps in one call; by device if empty.")] = ""
    compare: Annotated[int, arg(help="Grasps whose outcome is compared between MJX and C; 0 for none.")] = 128
    rows: Annotated[int | None, arg(help="Grasps of a chunk on one device; by its memory.")] = None
    json: Json = None

    def run(self) -> int:
        write = report_writer(self.json)
        from pathlib import Path

        from pipelines.runtime import output_folder, start_jax

        start_jax()
        from sim_eval.bench.sim import SimBench, bench_sim, show_sim
        from sim_eval.bench.tasks import prepare, read_set, write_set

        if (self.objects is None) == (self.prepare is None):
            raise UserError("both or neither of --objects and --prepare", "one of them", "give one FILE.npz")
        if self.prepare is not None:
            target = Path(self.prepare).expanduser()
            output_folder(str(target.parent))
            made = prepare(self.hand, words(self.meshes), self.each, _say)
            write_set(made, target)
            print(f"{len(made.index)} grasps of {len(made.objects)} objects in {target}")
            return 0
        options = SimBench(
            backends=words(self.backends),
            protocols=words(self.protocols),
            batches=tuple(_number(word) for word in words(self.batches)),
            compared=self.compare,
            rows=self.rows,
        )
        report = bench_sim(options, read_set(Path(str(self.objects)).expanduser()), _say)
        print(show_sim(report))
        write(report)
        return 0


@dataclass(frozen=True)
class BenchRetarget:
    """Time retargeting by finger keypoints, and say how near the tips come."""

    hands: Annotated[str, arg(metavar="A,B", help="To which hands: names or cards.")] = "shadow"
    source: Annotated[str, arg(metavar="NAME", help="From which hand.")] = "human16"
    grasps: Annotated[int, arg(help="Grasps in all, divided among the objects.")] = 1000
    objects: Annotated[str, arg(metavar="A,B", help="Mesh files or ycb:NAMEs instead of four YCB scans.")] = (
        ""
    )
    one_by_one: Annotated[int, arg(help="Grasps of the baseline, one a call; 0 for none.")] = 16
    json: Json = None

    def run(self) -> int:
        write = report_writer(self.json)
        from pipelines.runtime import start_jax

        start_jax()
        from sim_eval.bench.accuracy import OBJECTS, bench_retarget, show_retarget

        objects = words(self.objects) or OBJECTS
        if self.grasps < len(objects):
            raise UserError(f"--grasps {self.grasps}", f"{len(objects)} or more", "choose another --grasps")
        report = bench_retarget(words(self.hands), self.source, self.grasps, objects, self.one_by_one)
        print(show_retarget(report))
        write(report)
        return 0


BenchCommand = (
    Annotated[BenchRefine, subcommand("refine", prefix_name=False)]
    | Annotated[BenchFields, subcommand("fields", prefix_name=False)]
    | Annotated[BenchSim, subcommand("sim", prefix_name=False)]
    | Annotated[BenchRetarget, subcommand("retarget", prefix_name=False)]
    | Annotated[BenchHold, subcommand("hold", prefix_name=False)]
    | Annotated[BenchEndToEnd, subcommand("end-to-end", prefix_name=False)]
)


@dataclass(frozen=True)
class Bench:
    """Measure speed and accuracy on this machine."""

    what: Annotated[BenchCommand, arg(name="")]

    def run(self) -> int:
        return self.what.run()


def _number(word: str) -> int:
    if not word.isdigit():
        raise UserError(f"--batches {word}", "whole numbers", "e.g. --batches 1024,8192")
    return int(word)


def _say(what: str) -> None:
    print(f"zdg bench: {what}", file=sys.stderr)
