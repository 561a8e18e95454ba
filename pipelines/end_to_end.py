"""Refinement, gravity test and writing in one process, from prepared objects and replayed answers; no Ray.

`python -m pipelines.end_to_end pack FILE`   where the scans are: objects and answers into one small file
`python -m pipelines.end_to_end run FILE`    anywhere: the stages of `pipelines.generate` at full speed, timed
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from tyro.conf import Positional, arg, subcommand

from pipelines.options import Backend, Batch, Hand, Json, LoopOptions, Num
from pipelines.runtime import program

T = TypeVar("T")
SCANS = (
    "025_mug", "048_hammer", "006_mustard_bottle", "011_banana", "035_power_drill", "003_cracker_box",
    "032_knife", "056_tennis_ball", "043_phillips_screwdriver", "021_bleach_cleanser",
)  # fmt: skip
SENTENCES = ("lift it", "hand it over", "use it", "carry it")


@dataclass(frozen=True)
class Pack:
    """Prepare YCB scans, reason offline, and put both into one file."""

    file: Annotated[Positional[str], arg(metavar="FILE", help="Where to write it.")]
    objects: Annotated[str, arg(metavar="A,B", help="YCB scans.")] = ",".join(SCANS)
    hand: Hand = "human16"

    def run(self) -> int:
        from pipelines.cluster.packing import pack
        from pipelines.runtime import start_jax

        start_jax()
        names = [f"ycb:{name.strip()}" for name in self.objects.split(",") if name.strip()]
        size = pack(Path(self.file), names, SENTENCES, self.hand)
        print(f"{len(names)} objects, {len(SENTENCES)} tasks each, {size / 1e6:.1f} MB: {self.file}")
        return 0


@dataclass(frozen=True)
class Run(LoopOptions):
    """Time the stages on this machine's device."""

    file: Annotated[Positional[str], arg(metavar="FILE", help="What `pack` wrote.")]
    grasps: Annotated[int | None, arg(help="Grasps in all; by device 512 or 131072.")] = None
    num: Num = 64
    batch: Batch = None
    backend: Backend = "auto"
    out: Annotated[str | None, arg(metavar="DIR", help="Keep the dataset there.")] = None
    json: Json = None

    def run(self) -> int:
        from pipelines.runtime import start_jax

        start_jax()
        with tempfile.TemporaryDirectory() as scratch:
            report = bench(self, self.out or scratch, _say)
        print(table(report))
        if self.json is not None:
            Path(self.json).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        return 0


