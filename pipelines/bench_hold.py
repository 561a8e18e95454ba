"""`zdg bench hold`: kept grasps, pushed again with the hand a little off, by tests that chose nothing."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Annotated, Any, NamedTuple

from tyro.conf import arg

from pipelines.options import Hand, Json, Num, check_ranges, words
from zdg_jax.errors import UserError
from zdg_jax.markdown import table as written

#: Single things of YCB that one hand can hold.
SCANS = (
    "002_master_chef_can", "003_cracker_box", "004_sugar_box", "005_tomato_soup_can",
    "006_mustard_bottle", "007_tuna_fish_can", "008_pudding_box", "009_gelatin_box",
    "010_potted_meat_can", "011_banana", "013_apple", "014_lemon", "017_orange", "019_pitcher_base",
    "021_bleach_cleanser", "022_windex_bottle", "024_bowl", "025_mug", "028_skillet_lid",
    "030_fork", "031_spoon", "033_spatula", "035_power_drill", "036_wood_block", "037_scissors",
    "040_large_marker", "042_adjustable_wrench", "043_phillips_screwdriver", "048_hammer",
    "051_large_clamp", "055_baseball",
)  # fmt: skip


class Disturbance(NamedTuple):
    """How far the hand stands off, metres, and the object's sliding friction (None: the test's own)."""

    shift: float
    friction: float | None


DISTURBANCES = {
    "as closed": Disturbance(0.0, None),
    "1 mm": Disturbance(0.001, None),
    "2 mm, friction 0.5": Disturbance(0.002, 0.5),
}


@dataclass(frozen=True)
class BenchHold:
    """Synthesise on many objects, and push what is kept again, with the hand a little off."""

    hand: Hand = "human16"
    objects: Annotated[str, arg(metavar="A,B", help="Meshes, ycb:NAMEs or zoo:CATEGORY/VARIANTs.")] = (
        ",".join(f"ycb:{name}" for name in SCANS)
    )
    task: Annotated[str, arg(metavar="SENTENCE", help="Asked of every object.")] = "lift it"
    num: Num = 64
    keep: Annotated[int, arg(help="Grasps to keep of each.")] = 8
    draws: Annotated[int, arg(help="Directions that each hand is moved in.")] = 3
    seed: int = 0
    workers: Annotated[int | None, arg(help="Processes; one a core by default.")] = None
    json: Json = None

    def run(self) -> int:
        from pipelines.runtime import report_writer

        check_ranges(self)
        write = report_writer(self.json)
        names = words(self.objects)
        if not names:
            raise UserError("--objects ''", "at least one object", "give --objects ycb:025_mug,...")
        begin = time.perf_counter()
        rows = _all(self, names, self.workers or os.cpu_count() or 1)
        report = {
            "hand": self.hand,
            "task": self.task,
            "wall_s": time.perf_counter() - begin,
            "objects": rows,
        }
        print(table(report))
        write(report)
        return 0


@dataclass(frozen=True)
class Held:
    """What became of one object.

    Attributes:
      object_id, status: of the task; the rest is empty unless "ok".
      kept: grasps.
      held: of each disturbance, the share of tests that each grasp survived.
      columns: of the kept grasps, `SHOWN`.
    """

    object_id: str
    status: str
    kept: int = 0
    held: dict[str, list[float]] = field(default_factory=dict)
    columns: dict[str, list[float]] = field(default_factory=dict)


SHOWN = (
    "thumb_contact", "approach_free", "pregrasp_gap_cm", "p_dep_collision_cm", "self_pen_cm", "good",
    "wrist_turn_deg",
)  # fmt: skip


def judged(obj: str, options: BenchHold) -> Held:
    """Synthesise with defaults, then six forces for each disturbance and direction (`six_force.run`, C).

    The direction of a grasp's hand is drawn from (seed, draw, row), evenly on the sphere.
    """
    import numpy as np

    from pipelines.inline import synthesize
    from sim_eval import backends
    from sim_eval.metrics.diversity import wrist_turns
    from sim_eval.protocols import six_force
    from sim_eval.simobject import sim_object

    done = synthesize(
        obj, options.task, hand=options.hand, num=options.num, keep=options.keep, seed=options.seed
    )
    kept = done.kept
    if not len(kept):
        return Held(obj, done.status)
    simulator = backends.backend("c", 1)
    target, index = sim_object(done.object.mesh, simulator.convex), np.zeros(len(kept), int)
    way = np.stack(
        [
            [np.random.default_rng([options.seed, draw, k]).normal(size=3) for k in range(len(kept))]
            for draw in range(options.draws)
        ]
    )
    way /= np.linalg.norm(way, axis=-1, keepdims=True)
    held = {}
    for name, (shift, friction) in DISTURBANCES.items():
        survived = []
        for each in way if shift else way[:1]:
            off = np.pad(shift * each, ((0, 0), (0, 4)))  # the quaternion stays
            survived.append(
                six_force.run(
                    done.hand, (target,), index, kept.hand_pose + off, kept.pregrasp, kept.joints,
                    kept.squeeze, simulator, kept.pregrasp_pose + off, until_decided=True,
                    friction=six_force.FRICTION[0] if friction is None else friction,
                ).success
            )  # fmt: skip
        held[name] = np.mean(survived, axis=0).tolist()
    return Held(
        obj,
        "ok",
        len(kept),
        held,
        {
            **{n: np.asarray(kept[n], float).tolist() for n in SHOWN if n in kept.columns},
            "wrist_turn_deg": wrist_turns(kept.hand_pose[:, 3:]).tolist() if len(kept) > 1 else [],
        },
    )


def _judged(obj: str, options: BenchHold) -> Held:
    from pipelines.runtime import start_jax

    start_jax()
    try:
        return judged(obj, options)
    except (UserError, ValueError) as error:  # of one object, which stops no other
        return Held(obj, f"refused: {error}")


def _all(options: BenchHold, names: tuple[str, ...], workers: int) -> list[dict[str, Any]]:
    """In the order of the names; what has ended is said."""
    found: dict[str, Held] = {}
    # spawn: a fork of a process with JAX's threads in it can hang
    with ProcessPoolExecutor(min(workers, len(names)), multiprocessing.get_context("spawn")) as pool:
        asked = [pool.submit(_judged, name, options) for name in names]
        for ended in as_completed(asked):
            one = ended.result()
            found[one.object_id] = one
            moved = " ".join(f"{k}: {100 * fmean(v):.0f} %" for k, v in one.held.items())
            print(
                f"zdg bench: {one.object_id} {one.status}, {one.kept} kept {moved}",
                file=sys.stderr,
                flush=True,
            )
    return [asdict(found[name]) for name in names]


def table(report: dict[str, Any]) -> str:
    """One row an object and one for all: shares in per cent of the kept grasps, other columns' means."""
    columns = [*DISTURBANCES, *SHOWN]

    def row(name: str, of: list[dict[str, Any]]) -> list[str]:
        values = [[v for o in of for v in {**o["held"], **o["columns"]}.get(c, ())] for c in columns]
        shares = len(DISTURBANCES) * [100.0] + [1.0 if c.endswith(("_cm", "_deg")) else 100.0 for c in SHOWN]
        shown = [f"{k * fmean(v):.3g}" if v else "-" for k, v in zip(shares, values, strict=True)]
        return [name, str(sum(o["kept"] for o in of)), *shown]

    rows = [row(o["object_id"], [o]) for o in report["objects"]]
    return written(["object", "kept", *columns], [*rows, row("all", report["objects"])])
