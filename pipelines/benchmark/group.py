"""All rows of all instructions on one object: what they share is done once."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from pipelines.benchmark.rows import ROWS
from pipelines.benchmark.unit import UnitOptions, failed, target_mask, unit_rows, written
from pipelines.stages.refine import refine_filled
from sim_eval.benchmark.instructions import Instruction, LabelledParts
from sim_eval.select.select import select
from zdg_jax import api
from zdg_jax.errors import UserError
from zdg_jax.grasps import Grasps
from zdg_jax.guidance import ContactGuidance, ReasonedGrasp
from zdg_jax.hands.model import HandModel
from zdg_jax.objects import load_object
from zdg_jax.objects.model import ObjectModel
from zdg_jax.objects.parts.named import named_parts, with_named_parts
from zdg_jax.reasoning.lifting import lift_points
from zdg_jax.reasoning.protocol import Reasoner, looks
from zdg_jax.reasoning.segmenter import make_segmenter
from zdg_jax.reasoning.state import ReasonConfig, ReasonState, open_state
from zdg_jax.refine import Task
from zdg_jax.refine.starts import random_around, random_at
from zdg_jax.render.scene import Frame, best_view, visible_pixels

# What every worker of a benchmark is and needs.
Units = list[dict[str, Any]]


class WorkerDied(Exception):
    """The process that ran a group is gone; the worker has another one."""


@runtime_checkable
class Worker(Protocol):
    """Runs one group at a time. Raises `WorkerDied` if its process died of it."""

    def run(self, group: Group) -> Units: ...
    def close(self) -> None: ...


def make_bench(options: UnitOptions, out: Path, threads: int | None = None) -> Bench:
    """What a worker does its groups with."""
    from pipelines.runtime import start_jax
    from zdg_jax import api
    from zdg_jax.hands import load_hand

    start_jax()
    return Bench(options, load_hand(options.hand), api.make_reasoner(options.asked), out, threads)


def environment(workers: int) -> dict[str, str]:
    """Of a worker among several on one machine: one core, and a GPU's memory as it needs it."""
    given = {"OMP_NUM_THREADS": "1", "XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_CPP_MIN_LOG_LEVEL": "3"}
    return given if workers > 1 else {}


#: Tasks a refinement call. One shape compiles once; on a CPU a wider one is no faster.
SLOTS_CPU, SLOTS_GPU = 1, 4


@dataclass(frozen=True)
class Group:
    """One object and what is asked of it.

    Attributes:
      number: place in the run.
      units: (instruction, row), all of one object.
    """

    number: int
    units: tuple[tuple[Instruction, str], ...]

    @property
    def object(self) -> str:
        return self.units[0][0].object


@dataclass
class Seconds:
    """Processor seconds of each stage."""

    spent: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        """Count what runs inside."""
        begin = time.process_time()
        try:
            yield
        finally:
            self.spent[stage] = self.spent.get(stage, 0.0) + time.process_time() - begin


