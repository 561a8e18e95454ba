"""`zdg bench end-to-end`: from prepared objects and replayed answers to written rows, at full speed; no Ray.

Every device has a process of its own that feeds it, as every actor of `pipelines.generate` has: one
interpreter prepares about as many grasps a second as one GPU refines.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from tyro.conf import arg

from pipelines.options import Backend, Batch, Hand, Json, LoopOptions, Num, words
from zdg_jax.errors import UserError

T = TypeVar("T")
OBJECTS = (
    "zoo:mug/0", "zoo:hammer/0", "zoo:scissors/1", "zoo:bottle/2", "zoo:kettle/0", "zoo:screwdriver/1",
    "zoo:knife/0", "zoo:spray_bottle/1",
)  # fmt: skip
SENTENCES = ("lift it", "hand it over", "use it", "carry it")
STAGES = ("refine", "close", "simulate", "rows", "write")
MODULE = "pipelines.bench_end_to_end"  # of the process of a device
#: Said by a device's process once everything is compiled; it then waits for a line.
READY = "ready"


@dataclass(frozen=True)
class BenchEndToEnd(LoopOptions):
    """Time refinement, gravity test and writing of many tasks, on any number of devices."""

    file: Annotated[str | None, arg(metavar="FILE", help="What --pack wrote; else OBJECTS are prepared.")] = (
        None
    )
    pack: Annotated[
        str | None,
        arg(metavar="FILE", help="Write objects and offline answers there and stop."),
    ] = None
    objects: Annotated[str, arg(metavar="A,B", help="Meshes, ycb:NAMEs or zoo:CATEGORY/VARIANTs.")] = (
        ",".join(OBJECTS)
    )
    hand: Hand = "human16"
    grasps: Annotated[int | None, arg(help="Grasps a device; by its kind 512 or 131072.")] = None
    num: Num = 64
    batch: Batch = None
    backend: Backend = "auto"
    protocol: Annotated[
        Literal["gravity", "six_force"],
        arg(help="gravity: every grasp is dropped and written. six_force: the best of a task are closed, "
            "pushed, and written if they hold."),
    ] = "gravity"  # fmt: skip
    tried: Annotated[int, arg(help="Grasps of a task that six_force is asked of.")] = 16
    devices: Annotated[str, arg(metavar="all|N", help="GPUs to use; a CPU is one device.")] = "all"
    out: Annotated[str | None, arg(metavar="DIR", help="Keep the datasets there, one folder a device.")] = (
        None
    )
    json: Json = None

    def run(self) -> int:
        from pipelines.runtime import report_writer

        write = report_writer(self.json)
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(self.file or self.pack or Path(scratch) / "pack")
            if self.file is None:
                self._pack(file)
                if self.pack is not None:
                    return 0
            report = spread(replace(self, file=str(file)), self.out or scratch)
        print(table(report))
        write(report)
        return 0

    def _pack(self, file: Path) -> None:
        from pipelines.drivers.packing import pack
        from pipelines.runtime import start_jax

        start_jax()
        names = words(self.objects)
        begin = time.perf_counter()
        size = pack(file, names, SENTENCES, self.hand)
        _say(
            f"{len(names)} objects prepared and {len(SENTENCES)} tasks each reasoned in "
            f"{time.perf_counter() - begin:.1f} s, {size / 1e6:.1f} MB"
        )


def spread(options: BenchEndToEnd, out: str) -> dict[str, Any]:
    """A process a device, all started on their tasks at the same moment.

    Args:
      options: with `file`.
      out: folder; each device's dataset lies in `device-K` of it.

    Returns:
      Ready for JSON: `wall_s` of the slowest, `grasps_per_s` of all, and `devices`, see `one_device`.

    Raises:
      UserError: more devices than there are, or a device's process failed.
    """
    places = _places(options.devices)
    reports = [Path(out) / f"device-{k}.json" for k in range(len(places))]
    processes = []
    try:
        for k, place in enumerate(places):
            folder = str(Path(out) / f"device-{k}")
            told = json.dumps({**asdict(options), "out": folder, "json": str(reports[k])})
            command = [sys.executable, "-m", MODULE, told, str(len(places))]
            pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            processes.append(subprocess.Popen(command, env={**os.environ, **place}, **pipes))
        for k, process in enumerate(processes):
            assert process.stdout is not None
            if not any(line.strip() == READY for line in process.stdout):
                raise _failed(k)
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for k, process in enumerate(processes):
            if process.wait():
                raise _failed(k)
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    each = [json.loads(path.read_text(encoding="utf-8")) for path in reports]
    wall = max(r["wall_s"] for r in each)
    total = sum(r["grasps"] for r in each)
    kept = sum(r["kept"] for r in each)
    return {
        "grasps": total, "wall_s": wall, "grasps_per_s": total / wall, "kept": kept,
        "kept_per_s": kept / wall, "devices": each,
    }  # fmt: skip


def _failed(device: int) -> UserError:
    return UserError(f"device {device}, whose process ended early", "it to finish", "see its message above")


def _places(devices: str) -> list[dict[str, str]]:
    """The environment of each device's process."""
    asked = "import jax; print(jax.default_backend(), jax.local_device_count())"
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    kind, count = said.stdout.split()
    there = int(count) if kind == "gpu" else 1
    wanted = there if devices == "all" else int(devices) if devices.isdigit() else 0
    if not 1 <= wanted <= there:
        raise UserError(f"--devices {devices}", f"all, or a number up to {there}", "choose another --devices")
    if kind != "gpu":
        return [{}]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(there)))).split(",")
    return [{"CUDA_VISIBLE_DEVICES": name} for name in visible[:wanted]]