def bench(options: Run, out: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Refine, drop and write; stages overlap, each in its thread, as in a cluster.

    Args:
      options: as asked.
      out: folder of the dataset; must hold none.
      say: told what runs.

    Returns:
      Ready for JSON: `machine`, `wall_s` and `grasps_per_s` after a first batch that compiles, `stages` (busy
      seconds and grasps a second of each alone), `status`, `compiled`.

    Raises:
      UserError: more starts than a batch holds, or an `out` in use.
    """
    import jax

    from pipelines.cluster.files import Folder
    from pipelines.cluster.packing import unpack
    from pipelines.drivers.threads import overlapped
    from pipelines.options import GenerateOptions
    from pipelines.stages.measure import DropStage
    from pipelines.stages.messages import Refined
    from pipelines.stages.refine import RefineStage
    from pipelines.stages.write import Output
    from sim_eval.bench.monitor import Compilations, machine, peak_memory

    devices = jax.local_devices()
    grasps = options.grasps or (512 if devices[0].platform == "cpu" else 131_072)
    begin = time.perf_counter()
    packed = unpack(Path(options.file))
    say(f"objects unpacked, fields built: {time.perf_counter() - begin:.1f} s")
    asked = GenerateOptions(
        tasks=options.file, out=out, hand=packed.hand.name, reasoner="replay:packed", num=options.num,
        keep=options.num, steps=options.steps, optimizer=options.optimizer, batch=options.batch,
    )  # fmt: skip
    asked.check()
    refine = RefineStage(packed.hand, asked.refine_config(), options.num, options.batch)
    earlier = refine.compiled_shapes()  # by whoever used this process before
    drop = DropStage(packed.hand, options.backend)
    output = Output(Folder(out), asked, packed.hand)
    tasks = packed.tasks(-(-grasps // options.num))
    output.begin([said.task for said, _ in tasks])
    batches = [tasks[i : i + refine.slots] for i in range(0, len(tasks), refine.slots)]
    busy: dict[str, float] = dict.fromkeys(("refine", "simulate", "rows", "write"), 0.0)
    status: dict[str, int] = {}

    def timed(stage: str, work: Callable[[], T]) -> T:
        start = time.perf_counter()
        value = work()
        busy[stage] += time.perf_counter() - start
        return value

    def refined(batch: Sequence[Any]) -> list[Any]:
        done = timed("refine", lambda: refine.refine(batch))
        return [(Refined(said, g), p) for (said, p), g in zip(batch, done, strict=True)]

    def dropped(batch: Sequence[Any]) -> Any:
        return [r for r, _ in batch], timed("simulate", lambda: drop.drop(batch))

    def written(both: Any) -> None:
        finished = timed("rows", lambda: drop.finish(*both))
        timed("write", lambda: output.write(finished))
        for each in finished:
            for name in each.grasps.status_name:
                status[name] = status.get(name, 0) + 1
        say(f"{len(output.done)} of {len(tasks)} tasks")

    with Compilations() as seen:
        start = time.perf_counter()
        dropped(refined(batches[0]))
        first = time.perf_counter() - start
        say(f"first batch, compilation included: {first:.1f} s")
        busy.update(dict.fromkeys(busy, 0.0))
        built, start = seen.count, time.perf_counter()
        overlapped(batches, (refined, dropped, written))
        wall = time.perf_counter() - start
        again = seen.count - built
    done = len(tasks) * options.num
    return {
        "machine": machine(devices),
        "grasps": done,
        "objects": len(packed.objects),
        "tasks": len(tasks),
        "starts": options.num,
        "steps": options.steps,
        "batch": refine.slots * options.num,
        "first_batch_s": first,
        "wall_s": wall,
        "grasps_per_s": done / wall,
        "stages": {k: {"busy_s": v, "grasps_per_s": done / v if v else None} for k, v in busy.items()},
        "shapes_of_the_loop": refine.compiled_shapes() - earlier,
        "compilations_after_first_batch": again,
        "status": status,
        **peak_memory(devices),
    }


def table(report: dict[str, Any]) -> str:
    """For people."""
    where = report["machine"]
    lines = [
        f"{where['device_kind']} x {where['devices']}, {where['cpu_count']} processors, "
        f"jax {where['versions'].get('jax')}",
        f"{report['grasps']} grasps of {report['tasks']} tasks on {report['objects']} objects, "
        f"{report['steps']} steps, batches of {report['batch']}: {report['wall_s']:.1f} s, "
        f"{report['grasps_per_s']:.0f} grasps/s (after a first batch of {report['first_batch_s']:.1f} s)",
        "",
        "| stage | busy s | share of the time | grasps/s if alone |",
        "|---|---|---|---|",
    ]
    for name, stage in report["stages"].items():
        share = 100 * stage["busy_s"] / report["wall_s"]
        lines.append(f"| {name} | {stage['busy_s']:.1f} | {share:.0f} % | {stage['grasps_per_s'] or 0:.0f} |")
    again = report["compilations_after_first_batch"]
    lines += ["", f"compilations after the first batch: {again}; rows: {report['status']}"]
    return "\n".join(lines)


def _say(what: str) -> None:
    print(f"end_to_end: {what}", file=sys.stderr, flush=True)


Command = (
    Annotated[Pack, subcommand("pack", prefix_name=False)]
    | Annotated[Run, subcommand("run", prefix_name=False)]
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the two."""
    return program("pipelines.end_to_end", Command, argv)


if __name__ == "__main__":
    sys.exit(main())