class Bench:
    """Runs groups with one hand and one reasoner; from group to group only compiled code is kept."""

    def __init__(
        self, options: UnitOptions, hand: HandModel, reasoner: Reasoner, out: Path, threads: int | None = None
    ) -> None:
        """Args:
        options: see `UnitOptions`.
        hand: of that name.
        reasoner: answers what the labels do not.
        out: the run's folder.
        threads: of the simulator; one a core by default.
        """
        import jax

        self._options, self._hand, self._reasoner, self._out = options, hand, reasoner, out
        self._threads = threads
        self._slots = SLOTS_CPU if jax.default_backend() == "cpu" else SLOTS_GPU

    def run(self, group: Group) -> list[dict[str, Any]]:
        """Reason, refine, measure and write; a unit that fails says so in its status.

        Returns:
          what was written, in the order of the units: key, id, row, status, status_reason, grasps (measures
          and poses), cpu (processor seconds by stage, the group's shared evenly).
        """
        started, seconds = time.perf_counter(), Seconds()
        try:
            results = self._results(group, seconds)
        except UserError as error:
            results = [failed("bad_object", str(error))] * len(group.units)
        except Exception as error:  # a fault of ours in one object must not end a run of hours
            results = [crashed(error)] * len(group.units)
        share = {stage: round(s / len(group.units), 3) for stage, s in seconds.spent.items()}
        wall = round((time.perf_counter() - started) / len(group.units), 2)
        return [
            written(self._out, row, instruction, self._options, {**result, "cpu": share, "seconds": wall})
            for (instruction, row), result in zip(group.units, results, strict=True)
        ]

    def _results(self, group: Group, seconds: Seconds) -> list[dict[str, Any]]:
        options, first = self._options, group.units[0][0]
        with seconds.of("object"):
            name = first.object_name if options.named else None
            obj = load_object(first.object, name=name, seed=options.seed)
            parted, names = with_named_parts(obj)
        asked = parted if options.reasoner == "oracle" else obj
        with seconds.of("reason"):
            segmenter = make_segmenter(options.segmenter)
            draw = looks(self._reasoner) or segmenter is not None
            config = ReasonConfig(seed=options.seed, segmenter=segmenter, types=options.types, draw=draw)
            opened = open_state(asked, self._hand, "", config)
        found: dict[int, dict[str, Any]] = {}
        for instruction in dict.fromkeys(i for i, _ in group.units):
            places = {row: k for k, (i, row) in enumerate(group.units) if i == instruction}
            try:
                one = _Instruction(self, obj, parted, names, opened, instruction, seconds)
                for row, result in one.results(tuple(places)).items():
                    found[places[row]] = result
            except Exception as error:  # nor one instruction the object's others
                for place in places.values():
                    found.setdefault(place, crashed(error))
        return [found[k] for k in range(len(group.units))]

    def refined(self, tasks: Sequence[Task]) -> list[Grasps]:
        """Eqs. 6-8 for tasks in calls of one shape."""
        return refine_filled(self._hand, tasks, self._slots, self._options.refine_config())

    def close(self) -> None:
        """Close the reasoner's connections."""
        api.close_reasoner(self._reasoner)

    @property
    def given(self) -> tuple[UnitOptions, HandModel, Reasoner, int | None]:
        """What instructions need of it."""
        return self._options, self._hand, self._reasoner, self._threads