def one_device(
    options: BenchEndToEnd,
    out: str,
    say: Callable[[str], None],
    wait: Callable[[], None],
    beside: int = 1,
) -> dict[str, Any]:
    """Refine, drop and write on this process's device; stages overlap, each in its thread, as in a cluster.

    Args:
      options: with `file`.
      out: folder of the dataset; must hold none.
      say: told what runs.
      wait: called when all is compiled; the clock starts when it returns.
      beside: processes like this one that share the host's processors, itself included.

    Returns:
      Ready for JSON: `machine`, `wall_s` and `grasps_per_s` after a first batch that compiles, `stages` (busy
      seconds and grasps a second of each alone), `status`, `compilations_after_first_batch`.

    Raises:
      UserError: more starts than a batch holds, or an `out` in use.
    """
    import jax

    from pipelines.drivers.files import Folder
    from pipelines.drivers.packing import unpack
    from pipelines.drivers.threads import overlapped
    from pipelines.options import GenerateOptions
    from pipelines.stages.measure import DropStage, HoldStage
    from pipelines.stages.messages import Refined
    from pipelines.stages.refine import RefineStage
    from pipelines.stages.write import Output
    from sim_eval.bench.monitor import Compilations, machine, peak_memory

    devices = jax.local_devices()
    grasps = options.grasps or (512 if devices[0].platform == "cpu" else 131_072)
    begin = time.perf_counter()
    packed = unpack(Path(str(options.file)))
    say(f"objects unpacked, fields built: {time.perf_counter() - begin:.1f} s")
    asked = GenerateOptions(
        tasks=str(options.file), out=out, hand=packed.hand.name, reasoner="replay:packed", num=options.num,
        keep=options.num, steps=options.steps, optimizer=options.optimizer, batch=options.batch,
    )  # fmt: skip
    holds = options.protocol == "six_force"
    if holds:  # it is asked of the best by score, and scores of different hypotheses can't be compared
        asked = replace(asked, hypotheses=1)
    asked.check()
    refine = RefineStage(packed.hand, asked.refine_config(), options.num, options.batch)
    earlier = refine.compiled_shapes()  # by whoever used this process before
    if holds:
        planners = max(1, (os.cpu_count() or 1) // beside)
        fields = partial(_fields, str(options.file))
        test = HoldStage(packed.hand, fields, options.tried, options.backend, planners)
    else:
        test = nullcontext(DropStage(packed.hand, options.backend))
    Path(out).mkdir(parents=True, exist_ok=True)
    output = Output(Folder(out), asked, packed.hand)
    tasks = packed.tasks(-(-grasps // options.num))
    output.begin([said.task for said, _ in tasks])
    batches = [tasks[i : i + refine.slots] for i in range(0, len(tasks), refine.slots)]
    busy: dict[str, float] = dict.fromkeys(STAGES, 0.0)
    status: dict[str, int] = {}
    adding = threading.Lock()

    def timed(stage: str, work: Callable[[], T]) -> T:
        start = time.perf_counter()
        value = work()
        with adding:
            busy[stage] += time.perf_counter() - start
        return value

    def refined(batch: Sequence[Any]) -> list[Any]:
        done = timed("refine", lambda: refine.refine(batch))
        return [(Refined(said, g), p) for (said, p), g in zip(batch, done, strict=True)]

    def written(finished: Any) -> None:
        timed("write", lambda: output.write(finished))
        for each in finished:
            for name in each.grasps.status_name:
                status[name] = status.get(name, 0) + 1

    with Compilations() as seen, test as tester:

        def closed(batch: Any) -> Any:
            return timed("close", lambda: tester.close(batch))

        def dropped(batch: Any) -> Any:
            return [r for r, _ in batch], timed("simulate", lambda: tester.drop(batch))

        def rows(both: Any) -> Any:
            return timed("rows", lambda: tester.finish(*both))

        stages = (refined, *([closed] if holds else []), dropped, rows)
        start = time.perf_counter()
        value: Any = batches[0]
        for stage in stages:
            value = stage(value)
        first = time.perf_counter() - start
        say(f"first batch, compilation included: {first:.1f} s")
        busy.update(dict.fromkeys(busy, 0.0))
        wait()
        built, start = seen.count, time.perf_counter()
        # while one batch is on the device, the next is prepared; where devices share the processors that
        # takes more from the others than it gives (docs/performance.md)
        overlapped(batches, (*stages, written), at_once=2 if beside == 1 else 1)
        wall = time.perf_counter() - start
        again = seen.count - built
    done = len(tasks) * options.num
    kept = status.get("ok", 0)
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
        "protocol": options.protocol,
        "kept": kept,
        "kept_per_s": kept / wall,
        "stages": {k: {"busy_s": v, "grasps_per_s": done / v if v else None} for k, v in busy.items()},
        "shapes_of_the_loop": refine.compiled_shapes() - earlier,
        "compilations_after_first_batch": again,
        "status": status,
        **peak_memory(devices),
    }


def _fields(file: str) -> tuple[Any, dict[str, Any]]:
    """What a process that plans closings needs of a pack."""
    from pipelines.drivers.packing import unpack

    packed = unpack(Path(file))
    return packed.hand, {key: each.obj.field for key, each in packed.objects.items()}


def table(report: dict[str, Any]) -> str:
    """For people."""
    each, (first, *_) = report["devices"], report["devices"]
    where = first["machine"]
    lines = [
        f"{where['device_kind']} x {len(each)}, {where['cpu_count']} processors, "
        f"jax {where['versions'].get('jax')}",
        f"{report['grasps']} grasps of {sum(r['tasks'] for r in each)} tasks on {first['objects']} objects, "
        f"{first['steps']} steps, batches of {first['batch']}: {report['wall_s']:.1f} s, "
        f"{report['grasps_per_s']:.0f} grasps/s (after a first batch of {first['first_batch_s']:.1f} s); "
        f"{report['kept']} kept by {first['protocol']}: {report['kept_per_s']:.0f}/s",
        "",
        "| device | stage | busy s | share of the time | grasps/s if alone |",
        "|---|---|---|---|---|",
    ]
    for k, told in enumerate(each):
        for name, stage in told["stages"].items():
            share = 100 * stage["busy_s"] / told["wall_s"]
            lines.append(
                f"| {k} | {name} | {stage['busy_s']:.1f} | {share:.0f} % | {stage['grasps_per_s'] or 0:.0f} |"
            )
    for k, told in enumerate(each):
        again = told["compilations_after_first_batch"]
        lines += ["", f"device {k}: compilations after the first batch: {again}; rows: {told['status']}"]
    return "\n".join(lines)


def _say(what: str) -> None:
    print(f"zdg bench: {what}", file=sys.stderr, flush=True)


def _device_process(told: str, beside: int) -> int:
    """What a device's process does; `told` are its options as JSON."""
    from pipelines.runtime import start_jax

    start_jax()
    options = BenchEndToEnd(**json.loads(told))

    def wait() -> None:
        print(READY, flush=True)
        sys.stdin.readline()

    report = one_device(options, str(options.out), _say, wait, beside)
    Path(str(options.json)).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    from pipelines.runtime import told_plainly

    sys.exit(told_plainly("zdg bench", lambda: _device_process(sys.argv[1], int(sys.argv[2]))))
