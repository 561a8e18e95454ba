"""`zdg synth`: the whole line for one object and one task, on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.dataset import write_atomic, write_dataset
from pipelines.progress import Steps
from pipelines.runtime import output_folder, start_jax
from zdg_jax.errors import UserError
from zdg_jax.grasps import Grasps
from zdg_jax.reasoning.models.settings import expand

if TYPE_CHECKING:
    from zdg_jax.reasoning.protocol import Reasoner

STEPS = 6


@dataclass(frozen=True)
class SynthOptions:
    """What `zdg synth` was asked; see `zdg synth --help`."""

    object: str
    task: str
    out: str
    hand: str = "human16"
    reasoner: str = "offline"
    num: int = 64
    keep: int = 8
    seed: int = 0
    scale: float = 1.0
    up: str | None = None
    name: str | None = None
    ablate: str | None = None
    optimizer: str = "adam"
    view: str = "ask"
    route: tuple[str, ...] = ()
    max_usd: float | int | None = None
    segmenter: str = "geometric"
    features: str = "geometric"
    select: str = "gravity"

    def __post_init__(self) -> None:
        # Stored rows say who is asked, not a preset's name, which may stand for others tomorrow.
        reasoner, route = expand(self.reasoner, self.route)
        object.__setattr__(self, "reasoner", reasoner)
        object.__setattr__(self, "route", route)

    def config(self) -> dict[str, Any]:
        """Everything that can change the result, as it is stored and hashed."""
        values = asdict(self)
        del values["out"], values["max_usd"]
        return values


@dataclass(frozen=True)
class SynthResult:
    """What came of it.

    Attributes:
      out: the folder with all files.
      status, reason: "ok", or why reasoning, refinement or simulation left no grasp.
      grasps: the kept ones, best first, then those that failed; a kept one that could not be simulated has
        another status than "ok".
      seconds: duration of each step.
    """

    out: Path
    status: str
    reason: str
    grasps: Grasps
    seconds: dict[str, float]

    @property
    def kept(self) -> Grasps:
        """The kept grasps, best first."""
        return kept_of(self.grasps)

    @property
    def succeeded(self) -> int:
        """Kept grasps with status "ok"."""
        return int(self.kept.ok.sum())

    @property
    def failed(self) -> int:
        """Rows with another status than "ok", kept or not."""
        return int((~self.grasps.ok).sum())

    @property
    def num_good(self) -> int:
        """Kept grasps that meet all of `rank.LIMITS`, still touch, and are reached freely."""
        return _count(self.kept, "good")

    @property
    def num_firm(self) -> int:
        """Kept grasps that withstand six forces."""
        return _count(self.kept, "six_force_suc")

    def summary(self) -> str:
        """One line for the terminal."""
        failed = f", {self.failed} failed" if self.failed else ""
        if not self.succeeded:
            return f"no grasp{failed}: {self.status}: {self.reason} (rows in {self.out})"
        firm = f"{self.num_firm} hold against six forces"
        counts = f"{self.succeeded} grasps kept, {self.num_good} good, {firm}{failed}"
        line = f"{counts}: see {self.out / 'report.html'}"
        if self.num_good:
            return line
        return f"{line}\nno kept grasp is good: too deep, dropped by the gravity test, or not reached freely"


def kept_of(grasps: Grasps) -> Grasps:
    """Those that have a rank."""
    if "rank" not in grasps:
        return grasps.take(np.zeros(0, int))
    return grasps.take(np.isfinite(np.asarray(grasps["rank"], float)))


def _count(grasps: Grasps, flag: str) -> int:
    return int((np.asarray(grasps.columns.get(flag, np.zeros(len(grasps))), float) > 0).sum())


def check_options(options: SynthOptions) -> Reasoner:
    """Refuse what can be refused before any work starts.

    Returns: the reasoner, whose address, key and model were looked at.
    Raises:
      UserError: empty task, num or keep out of range, unknown hand, reasoner, ablation or optimiser,
        bad folder.
    """
    if not options.task.strip():
        raise UserError("an empty task", 'a sentence such as "hammer a nail"', "say what the hand shall do")
    if not 1 <= options.num <= 65536:
        raise UserError(f"--num {options.num}", "1 to 65536", "choose another number")
    if not 1 <= options.keep <= options.num:
        raise UserError(f"--keep {options.keep}", f"1 to --num ({options.num})", "choose another number")
    if not 0 <= options.seed < 2**31:
        raise UserError(f"--seed {options.seed}", "0 to 2147483647", "choose another number")
    from sim_eval.select import check_select

    check_select(options.select)
    output_folder(options.out)

    from zdg_jax.api import make_reasoner, refine_config
    from zdg_jax.hands import load_hand
    from zdg_jax.reasoning.config import parse_view
    from zdg_jax.reasoning.segmenters.segmenter import make_segmenter

    parse_view(options.view)
    make_segmenter(options.segmenter)
    refine_config(options.ablate, options.optimizer)
    load_hand(options.hand)
    return make_reasoner(options.reasoner, routes=options.route, max_usd=options.max_usd, check=True)


def synth(options: SynthOptions, steps: Steps | None = None) -> SynthResult:
    """Load, reason, refine, simulate, choose, picture and write.

    Args:
      options: as asked; same options, same grasps.
      steps: where progress goes; stderr by default.
    Returns: the result; everything is in `options.out` too.
    Raises:
      UserError: what the object or an option lacks.
    """
    reasoner = check_options(options)
    start_jax()
    from pipelines import provenance
    from pipelines.cluster.select import finished, unfinished
    from pipelines.cluster.tasks import TaskSpec
    from pipelines.cluster.work import Reasoned, Refined
    from pipelines.pictures import write_all
    from sim_eval.select import check_select
    from sim_eval.select.select import select
    from zdg_jax import api
    from zdg_jax.hands import load_hand
    from zdg_jax.objects import load_object
    from zdg_jax.reasoning.config import ReasonConfig, parse_view
    from zdg_jax.reasoning.partfield import with_features
    from zdg_jax.reasoning.segmenters.segmenter import make_segmenter

    out, config = output_folder(options.out), options.config()
    with (steps or Steps(STEPS)).running() as steps:
        with steps.step("load object and hand"):
            hand = load_hand(options.hand)
            obj = load_object(
                options.object, scale=options.scale, up=options.up, name=options.name, seed=options.seed
            )
            obj = with_features(obj, options.features)
        for warning in obj.warnings:
            steps.say(f"note: {warning}")
        with steps.step("reason"):
            said = api.reason_task(
                obj,
                hand,
                options.task,
                reasoner,
                seed=options.seed,
                ablate=options.ablate,
                config=ReasonConfig(
                    view_index=parse_view(options.view), segmenter=make_segmenter(options.segmenter)
                ),
            )
            api.close_reasoner(reasoner)
        grasp = said.grasp
        columns = provenance.task_columns(obj, hand, grasp, config)
        task = TaskSpec(columns["task_id"], options.object, options.task, seed=options.seed)
        reasoned = Reasoned(task, grasp, columns, said.trace, {}, {})
        if grasp.status == "ok":
            with steps.step(f"refine {options.num} grasps"):
                refined = api.refine_task(
                    obj, hand, grasp, num=options.num, seed=options.seed, ablate=options.ablate,
                    optimizer=options.optimizer,
                )  # fmt: skip
            with steps.step("simulate and choose"):
                by = check_select(options.select)
                chosen = select(hand, obj, refined, options.keep, by=by, guidance=grasp.guidance)
            done = finished(Refined(reasoned, refined), chosen.kept, chosen.simulated)
        else:
            done = unfinished(hand, reasoned)
        with steps.step("write the data"):
            used = provenance.versions()
            write_dataset(out, done.grasps, provenance.dataset_info(obj, hand, config, used))
            _write_trace(out, said.trace, said.pictures)
        with steps.step("draw"):
            notes = [f"seed {options.seed}", *(f"{name} {version}" for name, version in used.items())]
            kept = kept_of(done.grasps)
            write_all(out, obj, hand, said.trace, said.pictures, kept.to_table().to_pylist(), notes)
    return SynthResult(out, done.status, done.reason, done.grasps, steps.seconds)


def _write_trace(out: Path, trace: Mapping[str, Any], pictures: Mapping[str, Any]) -> None:
    views = out / "views"
    views.mkdir(exist_ok=True)
    for name, picture in pictures.items():
        picture.save(views / name if Path(name).suffix else views / f"{name}.png")
    write_atomic(out / "trace.json", json.dumps(trace, indent=2, ensure_ascii=False).encode() + b"\n")