class _Instruction:
    """One instruction's rows."""

    def __init__(
        self,
        bench: Bench,
        obj: ObjectModel,
        parted: ObjectModel,
        names: tuple[str, ...],
        opened: ReasonState,
        instruction: Instruction,
        seconds: Seconds,
    ) -> None:
        self.bench, self.obj, self.parted, self.names, self.opened = bench, obj, parted, names, opened
        self.instruction, self.seconds = instruction, seconds
        self.options, self.hand, self.reasoner, self.threads = bench.given
        self.mask = target_mask(obj, instruction)

    def results(self, rows: Sequence[str]) -> dict[str, dict[str, Any]]:
        """By row; rows that differ in refinement alone share their reasoning, equal tasks their grasps."""
        with self.seconds.of("reason"):
            reasoned: dict[tuple[str, bool], tuple[ReasonedGrasp, dict[str, float]]] = {}
            for row in rows:
                if (key := _chain_of(row)) not in reasoned:
                    reasoned[key] = self.reasoned(*key)
        said = {row: reasoned[_chain_of(row)][0] for row in rows}
        with self.seconds.of("refine"):
            refined = self.refined(said)
        with self.seconds.of("measure"):
            found = {row: self.kept(row, said[row], r) for row, r in refined.items()}
        results = {}
        for row in rows:
            grasp = said[row]
            if row not in refined:
                results[row] = failed(grasp.status, grasp.status_reason)
            elif not found[row]:
                results[row] = failed(*refined[row].why_none())
            else:
                results[row] = {
                    "status": "ok", "status_reason": "", **_about(grasp), **reasoned[_chain_of(row)][1],
                    "grasps": found[row],
                }  # fmt: skip
        return results

    def reasoned(self, view: str, contact: bool) -> tuple[ReasonedGrasp, dict[str, float]]:
        """Paper III-A to III-D, and how well the lifted region meets the labels."""
        options, instruction = self.options, self.instruction
        answers = self.reasoner
        if options.reasoner == "oracle":
            answers = LabelledParts(instruction, self.names, self.reasoner, options.points)
        index = (
            given_view(self.opened.frames, self.parted, self.names, instruction) if view == "given" else None
        )
        config = replace(self.opened.config, view_index=index, contact=contact)
        # without contact the same parts mean another region
        drawn = self.opened.drawn if contact else {}
        opened = replace(self.opened, config=config, drawn=drawn)
        said = api.reason_task(
            opened.obj, self.hand, instruction.task, answers, seed=options.seed, config=config, opened=opened,
        ).grasp  # fmt: skip
        if said.guidance is None:
            return said, {}
        lifting = _lifting(said.guidance, self.mask)
        if contact and options.reasoner == "oracle":
            said = replace(said, guidance=self.labelled(said.guidance))
        return said, lifting

    def refined(self, said: dict[str, ReasonedGrasp]) -> dict[str, Grasps]:
        """K refined grasps a row; W/O Refine has those of Ours, of which `kept` takes G' itself."""
        tasks: dict[str, Task] = {}
        same: dict[str, str] = {}
        for row, grasp in said.items():
            if grasp.status != "ok":
                continue
            starts, ablate = None, ROWS[row].ablate
            if ablate == "initial" and grasp.guidance is not None:
                starts = random_at(self.hand, self.obj, grasp.guidance, self.options.num, self.options.seed)
            elif ablate == "approach":
                starts = random_around(self.hand, self.obj, self.options.num, self.options.seed)
            equal = (
                r for r, t in tasks.items() if starts is None and t.starts is None and _equal(t.grasp, grasp)
            )
            same[row] = next(equal, row)
            if same[row] == row:
                tasks[row] = Task(
                    self.opened.obj, grasp, self.options.num, self.options.seed, starts, ablate == "initial"
                )
        done = dict(zip(tasks, self.bench.refined(list(tasks.values())), strict=True))
        return {row: done[other] for row, other in same.items()}

    def kept(self, row: str, grasp: ReasonedGrasp, refined: Grasps) -> list[dict[str, Any]]:
        """The chosen grasps of a row, measured; W/O Refine has G' alone."""
        if ROWS[row].ablate in ("initial", "approach"):  # it knows no G' to deviate from
            refined = refined.with_columns({"score": refined["energy_total"]})
        elif ROWS[row].ablate == "refine":
            refined = _starts(refined.take(np.arange(1)))
        chosen = select(
            self.hand,
            self.opened.obj,  # guidance numbers its parts
            refined,
            self.options.keep,
            by=self.options.select_by(),
            guidance=grasp.guidance,
            part=self.mask,
            close=row in self.options.six_force,
            choose=self.options.choose,
            threads=self.threads,
        )
        return unit_rows(chosen.kept)

    def labelled(self, lifted: ContactGuidance) -> ContactGuidance:
        """Contact as labelled, in place of what one view's mask was lifted to."""
        named = named_parts(self.obj)
        hand, func = (
            named.samples_of(self.obj, names)
            for names in (self.instruction.hand_parts, self.instruction.func_parts)
        )
        if lifted.p_obj_points is not None and self.instruction.points is not None:
            asked = self.instruction.points
            own = [named.samples_of(self.obj, names) for names in (asked.thumb, asked.index)]
            points = on_parts(self.obj, lifted.p_obj_points, own)
            balls = lift_points(points, self.obj.samples, self.opened.config.point_radius)
            return replace(lifted, hand_mask=hand, func_mask=np.any(balls, axis=0), p_obj_points=points)
        return replace(lifted, hand_mask=hand, func_mask=func)


def on_parts(
    obj: ObjectModel, points: Float[np.ndarray, "2 3"], own: Sequence[Bool[np.ndarray, " samples"]]
) -> Float[np.ndarray, "2 3"]:
    """Key points of thumb and index finger, each on its own part.

    One that lies elsewhere goes to the sample of its part that faces away from the other point most, by
    n . (p - q) / |p - q|: what eq. 5 asks. Of a lighter no outline point of the wheel opposes one of the
    body, so that both lay on the body.

    Args:
      obj: with its samples.
      points: as they were reasoned, metres.
      own: samples on the parts of thumb and index finger; none leaves the point where it is.
    """
    found, samples = np.array(points), obj.samples
    for k, mine in enumerate(own):
        if not mine.any() or mine[np.linalg.norm(samples.points - found[k], axis=1).argmin()]:
            continue
        away = samples.points[mine] - found[1 - k]
        away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9)
        found[k] = samples.points[mine][(away * samples.normals[mine]).sum(axis=1).argmax()]
    return found


def _starts(refined: Grasps) -> Grasps:
    """The unrefined grasps."""
    score = refined["init_energy_total"]
    return Grasps.of(
        refined.hand, refined.joint_names, refined["init_pose"], refined["init_joints"],
        columns={**refined.columns, "energy_total": score, "score": score}, tasks=refined.tasks,
    )  # fmt: skip


def given_view(
    frames: Sequence[Frame], parted: ObjectModel, names: Sequence[str], instruction: Instruction
) -> int:
    """The side view that shows the labelled parts best: stands for the paper's choice by hand.

    Args:
      frames: the side views.
      parted, names: from `with_named_parts`.
      instruction: names its parts.
    """
    wanted = [names.index(n) + 1 for n in {*instruction.hand_parts, *instruction.func_parts}]
    return best_view([visible_pixels(frame, parted.face_part) for frame in frames], wanted)


def crashed(error: Exception) -> dict[str, Any]:
    """The result of a unit that met a fault of ours; its trace goes to the terminal."""
    traceback.print_exception(error)
    return failed("crashed", f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")


def _chain_of(row: str) -> tuple[str, bool]:
    """What of a row its reasoning depends on: how the view is found, and whether there is contact."""
    return ROWS[row].view, ROWS[row].ablate != "contact"


def _equal(a: ReasonedGrasp, b: ReasonedGrasp) -> bool:
    """Whether refinement gives the same for both."""
    if a.guidance is None or b.guidance is None or a.initial is None or b.initial is None:
        return False
    masks = ((a.guidance.hand_mask, b.guidance.hand_mask), (a.guidance.func_mask, b.guidance.func_mask))
    poses = ((a.initial.p_obj_palm, b.initial.p_obj_palm), (a.initial.R_obj_palm, b.initial.R_obj_palm))
    return a.initial.grasp_type == b.initial.grasp_type and all(
        np.array_equal(x, y) for x, y in (*masks, *poses)
    )


def _about(grasp: ReasonedGrasp) -> dict[str, Any]:
    """What the reasoning found, for the file."""
    guidance, initial = grasp.guidance, grasp.initial
    if guidance is None or initial is None:
        return {}
    return {
        "direction": initial.direction, "grasp_type": initial.grasp_type, "view": initial.view_index,
        "part_ids": list(guidance.part_ids), "func_part_ids": list(guidance.func_part_ids),
        "points": None if guidance.p_obj_points is None else guidance.p_obj_points.tolist(),
    }  # fmt: skip


def _lifting(guidance: ContactGuidance, target: np.ndarray) -> dict[str, float]:
    """Shares: of the lifted hand region on the labelled parts, and of those parts in it."""
    shared = int((guidance.hand_mask & target).sum())
    return {
        "region_precision": shared / max(int(guidance.hand_mask.sum()), 1),
        "region_recall": shared / max(int(target.sum()), 1),
    }
